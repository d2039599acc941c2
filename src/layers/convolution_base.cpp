#include "layers/convolution_base.hpp"

#include <fmt/format.h>

#include "layers/check.hpp"
#include "layers/windows.hpp"

namespace crema::layers {
namespace {

void check_bottoms(const Inference& in) {
  for (int i = 1; i < in.bottoms(); ++i)
    if (in.bottom(i) != in.bottom(0))
      in.fail("bottom",
              fmt::format("bottom {} is {}, but bottom 0 is {}", i, in.bottom(i).text(),
                          in.bottom(0).text()),
              fmt::format("bottoms of one {} share its weights and must have the same shape; use "
                          "one layer each and share the weights by name otherwise",
                          in.param().type()));
}

void check_channels(const Inference& in, int64_t channels) {
  const auto& param = in.param().convolution_param();
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

}  // namespace

Signature ConvolutionBase::signature(const caffe::LayerParameter&) const {
  return {
      .max_bottoms = Signature::kAny, .max_tops = Signature::kAny, .same_tops_as_bottoms = true};
}

void ConvolutionBase::infer(Inference& in) const {
  const auto& param = in.param().convolution_param();
  const Shape& x = in.bottom(0);
  const int axis = in.axis("convolution_param.axis", param.axis(), x.rank());
  check_bottoms(in);
  const ops::Windows windows = check_windows(in, x.rank() - axis - 1);
  check_channels(in, x[axis]);
  const Geometry g{windows, x[axis], param.num_output(), param.group(), param.bias_term()};
  Shape top = x.slice(0, axis), weight = weight_channels(g);
  top.append(g.outputs);
  const Shape sizes = output_sizes(in, g, axis);
  for (const int64_t size : sizes.dims()) top.append(size);
  for (const int64_t size : windows.kernel) weight.append(size);
  declare(in, "weight", weight, param.weight_filler(), "convolution_param.weight_filler");
  if (g.bias)
    declare(in, "bias", Shape{g.outputs}, param.bias_filler(), "convolution_param.bias_filler");
  for (int i = 0; i < in.tops(); ++i) set_checked_top(in, i, top, "convolution_param.num_output");
}

void ConvolutionBase::lower(Lowering& to) const {
  const auto& param = to.param().convolution_param();
  const Shape x = to.shape(to.bottom(0));
  const int axis = from_front(param.axis(), x.rank());
  const Geometry g{read_windows(param, x.rank() - axis - 1), x[axis], param.num_output(),
                   param.group(), param.bias_term()};
  const ops::OpPtr op = make_op(g);
  Shape folded{x.count(0, axis)};
  for (int i = axis; i < x.rank(); ++i) folded.append(x[i]);
  for (int i = 0; i < to.tops(); ++i) {
    std::vector<Value> src{to.reshape(to.bottom(i), folded), to.blob(0)};
    if (g.bias) src.push_back(to.blob(1));
    const Value y = to.emit(op, src)[0];
    Shape top = x.slice(0, axis);
    for (int j = 1; j < to.shape(y).rank(); ++j) top.append(to.shape(y)[j]);
    to.set_top(i, to.reshape(y, top));
  }
}

}  // namespace crema::layers
