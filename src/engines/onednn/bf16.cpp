#include "engines/onednn/bf16.hpp"

#include <algorithm>
#include <limits>

#include "base/clock.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace crema::onednn {

namespace {

// Seconds of the fastest of several runs of a convolution of 128 channels, as in the middle of most
// nets, one image. The first run makes the primitive.
double fastest_run(Type type, const Context& context) {
  const Dims x = {1, 128, 28, 28}, w = {128, 128, 3, 3}, ones = {1, 1};
  const dnnl::convolution_forward::primitive_desc desc(
      {dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, any_desc(x, type),
       any_desc(w, type), any_desc(x, type), ones, ones, ones},
      context.engine);
  const auto zeros = [&](const Desc& of) {
    dnnl::memory memory(of, context.engine);
    std::fill_n(static_cast<std::byte*>(memory.get_data_handle()), of.get_size(), std::byte{0});
    return memory;
  };
  dnnl::convolution_forward convolution(desc);
  dnnl::stream stream(context.engine);
  const std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, zeros(desc.src_desc())},
      {DNNL_ARG_WEIGHTS, zeros(desc.weights_desc())},
      {DNNL_ARG_DST, zeros(desc.dst_desc())}};
  constexpr int kRuns = 7;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRuns; ++i) {
    const Stopwatch watch;
    convolution.execute(stream, arguments);
    stream.wait();
    best = std::min(best, watch.seconds());
  }
  return best;
}

}  // namespace

CpuId cpu_id() {
  CpuId out;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  out.most_leaf = __get_cpuid_max(0, nullptr);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) out.features_edx = d;
  if (__get_cpuid_count(0x1D, 0, &a, &b, &c, &d)) out.palettes_eax = a;
#endif
  return out;
}

bool amx_is_broken(const CpuId& id) {
  constexpr uint32_t kAmxTile = 1u << 24, kPaletteLeaf = 0x1D;
  const bool announced = (id.features_edx & kAmxTile) != 0;
  return announced && (id.most_leaf < kPaletteLeaf || id.palettes_eax == 0);
}

ops::Bf16Support bf16_support(const Context& context) {
  ops::Bf16Support out;
  if (!has_wide_kernels()) {
    out.note = "oneDNN computes in bf16 only on processors with AVX-512 (BW, DQ and VL)";
    return out;
  }
  if (amx_is_broken(cpu_id()))
    out.note =
        "this processor announces AMX, but not its tile palettes (CPUID leaf 0x1D): AMX is not "
        "used";
  try {
    const double single = fastest_run(Type::f32, context);
    out.speed = single / fastest_run(Type::bf16, context);
    out.possible = true;
  } catch (const dnnl::error& error) {
    out.note = std::string("oneDNN has no bf16 here: ") + error.what();
  }
  return out;
}

}  // namespace crema::onednn
