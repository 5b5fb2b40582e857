#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include <telaio/ops/random.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

// Philox4x32-10 as the paper's section 4.3 has it: block `block` of a stream.
std::array<uint32_t, 4> philox(uint64_t seed, uint64_t stream, uint64_t block) {
  std::array<uint32_t, 4> c{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                            static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  auto k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

struct Stream {
  uint64_t seed, stream;
  explicit Stream(const Reference& key)
      : seed(static_cast<uint64_t>(static_cast<int64_t>(key.data[0]))),
        stream(static_cast<uint64_t>(static_cast<int64_t>(key.data[1]))) {}
  uint64_t word32(int64_t i) const {
    return philox(seed, stream, static_cast<uint64_t>(i / 4))[static_cast<size_t>(i % 4)];
  }
  uint64_t word64(int64_t i) const {
    const auto block = philox(seed, stream, static_cast<uint64_t>(i / 2));
    const size_t first = 2 * static_cast<size_t>(i % 2);
    return block[first] | uint64_t{block[first + 1]} << 32;
  }
  uint64_t word(int64_t i, DType dtype) const { return dtype == f32 ? word32(i) : word64(i); }
};

// In [0, 1): the top 24 or 53 bits.
double unit(uint64_t word, DType dtype) {
  return dtype == f32 ? std::ldexp(static_cast<double>(word >> 8), -24)
                      : std::ldexp(static_cast<double>(word >> 11), -53);
}

// Box and Muller 1958 on a pair of draws: the even one gives the radius, the odd one the angle: its top two bits the
// quadrant, the next ones where in it.
double gaussian(const Stream& stream, int64_t i, DType dtype) {
  const int width = dtype == f32 ? 32 : 64, radius_bits = dtype == f32 ? 31 : 53, angle_bits = dtype == f32 ? 24 : 53;
  const uint64_t even = stream.word(i & ~int64_t{1}, dtype), odd = stream.word(i | 1, dtype);
  // Small numbers keep all 31 bits, which lets floats reach far out; those near 1 are rounded to a float.
  const uint64_t k = even >> (width - radius_bits);
  const double shifted = dtype == f32 ? static_cast<float>(k) + 0.5f : static_cast<double>(k) + 0.5;
  const double u = std::ldexp(shifted, -radius_bits);
  const double radius = std::sqrt(-2 * std::log(u));
  const uint64_t quadrant = odd >> (width - 2);
  const uint64_t rest = (odd << 2 & (dtype == f32 ? 0xFFFFFFFFull : ~0ull)) >> (width - angle_bits);
  const double within = std::ldexp(static_cast<double>(rest) - std::ldexp(1, angle_bits - 1) + 0.5, -angle_bits);
  const double angle = (static_cast<double>(quadrant) + within) * std::numbers::pi / 2;
  return radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

template <class F>
Reference drawn(const Shape& shape, F&& f) {
  int64_t next = 0;
  return make(shape, [&](const Dims&) { return f(next++); });
}

Tensor key_of(Draw& draw) { return draw.integers({2}, 0, int64_t{1} << 40); }

using Element = std::function<double(const Stream&, int64_t)>;

Sample with_key(Draw& draw, std::function<Tensor(const Tensor&)> f, const Shape& shape, Element element,
                const std::string& label) {
  return sample(
             key_of(draw), std::move(f),
             [=](const Reference& key) {
               const Stream stream(key);
               return drawn(shape, [&](int64_t i) { return element(stream, i); });
             },
             to_string(shape) + " " + label)
      .without_derivative()
      .of_fixed_dtype();
}

template <class F>
std::vector<Sample> for_shapes(uint64_t seed, F&& add) {
  Draw draw(seed);
  std::vector<Sample> all;
  for (const Shape& shape : {Shape{7}, Shape{}, Shape{2, 3, 5}, Shape{0, 3}, Shape{200'003}}) {
    add(all, draw, shape);
    all.back().large = numel(shape) > 5000;
  }
  return all;
}

std::vector<Sample> uniform_samples(uint64_t seed) {
  return for_shapes(seed, [](std::vector<Sample>& all, Draw& draw, const Shape& shape) {
    for (const DType dtype : {f32, f64}) {
      all.push_back(with_key(
          draw, [=](const Tensor& key) { return uniform(shape, key, 0, 1, dtype); }, shape,
          [=](const Stream& stream, int64_t i) { return unit(stream.word(i, dtype), dtype); },
          std::string(name_of(dtype))));
      all.push_back(with_key(
          draw, [=](const Tensor& key) { return uniform(shape, key, -2, 0.5, dtype); }, shape,
          [=](const Stream& stream, int64_t i) { return -2 + 2.5 * unit(stream.word(i, dtype), dtype); },
          std::string(name_of(dtype)) + " -2 0.5"));
    }
  });
}

std::vector<Sample> normal_samples(uint64_t seed) {
  return for_shapes(seed, [](std::vector<Sample>& all, Draw& draw, const Shape& shape) {
    for (const DType dtype : {f32, f64}) {
      all.push_back(with_key(
          draw, [=](const Tensor& key) { return normal(shape, key, 0.5, 2, dtype); }, shape,
          [=](const Stream& stream, int64_t i) { return 0.5 + 2 * gaussian(stream, i, dtype); },
          std::string(name_of(dtype))));
    }
  });
}

bool lucky(const Stream& stream, int64_t i, double p) {
  return static_cast<double>(stream.word32(i)) < std::ldexp(p, 32);
}

std::vector<Sample> bernoulli_samples(uint64_t seed) {
  return for_shapes(seed, [](std::vector<Sample>& all, Draw& draw, const Shape& shape) {
    for (const double p : {0.3, 0.0, 1.0}) {
      all.push_back(with_key(
          draw, [=](const Tensor& key) { return bernoulli(shape, key, p); }, shape,
          [=](const Stream& stream, int64_t i) -> double { return lucky(stream, i, p); }, std::to_string(p)));
    }
  });
}

std::vector<Sample> permutation_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  for (const int64_t n : {7, 0, 1, 1000, 50'021}) {
    all.push_back(sample(
                      key_of(draw), [=](const Tensor& key) { return permutation(n, key); },
                      [=](const Reference& key) {
                        // The numbers in the order of their draws.
                        const Stream stream(key);
                        std::vector<std::pair<uint64_t, int64_t>> order;
                        for (int64_t i = 0; i < n; ++i) order.emplace_back(stream.word64(i), i);
                        std::sort(order.begin(), order.end());
                        return drawn(
                            {n}, [&](int64_t i) { return static_cast<double>(order[static_cast<size_t>(i)].second); });
                      },
                      std::to_string(n))
                      .without_derivative()
                      .of_fixed_dtype());
    all.back().large = n > 5000;
  }
  return all;
}

std::vector<Sample> dropout_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  for (const Shape& shape : {Shape{3, 4}, Shape{}, Shape{11}, Shape{2, 1, 5}, Shape{0, 2}, Shape{200'003}}) {
    for (const double rate : {0.4, 0.0}) {
      all.push_back(sample(
          {draw.floats(shape), key_of(draw)},
          [=](const std::vector<Tensor>& x) { return std::vector<Tensor>{dropout(x[0], rate, x[1])}; },
          [=](const References& x) {
            const Stream stream(x[1]);
            return References{drawn(shape, [&](int64_t i) {
              const double value = x[0].data[static_cast<size_t>(i)];
              return lucky(stream, i, 1 - rate) ? value / (1 - rate) : 0;
            })};
          },
          "rate " + std::to_string(rate)));
    }
  }
  return all;
}

std::vector<Sample> key_samples(uint64_t) {
  const auto add = [](int64_t seed, int64_t stream) {
    return sample(
               {}, [=](const std::vector<Tensor>&) { return std::vector<Tensor>{random_key(seed, stream)}; },
               [=](const References&) {
                 return References{{{2}, {static_cast<double>(seed), static_cast<double>(stream)}}};
               },
               std::to_string(seed))
        .without_derivative()
        .of_fixed_dtype();
  };
  return {add(0, 0), add(7, 3), add(-1, int64_t{1} << 40)};
}

Tensor no_key() { return ones({3}, i64); }

}  // namespace

void add_random(std::vector<OpRow>& table) {
  table.push_back({"random_key", key_samples, {}});
  table.push_back({"uniform",
                   uniform_samples,
                   {{[] { uniform({2}, no_key()); }, "[2]"},
                    {[] { uniform({2}, random_key(1), 1, 0); }, ""},
                    {[] { uniform({2}, random_key(1), 0, 1, i32); }, "i32"},
                    {[] { uniform({-2}, random_key(1)); }, "-2"},
                    {[] { uniform({2}, Tensor()); }, "undefined"}}});
  table.push_back({"normal",
                   normal_samples,
                   {{[] { normal({2}, no_key()); }, "[2]"},
                    {[] { normal({2}, random_key(1), 0, -1); }, "-1"},
                    {[] { normal({2}, random_key(1), 0, 1, u8); }, "u8"},
                    {[] { normal({2}, Tensor()); }, "undefined"}}});
  table.push_back({"bernoulli",
                   bernoulli_samples,
                   {{[] { bernoulli({2}, no_key()); }, "[2]"},
                    {[] { bernoulli({2}, random_key(1), 1.5); }, "1.5"},
                    {[] { bernoulli({2}, random_key(1), std::nan("")); }, "nan"},
                    {[] { bernoulli({2}, Tensor()); }, "undefined"}}});
  table.push_back({"permutation",
                   permutation_samples,
                   {{[] { permutation(3, no_key()); }, "[2]"},
                    {[] { permutation(-1, random_key(1)); }, "-1"},
                    {[] { permutation(3, Tensor()); }, "undefined"}}});
  table.push_back({"dropout",
                   dropout_samples,
                   {{[] { dropout(ones({2}), 1, random_key(1)); }, "1"},
                    {[] { dropout(ones({2}), -0.5, random_key(1)); }, "-0.5"},
                    {[] { dropout(ones({2}, i32), 0.5, random_key(1)); }, "i32"},
                    {[] { dropout(ones({2}), 0.5, no_key()); }, ""},
                    {[] { dropout(Tensor(), 0.5, random_key(1)); }, "undefined"}}});
}

}  // namespace telaio::samples
