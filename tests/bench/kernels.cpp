// Our own kernels against oneDNN's for the same work: what each of them is there for. Not a test;
// build the target bench_kernels and run it on a quiet machine:
//
//   cmake --build build --target bench_kernels
//   OMP_NUM_THREADS=1 build/tests/bench_kernels --benchmark_repetitions=5
//
// On one core of an AMD EPYC (Zen 4, AVX-512), milliseconds of processor time, ours / oneDNN's
// best:
//   5x5, 32 -> 32 channels, 16x16, batch 100     forward 4.5 / 9.8, data 4.5 / 10.1, weights 4.9
//   / 10.2 5x5, 96 -> 256 in 2 groups, 27x27, batch 16  forward 21 / 57,   data 20 / 59,    weights
//   21 / 59 3x3, 384 -> 384 in 2 groups, 13x13, batch 16 forward 20 / 30,   data 21 / 30, weights
//   26 / 37 3x3, 64 -> 192, 56x56, batch 16              forward 42 / 41,   data 41 / 49, weights
//   48 / 38,
//     in 3 MB of scratch memory, where oneDNN's Winograd takes 130
#include <benchmark/benchmark.h>

#include <dnnl.hpp>

#include "base/random.hpp"
#include "engines/onednn/engine.hpp"
#include "engines/reference/engine.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"
#include "ops/spatial.hpp"
#include "ops/statistics.hpp"
#include "tensor/tensor.hpp"

namespace crema {
namespace {

using dnnl::algorithm;
using dnnl::memory;

// Random numbers in memory of its own.
std::shared_ptr<Arena> numbers(size_t bytes) {
  auto out = std::make_shared<Arena>(bytes);
  RandomStream(1, "bench").uniforms(0, {reinterpret_cast<float*>(out->data()), bytes / 4});
  return out;
}

// One op of an engine with memory for all of its operands, forward and one gradient part.
class OpBench {
 public:
  OpBench(ops::Engine& engine, const ops::Op& op, const std::vector<Shape>& src,
          const std::vector<Layout>& layouts)
      : op_(op) {
    request_.op = &op;
    request_.training = true;
    for (size_t i = 0; i < src.size(); ++i)
      request_.src.push_back(
          {src[i], i < layouts.size() ? std::optional(layouts[i]) : std::nullopt});
    for (const Shape& shape : op.infer(src)) request_.dst.push_back({shape, std::nullopt});
    forward_ = std::get<ops::Offer>(engine.offer(request_));
    for (size_t i = 0; i < src.size(); ++i) request_.src[i].layout = forward_.src[i];
    request_.dst[0].layout = forward_.dst[0];
    allocate(forward_, request_);
  }

  void plan_gradient(ops::Engine& engine, int part) {
    ops::KernelRequest request = request_;
    request.part = part;
    request.diff_dst = request.dst;
    const auto wrt = op_.gradient()[static_cast<size_t>(part)].wrt;
    for (size_t i = 0; i < request.src.size(); ++i) {
      const bool wanted = std::find(wrt.begin(), wrt.end(), static_cast<int>(i)) != wrt.end();
      request.diff_src.push_back({request.src[i].shape, std::nullopt, wanted});
    }
    gradient_ = std::get<ops::Offer>(engine.offer(request));
    allocate(gradient_, request);
  }

  void run(bool gradient) {
    ops::KernelArgs args;
    args.src = src_;
    args.dst = dst_;
    args.diff_dst = diff_dst_;
    args.diff_src = diff_src_;
    args.mutated = mutated_;
    args.workspace = workspace_->data();
    args.scratch = scratch_->data();
    args.step = &step_;
    (gradient ? gradient_ : forward_).kernel->run(args);
  }

 private:
  void allocate(const ops::Offer& offer, const ops::KernelRequest& request) {
    const auto fill = [&](auto& pointers, const auto& operands, const auto& layouts) {
      pointers.clear();
      for (size_t i = 0; i < operands.size(); ++i) {
        memory_.push_back(numbers(TensorDesc{operands[i].shape, DType::kF32, layouts[i]}.bytes()));
        pointers.push_back(memory_.back()->data());
      }
    };
    fill(src_, request.src, offer.src);
    fill(dst_, request.dst, offer.dst);
    fill(diff_dst_, request.diff_dst, offer.diff_dst);
    fill(diff_src_, request.diff_src, offer.diff_src);
    mutated_.assign(src_.size(), nullptr);
    scratch_ = numbers(std::max<size_t>(64, offer.scratch_bytes));
    if (offer.workspace_bytes > 0 || !workspace_)
      workspace_ = numbers(std::max<size_t>(64, offer.workspace_bytes));
  }

  const ops::Op& op_;
  ops::KernelRequest request_;
  ops::Offer forward_, gradient_;
  std::vector<std::shared_ptr<Arena>> memory_;
  std::shared_ptr<Arena> workspace_, scratch_;
  std::vector<const void*> src_, diff_dst_;
  std::vector<void*> dst_, diff_src_, mutated_;
  ops::StepInfo step_;
};

// A oneDNN primitive with memory for its arguments.
template <class Primitive, class Desc>
void run_primitive(benchmark::State& state, const Desc& desc,
                   const std::vector<std::pair<int, memory::desc>>& arguments) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  std::unordered_map<int, memory> args;
  for (const auto& [argument, layout] : arguments) {
    args[argument] = memory(layout, engine);
    RandomStream(1, "bench")
        .uniforms(0,
                  {static_cast<float*>(args[argument].get_data_handle()), layout.get_size() / 4});
  }
  Primitive primitive(desc);
  for (auto _ : state) {
    primitive.execute(stream, args);
    stream.wait();
  }
  state.SetLabel(desc.impl_info_str());
}

struct Conv {
  const char* name;
  int64_t batch, in, size, out, kernel, groups;
};
constexpr Conv kConvs[] = {
    {"cifar10_full/conv2", 100, 32, 16, 32, 5, 1}, {"lenet/conv2", 64, 20, 12, 50, 5, 1},
    {"caffenet/conv2", 16, 96, 27, 256, 5, 2},     {"caffenet/conv4", 16, 384, 13, 384, 3, 2},
    {"googlenet/conv2", 16, 64, 56, 192, 3, 1},    {"resnet50/res4", 8, 256, 14, 256, 3, 1}};
constexpr const char* kParts[] = {"data", "weights"};

void our_convolution(benchmark::State& state, const Conv& c, int part) {
  static OneDnnEngine engine;
  ops::Convolution op;
  op.kernel = {c.kernel, c.kernel};
  op.stride = op.dilation = {1, 1};
  op.pad = {c.kernel / 2, c.kernel / 2};
  op.groups = c.groups;
  OpBench bench(engine, op,
                {Shape{c.batch, c.in, c.size, c.size},
                 Shape{c.out, c.in / c.groups, c.kernel, c.kernel}, Shape{c.out}},
                {Layout()});
  if (part >= 0) bench.plan_gradient(engine, part);
  for (auto _ : state) bench.run(part >= 0);
}

// Best of the direct and the Winograd kernels.
void their_convolution(benchmark::State& state, const Conv& c, int part, algorithm how) {
  const auto any = memory::format_tag::any;
  const auto f32 = memory::data_type::f32;
  const memory::desc x({c.batch, c.in, c.size, c.size}, f32, any);
  const memory::desc y({c.batch, c.out, c.size, c.size}, f32, any), b({c.out}, f32, any);
  memory::dims weights = {c.out / c.groups, c.in / c.groups, c.kernel, c.kernel};
  if (c.groups > 1) weights.insert(weights.begin(), c.groups);
  const memory::desc w(weights, f32, any);
  const memory::dims one = {1, 1}, none = {0, 0}, pad = {c.kernel / 2, c.kernel / 2};
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  try {
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, how, x, w, b, y, one, none, pad, pad}, engine);
    if (part < 0)
      return run_primitive<dnnl::convolution_forward>(state, forward,
                                                      {{DNNL_ARG_SRC, forward.src_desc()},
                                                       {DNNL_ARG_WEIGHTS, forward.weights_desc()},
                                                       {DNNL_ARG_BIAS, forward.bias_desc()},
                                                       {DNNL_ARG_DST, forward.dst_desc()}});
    if (part == 0) {
      const dnnl::convolution_backward_data::primitive_desc data(
          {how, x, w, y, one, none, pad, pad}, engine, forward);
      return run_primitive<dnnl::convolution_backward_data>(
          state, data,
          {{DNNL_ARG_DIFF_SRC, data.diff_src_desc()},
           {DNNL_ARG_WEIGHTS, data.weights_desc()},
           {DNNL_ARG_DIFF_DST, data.diff_dst_desc()}});
    }
    const dnnl::convolution_backward_weights::primitive_desc gradient(
        {how, x, w, b, y, one, none, pad, pad}, engine, forward);
    run_primitive<dnnl::convolution_backward_weights>(
        state, gradient,
        {{DNNL_ARG_SRC, gradient.src_desc()},
         {DNNL_ARG_DIFF_WEIGHTS, gradient.diff_weights_desc()},
         {DNNL_ARG_DIFF_BIAS, gradient.diff_bias_desc()},
         {DNNL_ARG_DIFF_DST, gradient.diff_dst_desc()}});
  } catch (const dnnl::error&) {
    state.SkipWithError("oneDNN has no such kernel");
  }
}

Layout blocks_of(OneDnnEngine& engine, const Shape& x) {
  ops::Convolution op;  // the layout that a convolution's result has
  op.kernel = op.stride = op.dilation = {1, 1};
  op.pad = {0, 0};
  op.bias = false;
  ops::KernelRequest request;
  request.op = &op;
  request.src = {{x, Layout()}, {Shape{x[1], x[1], 1, 1}, std::nullopt}};
  request.dst = {{x, std::nullopt}};
  return std::get<ops::Offer>(engine.offer(request)).dst[0];
}

void our_batch_norm(benchmark::State& state, bool gradient) {
  OneDnnEngine engine;
  const Shape x{8, 256, 56, 56};
  const ops::BatchNorm op;
  OpBench bench(engine, op, {x, Shape{256}, Shape{256}, Shape{1}}, {blocks_of(engine, x)});
  bench.run(false);
  if (gradient) bench.plan_gradient(engine, 0);
  for (auto _ : state) bench.run(gradient);
}

void their_batch_norm(benchmark::State& state, bool gradient) {
  const memory::desc x({8, 256, 56, 56}, memory::data_type::f32, memory::format_tag::nChw16c);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const dnnl::batch_normalization_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, x, 1e-5f, dnnl::normalization_flags::none}, engine);
  if (!gradient)
    return run_primitive<dnnl::batch_normalization_forward>(
        state, forward,
        {{DNNL_ARG_SRC, x},
         {DNNL_ARG_DST, x},
         {DNNL_ARG_MEAN, forward.mean_desc()},
         {DNNL_ARG_VARIANCE, forward.variance_desc()}});
  const dnnl::batch_normalization_backward::primitive_desc backward(
      {dnnl::prop_kind::backward_data, x, x, 1e-5f, dnnl::normalization_flags::none}, engine,
      forward);
  run_primitive<dnnl::batch_normalization_backward>(state, backward,
                                                    {{DNNL_ARG_SRC, x},
                                                     {DNNL_ARG_MEAN, forward.mean_desc()},
                                                     {DNNL_ARG_VARIANCE, forward.variance_desc()},
                                                     {DNNL_ARG_DIFF_DST, x},
                                                     {DNNL_ARG_DIFF_SRC, x}});
}

void our_lrn(benchmark::State& state, bool gradient) {
  OneDnnEngine engine;
  const Shape x{16, 192, 56, 56};
  const ops::Lrn op;
  OpBench bench(engine, op, {x}, {blocks_of(engine, x)});
  if (gradient) bench.plan_gradient(engine, 0);
  for (auto _ : state) bench.run(gradient);
}

void their_lrn(benchmark::State& state, bool gradient) {
  const memory::desc x({16, 192, 56, 56}, memory::data_type::f32, memory::format_tag::nChw16c);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const auto across = algorithm::lrn_across_channels;
  const dnnl::lrn_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, across, x, 5, 1e-4f, 0.75f, 1.0f}, engine);
  if (!gradient)
    return run_primitive<dnnl::lrn_forward>(
        state, forward,
        {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, x}, {DNNL_ARG_WORKSPACE, forward.workspace_desc()}});
  const dnnl::lrn_backward::primitive_desc backward({across, x, x, 5, 1e-4f, 0.75f, 1.0f}, engine,
                                                    forward);
  run_primitive<dnnl::lrn_backward>(state, backward,
                                    {{DNNL_ARG_SRC, x},
                                     {DNNL_ARG_DIFF_DST, x},
                                     {DNNL_ARG_DIFF_SRC, x},
                                     {DNNL_ARG_WORKSPACE, forward.workspace_desc()}});
}

template <class Engine>
void dropout(benchmark::State& state) {
  Engine engine;
  ops::Dropout op;
  op.stream = "drop";
  OpBench bench(engine, op, {Shape{16, 512, 13, 13}}, {Layout()});
  for (auto _ : state) bench.run(false);
}

int register_all() {
  const auto add = [](const std::string& name, auto fn) {
    benchmark::RegisterBenchmark(name.c_str(), fn)->Unit(benchmark::kMillisecond);
  };
  for (const Conv& c : kConvs)
    for (int part = -1; part < 2; ++part) {
      const std::string name = std::string(c.name) + "/" + (part < 0 ? "forward" : kParts[part]);
      add(name + "/ours", [&c, part](benchmark::State& s) { our_convolution(s, c, part); });
      add(name + "/onednn_direct", [&c, part](benchmark::State& s) {
        their_convolution(s, c, part, algorithm::convolution_direct);
      });
      if (c.kernel == 3)
        add(name + "/onednn_winograd", [&c, part](benchmark::State& s) {
          their_convolution(s, c, part, algorithm::convolution_winograd);
        });
    }
  for (const bool gradient : {false, true}) {
    const std::string part = gradient ? "backward" : "forward";
    add("batch_norm/" + part + "/ours", [=](auto& s) { our_batch_norm(s, gradient); });
    add("batch_norm/" + part + "/onednn", [=](auto& s) { their_batch_norm(s, gradient); });
    add("lrn/" + part + "/ours", [=](auto& s) { our_lrn(s, gradient); });
    add("lrn/" + part + "/onednn", [=](auto& s) { their_lrn(s, gradient); });
  }
  add("dropout/ours", dropout<OneDnnEngine>);
  add("dropout/reference", dropout<ReferenceEngine>);
  return 0;
}

const int registered = register_all();

}  // namespace
}  // namespace crema

BENCHMARK_MAIN();
