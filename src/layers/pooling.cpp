// Maximum, average or a random cell over windows of each H x W plane.
//   bottom  (N, C, H, W)
//   top 0   (N, C, H', W')  H' = round((H + 2 pad - kernel) / stride) + 1, rounded up unless
//           round_mode: FLOOR; with padding, a last window that would start beyond the image and
//           its padding is dropped
//   top 1   MAX only, optional: where each maximum was, y * W + x, as a number
//   params  none
//   pool    MAX, AVE, or STOCHASTIC (numbers >= 0): in TRAIN a cell drawn with a probability
//           proportional to its value, in TEST their average weighted by themselves
//   errors  kernel_size or both of kernel_h and kernel_w (none with global_pooling, which takes the
//           whole plane and neither pad nor stride);  stride >= 1;  pad < kernel, none with
//           STOCHASTIC;  H', W' >= 1
#include <fmt/format.h>

#include "layers/check.hpp"
#include "layers/pooled_size.hpp"
#include "ops/spatial.hpp"

namespace crema::layers {
namespace {

ops::PoolMethod method_of(const caffe::PoolingParameter& p, caffe::Phase phase) {
  switch (p.pool()) {
    case caffe::PoolingParameter::MAX:
      return ops::PoolMethod::kMax;
    case caffe::PoolingParameter::AVE:
      return ops::PoolMethod::kAverage;
    case caffe::PoolingParameter::STOCHASTIC:
      break;
  }
  return phase == caffe::TRAIN ? ops::PoolMethod::kStochastic : ops::PoolMethod::kWeighted;
}

// The op of a definition that infer() accepts (or is about to check).
ops::Pooling make(const caffe::LayerParameter& layer, caffe::Phase phase, const Shape& x,
                  int tops) {
  const caffe::PoolingParameter& p = layer.pooling_param();
  ops::Pooling op;
  op.method = method_of(p, phase);
  op.stream = layer.name();
  const bool size = p.has_kernel_size();
  op.kernel_h = p.global_pooling() ? x[2] : size ? p.kernel_size() : p.kernel_h();
  op.kernel_w = p.global_pooling() ? x[3] : size ? p.kernel_size() : p.kernel_w();
  op.stride_h = p.has_stride_h() ? p.stride_h() : p.stride();
  op.stride_w = p.has_stride_w() ? p.stride_w() : p.stride();
  op.pad_h = p.has_pad_h() ? p.pad_h() : p.pad();
  op.pad_w = p.has_pad_w() ? p.pad_w() : p.pad();
  const bool floor = p.round_mode() == caffe::PoolingParameter::FLOOR;
  const bool clip = op.pad_h != 0 || op.pad_w != 0;
  if (op.stride_h > 0 && op.stride_w > 0) {
    op.out_h = pooled_size(x[2], op.kernel_h, op.stride_h, op.pad_h, floor, clip);
    op.out_w = pooled_size(x[3], op.kernel_w, op.stride_w, op.pad_w, floor, clip);
  }
  op.mask = tops > 1;
  return op;
}

void check_pair(const Inference& in, const char* name, bool one, bool h, bool w) {
  const std::string field = fmt::format("pooling_param.{}", name);
  const std::string stem = std::string(name).substr(0, std::string(name).find('_'));
  if (one && (h || w))
    in.fail(field, fmt::format("{0} is given together with {1}_h or {1}_w", name, stem),
            "use one form or the other");
  if (h != w)
    in.fail(fmt::format("pooling_param.{}_{}", stem, h ? "h" : "w"),
            fmt::format("only one of {0}_h and {0}_w is given", stem), "give both");
}

void check_kernel_form(const Inference& in, const caffe::PoolingParameter& p) {
  const bool given = p.has_kernel_size() || p.has_kernel_h() || p.has_kernel_w();
  if (p.global_pooling()) {
    const char* field = p.has_kernel_size() ? "pooling_param.kernel_size"
                        : p.has_kernel_h()  ? "pooling_param.kernel_h"
                                            : "pooling_param.kernel_w";
    if (given)
      in.fail(field, "a kernel is given together with global_pooling: true",
              "remove it: the window is the whole plane");
    return;
  }
  if (!given)
    in.fail("pooling_param.kernel_size", "no kernel size is given",
            "write kernel_size, or kernel_h and kernel_w, or global_pooling: true");
  check_pair(in, "kernel_size", p.has_kernel_size(), p.has_kernel_h(), p.has_kernel_w());
}

// One axis: 'h' or 'w'.
void check_axis(const Inference& in, bool global, char axis, int64_t size, int64_t kernel,
                int64_t stride, int64_t pad, int64_t out) {
  const auto& p = in.param().pooling_param();
  const auto field = [&](const char* stem, const char* one, bool pair) {
    return pair ? fmt::format("pooling_param.{}_{}", stem, axis)
                : fmt::format("pooling_param.{}", one);
  };
  const std::string kernel_field = field("kernel", "kernel_size", p.has_kernel_h());
  const std::string stride_field = field("stride", "stride", p.has_stride_h());
  const std::string pad_field = field("pad", "pad", p.has_pad_h());
  if (stride < 1) in.fail(stride_field, "a stride of 0 never moves", "write 1 or more");
  if (global && (pad != 0 || stride != 1))
    in.fail(pad != 0 ? pad_field : stride_field,
            fmt::format("global_pooling: true has one window, so pad {} and stride {} are not "
                        "possible",
                        pad, stride),
            "remove pad and stride");
  if (global && size == 0) in.fail("", "the plane to pool has no cells");
  if (kernel < 1) in.fail(kernel_field, "the kernel has 0 cells", "write 1 or more");
  if (pad >= kernel)
    in.fail(pad_field, fmt::format("pad {} is not less than the kernel, {}", pad, kernel),
            "a window must not lie in the padding alone");
  if (out < 1)
    in.fail(kernel_field,
            fmt::format("a window of {} does not fit into {} cells (pad {})", kernel, size, pad),
            "use a smaller kernel, or global_pooling: true for the whole plane");
}

class Pooling final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter& param) const override {
    const bool max = param.pooling_param().pool() == caffe::PoolingParameter::MAX;
    return {.max_tops = max ? 2 : 1};
  }

  void infer(Inference& in) const override {
    const auto& p = in.param().pooling_param();
    require_rank(in, 0, 4, "(N, C, H, W)");
    check_kernel_form(in, p);
    check_pair(in, "stride", p.has_stride(), p.has_stride_h(), p.has_stride_w());
    check_pair(in, "pad", p.has_pad(), p.has_pad_h(), p.has_pad_w());
    refuse_cudnn(in, "pooling_param.engine", p);
    const Shape& x = in.bottom(0);
    const ops::Pooling op = make(in.param(), in.phase(), x, in.tops());
    if (p.pool() == caffe::PoolingParameter::STOCHASTIC && (op.pad_h != 0 || op.pad_w != 0))
      in.fail(!p.has_pad_h()  ? "pooling_param.pad"
              : op.pad_h != 0 ? "pooling_param.pad_h"
                              : "pooling_param.pad_w",
              "stochastic pooling has no padding", "remove it, or use MAX or AVE");
    const bool global = p.global_pooling();
    check_axis(in, global, 'h', x[2], op.kernel_h, op.stride_h, op.pad_h, op.out_h);
    check_axis(in, global, 'w', x[3], op.kernel_w, op.stride_w, op.pad_w, op.out_w);
    for (int i = 0; i < in.tops(); ++i)
      set_checked_top(in, i, Shape{x[0], x[1], op.out_h, op.out_w}, "pooling_param.pad");
  }

  void lower(Lowering& to) const override {
    const Value x = to.bottom(0);
    const auto op =
        std::make_shared<const ops::Pooling>(make(to.param(), to.phase(), to.shape(x), to.tops()));
    const std::vector<Value> y = to.emit(op, {x});
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, y[static_cast<size_t>(i)]);
  }
};

CREMA_LAYER("Pooling", Pooling);

}  // namespace
}  // namespace crema::layers
