#!/bin/sh
# sbom.sh BINARY FILE: what the binary is linked with. goreleaser calls it in dist/, with no environment but HOME and PATH.
set -eu
binary=$(realpath "$1")
file=$(realpath -m "$2")
cd "$(dirname "$0")/.."
go run ./internal/release sbom "$binary" >"$file"
