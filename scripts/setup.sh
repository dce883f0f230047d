#!/usr/bin/env bash
# Installs what only tests and checks need: PostgreSQL, Redis, PgBouncer, Chromium, SAM's translator and cfn-lint. Quick
# when all are there.
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

# Debian lets nobody install into the system's Python, so these have an environment of their own, where
# internal/local/samtemplate and the Makefile look for them. Their versions are fixed, as those of every tool.
environment=${XDG_CACHE_HOME:-$HOME/.cache}/newsletter/sam
have_python_tools() {
	local python translator=
	for python in "$environment/bin/python" python3; do
		if "$python" -c 'import samtranslator' 2>/dev/null; then translator=yes; fi
	done
	[[ -n $translator ]] && { [[ -x $environment/bin/cfn-lint ]] || command -v cfn-lint >/dev/null; }
}
install_python_tools() {
	if have_python_tools; then return; fi
	echo "installing: SAM's translator and cfn-lint"
	python3 -m venv --clear "$environment"
	"$environment/bin/python" -m pip install --quiet --disable-pip-version-check aws-sam-translator==1.115.0 cfn-lint==1.58.0
}

missing=()
have_postgres || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis)
command -v pgbouncer >/dev/null || [[ -x /usr/sbin/pgbouncer ]] || missing+=(pgbouncer)
have_browser || missing+=(chromium)
have_python_tools || python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]} == 0)); then
	install_python_tools
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
		python3-venv) brew install --quiet python3 ;;
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
install_python_tools
