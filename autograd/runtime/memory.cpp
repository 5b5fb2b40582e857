#include <telaio/autograd/runtime/plan.hpp>

#include <algorithm>
#include <map>

#include <telaio/autograd/node.hpp>

namespace telaio {

Order::Order(const Dependencies& dependencies) : dependencies_(dependencies) {
  constexpr size_t largest_table = size_t{1} << 24;  // entries: 64 MB
  const size_t count = dependencies.first.size() - 1;
  chain_.resize(count);
  position_.resize(count);
  std::vector<int> tail;  // of each chain: its last step
  // A step continues the chain of a step that it waits for, if that is still the chain's last one.
  for (size_t s = 0; s < count; ++s) {
    int chain = -1;
    for (int before : dependencies.of(static_cast<int>(s))) {
      const int candidate = chain_[static_cast<size_t>(before)];
      if (tail[static_cast<size_t>(candidate)] == before) chain = candidate;
    }
    if (chain < 0) {
      chain = static_cast<int>(tail.size());
      tail.push_back(-1);
    }
    const int last = tail[static_cast<size_t>(chain)];
    position_[s] = last < 0 ? 0 : position_[static_cast<size_t>(last)] + 1;
    chain_[s] = chain;
    tail[static_cast<size_t>(chain)] = static_cast<int>(s);
  }
  chains_ = tail.size();
  known_ = count * chains_ <= largest_table;
  if (known_) reach_.assign(count * chains_, -1);
}

void Order::enter(int step) {
  if (!known_) return;
  const auto s = static_cast<size_t>(step);
  for (int earlier : dependencies_.of(step)) add(earlier, step);
  reach_[s * chains_ + static_cast<size_t>(chain_[s])] = position_[s];
}

void Order::enter_all() {
  for (size_t s = 0; s < chain_.size(); ++s) enter(static_cast<int>(s));
}

void Order::add(int earlier, int later) {
  if (!known_) return;
  int* mine = reach_.data() + static_cast<size_t>(later) * chains_;
  const int* theirs = reach_.data() + static_cast<size_t>(earlier) * chains_;
  for (size_t c = 0; c < chains_; ++c) mine[c] = std::max(mine[c], theirs[c]);
}

namespace {

using Home = Plan::Buffer::Home;

// For each buffer the steps that touch it, in order.
struct Users {
  std::vector<int> first;
  std::vector<int> steps;

  explicit Users(const Plan& plan) : first(plan.buffers.size() + 1) {
    each(plan, [&](int buffer, int) { ++first[static_cast<size_t>(buffer) + 1]; });
    for (size_t b = 0; b < plan.buffers.size(); ++b) first[b + 1] += first[b];
    steps.resize(static_cast<size_t>(first.back()));
    std::vector<int> next(first.begin(), first.end() - 1);
    each(plan, [&](int buffer, int step) { steps[static_cast<size_t>(next[static_cast<size_t>(buffer)]++)] = step; });
  }
  std::span<const int> of(int buffer) const {
    const auto b = static_cast<size_t>(buffer);
    return {steps.data() + first[b], static_cast<size_t>(first[b + 1] - first[b])};
  }

 private:
  template <class F>
  static void each(const Plan& plan, F&& f) {
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      const Plan::Step& step = plan.steps[s];
      for (int v : plan.inputs_of(step)) f(plan.values[static_cast<size_t>(v)].buffer, static_cast<int>(s));
      for (int v : plan.outputs_of(step)) f(plan.values[static_cast<size_t>(v)].buffer, static_cast<int>(s));
      if (step.scratch >= 0) f(step.scratch, static_cast<int>(s));
    }
  }
};

// An op whose input dies with it, and which may write over that input, does so.
void reuse_in_place(Plan& plan, const Order& order) {
  const Users users(plan);
  std::vector<std::vector<int>> joined(plan.buffers.size());  // users that a buffer got from those merged into it
  std::vector<int> target(plan.buffers.size());
  for (size_t b = 0; b < target.size(); ++b) target[b] = static_cast<int>(b);
  std::vector<int> last(plan.buffers.size(), -1);
  for (size_t b = 0; b < target.size(); ++b)
    if (const auto of = users.of(static_cast<int>(b)); !of.empty()) last[b] = of.back();

  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Plan::Step& step = plan.steps[s];
    const int self = static_cast<int>(s);
    if (step.kind != Plan::Step::Kind::op || step.outputs == 0) continue;
    const auto inputs = plan.inputs_of(step);
    const auto outputs = plan.outputs_of(step);
    for (size_t o = 0; o < outputs.size(); ++o) {
      const int out = plan.values[static_cast<size_t>(outputs[o])].buffer;
      if (plan.buffers[static_cast<size_t>(out)].home != Home::arena) continue;
      for (size_t i = 0; i < inputs.size(); ++i) {
        const Plan::Value& x = plan.values[static_cast<size_t>(inputs[i])];
        const int into = target[static_cast<size_t>(x.buffer)];
        const Plan::Buffer& memory = plan.buffers[static_cast<size_t>(into)];
        if (memory.home != Home::arena || last[static_cast<size_t>(into)] != self || !step.node->op().in_place(i, o))
          continue;
        if (x.offset != 0 || memory.bytes != plan.buffers[static_cast<size_t>(out)].bytes ||
            x.spec.bytes() != memory.bytes || !is_contiguous(x.spec.shape, x.strides)) {
          continue;
        }
        const auto lies_there = [&](int other) {
          return target[static_cast<size_t>(plan.values[static_cast<size_t>(other)].buffer)] == into;
        };
        if (std::any_of(outputs.begin(), outputs.begin() + static_cast<int64_t>(o), lies_there)) continue;
        // The same memory seen through another input must be the same view, or this step would read what it wrote.
        const auto clashes = [&](int other) {
          const Plan::Value& y = plan.values[static_cast<size_t>(other)];
          return lies_there(other) &&
                 !(y.offset == 0 && is_contiguous(y.spec.shape, y.strides) && y.spec.bytes() == memory.bytes);
        };
        if (std::any_of(inputs.begin(), inputs.end(), clashes)) continue;
        bool also_takes_others = true;
        for (size_t j = 0; j < inputs.size(); ++j)
          if (lies_there(inputs[j])) also_takes_others &= step.node->op().in_place(j, o);
        if (!also_takes_others) continue;
        const auto is_before = [&](int user) {
          return user == self || (plan.in_order ? user < self : order.before(user, self));
        };
        const auto own = users.of(into);
        const auto& inherited = joined[static_cast<size_t>(into)];
        if (!std::all_of(own.begin(), own.end(), is_before) ||
            !std::all_of(inherited.begin(), inherited.end(), is_before)) {
          continue;
        }
        target[static_cast<size_t>(out)] = into;
        const auto more = users.of(out);
        // Everything before is ordered before this step, so from here on only the later users matter.
        joined[static_cast<size_t>(into)].assign(more.begin(), more.end());
        last[static_cast<size_t>(into)] = more.empty() ? self : more.back();
        break;
      }
    }
  }
  for (Plan::Value& value : plan.values) value.buffer = target[static_cast<size_t>(value.buffer)];
}

// When each step would run if there were a thread for everything that is ready.
struct Earliest {
  std::vector<double> start;
  std::vector<double> finish;

  Earliest(const Plan& plan, const Dependencies& dependencies) {
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      double ready = 0;
      for (int before : dependencies.of(static_cast<int>(s)))
        ready = std::max(ready, finish[static_cast<size_t>(before)]);
      start.push_back(ready);
      finish.push_back(ready + cycles_of(plan, plan.steps[s]));
    }
  }
};

// Free stretches of the arena by offset, each with the steps that used it last.
class FreeList {
 public:
  FreeList(Plan& plan, Order& order, const Earliest& earliest) : plan_(plan), order_(order), earliest_(earliest) {}

  int64_t take(int64_t bytes, int step) {
    const auto is_before = [&](int user) { return order_.before(user, step); };
    const auto has_run = [&](int user) {
      return is_before(user) ||
             earliest_.finish[static_cast<size_t>(user)] <= earliest_.start[static_cast<size_t>(step)];
    };
    auto best = best_fit(bytes, is_before);
    if (best == blocks_.end()) best = best_fit(bytes, has_run);
    if (best == blocks_.end()) {
      const int64_t offset = end_;
      end_ += bytes;
      return offset;
    }
    const int64_t offset = best->first;
    Block rest = std::move(best->second);
    blocks_.erase(best);
    for (int user : rest.users) {
      if (order_.before(user, step)) continue;
      plan_.after.push_back({user, step});
      order_.add(user, step);
    }
    rest.bytes -= bytes;
    if (rest.bytes > 0) blocks_[offset + bytes] = std::move(rest);
    return offset;
  }

  void give(int64_t offset, int64_t bytes, std::span<const int> users) {
    Block block{bytes, {}};
    if (!plan_.in_order) block.users.assign(users.begin(), users.end());
    auto next = blocks_.lower_bound(offset);
    if (next != blocks_.end() && next->first == offset + bytes) {
      block.bytes += next->second.bytes;
      block.users.insert(block.users.end(), next->second.users.begin(), next->second.users.end());
      next = blocks_.erase(next);
    }
    if (next != blocks_.begin()) {
      const auto previous = std::prev(next);
      if (previous->first + previous->second.bytes == offset) {
        previous->second.bytes += block.bytes;
        previous->second.users.insert(previous->second.users.end(), block.users.begin(), block.users.end());
        return;
      }
    }
    blocks_[offset] = std::move(block);
  }

  int64_t end() const { return end_; }

 private:
  struct Block {
    int64_t bytes;
    std::vector<int> users;
  };

  // The smallest block that is large enough, and whose users all pass.
  template <class F>
  std::map<int64_t, Block>::iterator best_fit(int64_t bytes, F&& passes) {
    auto best = blocks_.end();
    for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
      if (block->second.bytes < bytes || (best != blocks_.end() && block->second.bytes >= best->second.bytes)) continue;
      const auto& users = block->second.users;
      if (std::all_of(users.begin(), users.end(), passes)) best = block;
    }
    return best;
  }

  Plan& plan_;
  Order& order_;
  const Earliest& earliest_;
  std::map<int64_t, Block> blocks_;
  int64_t end_ = 0;
};

void place_buffers(Plan& plan, const Dependencies& dependencies) {
  const Users users(plan);
  Order order(dependencies);
  const Earliest earliest(plan, dependencies);
  FreeList free_list(plan, order, earliest);
  const auto rounded = [](int64_t bytes) {
    constexpr auto line = static_cast<int64_t>(Storage::alignment);
    return std::max((bytes + line - 1) / line * line, line);
  };
  // Buffers in the order in which they are first and last used.
  std::vector<std::vector<int>> dying(plan.steps.size());
  std::vector<std::vector<int>> born(plan.steps.size());
  for (size_t b = 0; b < plan.buffers.size(); ++b) {
    const auto of = users.of(static_cast<int>(b));
    if (plan.buffers[b].home != Home::arena || of.empty()) continue;
    born[static_cast<size_t>(of.front())].push_back(static_cast<int>(b));
    dying[static_cast<size_t>(of.back())].push_back(static_cast<int>(b));
  }
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    order.enter(static_cast<int>(s));
    for (int b : born[s]) {
      Plan::Buffer& buffer = plan.buffers[static_cast<size_t>(b)];
      buffer.place = free_list.take(rounded(buffer.bytes), static_cast<int>(s));
    }
    for (int b : dying[s]) {
      const Plan::Buffer& buffer = plan.buffers[static_cast<size_t>(b)];
      free_list.give(buffer.place, rounded(buffer.bytes), users.of(b));
    }
  }
  plan.arena_bytes = free_list.end();
}

}  // namespace

void plan_memory(Plan& plan, bool concurrent) {
  const Dependencies dependencies(plan);
  Order order(dependencies);
  order.enter_all();
  // One chain runs in its order anyway; a graph too large for the table has to.
  plan.in_order = !concurrent || !order.known() || order.chains() <= 1;
  reuse_in_place(plan, order);
  place_buffers(plan, dependencies);
}

}  // namespace telaio
