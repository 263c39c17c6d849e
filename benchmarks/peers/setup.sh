#!/usr/bin/env bash
# Makes the Python environment in which the peers run: PyTorch, ONNX Runtime, and what checks
# Ingot's files (h5py, onnx, scikit-learn, transformers' tokenizers, TensorBoard's reader). Safe to
# run again: it then only installs what is missing.
#
#   setup.sh [VENV_DIR]      default: $HOME/.cache/ingot-peers
#
#   PYTHON=python3.12        the Python to use (3.11 or newer); default python3
#   TORCH_INDEX=URL          an index with CPU builds of PyTorch, such as PyTorch's own. Without it
#                            the default Linux wheel is installed, which brings CUDA along: 6 GB on
#                            disk, and some of every process's memory (measure.py tells it apart).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${1:-$HOME/.cache/ingot-peers}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup.sh: needs Python 3.11 or newer, $python is $("$python" --version 2>&1)" >&2
    exit 2
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
    echo "setup.sh: $python has no venv module; on Debian: apt-get install python3-venv" >&2
    exit 2
}

[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
if [ -n "${TORCH_INDEX:-}" ]; then
    grep -E '^torch(vision)?==' "$here/requirements.txt" |
        "$venv/bin/pip" install --quiet --index-url "$TORCH_INDEX" -r /dev/stdin
fi
"$venv/bin/pip" install --quiet -r "$here/requirements.txt"

"$venv/bin/python" - <<'EOF'
import onnxruntime
import torch

print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}")
EOF
echo "ready: $venv/bin/python"
