#!/usr/bin/env bash
# package-files.sh VERSION DATE MAINTAINER: what packages hold that isn't in the repository as they need it, into bin/package/: man pages
# (of `make man`) and the changelog compressed, and the package's own changelog. The same arguments give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 date=$2 maintainer=$3
out=bin/package
rm -rf "$out"
mkdir -p "$out/man"
for page in manpages/*.1; do gzip -9n <"$page" >"$out/man/${page##*/}.gz"; done
gzip -9n <CHANGELOG.md >"$out/changelog.gz"
cat >"$out/changelog.yaml" <<EOF
- semver: "$version"
  date: $date
  packager: "$maintainer"
  deb: {urgency: medium, distributions: [unstable]}
  changes:
    - note: "Release $version: changelog.gz, beside this file, tells what changed."
EOF
