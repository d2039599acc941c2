// One time step of an LSTM behind its linear part: the op of LSTMUnit and LSTM.
#pragma once

#include "layers/layer.hpp"

namespace crema::layers {

struct LstmState {
  Value c, h;
};

// i, f, o = sigmoid and g = tanh of the four quarters of `gates`;
//   c = cont f c_prev + i g,   h = o tanh(c)
//   c_prev (N, D), gates (N, 4 D), cont (N): 0 where a sequence begins, else 1
// Shapes may have further axes of size 1. No gradient for cont.
LstmState lstm_step(Lowering& to, Value c_prev, Value gates, Value cont);

}  // namespace crema::layers
