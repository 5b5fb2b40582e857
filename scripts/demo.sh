#!/usr/bin/env bash
# The question of the lecture, on this machine: a dense against a convolutional net, on ten classes of images.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/demo.sh [--data WHERE] [--epochs N] [--out DIR]

From a fresh Debian 12 machine to two trained classifiers: installs the packages that are missing, builds the program,
trains a convolutional net (cnn) and a dense net (dense) on the same images, compares their parameters, arithmetic,
accuracy and speed, and writes a page about each for a browser.

  --data WHERE   what to learn from: the built-in digits unless given, or a directory with the files of MNIST
                 (README.md says where to get them), of Fashion-MNIST, of CIFAR-10, or of images CLASS/*.png
  --epochs N     how often to go through the training images (5)
  --out DIR      where the models, their histories and pages go (demo)
USAGE
}

data=digits epochs=5 out=demo
while [[ $# -gt 0 ]]; do
  case $1 in
    --data | --epochs | --out)
      [[ $# -ge 2 ]] || { echo "scripts/demo.sh: $1 needs a value (see --help)" >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    -h | --help) usage; exit ;;
    *) echo "scripts/demo.sh: there is no option '$1' (see --help)" >&2; exit 2 ;;
  esac
done

scripts/install_packages.sh
echo "building the program (a few minutes the first time)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ cmake --preset release && cmake --build --preset release --target telaio_cli; } >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
telaio=build/release/telaio
mkdir -p "$out"

for model in cnn dense; do
  printf '\n== %s\n\n' "$model"
  "$telaio" train --data "$data" --model "$model" --epochs "$epochs" --out "$out/$model.telaio" \
    --history "$out/$model.json"
  echo
  "$telaio" summary --model "$out/$model.telaio"
done

# The last value of a number in a history: it is written one to a line.
last() { sed -n "s/^ *\"$1\": \([-0-9.e+]*\),*\$/\1/p" "$out/$2.json" | tail -n 1; }

printf '\n== dense against convolutional\n\n'
printf '%-8s %14s %24s %14s %10s\n' '' parameters 'multiply-adds an image' 'test accuracy' 'images/s'
for model in cnn dense; do
  accuracy=$(sed -n '/"test"/,/}/s/^ *"accuracy": \([0-9.e+-]*\).*/\1/p' "$out/$model.json")
  printf '%-8s %14s %24s %13s%% %10.0f\n' "$model" "$(last parameters "$model")" "$(last multiply_adds "$model")" \
    "$(LC_ALL=C awk -v a="${accuracy:-0}" 'BEGIN { printf "%.2f", 100 * a }')" "$(last images_per_second "$model")"
done
LC_ALL=C awk -v cp="$(last parameters cnn)" -v dp="$(last parameters dense)" -v cm="$(last multiply_adds cnn)" \
  -v dm="$(last multiply_adds dense)" 'BEGIN {
    printf "\nThe convolutional net has %.1f times fewer parameters and %.2f times the arithmetic: it uses each weight\n", dp / cp, cm / dm
    print "in every place of the image."
  }'
printf '\nwriting a page about each net (some seconds)\n\n'
for model in cnn dense; do
  "$telaio" report --model "$out/$model.telaio" --data "$data" --out "$out/$model.html" >/dev/null
done
printf 'The models are in %s/cnn.telaio and %s/dense.telaio. Open in a browser:\n' "$out" "$out"
printf '  %s/cnn.html, %s/dense.html     curves, mistakes, filters, what shifts and turns cost\n' "$out" "$out"
printf 'Next:\n'
printf '  %s evaluate --model %s/cnn.telaio --data %s     which digits it takes for which\n' "$telaio" "$out" "$data"
printf '  %s train --help                                 augmentation, class weights, networks of your own\n' "$telaio"
