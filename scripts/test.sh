#!/usr/bin/env bash
# From a fresh Debian 12 machine to the test results: installs the packages that are missing, configures, builds, tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/test.sh [release|debug|asan|clang]

Installs the Debian packages that are missing (apt-get, with sudo where not root), configures a preset of
CMakePresets.json, builds it in build/PRESET and runs all of its tests.

  release   g++, optimised, shared libraries (the default)
  debug     g++, without optimisation
  asan      clang++ 14, address and undefined-behaviour sanitizers, static libraries
  clang     clang++ 14, optimised, static libraries
USAGE
}

preset=release
case ${1:-} in
  '') ;;
  release | debug | asan | clang) preset=$1 ;;
  -h | --help) usage; exit ;;
  *) usage >&2; exit 2 ;;
esac

extra=()
[[ $preset != clang ]] || extra=(clang-14)
[[ $preset != asan ]] || extra=(clang-14 libclang-rt-14-dev)
scripts/install_packages.sh "${extra[@]}"

# Warnings are errors in CI; elsewhere another compiler's new warning should not stand in a user's way. Where nobody
# watches, only what goes wrong is worth a line.
strict=OFF
[[ -z ${CI:-} ]] || strict=ON
quiet=()
[[ -t 1 ]] || quiet=(-- --quiet)

cmake --preset "$preset" --log-level=WARNING -DCMAKE_COMPILE_WARNING_AS_ERROR="$strict"
cmake --build --preset "$preset" "${quiet[@]}"
ctest --preset "$preset" --parallel "$(nproc)"
