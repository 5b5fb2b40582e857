#include "stop_signals.hpp"

#include <ctime>

namespace telaio::cli {

namespace {

volatile std::sig_atomic_t stop_requested = 0;
volatile std::time_t stop_requested_at = 0;

/// One press may arrive twice, from the terminal and from a program in between; one some seconds later means it.
void request_stop(int signal) {
  const std::time_t now = std::time(nullptr);
  if (stop_requested && now > stop_requested_at + 1) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  if (!stop_requested) stop_requested_at = now;
  stop_requested = 1;
}

}  // namespace

StopSignals::StopSignals() {
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
}

bool StopSignals::requested() { return stop_requested != 0; }

}  // namespace telaio::cli
