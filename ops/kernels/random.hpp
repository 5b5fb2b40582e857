// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011).
//
// Element i of a stream is a function of (seed, stream, i) alone, so it is the same on any thread, however the range
// is cut, and after a restart. Block b of a stream is Philox with the key `seed` and the counter (b, stream), low
// words first: four 32-bit or two 64-bit draws. Elements with 4 bytes (and bool) take one 32-bit draw each, element i
// from block i / 4; those with 8 bytes one 64-bit draw, from block i / 2.
//
// Bits, uniforms and Bernoulli draws are the same on every machine; normals to rounding (one SIMD target: the same).
#pragma once

#include <cstddef>
#include <cstdint>

#include <telaio/ops/random_key.hpp>

namespace telaio::kernels {

/// The plain definition of one block; the kernels below give the same numbers.
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/// y[k] = element first + k of the stream, k < n: raw bits. T: uint32_t, uint64_t.
template <class T>
void random_bits(RandomKey key, int64_t first, int64_t n, T* y);

/// In [0, 1): multiples of 2^-24 (float) or 2^-53 (double), each equally likely.
template <class T>
void uniform(RandomKey key, int64_t first, int64_t n, T* y);

/// Standard normal, by Box and Muller's transform of the even and the odd draw: floats reach ±6.6, doubles ±8.6.
template <class T>
void normal(RandomKey key, int64_t first, int64_t n, T* y);

/// True with probability p, to 2^-32: a 32-bit draw below p·2^32. Never for p ≤ 0 or NaN, always for p ≥ 1.
void bernoulli(RandomKey key, double p, int64_t first, int64_t n, bool* y);

/// A permutation of 0 … n-1: the numbers in the order of their 64-bit draws (ties, at odds of n²/2^65, by number).
/// `scratch` holds permutation_scratch_bytes(n), 64-byte aligned.
void permutation(RandomKey key, int64_t n, int64_t* y, void* scratch);
size_t permutation_scratch_bytes(int64_t n);

}  // namespace telaio::kernels
