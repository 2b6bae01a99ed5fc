#!/usr/bin/env bash
# Puts kubeconform, and the schemas of custom resources that no Python package has, into a virtual environment.
# Both are Go modules. Without Go it says so and ends: the chart is linted and rendered all the same.
set -euo pipefail
environment=$1
kubeconform=github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
definitions=(
  github.com/prometheus-operator/prometheus-operator@v0.85.0
  github.com/ray-project/kuberay/ray-operator@v1.5.0
)

command -v go >/dev/null || { echo "Go was not found: the chart is not held to Kubernetes' schemas. Install Go 1.24 or newer"; exit 0; }
export GOTOOLCHAIN=local
GOBIN="$(realpath "$environment")/bin" go install "$kubeconform"
folders=()
for module in "${definitions[@]}"; do
  folders+=("$(cd "$environment" && go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')")
done
"$environment/bin/python" -m deploy.chart.schemas "$environment/schemas" "${folders[@]}"
