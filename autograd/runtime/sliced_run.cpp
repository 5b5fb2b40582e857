// One run of a sliced op, on all threads.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <mutex>

#include <telaio/autograd/runtime/sliced_op.hpp>

namespace telaio {

namespace {

// Whether an element is a NaN or an infinity: its exponent is all ones.
bool any_special(const TensorSpec& spec, const std::byte* x) {
  return with_dtype(spec.dtype, [&]<class T>() {
    uint32_t special = 0;
    if constexpr (std::is_floating_point_v<T>) {
      using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
      constexpr Bits exponent = sizeof(T) == 4 ? Bits{0x7f800000u} : static_cast<Bits>(0x7ff0000000000000u);
      const T* values = reinterpret_cast<const T*>(x);
      const int64_t n = spec.numel();
      for (int64_t i = 0; i < n; ++i) special |= (std::bit_cast<Bits>(values[i]) & exponent) == exponent;
    }
    return special != 0;
  });
}

}  // namespace

// One run of all groups. They begin in their order, whoever takes them, and their sums are added in that order as they
// come, so that a few places serve all of them: to touch memory for the first time costs more than to work on it.
class SlicedOp::Run {
 public:
  Run(const SlicedOp& op, Views x, Views y, void* scratch, Took* took)
      : op_(op),
        layout_(op),
        x_(x),
        y_(y),
        watched_y_(y.subspan(op.summed_.size() + op.trailing_.size())),
        base_(static_cast<std::byte*>(scratch)),
        took_(took),
        trailing_(op.trailing_, op.first_row(op.early_groups()), op.batch_, y,
                  y.subspan(op.summed_.size(), op.trailing_.size())) {
    static_assert(most_groups <= Places::most);
  }

  void run() {
    parallel_for(op_.groups(), 1, [&](int64_t, int64_t) { take_part(); });
    if (took_) profile_trailing();
    // What those left to others who left before.
    if (!trailing_.done())
      parallel_for(op_.trailing_.pieces(), 1, [&](int64_t begin, int64_t) { finish_piece(begin); });
    if (added_ < op_.groups()) add_together();
    tell_watched();
  }

 private:
  static size_t at(int64_t i) { return static_cast<size_t>(i); }

  // Groups are taken in their order, whoever takes them; and whoever comes stays for as long as there is something to
  // do, unless the others have not been started yet.
  void take_part() {
    try {
      for (int64_t group = 0; (group = begun_.fetch_add(1, std::memory_order_relaxed)) < op_.groups();) {
        run_group(group);
        if (running_threads() == 1) return;
      }
    } catch (...) {
      begun_ = op_.groups();  // the others would be in vain
      failed_ = true;
      throw;
    }
    if (!took_ && op_.trailing_.size() > 0) follow();
  }

  void run_group(int64_t group) {
    const int block = blocks_.take();
    // The first group's sums are where the others are added.
    std::byte* sums = group == 0 ? nullptr : base_ + places_.take() * layout_.step;
    op_.run_group(x_, y_, base_ + block * layout_.step + layout_.block, sums, group, took_);
    blocks_.give(block);
    hand_in(group, sums);
  }

  // Adds what is there, unless another thread is at it: for memory that is wanted, and at the end while others are
  // still at work. Once all groups are done, the rest is for all threads together, if it is much.
  void hand_in(int64_t group, std::byte* sums) {
    std::unique_lock lock(mutex_);
    made_[at(group)] = sums;
    done_[at(group)] = true;
    while (in_order_ < op_.groups() && done_[at(in_order_)]) ++in_order_;
    ++groups_done_;
    if (adding_) return;
    adding_ = true;
    const bool few = op_.sums_bytes_ <= few_bytes;
    while (added_ < op_.groups() && done_[at(added_)] && (added_ == 0 || groups_done_ < op_.groups() || few)) {
      if (std::byte* next = made_[at(added_)]) {
        lock.unlock();
        add_group(next);
        places_.give(static_cast<int>((next - base_) / layout_.step));
        lock.lock();
      }
      ++added_;
    }
    adding_ = false;
    if (added_ < op_.groups()) return;
    lock.unlock();
    for (size_t i = 0; i < op_.summed_.size(); ++i)
      if (op_.summed_[i]) watch(watch_of(i), op_.outputs_[i], y_[i].bytes);
  }

  void add_group(std::byte* sums) {
    for (size_t i = 0; i < op_.summed_.size(); ++i)
      if (op_.summed_[i]) add(op_.outputs_[i], sums + op_.sum_place_[i], y_[i].bytes);
  }

  // What trails the groups: begins with it where others still have one, then finishes with them. Each thread has its
  // own place to begin, the same in each step, so that what it writes is in its core's cache.
  void follow() {
    const int64_t pieces = op_.trailing_.pieces(), threads = running_threads(),
                  first = std::min<int64_t>(thread_index(), threads - 1) * pieces / threads;
    for (int64_t i = 0; i < pieces && in_order_ >= op_.early_groups() && groups_done_ < op_.groups(); ++i)
      trailing_.begin((first + i) % pieces);
    for (int turns = 0; groups_done_ < op_.groups(); ++turns) {
      if (turns == most_turns || failed_) return;
      pause_briefly();
    }
    for (int64_t i = 0; i < pieces; ++i) finish_piece((first + i) % pieces);
  }

  void finish_piece(int64_t piece) {
    trailing_.finish(piece, [&](size_t sum, const TensorSpec& part, const std::byte* values) {
      watch(watch_of(op_.summed_.size() + sum), part, values);
    });
  }

  void profile_trailing() {
    const TrailingSums& trailing = op_.trailing_;
    for (size_t sum = 0; sum < trailing.size(); ++sum) {
      const auto start = std::chrono::steady_clock::now();
      for (int64_t piece = trailing.first_piece(sum); piece < trailing.first_piece(sum + 1); ++piece)
        finish_piece(piece);
      (*took_)(trailing.plan(), trailing.step(sum),
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }

  void add_together() {
    const std::span sums(made_.data() + added_, at(op_.groups() - added_));
    for (size_t i = 0; i < op_.summed_.size(); ++i) {
      if (!op_.summed_[i]) continue;
      const TensorSpec& spec = op_.outputs_[i];
      const size_t watched = watch_of(i);
      const auto elem = static_cast<int64_t>(size_of(spec.dtype));
      // Half of a cycle where they are in this core's cache; half of them are in another's.
      const double cycles = 2.0 * static_cast<double>(sums.size()) + (watched < op_.watched_.size() ? 1 : 0);
      parallel_for(spec.numel(), grain_among_awake(cycles), [&](int64_t from, int64_t to) {
        constexpr int64_t run = 1024;  // stays in the first-level cache while the groups pass by
        for (int64_t begin = from; begin < to; begin += run) {
          const TensorSpec part{spec.dtype, {std::min(run, to - begin)}};
          for (std::byte* group : sums) add(part, group + op_.sum_place_[i] + begin * elem, y_[i].bytes + begin * elem);
          watch(watched, part, y_[i].bytes + begin * elem);
        }
      });
    }
  }

  // The place of a sum among those watched; behind them if it is none.
  size_t watch_of(size_t output) const {
    return static_cast<size_t>(std::find(op_.watched_.begin(), op_.watched_.end(), output) - op_.watched_.begin());
  }

  // Of a part of a sum whether all is finite.
  void watch(size_t watched, const TensorSpec& part, const std::byte* values) {
    if (watched < op_.watched_.size() && any_special(part, values))
      special_.fetch_or(1u << watched % 32, std::memory_order_relaxed);
  }

  void tell_watched() {
    for (size_t w = 0; w < op_.watched_.size(); ++w) {
      const View& sum = y_[op_.watched_[w]];
      with_dtype(sum.dtype(), [&]<class T>() {
        if constexpr (std::is_floating_point_v<T>) {
          T found = 0;
          if (special_ & (1u << w % 32)) {
            const T* values = sum.data<T>();
            for (int64_t i = 0; i < sum.numel() && !std::isnan(found); ++i)
              if (!std::isfinite(values[i])) found = values[i];
          }
          *watched_y_[w].data<T>() = found;
        }
      });
    }
  }

  // A thread waits some 100 µs for others to finish their groups, then it is free for other work.
  static constexpr int most_turns = 3000;
  // Sums of a group that one thread adds faster than two begin to do it together.
  static constexpr int64_t few_bytes = 64 << 10;

  const SlicedOp& op_;
  const Layout layout_;
  const Views x_, y_, watched_y_;
  std::byte* const base_;
  Took* const took_;
  TrailingSums::Run trailing_;
  std::atomic<int64_t> begun_{0};
  std::atomic<bool> failed_{false};
  // For each group, since after an error the latter are not given back.
  Places blocks_{op_.groups()}, places_{op_.groups()};
  std::mutex mutex_;  // guards what follows, of which the two counts may be read without it
  std::array<std::byte*, most_groups> made_{};
  std::array<bool, most_groups> done_{};
  std::atomic<int64_t> groups_done_{0}, in_order_{0};  // in_order_: the first ones of all
  int64_t added_ = 0;
  bool adding_ = false;
  std::atomic<uint32_t> special_{0};  // a bit for each of those watched
};

void SlicedOp::run_all(Views x, Views y, void* scratch, Took* took) const { Run(*this, x, y, scratch, took).run(); }

void SlicedOp::run(Views x, Views y, void* scratch) const { run_all(x, y, scratch, nullptr); }

void SlicedOp::profile(Views x, Views y, void* scratch, Took took) const {
  const SerialScope serial;
  run_all(x, y, scratch, &took);
}

}  // namespace telaio
