#!/usr/bin/env bash
# The same ten steps of training in Telaio and in PyTorch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/compare-pytorch.sh

Installs Debian's python3-torch (apt-get, with sudo where not root; about 150 MB to download), builds
tests/peers/ten_steps, and trains convolutional and dense nets for ten steps in both frameworks, from the same parameters
on the same batches, with each of the optimizers. In float64 all parameters must agree to 1e-9 afterwards, in float32 the
losses of the steps to a relative 1e-5 (not with the optimizers that magnify rounding).

Exit code: 0 when all agree, 1 when something does not.
USAGE
}

case ${1:-} in
  '') ;;
  -h | --help) usage; exit ;;
  *) usage >&2; exit 2 ;;
esac

scripts/install_packages.sh python3-torch python3-numpy
cmake --preset release --log-level=WARNING -DTELAIO_PEERS=ON >/dev/null
cmake --build --preset release --target telaio_ten_steps -- --quiet
# Debian's Python sees Debian's packages; another one may come first on the path.
exec /usr/bin/python3 -I tests/peers/compare_pytorch.py build/release/tests/peers/ten_steps
