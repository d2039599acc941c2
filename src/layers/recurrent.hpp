// What LSTM and RNN have in common: their bottoms and tops, and the walk along time.
//
//   bottom 0  x (T, N, ...): T steps of N streams, the rest is one vector of I numbers
//   bottom 1  cont (T, N): 0 where a stream begins anew (its state is dropped), else 1; no gradient
//   bottom 2  optional: an input that is the same at all steps (N, ...)
//   tops      (T, N, num_output)
//   with expose_hidden: the states before the first step as last bottoms, those after the last step
//             as further tops, (1, N, num_output) each; no gradient passes through them, as in
//             Caffe.  Otherwise each forward pass leaves its states to the next one
//   params    input_weight (G H, I), bias (G H), [static_weight (G H, ...)],
//             hidden_weight (G H, H); G = 4 gates in LSTM, 1 in RNN;  all start at 0 where no
//             filler is given
//   errors    num_output >= 1;  T >= 1;  sizes of T and N that differ between bottoms
#pragma once

#include <string>
#include <vector>

#include "layers/layer.hpp"

namespace crema::layers {

class Recurrent : public Layer {
 public:
  Signature signature(const caffe::LayerParameter& param) const final;
  void infer(Inference& in) const final;
  void lower(Lowering& to) const final;
  // cont: 0 where a sequence begins, else 1.
  int64_t index_range(const Inference&, int bottom) const final { return bottom == 1 ? 2 : 0; }

 protected:
  // `states`: names, the one that the hidden weights multiply first.
  Recurrent(std::vector<std::string> states, int64_t gates)
      : states_(std::move(states)), gates_(gates) {}

 private:
  struct Layout {  // of the bottoms
    bool exposed, has_static;
    int first_state;  // bottom
  };
  Layout layout(const caffe::LayerParameter& param, int bottoms) const;
  void check_bottoms(const Inference& in) const;
  std::vector<Value> initial_states(Lowering& to, const Layout& at, int64_t streams) const;
  Value input_sums(Lowering& to, const Layout& at) const;
  void leave_states(Lowering& to, const Layout& at, const std::vector<Value>& first,
                    const std::vector<Value>& last) const;

  // Declares blobs that follow the hidden weight.
  virtual void declare_output(Inference& in, int64_t hidden) const;
  // The states after a step, from those before it, the sums at the gates (N, G H) and cont (N).
  virtual std::vector<Value> step(Lowering& to, const std::vector<Value>& states, Value sums,
                                  Value cont) const = 0;
  // Top 0 as (T N, H), from the first state of every step; blobs from `blob` on are the output's.
  virtual Value output(Lowering& to, Value states, int blob) const;

  std::vector<std::string> states_;
  int64_t gates_;
};

}  // namespace crema::layers
