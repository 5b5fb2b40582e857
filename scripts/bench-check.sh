#!/usr/bin/env bash
# Speeds that must not fall, as shares of what this machine can do at most.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/bench-check.sh [--build DIR] [--ratios FILE] [--repetitions N] [--rounds N] [--list]

Runs the benchmarks that FILE names and compares the share of the machine's peak that each reaches with the least that
the file asks for. The suites themselves measure, right before and after each repetition, the peak and how much of its
cores the loop had. The share is the median of the repetitions whose cores were theirs alone; where those were fewer than
five, the best of all, which are of the highest peak then: another program on the same core makes it smaller than the
kernel is worth. What is behind is measured again some seconds later, a few times, and the median is of all rounds. A
benchmark that is not there is a failure.

  --build DIR       build/release unless given; with built benchmarks in DIR/bench
  --ratios FILE     bench/ratios.txt unless given, whose lines are SUITE BENCHMARK LEAST; bench/goals.txt has what large
                    products and convolutions are to reach on two threads
  --repetitions N   in a round; 15 unless given
  --rounds N        at most; 6 unless given
  --list            checks FILE, says what would run and runs nothing

Exit code: 0 when all reach it, 1 when one does not, 2 when an option or the file is wrong.
USAGE
}

build=build/release ratios=bench/ratios.txt repetitions=15 rounds=6 list=
wrong() { echo "scripts/bench-check.sh: $1" >&2; exit 2; }
while [[ $# -gt 0 ]]; do
  case $1 in
    --build | --ratios | --repetitions | --rounds)
      [[ $# -ge 2 ]] || wrong "$1 needs a value (see --help)"
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    --list) list=yes; shift ;;
    -h | --help) usage; exit ;;
    *) wrong "there is no option '$1' (see --help)" ;;
  esac
done
[[ $repetitions =~ ^[1-9][0-9]*$ ]] || wrong "--repetitions is '$repetitions', expected a whole number of at least 1"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || wrong "--rounds is '$rounds', expected a whole number of at least 1"
[[ -r $ratios ]] || wrong "$ratios: cannot be read"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed 's/#.*//' "$ratios" | LC_ALL=C awk -v file="$ratios" '
  NF == 0 { next }
  NF != 3 || $3 !~ /^(0?\.[0-9]+|1|1\.0+)$/ || $1 !~ /^[a-z]+$/ {
    printf "scripts/bench-check.sh: %s: \"%s\": expected SUITE BENCHMARK LEAST, with a share from 0 to 1\n", file, $0 > "/dev/stderr"
    bad = 1
    exit 1
  }
  { print $1, $2, $3; ++lines }
  END { if (!lines && !bad) { printf "scripts/bench-check.sh: %s: asks for nothing\n", file > "/dev/stderr"; exit 1 } }
' >"$work/asked" || exit 2
suites=$(cut -d' ' -f1 "$work/asked" | sort -u)
if [[ -n $list ]]; then
  cat "$work/asked"
  exit 0
fi

for suite in $suites; do
  [[ -x $build/bench/telaio_bench_$suite ]] || wrong "$build/bench/telaio_bench_$suite is not there; scripts/test.sh builds it"
done

# A line for each of $work/asked: suite, benchmark, least, share (- if missing), repetitions alone, repetitions. A core
# was shared below 0.9 (machine_peak.hpp).
shares() {
  LC_ALL=C sort -k1,2 -k3g "$work/found" | LC_ALL=C awk '
    FILENAME == "-" {
      ++all[$1, $2]
      if ($3 > best[$1, $2]) best[$1, $2] = $3
      if ($4 >= 0.9) alone[$1, $2, ++count[$1, $2]] = $3
      next
    }
    {
      n = count[$1, $2] + 0
      share = !(($1, $2) in all) ? "-" : n >= 5 ? alone[$1, $2, int((n + 1) / 2)] : best[$1, $2]
      print $1, $2, $3, share, n, all[$1, $2] + 0
    }' - "$work/asked"
}
touch "$work/found"
for ((round = 1; round <= rounds; ++round)); do
  shares | LC_ALL=C awk '$4 + 0 < $3' >"$work/behind"
  [[ -s $work/behind ]] || break
  ((round == 1)) || sleep 5
  for suite in $suites; do
    filter=$(awk -v s="$suite" '$1 == s { printf "%s^%s$", sep, $2; sep = "|" }' "$work/behind")
    [[ -n $filter ]] || continue
    [[ ! -t 2 ]] || printf '\r\033[Kmeasuring: %s, round %s of at most %s' "$suite" "$round" "$rounds" >&2
    # A filter that matches nothing makes no output; the benchmark is missing then. Repetitions take turns, so that what
    # runs beside for some seconds does not meet all those of one benchmark; short ones, so that some are alone.
    "$build/bench/telaio_bench_$suite" --benchmark_filter="$filter" --benchmark_min_time=0.01 \
      --benchmark_repetitions="$repetitions" --benchmark_enable_random_interleaving=true --benchmark_format=json \
      >"$work/json" 2>"$work/errors" || { [[ ! -s $work/json ]] || { cat "$work/errors" >&2; exit 2; }; }
    LC_ALL=C awk -v suite="$suite" '
      /"run_name":/ { split($0, part, "\""); name = part[4] }
      /"run_type":/ { single = /"iteration"/ }
      /"core":/ { sub(/.*: */, ""); core = $0 + 0 }
      /"peak":/ && single { sub(/.*: */, ""); print suite, name, $0 + 0, core }' "$work/json" >>"$work/found"
  done
done
[[ ! -t 2 ]] || printf '\r\033[K' >&2

shares | LC_ALL=C awk '
  NR == 1 { printf "%-8s %-58s %8s %8s  %s\n", "suite", "benchmark", "share", "least", "alone" }
  {
    good = $4 + 0 >= $3
    if (!good) failed = 1
    printf "%-8s %-58s %8s %8.2f  %3d of %-4d %s\n", $1, $2, $4 == "-" ? "missing" : sprintf("%.3f", $4), $3, $5, $6, good ? "ok" : "FAIL"
  }
  END { exit failed }' || exit 1
