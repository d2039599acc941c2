// Fully connected layer: y = x W^T + b.
//   bottom  x; everything from `axis` (1) on is one vector of K numbers
//   top     x's axes before `axis`, then num_output
//   params  weight (num_output, K), or (K, num_output) with transpose: true;  bias (num_output)
//           unless bias_term: false.  Both start at 0 where no filler is given, as in Caffe
//   errors  num_output >= 1;  axis in range
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/linear.hpp"

namespace crema::layers {
namespace {

class InnerProduct final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().inner_product_param();
    const Shape& x = in.bottom(0);
    const int axis = in.axis("inner_product_param.axis", param.axis(), x.rank());
    const int64_t outputs = param.num_output();
    if (outputs == 0)
      in.fail("inner_product_param.num_output",
              param.has_num_output() ? "0 outputs" : "the number of outputs is not given",
              "write num_output: N with N at least 1");
    const int64_t inputs = x.count(axis);
    declare(in, "weight", param.transpose() ? Shape{inputs, outputs} : Shape{outputs, inputs},
            param.weight_filler(), "inner_product_param.weight_filler");
    if (param.bias_term())
      declare(in, "bias", Shape{outputs}, param.bias_filler(), "inner_product_param.bias_filler");
    Shape top = x.slice(0, axis);
    top.append(outputs);
    set_checked_top(in, 0, top, "inner_product_param.num_output");
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().inner_product_param();
    ops::InnerProduct op;
    op.axis = from_front(param.axis(), to.shape(to.bottom(0)).rank());
    op.transpose = param.transpose();
    op.bias = param.bias_term();
    // The op wants at least one axis of rows; "the whole bottom is one vector" has none.
    const Shape top_axes = to.shape(to.bottom(0)).slice(0, op.axis);
    Value x = to.bottom(0);
    if (op.axis == 0) {
      x = to.reshape(x, Shape{1, to.shape(x).count()});
      op.axis = 1;
    }
    std::vector<Value> src{x, to.blob(0)};
    if (op.bias) src.push_back(to.blob(1));
    const Value y = to.emit1(op, src);
    Shape top = top_axes;
    top.append(param.num_output());
    to.set_top(0, to.reshape(y, top));
  }
};

CREMA_LAYER("InnerProduct", InnerProduct);

}  // namespace
}  // namespace crema::layers
