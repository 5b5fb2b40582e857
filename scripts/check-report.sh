#!/usr/bin/env bash
# The report of a training, opened in a browser.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/check-report.sh [--screenshots DIRECTORY]

Installs Debian's chromium, chromium-driver and python3-selenium (apt-get, with sudo where not root; about 100 MB to
download), builds the program, trains a small net on built-in digits with --report, and opens the page in Chromium
without a display: wide and on a phone, light and dark. It must be drawn, answer to mouse and keyboard, fit, and ask for
nothing but itself.

  --screenshots DIRECTORY   keep pictures of what is seen

Exit code: 0 when all is well, 1 when something is not.
USAGE
}

options=()
case ${1:-} in
  '') ;;
  --screenshots) [[ $# -eq 2 ]] || { usage >&2; exit 2; }; options=(--screenshots "$2") ;;
  -h | --help) usage; exit ;;
  *) usage >&2; exit 2 ;;
esac

scripts/install_packages.sh chromium chromium-driver python3-selenium
cmake --preset release --log-level=WARNING >/dev/null
cmake --build --preset release --target telaio_cli -- --quiet

folder=$(mktemp -d)
training=
# shellcheck disable=SC2329  # called at the end
clean() {
  if [[ -n $training ]]; then
    kill "$training" 2>/dev/null || true
    wait "$training" || true
  fi
  rm -rf "$folder"
}
trap clean EXIT
telaio=build/release/telaio
"$telaio" train --data digits:3000,2000 --epochs 4 --validation-split 0.1 --out "$folder/model.telaio" \
  --report "$folder/report.html" --quiet
# A training that goes on for as long as its page is looked at.
"$telaio" train --data digits:2000,100 --epochs 10000 --validation-split 0.1 --threads 1 --out "$folder/running.telaio" \
  --report "$folder/running.html" --live --quiet &
training=$!
while [[ ! -s $folder/running.telaio ]] && kill -0 "$training"; do sleep 0.1; done
# Debian's Python sees Debian's packages; another one may come first on the path.
/usr/bin/python3 -I tests/report/browser_test.py "$folder/report.html" --running "$folder/running.html" "${options[@]}"
