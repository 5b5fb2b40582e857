#include <cmath>

#include <telaio/ops/create.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

Sample constant_sample(std::function<Tensor()> f, const Shape& shape, std::function<double(const Dims&)> element,
                       const std::string& label) {
  return sample(
             {}, [f](const std::vector<Tensor>&) { return std::vector<Tensor>{f()}; },
             [=](const References&) { return References{make(shape, element)}; }, label)
      .without_derivative()
      .of_fixed_dtype();
}

Sample filled(Tensor (*f)(const Shape&, DType, const SourceLocation&), const Shape& shape, DType dtype, double value) {
  return constant_sample([=] { return f(shape, dtype, TELAIO_HERE); }, shape, [=](const Dims&) { return value; },
                         to_string(TensorSpec{dtype, shape}));
}

std::vector<Sample> tensor_samples(uint64_t) {
  const auto line = [](const Dims& i) { return static_cast<double>(i[0]) + 1; };
  const auto table = [](const Dims& i) { return static_cast<double>(3 * i[0] + i[1]) + 1; };
  return {constant_sample(
              [] {
                return tensor({1.0f, 2.0f});
              },
              {2}, line, "f32"),
          constant_sample(
              [] {
                return tensor({1.0, 2.0, 3.0});
              },
              {3}, line, "f64"),
          constant_sample(
              [] {
                return tensor({1, 2});
              },
              {2}, line, "i32"),
          constant_sample(
              [] {
                return tensor({{1, 2, 3}, {4, 5, 6}});
              },
              {2, 3}, table, "i32 rows"),
          constant_sample(
              [] {
                return tensor({{1.0, 2.0, 3.0}});
              },
              {1, 3}, table, "f64 row"),
          constant_sample(
              [] {
                return tensor({false, true});
              },
              {2}, [](const Dims& i) { return static_cast<double>(i[0]); }, "bool")};
}

std::vector<Sample> arange_samples(uint64_t) {
  const auto add = [](double start, double stop, double step, DType dtype, int64_t count) {
    return constant_sample([=] { return arange(start, stop, step, dtype); }, {count},
                           [=](const Dims& i) { return start + step * static_cast<double>(i[0]); },
                           std::to_string(start) + " " + std::to_string(stop) + " " + std::to_string(step));
  };
  return {add(0, 5, 1, f32, 5),
          add(1, 2, 0.25, f64, 4),
          add(0, 1, 0.3, f64, 4),
          add(5, 0, -2, i32, 3),
          add(3, 3, 1, f32, 0),
          add(3, 1, 1, i64, 0),
          add(-1, 1.5, 0.5, f32, 5),
          constant_sample([] { return arange(7); }, {7}, [](const Dims& i) { return static_cast<double>(i[0]); }, "7"),
          constant_sample([] { return arange(int64_t{0}); }, {0}, [](const Dims&) { return 0.0; }, "0")};
}

std::vector<Sample> eye_samples(uint64_t) {
  const auto diagonal = [](const Dims& i) -> double { return i[0] == i[1]; };
  return {constant_sample([] { return eye(3); }, {3, 3}, diagonal, "3"),
          constant_sample([] { return eye(2, 4, f64); }, {2, 4}, diagonal, "2 4 f64"),
          constant_sample([] { return eye(3, 1, i32); }, {3, 1}, diagonal, "3 1 i32"),
          constant_sample([] { return eye(0); }, {0, 0}, diagonal, "0"),
          constant_sample([] { return eye(2, 0); }, {2, 0}, diagonal, "2 0")};
}

std::vector<Sample> full_samples(uint64_t) {
  const auto add = [](const Shape& shape, double value, DType dtype) {
    return constant_sample([=] { return full(shape, value, dtype); }, shape, [=](const Dims&) { return value; },
                           to_string(TensorSpec{dtype, shape}));
  };
  return {add({2, 3}, 1.5, f32), add({}, -2.25, f64), add({0, 2}, 1, f32), add({3}, 7, i64), add({3}, 1, boolean)};
}

}  // namespace

void add_create(std::vector<OpRow>& table) {
  table.push_back({"full",
                   full_samples,
                   {{[] { full({-1}, 0); }, "-1"},
                    {[] {
                       full({1 << 30, 1 << 30, 1 << 30}, 0);
                     },
                     ""}}});
  table.push_back({"zeros",
                   [](uint64_t) {
                     return std::vector<Sample>{filled(zeros, {2, 3}, f32, 0), filled(zeros, {}, i32, 0),
                                                filled(zeros, {0}, f64, 0)};
                   },
                   {}});
  table.push_back({"ones",
                   [](uint64_t) {
                     return std::vector<Sample>{filled(ones, {2, 3}, f32, 1), filled(ones, {4}, boolean, 1),
                                                filled(ones, {0}, f64, 1)};
                   },
                   {}});
  table.push_back({"tensor", tensor_samples, {{[] { tensor({{1, 2}, {3}}); }, "row"}}});
  table.push_back({"arange",
                   arange_samples,
                   {{[] { arange(0, 1, 0); }, "step"},
                    {[] { arange(0, std::nan(""), 1); }, ""},
                    {[] { arange(int64_t{-1}); }, "-1"}}});
  table.push_back({"eye", eye_samples, {{[] { eye(-1); }, "-1"}}});
}

}  // namespace telaio::samples
