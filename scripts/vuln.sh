#!/usr/bin/env bash
# Runs govulncheck: vuln.sh PROGRAM DATABASE, the database a URL, a folder, or a .tar.gz of one. Without a network a URL
# cannot be read; then it prints "not run" and succeeds.
set -euo pipefail
program=$1 db=$2
case $db in
http*)
	if ! curl -fsS --retry 2 --max-time 20 -o /dev/null "$db/index/db.json"; then
		echo "not run: govulncheck; $db cannot be reached (VULNDB names an offline database)" >&2
		exit 0
	fi
	;;
*.tar.gz)
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	tar -xzf "$db" -C "$folder"
	db=file://$(dirname "$(dirname "$(find "$folder" -path '*/index/db.json' | head -n 1)")")
	;;
/* | .*) db=file://$(cd "$db" && pwd) ;;
esac
GOFLAGS= "$program" -db "$db" ./...
