// Convolutions and their gradients in oneDNN, in the layouts that it asks for itself: reorders into them are not
// measured.
#include <omp.h>

#include <string_view>
#include <unordered_map>

#include <dnnl.hpp>

#include "rate.hpp"

namespace {

using namespace telaio::bench;
using dnnl::memory;

// Zeros would do for the time, but denormals from uninitialised memory would not.
memory filled(const memory::desc& layout, const dnnl::engine& engine) {
  memory all(layout, engine);
  auto* values = static_cast<float*>(all.get_data_handle());
  for (size_t i = 0; i < layout.get_size() / sizeof(float); ++i) values[i] = static_cast<float>(i % 17) / 17 - 0.5f;
  return all;
}

void add_primitive(Cases& cases, const char* name, const char* setting, double amount, const dnnl::engine& engine,
                   const dnnl::primitive& primitive, const std::unordered_map<int, memory::desc>& layouts) {
  std::unordered_map<int, memory> arguments;
  for (const auto& [key, layout] : layouts) arguments.emplace(key, filled(layout, engine));
  cases.add(name, setting, amount, [primitive, arguments, stream = dnnl::stream(engine)]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  });
}

void add_conv(Cases& cases, const ConvCase& c, dnnl::algorithm algorithm, const char* setting,
              const dnnl::engine& engine) {
  const auto any = [](const memory::dims& dims) {
    return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
  };
  const memory::desc x = any({c.batch, c.in, c.size, c.size}), w = any({c.out, c.in, 3, 3}),
                     y = any({c.batch, c.out, c.size, c.size});
  const memory::dims strides{1, 1}, padding{1, 1};
  using dnnl::convolution_backward_data;
  using dnnl::convolution_backward_weights;
  using dnnl::convolution_forward;
  const convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, algorithm, x, w, y, strides, padding, padding}, engine);
  add_primitive(cases, c.forward, setting, gflop(c), engine, convolution_forward(forward),
                {{DNNL_ARG_SRC, forward.src_desc()},
                 {DNNL_ARG_WEIGHTS, forward.weights_desc()},
                 {DNNL_ARG_DST, forward.dst_desc()}});
  const convolution_backward_data::primitive_desc by_input({algorithm, x, w, y, strides, padding, padding}, engine,
                                                           forward);
  add_primitive(cases, c.input_gradient, setting, gflop(c), engine, convolution_backward_data(by_input),
                {{DNNL_ARG_DIFF_SRC, by_input.diff_src_desc()},
                 {DNNL_ARG_WEIGHTS, by_input.weights_desc()},
                 {DNNL_ARG_DIFF_DST, by_input.diff_dst_desc()}});
  const convolution_backward_weights::primitive_desc by_weight({algorithm, x, w, y, strides, padding, padding}, engine,
                                                               forward);
  add_primitive(cases, c.weight_gradient, setting, gflop(c), engine, convolution_backward_weights(by_weight),
                {{DNNL_ARG_SRC, by_weight.src_desc()},
                 {DNNL_ARG_DIFF_WEIGHTS, by_weight.diff_weights_desc()},
                 {DNNL_ARG_DIFF_DST, by_weight.diff_dst_desc()}});
}

void add_cases(int threads, Cases& cases) {
  omp_set_num_threads(threads);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  for (const ConvCase& c : conv_cases) {
    add_conv(cases, c, dnnl::algorithm::convolution_direct, "direct", engine);
    add_conv(cases, c, dnnl::algorithm::convolution_auto, "auto", engine);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "--info") {
    const dnnl_version_t* version = dnnl_version();
    std::printf("oneDNN %d.%d.%d, runtime %s\n", version->major, version->minor, version->patch,
                version->cpu_runtime == DNNL_RUNTIME_OMP ? "OpenMP" : "other");
    return 0;
  }
  return run_main(count, arguments, add_cases);
}
