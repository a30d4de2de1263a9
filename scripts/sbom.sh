#!/bin/sh
# sbom.sh BINARY FILE: what the binary is linked with. goreleaser calls it in dist/, with no environment but HOME and PATH.
set -eu
dist=$PWD
cd "$(dirname "$0")/.."
go run ./internal/release sbom "$dist/$1" >"$dist/$2"
