#!/bin/sh
# Compiles every kernel for a CPU, given by name, into a folder, and notes the CPU there. With a third word, `merging`,
# also those that merge shards.
set -eu
cpu=$1
folder=$2
[ "$(uname -m)" = x86_64 ] || cpu=generic
mkdir -p "$folder/cache"
# Empty features mean those that the CPU name implies, without any that only the building machine has.
export NUMBA_CPU_NAME="$cpu" NUMBA_CPU_FEATURES="" NUMBA_CACHE_DIR="$folder/cache"
python -m models.warmup
[ "${3:-}" != merging ] || python -m models.warmup merging
[ -n "$(find "$folder/cache" -name '*.nbc' -print -quit)" ] || { echo "models.warmup left no compiled kernel"; exit 1; }
echo "$cpu" > "$folder/cpu"
chmod -R a-w,a+rX "$folder"
