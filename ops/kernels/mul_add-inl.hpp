// One element of memory times some vectors, for each target.

#if defined(TELAIO_MUL_ADD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef TELAIO_MUL_ADD_INL_HPP
#undef TELAIO_MUL_ADD_INL_HPP
#else
#define TELAIO_MUL_ADD_INL_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// sum += *a · b, where *a is loaded once for all vectors.
template <int vectors, class T, class V>
HWY_INLINE void MulAddLoaded(const T* a, const V (&b)[vectors], V (&sum)[vectors]) {
  const V element = hn::Set(hn::ScalableTag<T>(), *a);
  HWY_UNROLL(4)
  for (int v = 0; v < vectors; ++v) sum[v] = hn::MulAdd(element, b[v], sum[v]);
}

// The same where each multiply-add takes *a from memory itself. A step of a register tile is 24 to 28 multiply-adds,
// two a cycle, and as many loads and additions of addresses as would fill two more instructions a cycle; where another
// program runs on the same core, there are only three in all. Such a load is no instruction of its own, provided that
// its address is one register; but as the processor does only two loads a cycle, not all elements should come this way.
#if HWY_TARGET == HWY_AVX3 && defined(__GNUC__)
constexpr bool multiplies_from_memory = true;
template <class V>
HWY_INLINE V MulAddMemory(const float* a, V b, V sum) {
  asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum.raw) : "v"(b.raw), "m"(*a));
  return sum;
}
template <class V>
HWY_INLINE V MulAddMemory(const double* a, V b, V sum) {
  asm("vfmadd231pd %2%{1to8%}, %1, %0" : "+v"(sum.raw) : "v"(b.raw), "m"(*a));
  return sum;
}
template <int vectors, class T, class V>
HWY_INLINE void MulAddFromMemory(const T* a, const V (&b)[vectors], V (&sum)[vectors]) {
  HWY_UNROLL(4)
  for (int v = 0; v < vectors; ++v) sum[v] = MulAddMemory(a, b[v], sum[v]);
}
#else
constexpr bool multiplies_from_memory = false;
template <int vectors, class T, class V>
HWY_INLINE void MulAddFromMemory(const T* a, const V (&b)[vectors], V (&sum)[vectors]) {
  MulAddLoaded(a, b, sum);
}
#endif

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
