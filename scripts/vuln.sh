#!/usr/bin/env bash
# Runs govulncheck: vuln.sh VERSION DATABASE, the database a URL, a folder, or a .tar.gz of one.
set -euo pipefail
version=$1 db=$2
case $db in
*.tar.gz)
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	tar -xzf "$db" -C "$folder"
	db=file://$(dirname "$(dirname "$(find "$folder" -path '*/index/db.json' | head -n 1)")")
	;;
/* | .*) db=file://$(cd "$db" && pwd) ;;
esac
GOFLAGS= go run "golang.org/x/vuln/cmd/govulncheck@$version" -db "$db" ./...
