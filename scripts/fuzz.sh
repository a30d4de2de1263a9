#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each, two at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}

one() {
	local pkg=$1 target=$2 time=$3 out
	# Minimizing an input that is merely interesting may eat the whole time of a slow target.
	if out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5x -parallel 2 "$pkg" 2>&1); then
		printf '%-24s %-24s %s\n' "$pkg" "$target" "$(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
	else
		printf '%s %s FAILED\n%s\n' "$pkg" "$target" "$out"
		return 1
	fi
}
export -f one

go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do
	for target in $(grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -c6- | sort -u); do
		echo "$pkg $target $time"
	done
done | xargs -P 2 -L 1 bash -c 'one "$@"' fuzz
