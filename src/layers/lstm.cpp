// Long short-term memory; bottoms, tops, params and errors: recurrent.hpp.
//   z = W_x x + b [+ W_s static] + W_h (cont h);  i, f, o = sigmoid, g = tanh of z's quarters
//   c = cont f c + i g;  h = o tanh(c);  top 0 is h.  States: h, c
#include "layers/lstm_unit.hpp"
#include "layers/recurrent.hpp"

namespace crema::layers {
namespace {

class Lstm final : public Recurrent {
 public:
  Lstm() : Recurrent({"h", "c"}, 4) {}

 private:
  std::vector<Value> step(Lowering& to, const std::vector<Value>& states, Value sums,
                          Value cont) const override {
    const LstmState next = lstm_step(to, states[1], sums, cont);
    return {next.h, next.c};
  }
};

CREMA_LAYER("LSTM", Lstm);

}  // namespace
}  // namespace crema::layers
