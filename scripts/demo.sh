#!/usr/bin/env bash
# Seeds a real directory on this machine, gets it with 8 real processes, checks every copy with diff and sha256sum, and
# prints a table. Needs no root and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/bin/p2pcp
n=${N:-8}
what=${1:-$(go env GOROOT)/src}
work=$(mktemp -d "${TMPDIR:-/tmp}/p2pcp-demo.XXXXXX")
seed=
stop() {
	[ -z "$seed" ] || kill "$seed" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap stop EXIT

files=$(find "$what" -type f | wc -l)
size=$(du -sh --apparent-size "$what" | cut -f1)
echo "seeding $what: $files files, $size"
mkfifo "$work/ticket"
# On a terminal the seed's live display is shown; else its lines.
"$bin" seed "$what" --listen 127.0.0.1 --expect "$n" --for 5m >"$work/ticket" &
seed=$!
read -r ticket <"$work/ticket"

begin=$(date +%s.%N)
pids=()
for i in $(seq "$n"); do
	(
		from=$(date +%s.%N)
		"$bin" get - -o "$work/host$i/" --linger 2s >"$work/out$i" 2>"$work/err$i" <<<"$ticket"
		echo "$(date +%s.%N) $from" | awk '{printf "%.2f", $1-$2}' >"$work/time$i"
	) &
	pids+=($!)
	mkdir -p "$work/host$i"
done
failed=0
for p in "${pids[@]}"; do wait "$p" || failed=1; done
wall=$(echo "$(date +%s.%N) $begin" | awk '{printf "%.2f", $1-$2}')
wait "$seed" || failed=1
seed=

want=$(cd "$what" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
printf '\n%-6s %-9s %-10s %-18s %s\n' HOST RESULT SECONDS SHA256 DIFF
for i in $(seq "$n"); do
	dir=$work/host$i/$(basename "$what")
	got=$(cd "$dir" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
	same=identical
	diff -r --no-dereference "$what" "$dir" >/dev/null || same=DIFFERS
	[ "$got" = "$want" ] && [ "$same" = identical ] || failed=1
	printf '%-6s %-9s %-10s %-18s %s\n' "host$i" "$(cut -d' ' -f1 "$work/out$i")" "$(cat "$work/time$i")" "$got" "$same"
done
echo
if [ "$failed" = 0 ]; then
	echo "$n copies of $size in $wall s, all identical"
else
	echo "something went wrong:"
	tail -n 3 "$work"/err*
	exit 1
fi
