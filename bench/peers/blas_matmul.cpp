// Matrix products in OpenBLAS.
#include <string_view>
#include <vector>

#include <cblas.h>

#include "rate.hpp"

namespace {

using namespace telaio::bench;

std::vector<float> values(int count) {
  std::vector<float> all(static_cast<size_t>(count));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<float>(i % 17) / 17 - 0.5f;
  return all;
}

void add_cases(int threads, Cases& cases) {
  openblas_set_num_threads(threads);
  for (const MatmulCase& c : matmul_cases) {
    cases.add(c.name, "default", gflop(c),
              [c, a = values(c.m * c.k), b = values(c.k * c.n), y = values(c.m * c.n)]() mutable {
                cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, c.m, c.n, c.k, 1, a.data(), c.k, b.data(), c.n,
                            0, y.data(), c.n);
              });
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "--info") {
    std::printf("%s, kernels for %s\n", openblas_get_config(), openblas_get_corename());
    return 0;
  }
  return run_main(count, arguments, add_cases);
}
