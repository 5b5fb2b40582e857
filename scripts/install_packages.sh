#!/usr/bin/env bash
# Installs what scripts/packages.txt lists, and the packages named as arguments, where they are missing. Says nothing
# when nothing is missing. Where there is no apt-get it leaves the checking to CMake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || exit 0

missing=()
for package in $(sed 's/#.*//' scripts/packages.txt) "$@"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "missing packages, and no sudo to install them: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}
echo "installing: ${missing[*]}"
quietly apt-get update -q
quietly apt-get install -q -y --no-install-recommends "${missing[@]}"
