// One step of an LSTM after its linear part, for nets that unroll time themselves.
//   bottom 0  c of the step before (1, N, D)
//   bottom 1  the sums at the gates (1, N, 4 D), in the order i, f, o, g
//   bottom 2  cont (1, N): 0 where a sequence begins, else 1; gets no gradient
//   tops      c, h (1, N, D):  i, f, o = sigmoid, g = tanh;  c = cont f c_prev + i g,  h = o
//   tanh(c) params    none errors    other shapes
#include "layers/lstm_unit.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/parallel.hpp"
#include "layers/check.hpp"
#include "ops/custom.hpp"

namespace crema::layers {
namespace {

constexpr int64_t kGrain = 512;  // elements below which a second thread does not pay

template <class T>
T sigmoid(T x) {
  return T(0.5) * std::tanh(T(0.5) * x) + T(0.5);
}

// Element k of row n of a gate: gates are four runs of `width` in each row.
struct Geometry {
  int64_t rows, width;
  template <class Fn>
  void each(Fn&& fn) const {
    parallel_for(rows * width, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) fn(at, at / width, at / width * 3 * width + at);
    });
  }
};

template <class T>
void forward(const Geometry& g, ops::CustomArgs<T>& args) {
  const auto &c_prev = args.src[0], &gates = args.src[1], &cont = args.src[2];
  auto &c = args.dst[0], &h = args.dst[1], &active = args.dst[2];
  const int64_t w = g.width;
  g.each([&](int64_t at, int64_t row, int64_t gate) {
    const T i = sigmoid(gates[gate]), f = sigmoid(gates[gate + w]),
            o = sigmoid(gates[gate + 2 * w]);
    const T in = std::tanh(gates[gate + 3 * w]);
    c[at] = cont[row] * f * c_prev[at] + i * in;
    h[at] = o * std::tanh(c[at]);
    active[gate] = i;
    active[gate + w] = f;
    active[gate + 2 * w] = o;
    active[gate + 3 * w] = in;
  });
}

template <class T>
void backward(const Geometry& g, ops::CustomArgs<T>& args) {
  const auto &c_prev = args.src[0], &cont = args.src[2];
  const auto &c = args.dst[0], &active = args.dst[2];
  const auto &dc = args.diff_dst[0], &dh = args.diff_dst[1];
  auto &dc_prev = args.diff_src[0], &dgates = args.diff_src[1];
  const int64_t w = g.width;
  g.each([&](int64_t at, int64_t row, int64_t gate) {
    const T i = active[gate], f = active[gate + w], o = active[gate + 2 * w];
    const T in = active[gate + 3 * w], tanh_c = std::tanh(c[at]);
    const T from_h = dh.empty() ? T(0) : dh[at];
    const T total = (dc.empty() ? T(0) : dc[at]) + from_h * o * (1 - tanh_c * tanh_c);
    if (!dc_prev.empty()) dc_prev[at] = total * cont[row] * f;
    if (dgates.empty()) return;
    dgates[gate] = total * in * i * (1 - i);
    dgates[gate + w] = total * cont[row] * c_prev[at] * f * (1 - f);
    dgates[gate + 2 * w] = from_h * tanh_c * o * (1 - o);
    dgates[gate + 3 * w] = total * i * (1 - in * in);
  });
}

// Sources c_prev, gates, cont; destinations c, h, and the gates after their functions.
ops::Custom step_op(const Geometry& g) {
  ops::Custom op;
  op.name = "lstm step";
  op.shapes = [](std::span<const Shape> src) { return std::vector{src[0], src[0], src[1]}; };
  op.parts = {{{0, 1}, {0, 2}, {0, 2}}};
  op.differentiable = {0, 1};
  op.forward32 = [g](auto& args) { forward(g, args); };
  op.forward64 = [g](auto& args) { forward(g, args); };
  op.backward32 = [g](auto& args) { backward(g, args); };
  op.backward64 = [g](auto& args) { backward(g, args); };
  return op;
}

class LstmUnit final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 3, .max_bottoms = 3, .min_tops = 2, .max_tops = 2, .no_gradient = {2}};
  }

  void infer(Inference& in) const override {
    require_rank(in, 0, 3, "(1, streams, units)");
    require_rank(in, 1, 3, "(1, streams, 4 x units)");
    require_rank(in, 2, 2, "(1, streams)");
    const Shape& c = in.bottom(0);
    const int64_t n = c[1], d = c[2];
    for (const auto& [bottom, wanted] :
         {std::pair(0, Shape{1, n, d}), {1, Shape{1, n, 4 * d}}, {2, Shape{1, n}}})
      if (in.bottom(bottom) != wanted)
        in.fail(fmt::format("bottom[{}]", bottom),
                fmt::format("bottom {} is {}, but with a bottom 0 of {} it must be {}", bottom,
                            in.bottom(bottom).text(), c.text(), wanted.text()),
                "one time step, and four gates per unit");
    in.set_top(0, c);
    in.set_top(1, c);
  }

  int64_t index_range(const Inference&, int bottom) const override { return bottom == 2 ? 2 : 0; }

  void lower(Lowering& to) const override {
    const LstmState state = lstm_step(to, to.bottom(0), to.bottom(1), to.bottom(2));
    to.set_top(0, state.c);
    to.set_top(1, state.h);
  }
};

CREMA_LAYER("LSTMUnit", LstmUnit);

}  // namespace

LstmState lstm_step(Lowering& to, Value c_prev, Value gates, Value cont) {
  const int64_t rows = to.shape(cont).count();
  const Geometry g{rows, rows == 0 ? 0 : to.shape(c_prev).count() / rows};
  const auto out = to.emit(std::make_shared<const ops::Custom>(step_op(g)), {c_prev, gates, cont});
  return {out[0], out[1]};
}

}  // namespace crema::layers
