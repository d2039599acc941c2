// Rows of a learned table, one for each number of the bottom (word vectors).
//   bottom  numbers 0..input_dim-1, any axes; no gradient
//   top     the bottom's axes, then num_output
//   params  weight (input_dim, num_output);  bias (num_output), added to each row, unless
//   bias_term:
//           false.  Both start at 0 where no filler is given, as in Caffe
//   errors  num_output, input_dim >= 1.  A number outside 0..input_dim-1 is reported when it is met
#include "layers/check.hpp"
#include "ops/pointwise.hpp"
#include "ops/shape_ops.hpp"

namespace crema::layers {
namespace {

class Embed final : public Layer {
 public:
  // force_backward stops BVLC here, and so it is refused.
  Signature signature(const caffe::LayerParameter&) const override {
    return {.no_gradient = {0}, .forced = {0}};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().embed_param();
    if (param.num_output() == 0)
      in.fail("embed_param.num_output", "the length of a row is not given",
              "write num_output: N with N at least 1");
    if (param.input_dim() == 0)
      in.fail("embed_param.input_dim", "the number of rows is not given",
              "write input_dim: one more than the largest input");
    declare(in, "weight", Shape{param.input_dim(), param.num_output()}, param.weight_filler(),
            "embed_param.weight_filler");
    if (param.bias_term())
      declare(in, "bias", Shape{param.num_output()}, param.bias_filler(),
              "embed_param.bias_filler");
    Shape top = in.bottom(0);
    top.append(param.num_output());
    set_checked_top(in, 0, top, "embed_param.num_output");
  }

  int64_t index_range(const Inference& in, int) const override {
    return in.param().embed_param().input_dim();
  }

  void lower(Lowering& to) const override {
    ops::Gather gather;
    gather.layer = to.param().name();
    Value y = to.emit1(gather, {to.blob(0), to.bottom(0)});
    if (to.param().embed_param().bias_term()) {
      ops::Bias bias;
      bias.axis = to.shape(y).rank() - 1;
      y = to.emit1(bias, {y, to.blob(1)});
    }
    to.set_top(0, y);
  }
};

CREMA_LAYER("Embed", Embed);

}  // namespace
}  // namespace crema::layers
