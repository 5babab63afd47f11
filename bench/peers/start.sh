#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: start.sh torch|onnxruntime FOLDER THREADS
# Installs a peer of the benchmark if it is missing (PyTorch as Debian's python3-torch, ONNX Runtime as npm's
# onnxruntime-node, without its install script, into FOLDER/../peers-npm) and becomes its worker. Where that fails, the
# reason is the only answer, as peers.hpp describes it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/support/packages.sh"
folder=$2
threads=$3

give_up() {
  echo "@error $*"
  exit 1
}

# The first Python that has PyTorch: a Python of the user's own may hide Debian's.
find_python() {
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import torch' >/dev/null 2>&1; then return; fi
  done
  return 1
}

# shellcheck disable=SC2086  # lists of words
case $1 in
  torch)
    find_python || ufb_require_packages $UFB_TORCH_PACKAGES >&2 </dev/null ||
      give_up "$UFB_TORCH_PACKAGES could not be installed"
    find_python || give_up "no python3 has PyTorch"
    exec "$python" "$root/bench/peers/torch_worker.py" "$folder" "$threads"
    ;;
  onnxruntime)
    [ -f "$folder/model.onnx" ] || give_up "its model, which PyTorch writes, is not there"
    { command -v node && command -v npm; } >/dev/null || ufb_require_packages $UFB_NODE_PACKAGES >&2 </dev/null ||
      give_up "$UFB_NODE_PACKAGES could not be installed"
    modules=$(dirname "$folder")/peers-npm
    if ! [ -d "$modules/node_modules/onnxruntime-node" ]; then
      echo "Installing: onnxruntime-node (npm)" >&2
      npm install --prefix "$modules" --ignore-scripts --no-audit --no-fund onnxruntime-node >&2 </dev/null ||
        give_up "npm could not install onnxruntime-node"
    fi
    NODE_PATH=$modules/node_modules exec node "$root/bench/peers/onnxruntime_worker.cjs" "$folder" "$threads"
    ;;
  *) give_up "no peer is called '$1'" ;;
esac
