#!/usr/bin/env bash
# packages-test.sh [GORELEASER]: builds all that a release holds twice, from two fresh clones in different directories, and compares the
# bytes; asks lintian; then has scripts/packages-use.sh install, use and remove the packages and the image in roots of their own.
# Needs root, Linux, Go and Debian's debootstrap, lintian, rpm, buildah, podman, man-db; removes all that it made. The roots are in
# memory (1 GiB). MIRROR names another Debian mirror, STEPS only some of: check build lintian use.
set -euo pipefail
cd "$(dirname "$0")/.."
goreleaser=${1:-go run github.com/goreleaser/goreleaser/v2@v2.14.0}
steps=${STEPS:-check build lintian use}
source=$PWD
commit=$(git rev-parse HEAD)
work=$(mktemp -d "${TMPDIR:-/tmp}/p2pcp-packages.XXXXXX")
clean() {
	! mountpoint -q "$work/roots" || umount --lazy "$work/roots"
	rm -rf "$work"
}
trap clean EXIT
step() { printf '\n=== %s (%ss)\n' "$1" "$SECONDS"; }

if [[ $steps == *check* ]]; then
	step "goreleaser check"
	$goreleaser check 2>&1 | tee "$work/check"
	! grep -qi deprecat "$work/check"
fi

dist=$source/dist
if [[ $steps == *build* ]]; then
	for clone in one two/in/another; do
		step "snapshot in a fresh clone: $clone"
		mkdir -p "$work/$clone"
		git clone -q --no-hardlinks "$source" "$work/$clone/p2pcp"
		git -C "$work/$clone/p2pcp" checkout -q --detach "$commit"
		(cd "$work/$clone/p2pcp" && $goreleaser release --snapshot --clean --skip=sign >"$work/log" 2>&1) || { tail -n 40 "$work/log"; exit 1; }
		# artifacts.json, config.yaml and metadata.json are goreleaser's notes, and hold the directory.
		(cd "$work/$clone/p2pcp/dist" && find . -type f ! -name '*.json' ! -name config.yaml -o -name '*.cdx.json' | sort | xargs sha256sum) >"$work/${clone%%/*}.sums"
	done
	step "the same bytes?"
	diff "$work/one.sums" "$work/two.sums"
	cat "$work/one.sums"
	echo "$(wc -l <"$work/one.sums") files, all identical"
	(cd "$work/one/p2pcp/dist" && sha256sum --quiet --ignore-missing -c checksums.txt)
	step "and with an empty build cache, this machine's"
	(cd "$work/two/in/another/p2pcp" && GOCACHE=$work/cache $goreleaser build --snapshot --clean --single-target --skip=before -o "$work/again" >"$work/log" 2>&1) || { tail -n 40 "$work/log"; exit 1; }
	cmp "$work/again" "$work/one/p2pcp/dist/p2pcp_linux_$(go env GOARCH)"*/p2pcp && echo "identical"
	rm -rf dist
	mv "$work/one/p2pcp/dist" dist
	rm -rf "$work/one" "$work/two"
fi

if [[ $steps == *lintian* ]]; then
	step "lintian"
	for deb in dist/*.deb; do
		LC_ALL=C.UTF-8 lintian --allow-root --pedantic --display-info --display-experimental --fail-on error,warning,info,pedantic,experimental "$deb"
	done
	echo "nothing to complain of"
fi

if [[ $steps == *use* ]]; then
	step "a clean Debian"
	mkdir "$work/roots"
	mount -t tmpfs -o size=2G,mode=0755 roots "$work/roots"
	debootstrap --variant=minbase --include=man-db,bash-completion,zsh,fish "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/roots/deb" \
		"${MIRROR:-http://deb.debian.org/debian}" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
	# Namespaces of its own: whatever is mounted, started or bound there is gone with them.
	unshare --mount --net --pid --fork --kill-child scripts/packages-use.sh "$dist" "$work/roots"
fi
step "done"
