#!/usr/bin/env bash
# Runs every fuzz target of the module for a while, one after the other: fuzz.sh 10s
set -euo pipefail
time=${1:?how long each target runs, such as 10s}
grep -rlE --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
	for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
		go run ./internal/fixtures/testenv/run -- go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$(dirname "${file#./}")" </dev/null
	done
done
