#include <telaio/autograd/runtime/profile.hpp>

#include <ostream>

#include <fmt/format.h>

namespace telaio {

std::string to_string(const Profile& profile) {
  std::string table = fmt::format("{:<28} {:>8} {:>6} {:>11} {:>6} {:>10} {:>9} {:>10} {:>8}\n", "op", "pass", "calls",
                                  "time", "share", "MFLOP", "GFLOP/s", "MB", "GB/s");
  double flops = 0;
  double bytes = 0;
  int calls = 0;
  const auto line = [&](const std::string& name, std::string_view pass, int count, double seconds, double work,
                        double traffic) {
    const double rate = seconds > 0 ? 1e-9 / seconds : 0;
    table += fmt::format("{:<28} {:>8} {:>6} {:>8.1f} us {:>5.1f}% {:>10.3f} {:>9.2f} {:>10.3f} {:>8.2f}\n", name, pass,
                         count, seconds * 1e6, profile.seconds > 0 ? 100 * seconds / profile.seconds : 0, work * 1e-6,
                         work * rate, traffic * 1e-6, traffic * rate);
  };
  for (const Profile::Row& row : profile.rows) {
    line(row.scope.empty() ? row.op : row.scope + " " + row.op, row.backward ? "backward" : "forward", row.calls,
         row.seconds, row.flops, row.bytes);
    flops += row.flops;
    bytes += row.bytes;
    calls += row.calls;
  }
  line("total", "", calls, profile.seconds, flops, bytes);
  return table;
}

std::ostream& operator<<(std::ostream& out, const Profile& profile) { return out << to_string(profile); }

}  // namespace telaio
