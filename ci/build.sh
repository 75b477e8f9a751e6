#!/usr/bin/env bash
# Builds the program for a CI job, or says what it is built of:
#   build.sh key          a key for a cache, the same for the same sources
#   build.sh FILE         builds it there
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
key) find . -path ./.git -prune -o -type f ! -name '*_test.go' \( -name '*.go' -o -name go.mod -o -name go.sum -o -path './plans/*' -o -path '*/assets/*' -o -name '*.tmpl' \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-32 ;;
*)
	mkdir -p "$(dirname "$1")"
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$1" ./cmd/aftershock
	;;
esac
