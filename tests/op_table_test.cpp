// Every op of the table through every check, and the table against the public headers.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/ops/ops.hpp>
#include <telaio/ops/samples/check.hpp>
#include <telaio/ops/samples/samples.hpp>

namespace telaio::samples {

void PrintTo(const OpRow* row, std::ostream* out) { *out << row->name; }

namespace {

using testing::HasSubstr;

// TELAIO_SEED=7 draws other samples; failures print the seed.
uint64_t seed() {
  const char* given = std::getenv("TELAIO_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

std::vector<Tensor> floats_of(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> floats;
  for (const Tensor& tensor : tensors)
    if (is_float(tensor.dtype())) floats.push_back(tensor);
  return floats;
}

// Numbers without a pattern that sums could cancel, of the given spec.
Tensor cotangent_like(const TensorSpec& spec) {
  std::vector<double> data(static_cast<size_t>(spec.numel()));
  for (size_t i = 0; i < data.size(); ++i) data[i] = 0.25 + std::fmod(static_cast<double>(i) * 0.6180339887498949, 1);
  return cast(from_data(data, spec.shape), spec.dtype);
}

// The results, and where the sample has derivatives the gradients by its float inputs.
std::vector<Tensor> with_gradients(const Sample& sample, const std::vector<Tensor>& x) {
  std::vector<Tensor> all = sample.f(x);
  if (!sample.differentiable) return all;
  const std::vector<Tensor> y = floats_of(all);
  std::vector<Tensor> cotangents;
  for (const Tensor& tensor : y) cotangents.push_back(cotangent_like(tensor.spec()));
  for (Tensor& gradient : vjp(y, cotangents, floats_of(x))) all.push_back(std::move(gradient));
  return all;
}

class OpTable : public testing::TestWithParam<const OpRow*> {
 protected:
  // f(sample) for all samples; failures name the sample and the seed.
  template <class F>
  void each_sample(F&& f) {
    for (const Sample& sample : GetParam()->all_samples(seed())) {
      SCOPED_TRACE(fmt::format("{} of {}, seed {}", GetParam()->name, sample.label, seed()));
      try {
        f(sample);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
};

// |got − expected| ≤ limit·max(floor, the largest expected): what rounding may do to a sum of such terms.
void expect_close(const std::vector<Tensor>& got, const std::vector<Tensor>& expected, double limit, double floor = 1) {
  ASSERT_EQ(got.size(), expected.size());
  const References a = values_of(got), b = values_of(expected);
  for (size_t o = 0; o < a.size(); ++o) {
    ASSERT_EQ(a[o].shape, b[o].shape);
    double largest = floor;
    for (const double value : b[o].data)
      if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < a[o].data.size(); ++i) {
      const double x = a[o].data[i], y = b[o].data[i];
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      ASSERT_LE(std::abs(x - y), limit * largest) << "result " << o << " element " << i << ": " << x << " and " << y;
    }
  }
}

std::string bits_of(const std::vector<Tensor>& tensors) {
  eval(tensors);
  std::string bits;
  for (const Tensor& tensor : tensors) {
    with_dtype(tensor.dtype(), [&]<class T>() {
      for (const T value : tensor.to_vector<T>()) bits.append(reinterpret_cast<const char*>(&value), sizeof(T));
    });
  }
  return bits;
}

// --- values and derivatives ---

TEST_P(OpTable, ForwardMatchesTheReference) {
  each_sample([](const Sample& sample) {
    const Outcome outcome = check_forward(sample);
    EXPECT_TRUE(outcome.passed()) << outcome.problem;
  });
}

TEST_P(OpTable, GradientsMatchDifferences) {
  each_sample([](const Sample& sample) {
    if (!sample.differentiable || sample.large) return;
    const Outcome outcome = check_gradient(sample);
    EXPECT_TRUE(outcome.passed()) << outcome.problem;
  });
}

TEST_P(OpTable, SecondDerivativesMatchDifferences) {
  each_sample([](const Sample& sample) {
    if (!sample.differentiable || sample.large) return;
    const Outcome outcome = check_second(sample);
    EXPECT_TRUE(outcome.passed()) << outcome.problem;
  });
}

// Whatever the op of the first output gives as its derivative comes out a little wrong.
class Mutant final : public Op {
 public:
  explicit Mutant(OpPtr op) : op_(std::move(op)) {}
  std::string_view name() const override { return op_->name(); }
  std::vector<TensorSpec> infer(Specs x) const override { return op_->infer(x); }
  void run(Views x, Views y, void* scratch) const override { op_->run(x, y, scratch); }
  size_t scratch_bytes(Specs x, Specs y) const override { return op_->scratch_bytes(x, y); }
  bool takes_strides(size_t i) const override { return op_->takes_strides(i); }
  bool may_fail() const override { return op_->may_fail(); }
  bool view(const TensorSpec& x, const Strides& x_strides, const TensorSpec& y, Strides& y_strides,
            int64_t& offset) const override {
    return op_->view(x, x_strides, y, y_strides, offset);
  }
  std::vector<Tensor> vjp(Tensors x, Tensors y, Tensors gy, Needs needs) const override {
    std::vector<Tensor> gx = op_->vjp(x, y, gy, needs);
    for (size_t i = 0; i < x.size(); ++i) {
      if (!needs[i]) continue;
      gx[i] = gx[i].defined() ? gx[i] * 1.0001 : full(x[i].shape(), 1e-3, x[i].dtype());
    }
    return gx;
  }

 private:
  OpPtr op_;
};

TEST_P(OpTable, AMutatedDerivativeFails) {
  bool differentiable = false, caught = false;
  each_sample([&](const Sample& sample) {
    if (!sample.differentiable || sample.large || caught) return;
    differentiable = true;
    Sample mutated = sample;
    mutated.f = [f = sample.f](const std::vector<Tensor>& x) {
      const std::vector<Tensor> y = f(x);
      const Node& node = *y[0].node();
      if (node.kind() != Node::Kind::compute) return y;
      return std::vector<Tensor>{apply(OpPtr(new Mutant(node.op_ptr())), node.inputs(), node.where())};
    };
    caught = !check_gradient(mutated).passed();
  });
  EXPECT_EQ(caught, differentiable);
}

// --- other roads to the same values ---

// Relative to the largest element: float has 6e-8, and sums of some thousand terms may lose two digits more.
constexpr double f32_limit = 2e-5;

TEST_P(OpTable, Float32AgreesWithFloat64) {
  each_sample([](const Sample& sample) {
    if (!sample.follows_dtype || floats_of(sample.inputs).empty()) return;
    std::vector<Tensor> narrow, wide;
    for (const Tensor& x : sample.inputs) {
      narrow.push_back(x.dtype() == f64 ? cast(x, f32) : x);
      wide.push_back(x.dtype() == f64 ? cast(narrow.back(), f64) : x);  // rounded, so that both start from one value
    }
    const std::vector<Tensor> y32 = with_gradients(sample, narrow), y64 = with_gradients(sample, wide);
    ASSERT_EQ(y32.size(), y64.size());
    for (size_t o = 0; o < y32.size(); ++o) {
      const DType dtype = y64[o].dtype();
      EXPECT_EQ(y32[o].dtype(), dtype == f64 ? f32 : dtype) << "result " << o;
    }
    expect_close(y32, y64, f32_limit, 0.1);
  });
}

TEST_P(OpTable, CompiledAgreesWithEvaluated) {
  each_sample([](const Sample& sample) {
    const auto f = compile([&](const std::vector<Tensor>& x) { return with_gradients(sample, x); });
    const std::vector<Tensor> evaluated = with_gradients(sample, sample.inputs);
    expect_close(f(sample.inputs), evaluated, 1e-12);
    expect_close(f(sample.inputs), evaluated, 1e-12);  // replayed on used memory
  });
}

// A plain interpreter: one op after another, each by itself on memory full of NaN (all bits set, scratch too), none of
// the executor's views and reuse.
class Interpreter {
 public:
  enum class Mode { plain, strided, in_place };
  explicit Interpreter(Mode mode) : mode_(mode) {}

  std::vector<Tensor> run(const std::vector<Tensor>& roots) {
    for (const Node* node : topological_order(roots)) {
      if (node->kind() == Node::Kind::compute) values_[node] = computed(*node);
      else values_[node] = *node->values();
    }
    std::vector<Tensor> results;
    for (const Tensor& root : roots) results.push_back(constant(value(root)));
    return results;
  }

 private:
  const Array& value(const Tensor& tensor) { return values_.at(tensor.node()).at(static_cast<size_t>(tensor.index())); }

  static Array poisoned(const TensorSpec& spec) {
    Array array(spec);
    std::memset(array.bytes(), 0xFF, static_cast<size_t>(spec.bytes()));
    return array;
  }

  // The same elements with strides in reverse order and gaps.
  static Array spread(const Array& from) {
    const Shape& shape = from.shape();
    Strides strides = Strides::filled(shape.rank(), 0);
    int64_t size = 2;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      strides[axis] = size;
      size *= std::max<int64_t>(shape[axis], 1);
    }
    const Array all = poisoned({from.dtype(), {size}});
    Array array(from.spec(), all.storage(), strides, 0);
    const size_t bytes = size_of(from.dtype());
    each_index(shape, [&](const Dims& index) {
      int64_t source = 0, target = 0;
      for (int axis = 0; axis < shape.rank(); ++axis) {
        source += index[axis] * from.strides()[axis];
        target += index[axis] * strides[axis];
      }
      std::memcpy(array.bytes() + target * static_cast<int64_t>(bytes),
                  from.bytes() + source * static_cast<int64_t>(bytes), bytes);
    });
    return array;
  }

  static Array packed(const Array& from) {
    Array array = poisoned(from.spec());
    const size_t bytes = size_of(from.dtype());
    std::byte* to = array.bytes();
    each_index(from.shape(), [&](const Dims& index) {
      int64_t source = 0;
      for (int axis = 0; axis < index.rank(); ++axis) source += index[axis] * from.strides()[axis];
      std::memcpy(to, from.bytes() + source * static_cast<int64_t>(bytes), bytes);
      to += bytes;
    });
    return array;
  }

  std::vector<Array> computed(const Node& node) {
    const Op& op = node.op();
    std::vector<Array> x, y;
    std::vector<TensorSpec> specs;
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      const Array& given = value(node.inputs()[i]);
      specs.push_back(given.spec());
      x.push_back(mode_ == Mode::strided && op.takes_strides(i) ? spread(given) : packed(given));
    }
    for (const TensorSpec& spec : node.outputs()) y.push_back(poisoned(spec));
    if (mode_ == Mode::in_place && !y.empty()) {
      for (size_t i = 0; i < x.size(); ++i) {
        if (!op.in_place(i, 0) || x[i].spec().bytes() != y[0].spec().bytes()) continue;
        y[0] = Array(y[0].spec(), x[i].storage(), y[0].strides(), 0);
        break;
      }
    }
    const auto views = [](const std::vector<Array>& arrays) {
      std::vector<View> all;
      for (const Array& array : arrays) all.push_back({array.bytes(), &array.spec(), &array.strides()});
      return all;
    };
    const size_t scratch_bytes = op.scratch_bytes(specs, node.outputs());
    const Storage scratch(scratch_bytes);
    std::memset(scratch.data(), 0xFF, scratch_bytes);
    op.run(views(x), views(y), scratch.data());
    return y;
  }

  Mode mode_;
  std::map<const Node*, std::vector<Array>> values_;
};

void expect_interpreted(const std::vector<Tensor>& tensors, Interpreter::Mode mode) {
  const std::vector<Tensor> interpreted = Interpreter(mode).run(tensors);
  expect_close(tensors, interpreted, 1e-12);
}

TEST_P(OpTable, WritesEveryElementOfPoisonedMemory) {
  each_sample([](const Sample& sample) {
    expect_interpreted(with_gradients(sample, sample.inputs), Interpreter::Mode::plain);
  });
}

TEST_P(OpTable, StridedOperandsGiveTheSame) {
  each_sample([](const Sample& sample) {
    if (!sample.large) expect_interpreted(with_gradients(sample, sample.inputs), Interpreter::Mode::strided);
  });
}

TEST_P(OpTable, WritingOverAnInputGivesTheSame) {
  each_sample([](const Sample& sample) {
    expect_interpreted(with_gradients(sample, sample.inputs), Interpreter::Mode::in_place);
  });
}

// --- threads ---

// Eight chunks that wait for one another end only when as many threads as the arena has work at once.
int threads_at_work(int threads) {
  std::atomic<int> arrived{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  parallel_for(threads, 1, [&](int64_t, int64_t) {
    ++arrived;
    while (arrived < threads && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  return arrived;
}

TEST(OpTableThreads, AsManyAsAskedForTakePart) {
  for (const int threads : {2, 8}) {
    const ThreadLimit limit(threads);
    tbb::task_arena arena(threads);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(arena.execute([&] { return threads_at_work(threads); }), threads);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(19)) << "they came one after another";
  }
}

// In an arena of the caller's, which is where the limit on threads comes from as well.
TEST_P(OpTable, AnyNumberOfThreadsGivesTheSameBits) {
  each_sample([](const Sample& sample) {
    const auto compiled = compile([&](const std::vector<Tensor>& x) { return with_gradients(sample, x); });
    std::string evaluated_by_one, compiled_by_one;
    for (const int threads : {1, 2, 4, 8}) {
      const ThreadLimit limit(threads);
      tbb::task_arena arena(threads);
      arena.execute([&] {
        const std::string evaluated = bits_of(with_gradients(sample, sample.inputs));
        const std::string replayed = bits_of(compiled(sample.inputs));
        if (threads == 1) {
          evaluated_by_one = evaluated;
          compiled_by_one = replayed;
        }
        EXPECT_TRUE(evaluated == evaluated_by_one) << "evaluated by " << threads << " threads";
        EXPECT_TRUE(replayed == compiled_by_one) << "compiled, by " << threads << " threads";
      });
    }
  });
}

// --- wrong inputs ---

std::string read(const std::string& path) {
  std::ifstream file(std::string(TELAIO_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What is written in a line of one of the sample files, and around it where a call is wrapped.
std::string source_around(const std::string& name, int line) {
  std::stringstream text(read("ops/samples/" + name));
  std::string found, next;
  for (int number = 1; std::getline(text, next); ++number)
    if (std::abs(number - line) <= 2) found += next + "\n";
  return found;
}

// The message names the op, what is wrong, and the line of the sample files where the op was called: the user's line.
TEST_P(OpTable, WrongInputsAreRefused) {
  for (const WrongInput& wrong : GetParam()->wrong) {
    SCOPED_TRACE(fmt::format("{}:{}", wrong.where.file_name(), wrong.where.line()));
    std::string message;
    try {
      wrong.call();
    } catch (const Error& error) {
      message = error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "not an Error: " << error.what();
      continue;
    }
    if (message.empty()) {
      ADD_FAILURE() << "nothing was thrown; expected " << GetParam()->name << ": " << wrong.expected;
      continue;
    }
    EXPECT_THAT(message, HasSubstr(GetParam()->name + ":"));
    EXPECT_THAT(message, HasSubstr(wrong.expected));
    static const std::regex place("at [^\n]*ops/samples/([a-z0-9_]+\\.cpp):([0-9]+)");
    std::smatch at;
    if (!std::regex_search(message, at, place)) {
      ADD_FAILURE() << "the caller's line is missing: " << message;
      continue;
    }
    EXPECT_THAT(std::string(wrong.where.file_name()), HasSubstr(at[1].str())) << message;
    const std::string called = source_around(at[1], std::stoi(at[2]));
    const std::string through = GetParam()->name + "|TELAIO_HERE|f\\(";  // by its name, or as f handed on
    EXPECT_TRUE(std::regex_search(called, std::regex(through))) << message << "\nis no call of it:\n" << called;
  }
}

std::vector<const OpRow*> rows() {
  std::vector<const OpRow*> all;
  for (const OpRow& row : op_table()) all.push_back(&row);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, OpTable, testing::ValuesIn(rows()), [](const auto& row) { return row.param->name; });

// --- the table itself ---

// Functions declared at the start of a line: "Tensor add(", "std::vector<Tensor> split(", "BatchNorm batch_norm(".
std::set<std::string> declared(const std::string& header) {
  static const std::regex pattern("(?:^|\n)(?:inline )?[A-Za-z_:<>]+ ([a-z_0-9]+)\\(");
  std::set<std::string> names;
  for (std::sregex_iterator at(header.begin(), header.end(), pattern), end; at != end; ++at) names.insert((*at)[1]);
  return names;
}

TEST(OpTableRows, EveryPublicFunctionHasOne) {
  // Of the headers that a user's ops.hpp includes, and of the graph's own those that are ops.
  std::set<std::string> functions{"stop_gradient", "checkpoint", "add_n", "full", "zeros", "ones"};
  const std::string list = read("ops/ops.hpp");
  static const std::regex include("#include <telaio/(ops/[a-z_0-9]+\\.hpp)>");
  int headers = 0;
  for (std::sregex_iterator at(list.begin(), list.end(), include), end; at != end; ++at, ++headers)
    functions.merge(declared(read((*at)[1])));
  EXPECT_GE(headers, 13);
  std::set<std::string> names;
  for (const OpRow& row : op_table()) EXPECT_TRUE(names.insert(row.name).second) << row.name << " has two rows";
  for (const std::string& function : functions) EXPECT_TRUE(names.contains(function)) << function << " has no row";
  for (const std::string& name : names) EXPECT_TRUE(functions.contains(name)) << name << " is no public function";
}

TEST(OpTableRows, AFunctionWithoutOneWouldBeSeen) {
  const std::set<std::string> found = declared(
      "namespace telaio {\n\n/// Text f(x).\nTensor brand_new(const Tensor& x,\n              int axis);\n"
      "std::vector<Tensor> several(const Tensor& x);\ninline Result struct_result(int a) {\n  return inner(a);\n}\n");
  EXPECT_EQ(found, (std::set<std::string>{"brand_new", "several", "struct_result"}));
}

TEST(OpTableRows, HaveSamples) {
  for (const OpRow& row : op_table()) EXPECT_GE(row.all_samples(seed()).size(), 3u) << row.name;
}

// Differences drown in the rounding to f32, so casts are checked by what their derivative must be: the cast back.
TEST(OpTableRows, TheDerivativeOfACastIsTheCastBack) {
  const Tensor x = from_data(std::vector<double>{0.1, -2, 3}, {3});
  const Tensor weight = from_data(std::vector<float>{0.3f, 5, -7}, {3});
  const Tensor gradient = grad(sum(square(cast(x, f32)) * weight), x);
  EXPECT_EQ(gradient.dtype(), f64);
  const auto got = gradient.to_vector<double>();
  const double expected[] = {0.06, -20, -42};
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(got[i], expected[i], 1e-6);
  // Twice: the first gradient of Σ w·x² is 2·w·x, that of its sum 2·w.
  const auto again = grad(sum(gradient), x).to_vector<double>();
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(again[i], 2.0 * weight.to_vector<double>()[i], 1e-6);
}

}  // namespace
}  // namespace telaio::samples
