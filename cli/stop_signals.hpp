// Ctrl-C as a request.
#pragma once

#include <csignal>

namespace telaio::cli {

/// During its life SIGINT and SIGTERM do not end the program but ask for a stop. One that comes again, more than a
/// second later, ends it as usual. One object at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Whether a stop was asked for.
  static bool requested();

 private:
  struct sigaction old_int_ {
  }, old_term_{};
};

}  // namespace telaio::cli
