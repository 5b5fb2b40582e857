#include "stop_signals.hpp"

#include <chrono>
#include <ctime>

#include <telaio/autograd/error.hpp>

namespace telaio::cli {

namespace {

volatile std::sig_atomic_t stop_requested = 0;  // the signal that did
volatile std::time_t stop_requested_at = 0;

int objects = 0;
struct sigaction old_int {
}, old_term{};

/// One press may arrive twice, from the terminal and from a program in between; one some seconds later means it.
void request_stop(int signal) {
  const std::time_t now = std::time(nullptr);
  if (stop_requested && now > stop_requested_at + 1) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  if (!stop_requested) stop_requested_at = now;
  stop_requested = signal;
}

}  // namespace

StopSignals::StopSignals() {
  if (objects++ > 0) return;
  struct sigaction action {};
  action.sa_handler = request_stop;
  action.sa_flags = SA_RESTART;  // a request is no reason for a file not to be written
  sigaction(SIGINT, &action, &old_int);
  sigaction(SIGTERM, &action, &old_term);
}

StopSignals::~StopSignals() {
  if (--objects > 0) return;
  sigaction(SIGINT, &old_int, nullptr);
  sigaction(SIGTERM, &old_term, nullptr);
}

bool StopSignals::requested() { return stop_requested != 0; }

LastWords::LastWords(const std::function<void()>& first, std::function<void()> words) : words_(std::move(words)) {
  first();
  thread_ = std::thread([this] { wait(); });
}

LastWords::~LastWords() {
  replace([] {});
  ends_.notify_one();
  thread_.join();
}

void LastWords::replace(const std::function<void()>& f) {
  const std::lock_guard lock(mutex_);
  f();
  over_ = true;
}

void LastWords::wait() {
  std::unique_lock lock(mutex_);
  // A handler may not notify.
  while (!ends_.wait_for(lock, std::chrono::milliseconds(20), [this] { return over_; })) {
    if (!StopSignals::requested()) continue;
    try {
      words_();
    } catch (const Error&) {  // what cannot be said is no reason to stay
    }
    std::signal(stop_requested, SIG_DFL);
    std::raise(stop_requested);
  }
}

}  // namespace telaio::cli
