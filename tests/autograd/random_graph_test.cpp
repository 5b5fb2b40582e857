// Random graphs: the compiled plan (memory reused, written in place, branches side by side) against one op at a time.
#include <gtest/gtest.h>

#include <telaio/telaio.hpp>

#include <oneapi/tbb/task_arena.h>

#include <random>

namespace telaio {
namespace {

constexpr int64_t side = 48;

// Builds a random graph of square matrices from `seed`. With `eager`, every node is computed at once and on its own.
class RandomGraph {
 public:
  RandomGraph(uint64_t seed, bool eager) : random_(seed), eager_(eager) {}

  std::vector<Tensor> build(std::vector<Tensor> start, const std::vector<Variable>& variables) {
    pool_ = std::move(start);
    for (int i = 0; i < 60; ++i) {
      if (pick(6) == 0) pool_.push_back(variables[pick(variables.size())]);
      pool_.push_back(kept(node()));
      if (pick(10) == 0) {
        const size_t which = pick(variables.size());
        const Tensor value = pool_[pick(pool_.size())];
        later_.push_back({variables[which], value});
      }
    }
    // A variable is assigned at most once, at the end, so that eager and traced reads agree.
    std::vector<std::pair<Variable, Tensor>> last;
    for (auto& [variable, value] : later_) {
      bool seen = false;
      for (auto& entry : last) seen |= entry.first.name() == variable.name();
      if (!seen) last.push_back({variable, value});
    }
    assign(last);
    std::vector<Tensor> results;
    for (int i = 0; i < 6; ++i) results.push_back(pool_[pick(pool_.size())]);
    results.push_back(pool_.back());
    return results;
  }

 private:
  size_t pick(size_t count) { return random_() % count; }
  const Tensor& any() { return pool_[pick(pool_.size())]; }
  Tensor kept(const Tensor& tensor) { return eager_ ? tensor.eval() : tensor; }

  Tensor node() {
    switch (pick(14)) {
      case 0:
        return sin(any());
      case 1:
        return tanh(any() * 1.5 + 0.25);
      case 2:
        return any() + any();
      case 3:
        return any() * any() * 0.5;
      case 4:
        return any() - any();
      case 5:
        return transpose(any());
      case 6:
        return reshape(kept(reshape(transpose(any()), {side * side / 8, 8})), {side, side});
      case 7:
        return sin(matmul(any(), transpose(any())) * 0.1);
      case 8:
        return broadcast_to(mean(any(), 0, true), {side, side});
      case 9:
        return concat({slice(any(), 0, 0, side / 2), slice(any(), 0, side / 2, side)}, 0);
      case 10:
        return flip(any(), {static_cast<int>(pick(2))});
      case 11:
        return relu(any()) - any();
      case 12:
        return where(any() > 0, any(), any());
      default:
        return softmax(any(), static_cast<int>(pick(2)));
    }
  }

  std::mt19937_64 random_;
  bool eager_;
  std::vector<Tensor> pool_;
  std::vector<std::pair<Variable, Tensor>> later_;
};

std::vector<Variable> fresh_variables() {
  std::vector<Variable> variables;
  for (int i = 0; i < 4; ++i)
    variables.emplace_back(std::string(1, static_cast<char>('a' + i)),
                           uniform({side, side}, random_key(100 + i), -1, 1, f64));
  return variables;
}

std::vector<std::vector<double>> values_of(const std::vector<Tensor>& results, const std::vector<Variable>& variables) {
  std::vector<std::vector<double>> values;
  for (const Tensor& tensor : results) values.push_back(tensor.to_vector<double>());
  for (const Variable& variable : variables) values.push_back(variable.read().to_vector<double>());
  return values;
}

class RandomGraphs : public testing::TestWithParam<uint64_t> {};

TEST_P(RandomGraphs, CompiledPlansGiveWhatSingleOpsGive) {
  const uint64_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const Tensor x = uniform({side, side}, random_key(1), -1, 1, f64),
               y = uniform({side, side}, random_key(2), -1, 1, f64);
  eval({x, y});

  const std::vector<Variable> plain = fresh_variables();
  std::vector<std::vector<double>> expected;
  for (int call = 0; call < 2; ++call) expected = values_of(RandomGraph(seed, true).build({x, y}, plain), plain);

  for (const int threads : {1, 8}) {
    const ThreadLimit limit(threads);
    tbb::task_arena arena(threads);
    const std::vector<Variable> variables = fresh_variables();
    const auto f = compile([&](const Tensor& a, const Tensor& b) {
      return RandomGraph(seed, false).build({a, b}, variables);
    });
    std::vector<std::vector<double>> actual;
    arena.execute([&] {
      for (int call = 0; call < 2; ++call) actual = values_of(f(x, y), variables);
    });
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      for (size_t j = 0; j < expected[i].size(); ++j) ASSERT_NEAR(actual[i][j], expected[i][j], 1e-10) << i << ' ' << j;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraphs, testing::Range<uint64_t>(0, 40));

}  // namespace
}  // namespace telaio
