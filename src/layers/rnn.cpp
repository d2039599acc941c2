// Simple recurrent net; bottoms, tops, params and errors: recurrent.hpp, and after those blobs
// output_weight (H, H), output_bias (H).
//   h = tanh(W_x x + b [+ W_s static] + W_h (cont h));  top 0 is o = tanh(W_o h + b_o).  State: h
#include "layers/check.hpp"
#include "layers/recurrent.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

Value tanh_of(Lowering& to, Value x) {
  ops::Unary op;
  op.function = ops::Function::kTanh;
  return to.emit1(op, {x});
}

class Rnn final : public Recurrent {
 public:
  Rnn() : Recurrent({"h"}, 1) {}

 private:
  void declare_output(Inference& in, int64_t hidden) const override {
    const auto& param = in.param().recurrent_param();
    declare(in, "output_weight", Shape{hidden, hidden}, param.weight_filler(),
            "recurrent_param.weight_filler");
    declare(in, "output_bias", Shape{hidden}, param.bias_filler(), "recurrent_param.bias_filler");
  }

  std::vector<Value> step(Lowering& to, const std::vector<Value>&, Value sums,
                          Value) const override {
    return {tanh_of(to, sums)};
  }

  Value output(Lowering& to, Value states, int blob) const override {
    return tanh_of(to, to.emit1(ops::InnerProduct(), {states, to.blob(blob), to.blob(blob + 1)}));
  }
};

CREMA_LAYER("RNN", Rnn);

}  // namespace
}  // namespace crema::layers
