#!/bin/sh
# Runs a command with the image's compiled kernels, when this CPU can run them.
# numba only uses a cache folder that it can write to, so each start takes a private copy of the image's read-only one.
set -eu
can_run() {  # the flags of x86-64-v3; other builds are generic
  [ "$1" = x86-64-v3 ] || return 0
  flags=" $(sed -n 's/^flags[^:]*://p;' /proc/cpuinfo | head -n 1) "
  for flag in avx avx2 bmi1 bmi2 f16c fma abm movbe xsave; do
    case "$flags" in *" $flag "*) ;; *) return 1 ;; esac
  done
}
say() {  # as log.format says, for the variable alone: the settings file is read later
  form=${SLUICEGATE_LOG__FORMAT:-auto}
  if [ "$form" = auto ]; then
    if [ -t 2 ]; then form=text; else form=json; fi
  fi
  now=$(date -u +%Y-%m-%dT%H:%M:%S.000+00:00)
  if [ "$form" = text ]; then
    printf '%s WARNING entrypoint: %s\n' "$now" "$1" >&2
  else
    printf '{"time":"%s","level":"warning","process":"entrypoint","event":"%s"}\n' "$now" "$1" >&2
  fi
}
if [ -z "${NUMBA_CACHE_DIR:-}" ]; then
  NUMBA_CACHE_DIR=$(mktemp -d /tmp/kernels.XXXXXX)
  export NUMBA_CACHE_DIR
  cpu=$(cat /opt/kernels/cpu)
  if can_run "$cpu"; then
    export NUMBA_CPU_NAME="$cpu" NUMBA_CPU_FEATURES=""
    cp -r /opt/kernels/cache/. "$NUMBA_CACHE_DIR" && chmod -R u+w "$NUMBA_CACHE_DIR"
  else
    say "the image's kernels need $cpu, and this CPU is another: compiling them now, which takes about half a minute"
  fi
fi
exec "$@"
