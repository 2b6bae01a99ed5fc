#!/usr/bin/env bash
# clients/javascript/sluicegate.js -> the file that the service sends, below 4,000 bytes.
# TERSER: the program; by default the one that `make openapi` installs.
set -euo pipefail
cd "$(dirname "$0")/../.."
terser=${TERSER:-.venv/api/node_modules/.bin/terser}
"$terser" clients/javascript/sluicegate.js --compress passes=3,unsafe_arrows,unsafe --mangle --ecma 2022 \
  --output "${1:-service/static/sluicegate.js}"
