// How far something long is.
#pragma once

#include <cstddef>
#include <string>

namespace telaio::cli {

/// A bar on standard error, only where someone looks; gone at the end.
class Progress {
 public:
  explicit Progress(size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(size_t done, const std::string& what) const;

 private:
  size_t total_;
  bool shown_;
};

}  // namespace telaio::cli
