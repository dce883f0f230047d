#!/usr/bin/env bash
# Installs the servers that only tests need: PostgreSQL, Redis, PgBouncer and Chromium. Quick when all are there.
# The programs are installed, their services are not started: the tests start servers of their own.
set -euo pipefail

have_postgres() {
	command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
		compgen -G '/opt/homebrew/opt/postgresql@*/bin/initdb' >/dev/null ||
		compgen -G '/usr/local/opt/postgresql@*/bin/initdb' >/dev/null
}
have_browser() {
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
		[[ -d '/Applications/Google Chrome.app' || -d /Applications/Chromium.app ]]
}

missing=()
have_postgres || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis)
command -v pgbouncer >/dev/null || [[ -x /usr/sbin/pgbouncer ]] || missing+=(pgbouncer)
have_browser || missing+=(chromium)
if ((${#missing[@]} == 0)); then
	exit 0
fi
echo "installing: ${missing[*]}"

as_root() {
	if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

with_apt() {
	local packages=("${missing[@]/%redis/redis-server}")
	local policy=/usr/sbin/policy-rc.d
	export DEBIAN_FRONTEND=noninteractive
	if [[ ! -e $policy ]]; then
		# Debian's own way to say that a package must not start its service.
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
		trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	local apt=(apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
	as_root "${apt[@]}" update >/dev/null
	as_root env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >/dev/null
}

with_brew() {
	local package
	for package in "${missing[@]}"; do
		case $package in
		postgresql) brew install --quiet postgresql@17 ;;
		chromium) brew install --quiet --cask google-chrome ;;
		*) brew install --quiet "$package" ;;
		esac
	done
}

if command -v apt-get >/dev/null; then
	with_apt
elif command -v brew >/dev/null; then
	with_brew
else
	echo "neither apt-get nor brew is here; install by hand: ${missing[*]}" >&2
	exit 1
fi
