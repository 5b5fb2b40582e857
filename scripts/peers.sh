#!/usr/bin/env bash
# The same work in Telaio and in LibTorch, OpenBLAS and oneDNN, by turns, on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/peers.sh [--quick] [--rounds N] [--seconds S] [--no-install] [--out FILE]

Installs Debian's libtorch-dev, libopenblas-pthread-dev and libdnnl-dev (apt-get, with sudo where not root; about 150 MB
to download), builds bench/peers/, and lets its programs take turns: N rounds, in each of which every case is measured
for S seconds by every program in every setting, before the next case. Writes the medians, their spread and the ratios
to FILE. A ratio is the median of those of the rounds, so that what else changes the speed of the machine changes both.

LibTorch, OpenBLAS and oneDNN count with the setting in which they were fastest as a median: one thread or all of them,
images contiguous or channels last, threads that wait for one another actively (the default of OpenMP) or passively
(GOMP_SPINCOUNT=1000); oneDNN's direct algorithm, or the one that it chooses itself. Telaio counts with the better one
of one thread and all. The C library is told to keep freed memory (MALLOC_*): where pages are dear, as on some virtual
machines, LibTorch's steps are several times slower otherwise, since each begins with fresh memory. OMP_*, GOMP_*,
OPENBLAS_CORETYPE, MALLOC_* and TELAIO_SIMD are taken out of the environment, so that each library chooses for itself.
Where OpenBLAS, which LibTorch multiplies with, does not know a processor with AVX-512 and chooses kernels without, both
are also measured with the ones it has (OPENBLAS_CORETYPE=SKYLAKEX).

  --rounds N     11 unless given
  --seconds S    0.1 unless given
  --quick        5 rounds
  --no-install   with what is installed: what is missing is left out
  --out FILE     bench/RESULTS.md unless given

Nothing else should run meanwhile: the file says how busy the machine was. Exit code: 0, or 2 when an option is wrong.
USAGE
}

rounds=11 seconds=0.1 pause=0.06 install=yes out=bench/RESULTS.md
wrong() { echo "scripts/peers.sh: $1 (see --help)" >&2; exit 2; }
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) rounds=5; shift ;;
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
  case $name in OMP_* | GOMP_* | OPENBLAS_* | MKL_* | KMP_* | DNNL_* | MALLOC_* | TELAIO_SIMD) unset "$name"; echo "not set for this: $name" ;; esac
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

# Every program in every setting of its process runs all the time and waits for its turns.
tags=() inputs=() outputs=() answer=()
# answer_of I: the lines up to an empty one, into `answer`.
answer_of() {
  local line
  answer=()
  while IFS= read -r -u "${outputs[$1]}" line; do
    [[ -n $line ]] || return 0
    answer+=("$line")
  done
  wrong "${tags[$1]} has ended"
}
# start PROGRAM THREADS WAITING KERNELS
start() {
  local environment=(MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=268435456)
  local i=${#tags[@]} input output
  [[ $3 == active ]] || environment+=(GOMP_SPINCOUNT=1000)
  [[ $4 == own ]] || environment+=("OPENBLAS_CORETYPE=$4")
  mkfifo "$work/in.$i" "$work/out.$i"
  env "${environment[@]}" "$build/bench/peers/telaio_peer_$1" "$2" "$seconds" <"$work/in.$i" >"$work/out.$i" &
  exec {input}>"$work/in.$i" {output}<"$work/out.$i"
  inputs+=("$input") outputs+=("$output")
  tags+=("$(sed 's/,active//; s/,own//' <<<"$1 threads=$2,$3,$4")")
  answer_of "$i"
  printf '%s\n' "${answer[@]}" >"$work/cases.$i"
}
for program in "${programs[@]}"; do
  for kernel in "${kernels[@]}"; do
    case $kernel,$program in own,* | *,torch | *,openblas) ;; *) continue ;; esac
    start "$program" 1 active "$kernel"
    if [[ $threads -gt 1 ]]; then
      start "$program" "$threads" active "$kernel"
      [[ $program == telaio ]] || start "$program" "$threads" passive "$kernel"
    fi
  done
done

# Case after case, each by all programs that have it, before the next: what is compared is measured within seconds. Who
# begins changes from round to round. Lines ROUND PROGRAM CASE SETTING RATE.
count=${#tags[@]}
mapfile -t cases <"$work/cases.0"
for ((round = 1; round <= rounds; ++round)); do
  for case in "${cases[@]}"; do
    [[ ! -t 2 ]] || printf '\r\033[Kround %d/%d: %s' "$round" "$rounds" "$case" >&2
    for ((turn = 0; turn < count; ++turn)); do
      i=$(((turn + round) % count))
      grep -qxF "$case" "$work/cases.$i" || continue
      sleep "$pause"  # the threads of the one before still wait actively
      printf '%s\n' "$case" >&"${inputs[$i]}"
      answer_of "$i"
      for line in "${answer[@]}"; do
        read -r name setting rate <<<"$line"
        read -r program process <<<"${tags[$i]}"
        echo "$round $program $name $(sed 's/^default,//' <<<"$setting,$process") $rate"
      done
    done
  done
done >"$work/all"
[[ ! -t 2 ]] || printf '\r\033[K' >&2
for fd in "${inputs[@]}"; do exec {fd}>&-; done
wait

# Lines PROGRAM CASE SETTING MEDIAN LEAST MOST, in the order of the first round; and for each case
# "ratio" CASE MEDIAN LOWER UPPER, of the best setting of both sides, round by round, with the quartiles.
LC_ALL=C awk '
  function sort(n,    i, j, t) {
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && sorted[j] < sorted[j - 1]; --j) { t = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = t }
  }
  function quantile(n, q,    at, low) {
    at = 1 + (n - 1) * q; low = int(at)
    return low < n ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[n]
  }
  {
    key = $2 " " $3 " " $4
    if (!(key in known)) { known[key]; order[++keys] = key; case_of[key] = $3; side_of[key] = $2 == "telaio" ? 1 : 2 }
    value[key, $1] = $5 + 0
    if ($1 > rounds) rounds = $1
  }
  END {
    for (k = 1; k <= keys; ++k) {
      key = order[k]
      for (r = 1; r <= rounds; ++r) sorted[r] = value[key, r]
      sort(rounds)
      median = quantile(rounds, 0.5)
      print key, median, sorted[1], sorted[rounds]
      c = case_of[key]; side = side_of[key]
      if (side == 1 && !((1, c) in best)) cases[++n_cases] = c
      if (median > most[side, c]) { most[side, c] = median; best[side, c] = key }
    }
    for (i = 1; i <= n_cases; ++i) {
      c = cases[i]
      if (!((2, c) in best)) continue
      for (r = 1; r <= rounds; ++r) sorted[r] = value[best[1, c], r] / value[best[2, c], r]
      sort(rounds)
      print "ratio", c, quantile(rounds, 0.5), quantile(rounds, 0.25), quantile(rounds, 0.75)
    }
  }' "$work/all" >"$work/medians"

{
  echo "# Telaio beside LibTorch, OpenBLAS and oneDNN"
  echo
  echo "Written by \`scripts/peers.sh\`: medians of $rounds rounds of $seconds s a case, the programs by turns within a case; in"
  echo "parentheses the least and the most. Of each library its best setting counts. A ratio is the median of the rounds' ratios,"
  echo "in parentheses their quartiles; above 1: Telaio is faster."
  echo
  echo "- $(date -u +%Y-%m-%d), $(git log -1 --format=%h 2>/dev/null || echo 'no git')"
  echo "- $(sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo | head -n 1), $threads processors, $(sed -n 's/^flags.*\(avx512f\).*/AVX-512, /p' /proc/cpuinfo | head -n 1)load average $load_before before"
  echo "- $(c++ --version | head -n 1)"
  if LC_ALL=C awk -v x="$load_before" 'BEGIN { exit !(x > 0.5) }'; then
    echo "- **The machine was busy: the figures say little, those with several threads least of all; ratios are of the same seconds.**"
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
      $1 == "ratio" { ratio[$2] = sprintf("**%.2f** (%.2f…%.2f)", $3, $4, $5); next }
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
          printf "| %s | %s (%s) | %s | %s %s (%s) | %s | %s |\n", c, shown(best[1, c]), spread[1, c], setting[1, c],
            peer[c], shown(best[2, c]), spread[2, c], setting[2, c], ratio[c]
        }
      }' "$work/medians"
  done
  printf '\n## Every setting\n\n| program | case | setting | median | least | most |\n|---|---|---|---|---|---|\n'
  LC_ALL=C awk '$1 != "ratio" { printf "| %s | %s | %s | %.5g | %.5g | %.5g |\n", $1, $2, $3, $4, $5, $6 }' "$work/medians"
} >"$work/results"
cp "$work/results" "$out"
sed '/^## Every setting/,$d' "$out"
echo "All of it is in $out."
