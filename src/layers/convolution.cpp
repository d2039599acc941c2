// Convolution over the axes after the channel axis (cross-correlation, zero padding, as in Caffe).
//   bottoms  (N, C, D...) each, all of one shape; N stands for all axes before `axis`, and there
//   may
//            be any number of spatial axes D, 0 included
//   tops     (N, K, D'...) one per bottom
//            D' = (D + 2 pad - dilation (kernel - 1) - 1) / stride + 1, rounded down
//   params   weight (K, C/group, kernel...);  bias (K) unless bias_term: false.  Both start at 0
//            where no filler is given, as in Caffe
//   errors   kernel, stride, pad, dilation: one value or one per spatial axis, or an _h/_w pair
//   with
//            two spatial axes, not both; all but pad >= 1;  group divides C and K;  D' >= 1
#include <fmt/format.h>

#include <limits>

#include "layers/check.hpp"
#include "ops/linear.hpp"

namespace crema::layers {
namespace {

using List = google::protobuf::RepeatedField<uint32_t>;

constexpr uint32_t kLargest = std::numeric_limits<int32_t>::max();

// One of kernel, stride, pad, dilation as written.
struct Setting {
  const char* list_field;
  const char* pair_fields;  // "kernel_h and kernel_w"; null: there is no such form
  const char* h_field;
  const List& list;
  bool has_h, has_w;
  uint32_t h, w;
  uint32_t least;      // smallest legal value
  int64_t unset;       // value for an empty list; -1: it must be given
  bool pair_complete;  // h without w is a mistake

  bool has_pair() const { return has_h || has_w; }

  void check(const Inference& in, int spatial) const {
    if (has_pair()) {
      check_pair(in, spatial);
      return;
    }
    const int given = list.size();
    if (given == 0 && unset < 0 && spatial > 0)
      in.fail(list_field, "no kernel size is given",
              "write kernel_size once, or once per spatial axis");
    if (given > 1 && given != spatial)
      in.fail(list_field,
              fmt::format("{} values are given, but the bottom has {} to slide along", given,
                          axes_text(spatial)),
              "give one value for all of them, or one each");
    for (const uint32_t value : list) check_value(in, list_field, value);
  }

  void check_pair(const Inference& in, int spatial) const {
    if (list.size() > 0) {
      const std::string_view field = list_field;
      in.fail(list_field,
              fmt::format("{} is given together with {}", field.substr(field.find('.') + 1),
                          pair_fields),
              "use one form or the other");
    }
    if (spatial != 2)
      in.fail(h_field,
              fmt::format("{} need two spatial axes, but there are {}", pair_fields, spatial),
              fmt::format("write {}", list_field));
    if (pair_complete && has_h != has_w)
      in.fail(h_field, fmt::format("only one of {} is given", pair_fields), "give both");
    check_value(in, h_field, h);
    check_value(in, h_field, w);
  }

  static std::string_view name_of(std::string_view field) {
    return field.substr(field.find('.') + 1);
  }

  void check_value(const Inference& in, const char* field, uint32_t value) const {
    if (value < least)
      in.fail(field, fmt::format("{} is {}", name_of(field), value),
              fmt::format("it must be at least {}", least));
    if (value > kLargest)
      in.fail(field, fmt::format("{} is {}, which is out of range", name_of(field), value));
  }

  std::vector<int64_t> values(int spatial) const {
    if (has_pair()) return {h, w};
    std::vector<int64_t> out(static_cast<size_t>(spatial), unset);
    for (int i = 0; i < spatial && list.size() > 0; ++i)
      out[static_cast<size_t>(i)] = list.Get(list.size() == 1 ? 0 : i);
    return out;
  }
};

Setting kernel_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.kernel_size",
          "kernel_h and kernel_w",
          p.has_kernel_h() ? "convolution_param.kernel_h" : "convolution_param.kernel_w",
          p.kernel_size(),
          p.has_kernel_h(),
          p.has_kernel_w(),
          p.kernel_h(),
          p.kernel_w(),
          1,
          -1,
          true};
}
Setting stride_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.stride",
          "stride_h and stride_w",
          p.has_stride_h() ? "convolution_param.stride_h" : "convolution_param.stride_w",
          p.stride(),
          p.has_stride_h(),
          p.has_stride_w(),
          p.stride_h(),
          p.stride_w(),
          1,
          1,
          true};
}
Setting pad_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.pad",
          "pad_h and pad_w",
          p.has_pad_h() ? "convolution_param.pad_h" : "convolution_param.pad_w",
          p.pad(),
          p.has_pad_h(),
          p.has_pad_w(),
          p.pad_h(),
          p.pad_w(),
          0,
          0,
          false};
}
Setting dilation_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.dilation",
          nullptr,
          nullptr,
          p.dilation(),
          false,
          false,
          0,
          0,
          1,
          1,
          false};
}

class Convolution final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {
        .max_bottoms = Signature::kAny, .max_tops = Signature::kAny, .same_tops_as_bottoms = true};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().convolution_param();
    const Shape& x = in.bottom(0);
    const int axis = in.axis("convolution_param.axis", param.axis(), x.rank());
    check_bottoms(in);
    const ops::Convolution op = descriptor(in, param, axis, x.rank());
    check_channels(in, param, x[axis]);
    Shape top = x.slice(0, axis), weight{param.num_output(), x[axis] / param.group()};
    top.append(param.num_output());
    for (int i = 0; i < x.rank() - axis - 1; ++i) {
      const size_t s = static_cast<size_t>(i);
      top.append(output_size(in, op, s, x[axis + 1 + i]));
      weight.append(op.kernel[s]);
    }
    declare(in, "weight", weight, param.weight_filler(), "convolution_param.weight_filler");
    if (param.bias_term())
      declare(in, "bias", Shape{param.num_output()}, param.bias_filler(),
              "convolution_param.bias_filler");
    for (int i = 0; i < in.tops(); ++i) set_checked_top(in, i, top, "convolution_param.num_output");
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().convolution_param();
    const Shape x = to.shape(to.bottom(0));
    const int axis = from_front(param.axis(), x.rank());
    const ops::Convolution op = make(param, axis, x.rank());
    Shape folded{x.count(0, axis)};
    for (int i = axis; i < x.rank(); ++i) folded.append(x[i]);
    for (int i = 0; i < to.tops(); ++i) {
      std::vector<Value> src{to.reshape(to.bottom(i), folded), to.blob(0)};
      if (op.bias) src.push_back(to.blob(1));
      const Value y = to.emit1(op, src);
      Shape top = x.slice(0, axis);
      for (int j = 1; j < to.shape(y).rank(); ++j) top.append(to.shape(y)[j]);
      to.set_top(i, to.reshape(y, top));
    }
  }

 private:
  static ops::Convolution make(const caffe::ConvolutionParameter& param, int axis, int rank) {
    const int spatial = rank - axis - 1;
    ops::Convolution op;
    op.kernel = kernel_of(param).values(spatial);
    op.stride = stride_of(param).values(spatial);
    op.pad = pad_of(param).values(spatial);
    op.dilation = dilation_of(param).values(spatial);
    op.groups = param.group();
    op.bias = param.bias_term();
    return op;
  }

  static ops::Convolution descriptor(const Inference& in, const caffe::ConvolutionParameter& param,
                                     int axis, int rank) {
    const int spatial = rank - axis - 1;
    for (const Setting& setting :
         {kernel_of(param), stride_of(param), pad_of(param), dilation_of(param)})
      setting.check(in, spatial);
    refuse_cudnn(in, "convolution_param.engine", param);
    return make(param, axis, rank);
  }

  static void check_bottoms(const Inference& in) {
    for (int i = 1; i < in.bottoms(); ++i)
      if (in.bottom(i) != in.bottom(0))
        in.fail("bottom",
                fmt::format("bottom {} is {}, but bottom 0 is {}", i, in.bottom(i).text(),
                            in.bottom(0).text()),
                "bottoms of one convolution share its weights and must have the same shape; use "
                "one layer each and share the weights by name otherwise");
  }

  static void check_channels(const Inference& in, const caffe::ConvolutionParameter& param,
                             int64_t channels) {
    const int64_t outputs = param.num_output(), group = param.group();
    if (outputs == 0)
      in.fail("convolution_param.num_output",
              param.has_num_output() ? "0 output channels" : "the number of outputs is not given",
              "write num_output: K with K at least 1");
    if (group == 0) in.fail("convolution_param.group", "0 groups", "write 1 or more");
    if (channels % group != 0)
      in.fail("convolution_param.group",
              fmt::format("{} input channels cannot be divided into {} groups", channels, group),
              "group must divide the number of input channels");
    if (outputs % group != 0)
      in.fail("convolution_param.group",
              fmt::format("num_output {} cannot be divided into {} groups", outputs, group),
              "group must divide num_output");
  }

  static int64_t output_size(const Inference& in, const ops::Convolution& op, size_t i,
                             int64_t size) {
    const int64_t extent = op.dilation[i] * (op.kernel[i] - 1) + 1;
    const int64_t padded = size + 2 * op.pad[i];
    if (padded < extent)
      in.fail(kernel_of(in.param().convolution_param()).has_pair()
                  ? "convolution_param.kernel_h"
                  : "convolution_param.kernel_size",
              fmt::format("the kernel covers {} cells of spatial axis {}, but with padding there "
                          "are only {} ({} + 2 x {})",
                          extent, i, padded, size, op.pad[i]),
              "use a smaller kernel or more padding");
    return (padded - extent) / op.stride[i] + 1;
  }
};

CREMA_LAYER("Convolution", Convolution);

}  // namespace
}  // namespace crema::layers
