#!/usr/bin/env bash
# Installs the JavaScript client that the tests drive into the folder given, at
# the versions, and with the checksums, of tools/npm/package-lock.json.
set -euo pipefail

to=$1
from=$(dirname "$0")/npm
if cmp -s "$from/package-lock.json" "$to/package-lock.json" && [ -d "$to/node_modules/webdav" ]; then
	exit 0
fi
mkdir -p "$to"
rm -rf "$to/node_modules"
cp "$from/package.json" "$from/package-lock.json" "$to/"
cd "$to"
npm ci --ignore-scripts --no-audit --no-fund --loglevel error
