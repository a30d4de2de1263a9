#!/usr/bin/env bash
# packages-use.sh DIST ROOTS: installs, uses and removes the packages of this machine's architecture, each in a root below ROOTS (ROOTS/deb is
# a Debian), and gets a file with the image. Called by packages-test.sh in namespaces of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(realpath "$1") roots=$(realpath "$2")
arch=$(go env GOARCH)
mount -t proc proc /proc
ip link set lo up
step() { printf '\n=== %s (%ss)\n' "$1" "$SECONDS"; }
die() { echo "packages-use: $*" >&2; exit 1; }
inside() { local root=$1; shift; HOME=/tmp TMPDIR=/tmp LC_ALL=C PATH=/usr/bin:/bin:/usr/sbin:/sbin XDG_RUNTIME_DIR='' chroot "$root" "$@"; }
devices() { mkdir -p "$1/dev" "$1/proc" "$1/tmp" && mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc"; }
bare() { umount -R "$1/proc" "$1/dev"; rm -rf "$1/tmp"/{,.}[!.]*; }

# transfer ROOT: what a package is for, with the program that it put there. The root needs nothing else.
transfer() {
	local root=$1 ticket
	mkdir -p "$root/tmp/from" "$root/tmp/to"
	head -c 3000000 /dev/urandom >"$root/tmp/from/big"
	ticket=$(inside "$root" /usr/bin/p2pcp seed -q -d --listen 127.0.0.1 /tmp/from)
	inside "$root" /usr/bin/p2pcp get -q --linger 0 "$ticket" -o /tmp/to/
	cmp "$root/tmp/from/big" "$root/tmp/to/from/big"
	inside "$root" /usr/bin/p2pcp stop --all
}

# paths ROOT: all that is there, but for what each run of dpkg, ldconfig and man-db writes anew.
paths() { (cd "$1" && find . -xdev ! -path './var/lib/dpkg/*-old' ! -path './var/cache/man*' ! -path './var/log/*' ! -path './var/cache/ldconfig/*' | sort); }

use_deb() {
	local root=$roots/deb deb
	deb=$(ls "$dist"/p2pcp_*_"$arch".deb)
	step "deb: ${deb##*/}"
	paths "$root" >"$roots/deb.before"
	devices "$root"
	cp "$deb" "$root/tmp/p2pcp.deb"
	inside "$root" dpkg -i /tmp/p2pcp.deb
	inside "$root" dpkg --verify p2pcp
	inside "$root" p2pcp version
	inside "$root" man -P cat p2pcp-get | grep -q 'p2pcp get' || die "no man page"
	inside "$root" bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader p2pcp; complete -p p2pcp' | grep p2pcp
	inside "$root" zsh -fc 'autoload -Uz compinit; compinit -u -D; print "zsh: ${_comps[p2pcp]}"' | grep _p2pcp
	inside "$root" fish -c 'complete -C "p2pcp ver"' | grep verify
	[ "$(systemctl --root="$root" is-enabled p2pcp-seed@.service)" = disabled ] || die "the unit is enabled"
	[ -z "$(find "$root/etc" -name '*p2pcp*')" ] || die "something of p2pcp is in /etc"
	transfer "$root"
	inside "$root" dpkg --remove p2pcp
	inside "$root" dpkg --purge p2pcp 2>&1 | grep -v "isn't installed" || true
	! inside "$root" dpkg -s p2pcp 2>/dev/null || die "dpkg still knows it"
	bare "$root"
	paths "$root" >"$roots/deb.after"
	diff "$roots/deb.before" "$roots/deb.after" || die "the deb left something"
	echo "nothing left"
}

use_rpm() {
	local root=$roots/rpm rpm
	rpm=$(ls "$dist"/p2pcp-*."$(uname -m)".rpm)
	step "rpm: ${rpm##*/}"
	mkdir -p "$root"
	local r=(rpm --root "$root" --dbpath /var/lib/rpm)
	"${r[@]}" --initdb
	(cd "$root" && find . ! -path './var/lib/rpm/*' | sort) >"$roots/rpm.before"
	"${r[@]}" -i --nosignature "$rpm"
	"${r[@]}" -qi p2pcp
	"${r[@]}" -ql p2pcp
	"${r[@]}" -V --nosignature p2pcp
	devices "$root"
	inside "$root" /usr/bin/p2pcp version
	transfer "$root"
	bare "$root"
	rmdir "$root/dev" "$root/proc" "$root/tmp"
	"${r[@]}" -e p2pcp
	# Directories that belong to the system's own packages stay in a root that has none of these.
	find "$root" -name '*p2pcp*' | grep . && die "the rpm left something"
	[ -z "$(find "$root" -type f ! -path '*/var/lib/rpm/*')" ] || die "the rpm left a file"
	echo "nothing left"
}

use_apk() {
	local root=$roots/apk apk
	apk=$(ls "$dist"/p2pcp_*_"$(uname -m)".apk)
	step "apk: ${apk##*/}"
	mkdir -p "$root"
	# Signature, control and data: several gzip streams, one tar.
	tar -xvzf "$apk" --ignore-zeros --warning=no-unknown-keyword -C "$root"
	cat "$root/.PKGINFO"
	for f in usr/bin/p2pcp usr/share/zsh/site-functions/_p2pcp usr/share/man/man1/p2pcp.1.gz usr/share/licenses/p2pcp/THIRD_PARTY; do
		[ -s "$root/$f" ] || die "the apk lacks $f"
	done
	devices "$root"
	transfer "$root"
	bare "$root"
}

use_image() {
	# crun refuses a system with cgroups of both versions, though none is asked for here.
	! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
	step "image"
	local store=(--root "$roots/images" --runroot "$roots/run" --storage-driver vfs) context=$roots/context ticket
	mkdir -p "$context/linux/$arch" "$context/packaging" "$roots/in" "$roots/from"
	cp "$dist"/p2pcp_linux_"$arch"*/p2pcp "$context/linux/$arch/"
	cp LICENSE "$context/"
	cp packaging/THIRD_PARTY "$context/packaging/"
	# Locks and state, which --root doesn't move.
	mkdir -p /var/lib/containers
	mount -t tmpfs containers /var/lib/containers
	mount -t tmpfs run /run
	mount -t tmpfs shm /dev/shm
	export CONTAINERS_CONF=/dev/null
	buildah "${store[@]}" build --isolation chroot --platform "linux/$arch" --log-level error -q -t p2pcp -f packaging/Dockerfile "$context"
	local run=(podman "${store[@]}" --log-level error --cgroup-manager cgroupfs run --rm --network host --cgroups disabled)
	"${run[@]}" localhost/p2pcp version
	head -c 3000000 /dev/urandom >"$roots/from/big"
	chown 65532:65532 "$roots/in"
	mkdir "$roots/tmp"
	export HOME=$roots/home TMPDIR=$roots/tmp XDG_RUNTIME_DIR=
	ticket=$(cd "$roots" && "$dist"/p2pcp_linux_"$arch"*/p2pcp seed -q -d --listen 127.0.0.1 from/big)
	"${run[@]}" -v "$roots/in:/in" localhost/p2pcp get -q --linger 0 "$ticket" -o /in/
	cmp "$roots/from/big" "$roots/in/big"
	"$dist"/p2pcp_linux_"$arch"*/p2pcp stop --all
	podman "${store[@]}" --log-level error images
}

for what in ${USE:-deb rpm apk image}; do "use_$what"; done
