// Errors of parallel loops that do not depend on who was first.
#pragma once

#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {

/// Of the Errors thrown for several items, keeps that of the lowest item, so that the same input gives the same message
/// on any number of threads.
class FirstError {
 public:
  /// Runs f; keeps an Error that it throws, as that of `item`.
  template <class F>
  void watch(int64_t item, F&& f) {
    try {
      f();
    } catch (const Error&) {
      const std::lock_guard lock(mutex_);
      if (item >= item_) return;
      item_ = item;
      error_ = std::current_exception();
    }
  }
  /// After the loop: throws what was kept, if anything was.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  int64_t item_ = std::numeric_limits<int64_t>::max();
  std::exception_ptr error_;
};

}  // namespace telaio::nn
