#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each, four at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}

# Minimizing an input that is merely interesting may eat the whole time of a slow target.
fuzz() { go test -run '^$' -fuzz "^$2\$" -fuzztime "$3" -fuzzminimizetime 5x -parallel 1 "$1" 2>&1; }

# Go before 1.27 may call the end of the time a failure (go.dev/issue/75804), the likelier the busier the machine: one in some 30
# here. That is all it says then, and no input is written.
ended_late() { grep -q '^ *context deadline exceeded$' <<<"$1" && ! grep -qE 'Failing input|panic|_test\.go:' <<<"$1"; }

one() {
	local pkg=$1 target=$2 out try
	for try in 1 2 3 4 5; do
		if out=$(fuzz "$@"); then
			printf '%-24s %-24s %s\n' "$pkg" "$target" "$(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
			return
		fi
		ended_late "$out" || break
	done
	printf '%s %s FAILED\n%s\n' "$pkg" "$target" "$out"
	return 1
}
export -f fuzz ended_late one

go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do
	for target in $(grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -c6- | sort -u); do
		echo "$pkg $target $time"
	done
done | xargs -P 4 -L 1 bash -c 'one "$@"' fuzz
