#!/usr/bin/env bash
# The same work in Telaio and in LibTorch, OpenBLAS and oneDNN, by turns, on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/peers.sh [--quick] [--rounds N] [--seconds S] [--no-install] [--out FILE]

Installs Debian's libtorch-dev, libopenblas-pthread-dev and libdnnl-dev (apt-get, with sudo where not root; about 150 MB
to download), builds bench/peers/, and runs its programs by turns, each for itself: N rounds, in each of which every
program measures every case in every setting for S seconds. Writes the medians, their spread and the ratios to FILE.

LibTorch, OpenBLAS and oneDNN count with the setting in which they were fastest as a median: one thread or all of them,
images contiguous or channels last, threads that wait for one another actively (the default of OpenMP) or passively
(GOMP_SPINCOUNT=1000); oneDNN's direct algorithm, or the one that it chooses itself. Telaio counts with the better one
of one thread and all. OMP_*, GOMP_*, OPENBLAS_CORETYPE and TELAIO_SIMD are taken out of the environment, so that each
library chooses for itself. Where OpenBLAS, which LibTorch multiplies with, does not know a processor with AVX-512 and
chooses kernels without, both are also measured with the ones it has (OPENBLAS_CORETYPE=SKYLAKEX).

  --rounds N     7 unless given
  --seconds S    0.5 unless given
  --quick        5 rounds of 0.1 s
  --no-install   with what is installed: what is missing is left out
  --out FILE     bench/RESULTS.md unless given

Nothing else should run meanwhile: the file says how busy the machine was. Exit code: 0, or 2 when an option is wrong.
USAGE
}

rounds=7 seconds=0.5 install=yes out=bench/RESULTS.md
wrong() { echo "scripts/peers.sh: $1 (see --help)" >&2; exit 2; }
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) rounds=5 seconds=0.1; shift ;;
    --no-install) install=; shift ;;
    --rounds | --seconds | --out)
      [[ $# -ge 2 ]] || wrong "$1 needs a value"
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    -h | --help) usage; exit ;;
    *) wrong "there is no option '$1'" ;;
  esac
done
[[ $rounds =~ ^[1-9][0-9]*$ ]] || wrong "--rounds is '$rounds', expected a whole number of at least 1"
[[ $seconds =~ ^([0-9]*\.)?[0-9]+$ ]] || wrong "--seconds is '$seconds', expected a number"

[[ -z $install ]] || scripts/install_packages.sh libtorch-dev libopenblas-pthread-dev libdnnl-dev
build=build/release
cmake --preset release --log-level=WARNING -DTELAIO_BENCH_PEERS=ON >/dev/null
cmake --build --preset release --target bench/peers/all -- --quiet

for name in $(compgen -e); do
  case $name in OMP_* | GOMP_* | OPENBLAS_* | MKL_* | KMP_* | DNNL_* | TELAIO_SIMD) unset "$name"; echo "not set for this: $name" ;; esac
done

programs=()
for name in telaio torch openblas onednn; do
  [[ ! -x $build/bench/peers/telaio_peer_$name ]] || programs+=("$name")
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
threads=$(nproc)
load() { cut -d' ' -f1 /proc/loadavg; }
load_before=$(load)

info() { [[ ! -x $build/bench/peers/telaio_peer_$1 ]] || "$build/bench/peers/telaio_peer_$1" --info | head -n 1; }
kernels=(own)
if grep -qw avx512f /proc/cpuinfo && ! info openblas | grep -qiE 'kernels for (SkylakeX|Cooperlake|SapphireRapids)'; then
  kernels+=(SKYLAKEX)
fi

# one PROGRAM THREADS WAITING KERNELS: its lines, with the setting behind the case.
one() {
  local environment=()
  [[ $3 == active ]] || environment+=(GOMP_SPINCOUNT=1000)
  [[ $4 == own ]] || environment+=("OPENBLAS_CORETYPE=$4")
  env "${environment[@]}" "$build/bench/peers/telaio_peer_$1" "$2" "$seconds" |
    sed -E "s|^([^ ]+) ([^ ]+) (.+)|$1 \1 \2,threads=$2,$3,$4 \3|; s/default,//; s/,active//; s/,own//"
}
for ((round = 1; round <= rounds; ++round)); do
  for program in "${programs[@]}"; do
    [[ ! -t 2 ]] || printf '\r\033[Kround %d/%d: %s' "$round" "$rounds" "$program" >&2
    for kernel in "${kernels[@]}"; do
      case $kernel,$program in own,* | *,torch | *,openblas) ;; *) continue ;; esac
      one "$program" 1 active "$kernel"
      if [[ $threads -gt 1 ]]; then
        one "$program" "$threads" active "$kernel"
        [[ $program == telaio ]] || one "$program" "$threads" passive "$kernel"
      fi
    done
  done >>"$work/all"
done
[[ ! -t 2 ]] || printf '\r\033[K' >&2

# Lines PROGRAM CASE SETTING MEDIAN LEAST MOST, in the order of the first round.
LC_ALL=C awk '
  { key = $1 " " $2 " " $3; if (!(key in count)) order[++keys] = key; value[key, ++count[key]] = $4 }
  END {
    for (k = 1; k <= keys; ++k) {
      key = order[k]; n = count[key]
      for (i = 1; i <= n; ++i) sorted[i] = value[key, i] + 0
      for (i = 2; i <= n; ++i)
        for (j = i; j > 1 && sorted[j] < sorted[j - 1]; --j) { t = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = t }
      median = n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
      print key, median, sorted[1], sorted[n]
    }
  }' "$work/all" >"$work/medians"

{
  echo "# Telaio beside LibTorch, OpenBLAS and oneDNN"
  echo
  echo "Written by \`scripts/peers.sh\`: medians of $rounds rounds of $seconds s a case, the programs by turns; in parentheses the"
  echo "least and the most. Of each library its best setting counts. A ratio above 1: Telaio is faster."
  echo
  echo "- $(date -u +%Y-%m-%d), $(git log -1 --format=%h 2>/dev/null || echo 'no git')"
  echo "- $(sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo | head -n 1), $threads processors, $(sed -n 's/^flags.*\(avx512f\).*/AVX-512, /p' /proc/cpuinfo | head -n 1)load average $load_before before"
  echo "- $(c++ --version | head -n 1)"
  if LC_ALL=C awk -v x="$load_before" 'BEGIN { exit !(x > 0.5) }'; then
    echo "- **The machine was busy: these figures say little, those with several threads least of all.**"
  fi
  for name in torch openblas onednn; do
    line=$(info "$name")
    [[ -z $line ]] || echo "- $line"
  done
  for group in "steps of training and inference|/(train|infer)/|images/s" "matrix products|^matmul/|GFLOP/s" \
    "convolutions, 3×3|^conv/|GFLOP/s"; do
    IFS='|' read -r title pattern unit <<<"${group//(train|infer)/TRAIN_OR_INFER}"
    pattern=${pattern/TRAIN_OR_INFER/(train|infer)}
    printf '\n## %s, %s\n\n' "${title^}" "$unit"
    LC_ALL=C awk -v pattern="$pattern" '
      function shown(x) { return x >= 1000 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
      $2 ~ pattern {
        if (!($2 in seen)) { seen[$2]; order[++cases] = $2 }
        side = $1 == "telaio" ? 1 : 2
        if (side == 2) peer[$2] = $1
        if ($4 > best[side, $2]) {
          best[side, $2] = $4 + 0; setting[side, $2] = $3; spread[side, $2] = shown($5) "…" shown($6)
        }
      }
      END {
        print "| case | Telaio | setting | the other | setting | ratio |"
        print "|---|---|---|---|---|---|"
        for (i = 1; i <= cases; ++i) {
          c = order[i]
          if (!((2, c) in best)) {
            printf "| %s | %s (%s) | %s | - | | |\n", c, shown(best[1, c]), spread[1, c], setting[1, c]
            continue
          }
          printf "| %s | %s (%s) | %s | %s %s (%s) | %s | %.2f |\n", c, shown(best[1, c]), spread[1, c], setting[1, c],
            peer[c], shown(best[2, c]), spread[2, c], setting[2, c], best[1, c] / best[2, c]
        }
      }' "$work/medians"
  done
  printf '\n## Every setting\n\n| program | case | setting | median | least | most |\n|---|---|---|---|---|---|\n'
  LC_ALL=C awk '{ printf "| %s | %s | %s | %.5g | %.5g | %.5g |\n", $1, $2, $3, $4, $5, $6 }' "$work/medians"
} >"$work/results"
cp "$work/results" "$out"
sed '/^## Every setting/,$d' "$out"
echo "All of it is in $out."
