// An op of your own.
//
// An op is a small class that says its name, the shapes and types of its results (infer), how to compute them (run)
// and, if it has one, its derivative (vjp). With that it takes part in everything: graphs, gradients of gradients,
// compiled functions, drawings, profiles and error messages.
//
//   infer  is the only place that checks inputs. It throws an Error of one line; the op's name, its operands and your
//          caller's line are added to it.
//   run    gets the memory: contiguous inputs x, uninitialised contiguous outputs y.
//   vjp    gets the tensors x and y and the gradient gy by y, and returns the gradients by x, as a graph of ops; so
//          second derivatives follow by themselves.
//
// Two ops follow: softsign, with a derivative, and sorted, without one. The program checks both, shows how gradcheck
// finds a wrong derivative, and exits with 1 if something is not as expected.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <telaio/telaio.hpp>

using namespace telaio;

namespace {

// x/(1 + |x|), whose derivative 1/(1 + |x|)² is (1 − |y|)².
class Softsign final : public Op {
 public:
  std::string_view name() const override { return "softsign"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (!is_float(x[0].dtype)) throw Error("expects floats");
    return {x[0]};
  }
  void run(Views x, Views y, void*) const override {
    with_float(x[0].dtype(), [&]<class T>() {
      for (int64_t i = 0; i < x[0].numel(); ++i)
        y[0].data<T>()[i] = x[0].data<T>()[i] / (1 + std::abs(x[0].data<T>()[i]));
    });
  }
  std::vector<Tensor> vjp(Tensors, Tensors y, Tensors gy, Needs) const override {
    return {gy[0] * square(1 - abs(y[0]))};
  }
};

Tensor softsign(const Tensor& x, const SourceLocation& where = TELAIO_HERE) {
  return apply(OpPtr(new Softsign), {x}, where);
}

// The elements of a vector in ascending order. It has no derivative, so asking for one is an error.
class Sorted final : public Op {
 public:
  std::string_view name() const override { return "sorted"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (x[0].shape.rank() != 1 || x[0].dtype != f64) throw Error("expects a vector of f64");
    return {x[0]};
  }
  void run(Views x, Views y, void*) const override {
    std::partial_sort_copy(x[0].data<double>(), x[0].data<double>() + x[0].numel(), y[0].data<double>(),
                           y[0].data<double>() + y[0].numel());
  }
};

Tensor sorted(const Tensor& x, const SourceLocation& where = TELAIO_HERE) {
  return apply(OpPtr(new Sorted), {x}, where);
}

// Softsign with a mistake: the square is missing.
class WrongSoftsign final : public Op {
 public:
  std::string_view name() const override { return "wrong_softsign"; }
  std::vector<TensorSpec> infer(Specs x) const override { return right_.infer(x); }
  void run(Views x, Views y, void* scratch) const override { right_.run(x, y, scratch); }
  std::vector<Tensor> vjp(Tensors, Tensors y, Tensors gy, Needs) const override { return {gy[0] * (1 - abs(y[0]))}; }

 private:
  Softsign right_;
};

bool all_right = true;

void expect(const std::string& what, bool right) {
  std::cout << (right ? "ok     " : "WRONG  ") << what << "\n";
  all_right = all_right && right;
}

// Runs f, which must throw, and shows what it says.
void expect_error(const std::string& what, const std::function<void()>& f) {
  try {
    f();
    expect(what, false);
  } catch (const Error& error) {
    expect(what, true);
    std::cout << "---\n" << error.what() << "\n---\n";
  }
}

}  // namespace

int main() {
  const Tensor x = tensor({-2.0, 0.5, 3.0});

  expect("softsign(3) is 0.75", softsign(x).to_vector<double>()[2] == 0.75);
  expect("its gradient agrees with differences", gradcheck([](const Tensor& t) { return softsign(t); }, {x}).passed);
  expect("so does its second derivative", gradgradcheck([](const Tensor& t) { return softsign(t); }, {x}).passed);
  const auto compiled = compile([](const Tensor& t) { return sum(square(softsign(t * 2))); });
  expect("compiled as evaluated", compiled(x).item<double>() == sum(square(softsign(x * 2))).item<double>());

  expect("sorted sorts", sorted(tensor({3.0, 1.0, 2.0})).to_vector<double>() == std::vector<double>{1, 2, 3});
  expect_error("sorted refuses a matrix, and names the line", [] { sorted(zeros({2, 2}, f64)); });
  expect_error("sorted has no gradient", [&] { grad(sum(sorted(x)), x); });

  expect_error("gradcheck finds the wrong derivative", [&] {
    gradcheck([](const Tensor& t) { return apply(OpPtr(new WrongSoftsign), {t}, TELAIO_HERE); }, {x});
  });
  return all_right ? 0 : 1;
}
