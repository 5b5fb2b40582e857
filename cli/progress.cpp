#include "progress.hpp"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

namespace telaio::cli {

Progress::Progress(size_t total) : total_(total), shown_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\033[K");
}

void Progress::show(size_t done, const std::string& what) const {
  if (!shown_) return;
  constexpr size_t cells = 30;
  const size_t full = cells * done / total_;
  fmt::print(stderr, "\r\033[K[{}{}] {}/{} {}", std::string(full, '#'), std::string(cells - full, '.'), done, total_,
             what);
  std::fflush(stderr);
}

}  // namespace telaio::cli
