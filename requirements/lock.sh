#!/usr/bin/env bash
# pyproject.toml -> requirements/{runtime,dev,image,ray,otel,api,chart,build}.txt, every version with its hashes and no index
# address.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "locking needs uv: pip install uv"; exit 1; }
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate "$@"
}
compile pyproject.toml --output-file requirements/runtime.txt
compile pyproject.toml --extra demo --extra text --extra avro --extra protobuf --extra excel --extra otel --group dev --constraints requirements/runtime.txt --output-file requirements/dev.txt
# The image reads every format.
compile pyproject.toml --extra avro --extra protobuf --extra excel --constraints requirements/dev.txt --output-file requirements/image.txt
# Several learners: the acceptance tests of shards install it, the other tests need no Ray. What is locked stays.
compile pyproject.toml --extra ray --constraints requirements/dev.txt --output-file requirements/ray.txt
# Traces, for an image that sends them.
compile pyproject.toml --extra otel --constraints requirements/dev.txt --output-file requirements/otel.txt
# Tools that look at the API from outside, in an environment of their own.
compile --group pyproject.toml:api --output-file requirements/api.txt
# Helm as a library, and the schemas that the chart is held to.
compile --group pyproject.toml:chart --output-file requirements/chart.txt
# What turns the source into an installed package; the image needs it for one step.
echo 'setuptools>=77' | compile - --constraints requirements/dev.txt --output-file requirements/build.txt
