#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/math-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {

// What a row is told by: max x, and Σ exp(x − max x).
template <class T>
struct RowSums {
  T max, sum;
};

// f(mask, place) for each vector of n elements, the last one in part: one copy of f, whose exp is long.
template <class D, class F>
HWY_INLINE void EachVector(D d, int64_t begin, int64_t end, const F& f) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = begin; i < end; i += lanes) f(hn::FirstN(d, static_cast<size_t>(std::min(lanes, end - i))), i);
}

template <class D>
HWY_INLINE hn::TFromD<D> RowMax(D d, const hn::TFromD<D>* x, int64_t n) {
  const auto lowest = hn::Set(d, -std::numeric_limits<hn::TFromD<D>>::infinity());
  auto max = lowest;
  EachVector(d, 0, n, [&](auto mask, int64_t i) HWY_ATTR {
    max = hn::Max(max, hn::IfThenElse(mask, hn::MaskedLoad(mask, d, x + i), lowest));
  });
  return hn::GetLane(hn::MaxOfLanes(d, max));
}

// exp(x − max) of a row, written to e unless that is null. Long rows are added in runs, the runs in double precision.
template <class T>
HWY_NOINLINE RowSums<T> RowExp(const T* x, int64_t n, T* e) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const T top = RowMax(d, x, n);
  const auto max = hn::Set(d, top);
  constexpr int64_t run_vectors = 64;
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += run_vectors * lanes) {
    auto part = hn::Zero(d);
    EachVector(d, begin, std::min(n, begin + run_vectors * lanes), [&](auto mask, int64_t i) HWY_ATTR {
      const auto value = hn::IfThenElseZero(mask, Exp(d, hn::Sub(hn::MaskedLoad(mask, d, x + i), max)));
      if (e) hn::BlendedStore(value, mask, d, e + i);
      part = hn::Add(part, value);
    });
    sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, part)));
  }
  return {top, static_cast<T>(sum)};
}

template <class T>
void Softmax(int64_t rows, int64_t n, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const auto sum = hn::Set(d, RowExp(x, n, y).sum);
    EachVector(d, 0, n, [&](auto mask, int64_t i) HWY_ATTR {
      hn::BlendedStore(hn::Div(hn::MaskedLoad(mask, d, y + i), sum), mask, d, y + i);
    });
  }
}

// The maximum is taken off x before the logarithm is, not added to it: for large x the two would cancel badly.
template <class T>
HWY_NOINLINE void RowLogSoftmax(const T* x, int64_t n, T* y) {
  const hn::ScalableTag<T> d;
  const RowSums<T> of = RowExp(x, n, static_cast<T*>(nullptr));
  const auto max = hn::Set(d, of.max), logarithm = hn::Set(d, std::log(of.sum));
  EachVector(d, 0, n, [&](auto mask, int64_t i) HWY_ATTR {
    const auto shifted = hn::Sub(hn::MaskedLoad(mask, d, x + i), max);
    hn::BlendedStore(hn::Sub(shifted, logarithm), mask, d, y + i);
  });
}

template <class T>
void LogSoftmax(int64_t rows, int64_t n, const T* x, T* y) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) RowLogSoftmax(x, n, y);
}

template <class T>
void CrossEntropy(int64_t rows, int64_t n, const T* x, const int64_t* labels, T* losses) {
  for (int64_t r = 0; r < rows; ++r, x += n) {
    const RowSums<T> of = RowExp(x, n, static_cast<T*>(nullptr));
    losses[r] = -((x[labels[r]] - of.max) - std::log(of.sum));
  }
}

// exp(log p)·gy and not p·gy: these are the bits of the gradient by one-hot targets, which goes through log_softmax.
template <class T>
void CrossEntropyGrad(int64_t rows, int64_t n, const T* x, const int64_t* labels, const T* gy, T* gx) {
  const hn::ScalableTag<T> d;
  for (int64_t r = 0; r < rows; ++r, x += n, gx += n) {
    RowLogSoftmax(x, n, gx);
    const auto gradient = hn::Set(d, gy[r]);
    EachVector(d, 0, n, [&](auto mask, int64_t i) HWY_ATTR {
      hn::BlendedStore(hn::Mul(Exp(d, hn::MaskedLoad(mask, d, gx + i)), gradient), mask, d, gx + i);
    });
    gx[labels[r]] -= gy[r];
  }
}

#define TELAIO_SOFTMAX_OF(T, Suffix)                                                                              \
  void Softmax##Suffix(int64_t rows, int64_t n, const T* x, T* y) { Softmax(rows, n, x, y); }                     \
  void LogSoftmax##Suffix(int64_t rows, int64_t n, const T* x, T* y) { LogSoftmax(rows, n, x, y); }               \
  void CrossEntropy##Suffix(int64_t rows, int64_t n, const T* x, const int64_t* labels, T* losses) {              \
    CrossEntropy(rows, n, x, labels, losses);                                                                     \
  }                                                                                                               \
  void CrossEntropyGrad##Suffix(int64_t rows, int64_t n, const T* x, const int64_t* labels, const T* gy, T* gx) { \
    CrossEntropyGrad(rows, n, x, labels, gy, gx);                                                                 \
  }
TELAIO_SOFTMAX_OF(float, F32)
TELAIO_SOFTMAX_OF(double, F64)
#undef TELAIO_SOFTMAX_OF

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(SoftmaxF32);
TELAIO_EXPORT(SoftmaxF64);
TELAIO_EXPORT(LogSoftmaxF32);
TELAIO_EXPORT(LogSoftmaxF64);
TELAIO_EXPORT(CrossEntropyF32);
TELAIO_EXPORT(CrossEntropyF64);
TELAIO_EXPORT(CrossEntropyGradF32);
TELAIO_EXPORT(CrossEntropyGradF64);

namespace {

// Rows in parallel, as many in each task; `n` elements cost a few cycles each and a row more than a hundred.
template <class F>
void each_rows(int64_t rows, int64_t n, const F& f) {
  const int64_t tasks = rows / grain_here(160 + 3 * static_cast<double>(n)) + 1;
  parallel_for(rows, (rows - 1) / tasks + 1, [&](int64_t begin, int64_t end) { f(begin, end - begin); });
}

}  // namespace

#define TELAIO_SOFTMAX_OF(T, Suffix)                                                                                 \
  template <>                                                                                                        \
  void softmax(int64_t rows, int64_t n, const T* x, T* y) {                                                          \
    const auto run = TELAIO_DISPATCH(Softmax##Suffix);                                                               \
    each_rows(rows, n, [&](int64_t r, int64_t count) { run(count, n, x + r * n, y + r * n); });                      \
  }                                                                                                                  \
  template <>                                                                                                        \
  void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {                                                      \
    const auto run = TELAIO_DISPATCH(LogSoftmax##Suffix);                                                            \
    each_rows(rows, n, [&](int64_t r, int64_t count) { run(count, n, x + r * n, y + r * n); });                      \
  }                                                                                                                  \
  template <>                                                                                                        \
  void softmax_cross_entropy(int64_t rows, int64_t n, const T* x, const int64_t* labels, T* losses) {                \
    const auto run = TELAIO_DISPATCH(CrossEntropy##Suffix);                                                          \
    each_rows(rows, n, [&](int64_t r, int64_t count) { run(count, n, x + r * n, labels + r, losses + r); });         \
  }                                                                                                                  \
  template <>                                                                                                        \
  void softmax_cross_entropy_grad(int64_t rows, int64_t n, const T* x, const int64_t* labels, const T* gy, T* gx) {  \
    const auto run = TELAIO_DISPATCH(CrossEntropyGrad##Suffix);                                                      \
    each_rows(rows, n, [&](int64_t r, int64_t count) { run(count, n, x + r * n, labels + r, gy + r, gx + r * n); }); \
  }
TELAIO_SOFTMAX_OF(float, F32)
TELAIO_SOFTMAX_OF(double, F64)
#undef TELAIO_SOFTMAX_OF

}  // namespace telaio::kernels
#endif  // HWY_ONCE
