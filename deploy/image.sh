#!/usr/bin/env bash
# Builds the image of the Dockerfile and tries it, without a Docker engine: buildah builds and runs it unprivileged.
# Does nothing when the inputs are those of the last image that passed. --force builds anyway; --unchanged only asks, and
# exits with 0 when there is nothing to do.
# Needs Debian, root, buildah and mmdebstrap. With a Docker engine, run `docker compose build` instead.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluicegate/image}"
base=python:3.11-slim-bookworm
image=localhost/sluicegate:test
mkdir -p "$cache"

inputs_hash() {
  find Dockerfile .dockerignore requirements/image.txt requirements/build.txt pyproject.toml deploy/image deploy/image.sh \
    models streaming service -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32
}

need() {
  command -v "$1" >/dev/null || { echo "'$1' was not found. On Debian and Ubuntu: apt-get install buildah mmdebstrap" >&2; exit 1; }
}

b() {  # vfs and chroot: nothing here needs a kernel module or a privilege beyond root in this container
  buildah --root "$cache/storage" --runroot "$cache/run" --storage-driver vfs "$@"
}

# Makes a stand-in for the official Python image from Debian's packages, under the name that FROM asks for.
make_base() {
  b inspect --type image "docker.io/library/$base" >/dev/null 2>&1 && return
  echo "making a base image from Debian packages"
  local folder="$cache/base"
  rm -rf "$folder" && mkdir -p "$folder"
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder/rootfs.tar"
  cp /etc/ssl/certs/ca-certificates.crt "$folder/"
  {
    echo "FROM scratch"
    echo "ADD rootfs.tar /"
    echo "COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt"
    for name in PIP_CERT PIP_INDEX_URL PIP_EXTRA_INDEX_URL https_proxy HTTPS_PROXY; do
      [ -z "${!name:-}" ] || echo "ENV $name=${!name}"
    done
    echo "RUN ln -s python3 /usr/bin/python"
  } > "$folder/Dockerfile"
  b bud --isolation chroot --network host --quiet -t "docker.io/library/$base" "$folder" >/dev/null
  rm -rf "$folder"
}

in_image() {  # runs a command as the image would run it
  b run --isolation chroot "$container" -- /bin/sh /opt/image/entrypoint.sh "$@"
}

say() { printf '  %-58s %s\n' "$1" "$2"; }

try_image() {
  container=$(b from --pull-never "$image")
  local user writable
  user=$(in_image id -u)
  [ "$user" != 0 ] || { echo "the image runs as root"; return 1; }
  say "runs as user" "$user"
  writable=$(in_image find /opt -writable -not -type l -print -quit)
  [ -z "$writable" ] || { echo "the user may write $writable"; return 1; }
  say "may write under /opt" "nothing"
  for tool in gcc cc make pip; do
    in_image sh -c "! command -v $tool" >/dev/null || { echo "the image holds $tool"; return 1; }
  done
  say "build tools in the image" "none"
  in_image python -m streaming --help >/dev/null
  in_image python -m service --help >/dev/null
  in_image sluicegate --help >/dev/null
  say "python -m streaming, python -m service, sluicegate" "start"
  # A warm-up that compiles anything adds files to its private cache.
  in_image sh -c 'before=$(find "$NUMBA_CACHE_DIR" -name "*.nbc" | wc -l); start=$(date +%s.%N)
    python -m models.warmup >/dev/null
    after=$(find "$NUMBA_CACHE_DIR" -name "*.nbc" | wc -l)
    [ "$before" -gt 0 ] && [ "$before" = "$after" ] || { echo "kernels: $before in the image, $after after a warm-up"; exit 1; }
    printf "  %-58s %s\n" "kernels loaded from the image, none compiled" "$before in $(echo "$(date +%s.%N) $start" | awk "{printf \"%.1f s\", \$1 - \$2}")"'
}

hash=$(inputs_hash)
if [ "${1:-}" = --unchanged ]; then
  [ -e "$cache/$hash.passed" ]
  exit
fi
if [ "${1:-}" != --force ] && [ -e "$cache/$hash.passed" ]; then
  echo "the image's inputs are unchanged since it was last built and tried"
  exit 0
fi
need buildah
need mmdebstrap
b rm --all >/dev/null  # remains of a failed build; the storage belongs to this script
make_base
echo "building the image"
# No layer cache: with vfs each layer is a copy of all before it, which costs more than installing again.
b bud --isolation chroot --network host --pull-never --layers=false -t "$image" . > "$cache/build.log" 2>&1 \
  || { tail -n 40 "$cache/build.log"; echo "the build failed; its whole log: $cache/build.log"; exit 1; }
echo "trying the image"
try_image
rm -f "$cache"/*.passed
: > "$cache/$hash.passed"
b rm --all >/dev/null
b rmi --prune >/dev/null  # layers that no image uses any longer
