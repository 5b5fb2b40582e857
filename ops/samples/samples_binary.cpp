#include <cmath>

#include <telaio/ops/binary.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

using Double2 = double (*)(double, double);

Sample two(const Tensor& a, const Tensor& b, std::function<Tensor(const Tensor&, const Tensor&)> f, Double2 reference,
           const std::string& label = "") {
  return sample(
      {a, b}, [f](const std::vector<Tensor>& x) { return std::vector<Tensor>{f(x[0], x[1])}; },
      [reference](const References& x) { return References{map(x[0], x[1], reference)}; }, label);
}

struct Binary {
  std::string name;
  std::function<Tensor(const Operand&, const Operand&)> f;
  Double2 reference;
  Domain a = {}, b = {};
  bool differentiable = true;
  bool apart = false;  // a and b must not come close to one another
};

OpRow row(const Binary& op) {
  const auto samples = [op](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    const auto add = [&](const Shape& a, const Shape& b) {
      const Tensor x = draw.floats(a, op.a), y = draw.floats(b, op.b);
      if (!op.apart) {
        all.push_back(two(x, y, op.f, op.reference));
      } else {
        // The grids 0.1·n and 0.1·n + 0.05, so that rounding to f32 keeps their order too.
        const auto grid = [&](const Shape& shape, double offset) {
          std::vector<double> data(static_cast<size_t>(numel(shape)));
          for (double& value : data) value = 0.1 * static_cast<double>(draw.integer(-20, 20)) + offset;
          return from_data(data, shape);
        };
        all.push_back(two(grid(a, 0), grid(b, 0.05), op.f, op.reference));
      }
      all.back().differentiable = op.differentiable;
    };
    add({2, 3}, {2, 3});
    add({3, 1, 2}, {4, 1});
    add({}, {});
    add({5}, {});
    add({1, 1}, {2, 3});
    add({2, 1, 3, 1, 2}, {2, 1, 2, 1});
    add({0, 3}, {1, 3});
    add({260'003}, {260'003});
    add({700, 1}, {1, 601});
    // Numbers are weak, integers meet.
    all.push_back(sample(
        draw.floats({4}, op.a), [f = op.f](const Tensor& x) { return f(x, 1.5); },
        [r = op.reference](const Reference& x) { return map(x, [r](double v) { return r(v, 1.5); }); }, "and 1.5"));
    if (op.apart) all.back().inputs[0] = draw.floats({4}, {-2, 2, {1.5}});
    all.back().differentiable = op.differentiable;
    all.push_back(sample(
        draw.floats({4}, op.b), [f = op.f](const Tensor& x) { return f(2, x); },
        [r = op.reference](const Reference& x) { return map(x, [r](double v) { return r(2, v); }); }, "2 and"));
    if (op.apart) all.back().inputs[0] = draw.floats({4}, {-1, 3, {2}});
    all.back().differentiable = op.differentiable;
    all.push_back(
        two(draw.integers({2, 3}, 1, 4, i32), draw.integers({3}, 1, 4, i64), op.f, op.reference).without_derivative());
    return all;
  };
  const auto f = op.f;
  return {op.name,
          samples,
          {WrongInput(
               [f] {
                 f(ones({2, 3}), ones({2}));
               },
               "the shapes do not broadcast"),
           WrongInput([f] { f(ones({2}), Tensor()); }, "undefined")}};
}

Binary comparison(const std::string& name, std::function<Tensor(const Operand&, const Operand&)> f, Double2 reference) {
  return {name, std::move(f), reference, {}, {}, false};
}

OpRow logic(const std::string& name, Tensor (*f)(const Operand&, const Operand&), Double2 reference) {
  const auto samples = [=](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    for (const auto& [a, b] : {std::pair{Shape{2, 3}, Shape{3}}, {{}, {4}}, {{0, 2}, {2}}, {{400'009}, {400'009}}})
      all.push_back(two(draw.bools(a), draw.bools(b), f, reference).without_derivative());
    all.push_back(two(draw.integers({7}, 0, 2, i32), draw.floats({7}), f, reference).without_derivative());
    return all;
  };
  return {name,
          samples,
          {WrongInput(
               [f] {
                 f(ones({2, 3}, boolean), ones({2}, boolean));
               },
               "the shapes do not broadcast"),
           WrongInput([f] { f(ones({2}), Tensor()); }, "undefined")}};
}

OpRow where_row() {
  const auto samples = [](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    const auto add = [&](const Shape& condition, const Shape& a, const Shape& b) {
      all.push_back(sample(
          {draw.bools(condition), draw.floats(a), draw.floats(b)},
          [](const std::vector<Tensor>& x) { return std::vector<Tensor>{where(x[0], x[1], x[2])}; },
          [](const References& x) {
            const Shape shape = *broadcast(x[0].shape, *broadcast(x[1].shape, x[2].shape));
            return References{make(shape, [&](const Dims& i) {
              return x[0].broadcast_at(i) != 0 ? x[1].broadcast_at(i) : x[2].broadcast_at(i);
            })};
          }));
    };
    add({2, 3}, {2, 3}, {2, 3});
    add({3}, {2, 1}, {});
    add({4, 1, 1}, {3, 1}, {2});
    add({}, {2}, {2});
    add({0}, {1}, {0});
    add({400'009}, {400'009}, {});
    return all;
  };
  return {"where",
          samples,
          {WrongInput([] { where(ones({2}), 1.0, 2.0); }, "the condition must be bool"),
           WrongInput([] { where(ones({2}, boolean), ones({3}), 0); }, "the shapes do not broadcast"),
           WrongInput([] { where(Tensor(), 1.0, 0.0); }, "undefined")}};
}

#define OP(name) [](const Operand& a, const Operand& b) { return name(a, b); }

}  // namespace

void add_binary(std::vector<OpRow>& table) {
  const Domain apart_from_0{-2, 2, {0}, 0.4};
  const std::vector<Binary> ops{
      {"add", OP(add), [](double a, double b) { return a + b; }},
      {"sub", OP(sub), [](double a, double b) { return a - b; }},
      {"mul", OP(mul), [](double a, double b) { return a * b; }},
      {"div", OP(div), [](double a, double b) { return a / b; }, {}, apart_from_0},
      {"pow", OP(pow), [](double a, double b) { return std::pow(a, b); }, {0.4, 2}, {-1.5, 2.5}},
      {"maximum", OP(maximum), [](double a, double b) { return a > b ? a : b; }, {}, {}, true, true},
      {"minimum", OP(minimum), [](double a, double b) { return a < b ? a : b; }, {}, {}, true, true},
      comparison("equal", OP(equal), [](double a, double b) -> double { return a == b; }),
      comparison("not_equal", OP(not_equal), [](double a, double b) -> double { return a != b; }),
      comparison("less", OP(less), [](double a, double b) -> double { return a < b; }),
      comparison("less_equal", OP(less_equal), [](double a, double b) -> double { return a <= b; }),
      comparison("greater", OP(greater), [](double a, double b) -> double { return a > b; }),
      comparison("greater_equal", OP(greater_equal), [](double a, double b) -> double { return a >= b; }),
  };
  for (const Binary& op : ops) {
    table.push_back(row(op));
    if (op.differentiable && op.name != "div")  // a true division makes floats of them
      table.back().wrong.push_back({[f = op.f] { f(ones({2}, boolean), true); }, "bools have no arithmetic"});
  }
  table.push_back(logic("logical_and", logical_and, [](double a, double b) -> double { return a != 0 && b != 0; }));
  table.push_back(logic("logical_or", logical_or, [](double a, double b) -> double { return a != 0 || b != 0; }));
  table.push_back(logic("logical_xor", logical_xor, [](double a, double b) -> double { return (a != 0) != (b != 0); }));
  table.push_back(where_row());
}

}  // namespace telaio::samples
