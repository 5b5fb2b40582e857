// Where the time of a compiled function goes.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace telaio {

/// The measured steps of one run on the calling thread's arena, one step at a time.
struct Profile {
  struct Row {
    std::string op;     ///< "conv2d"
    std::string scope;  ///< the name scope it was built in, or ""
    bool backward = false;
    int calls = 0;
    double seconds = 0;
    double flops = 0;  ///< additions and multiplications that the op defines
    double bytes = 0;  ///< of its inputs and outputs
  };
  std::vector<Row> rows;  ///< one an op, scope and direction, the most expensive first
  double seconds = 0;
};

/// A table with shares, GFLOP/s and GB/s.
std::ostream& operator<<(std::ostream& out, const Profile& profile);
std::string to_string(const Profile& profile);

}  // namespace telaio
