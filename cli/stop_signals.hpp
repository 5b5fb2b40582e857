// Ctrl-C as a request.
#pragma once

#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

namespace telaio::cli {

/// During its life SIGINT and SIGTERM do not end the program but ask for a stop. One that comes again, more than a
/// second later, ends it as usual. There may be several objects, on one thread.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Whether a stop was asked for.
  static bool requested();
};

/// During its life SIGINT and SIGTERM end the program as usual, but `words` run before that, on a thread of their own.
/// For work that does not look at StopSignals.
class LastWords {
 public:
  /// Runs `first` before any words.
  LastWords(const std::function<void()>& first, std::function<void()> words);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

  /// Runs f, not beside the words, which are not run after it: there is no more to be said.
  void replace(const std::function<void()>& f);

 private:
  void wait();

  StopSignals signals_;
  std::function<void()> words_;
  std::mutex mutex_;  // of `over_` and of what is said
  std::condition_variable ends_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace telaio::cli
