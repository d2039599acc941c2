#include "layers/recurrent.hpp"

#include <fmt/format.h>

#include <numeric>

#include "layers/check.hpp"
#include "layers/slicing.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"
#include "ops/shape_ops.hpp"

namespace crema::layers {

namespace {

// One value per time step, without the time axis.
std::vector<Value> steps_of(Lowering& to, Value value) {
  const Shape whole = to.shape(value), step = whole.slice(1, whole.rank());
  std::vector<int64_t> cuts(static_cast<size_t>(whole[0]) + 1);
  std::iota(cuts.begin(), cuts.end(), 0);
  std::vector<Value> out = slice(to, value, 0, cuts);
  for (Value& piece : out) piece = to.reshape(piece, step);
  return out;
}

// Pieces (N, H), one per step, as rows (T N, H).
Value rows_of(Lowering& to, const std::vector<Value>& steps) {
  if (steps.size() == 1) return steps[0];
  ops::Concat op;
  op.axis = 0;
  op.sources = static_cast<int>(steps.size());
  return to.emit1(op, steps);
}

Value product(Lowering& to, Value x, Value weight, std::vector<Value> bias = {}) {
  ops::InnerProduct op;
  op.bias = !bias.empty();
  std::vector<Value> src{x, weight};
  src.insert(src.end(), bias.begin(), bias.end());
  return to.emit1(op, src);
}

Value sum(Lowering& to, Value a, Value b) {
  ops::Eltwise op;
  op.coefficients = {1, 1};
  return to.emit1(op, {a, b});
}

// The state where cont is 1, 0 where it is 0.
Value kept(Lowering& to, Value state, Value cont) {
  ops::Scale op;
  op.axis = 0;
  return to.emit1(op, {state, cont});
}

}  // namespace

Recurrent::Layout Recurrent::layout(const caffe::LayerParameter& param, int bottoms) const {
  Layout at{};
  at.exposed = param.recurrent_param().expose_hidden();
  at.first_state = bottoms - (at.exposed ? static_cast<int>(states_.size()) : 0);
  at.has_static = at.first_state > 2;
  return at;
}

Signature Recurrent::signature(const caffe::LayerParameter& param) const {
  const int states = param.recurrent_param().expose_hidden() ? static_cast<int>(states_.size()) : 0;
  Signature out{.min_bottoms = 2 + states,
                .max_bottoms = 3 + states,
                .min_tops = 1 + states,
                .max_tops = 1 + states};
  out.no_gradient = {1};
  const Layout at = layout(param, param.bottom_size());
  for (int i = 0; i < states; ++i) {
    out.cut_bottoms.push_back(at.first_state + i);
    out.cut_tops.push_back(1 + i);
  }
  return out;
}

void Recurrent::check_bottoms(const Inference& in) const {
  const Layout at = layout(in.param(), in.bottoms());
  const Shape& x = in.bottom(0);
  if (x.rank() < 3)
    in.fail("bottom[0]",
            fmt::format("bottom 0 has {} ({}), but 3 are needed: steps, streams, features",
                        axes_text(x.rank()), x.text()),
            "put a Reshape layer before it");
  if (x[0] < 1)
    in.fail("bottom[0]", fmt::format("bottom 0 is {}: there is no time step", x.text()));
  const auto require = [&](int bottom, const Shape& wanted, const char* meaning) {
    if (in.bottom(bottom) == wanted) return;
    in.fail(fmt::format("bottom[{}]", bottom),
            fmt::format("bottom {} ({}) is {}, but with x of {} it must be {}", bottom, meaning,
                        in.bottom(bottom).text(), x.text(), wanted.text()),
            "the axes of x are steps, streams, features");
  };
  require(1, Shape{x[0], x[1]}, "cont");
  const int64_t hidden = in.param().recurrent_param().num_output();
  for (size_t i = 0; at.exposed && i < states_.size(); ++i)
    require(at.first_state + static_cast<int>(i), Shape{1, x[1], hidden},
            (states_[i] + " before the first step").c_str());
  if (at.has_static && (in.bottom(2).rank() < 1 || in.bottom(2)[0] != x[1]))
    in.fail("bottom[2]",
            fmt::format("bottom 2 (the input of all steps) is {}, but x has {} streams",
                        in.bottom(2).text(), x[1]),
            "its first axis must be the streams");
}

void Recurrent::infer(Inference& in) const {
  const auto& param = in.param().recurrent_param();
  const int64_t hidden = param.num_output();
  if (hidden == 0)
    in.fail("recurrent_param.num_output",
            param.has_num_output() ? "0 outputs" : "the number of outputs is not given",
            "write num_output: N with N at least 1");
  check_bottoms(in);
  if (param.debug_info())
    in.note("recurrent_param.debug_info",
            "the values inside of the layer are not printed; debug_info in the solver prints "
            "those of its bottoms, tops and weights");
  const Shape& x = in.bottom(0);
  const int64_t sums = gates_ * hidden;
  const auto weight = [&](const char* name, int64_t inputs) {
    check_size(in, "recurrent_param.num_output", Shape{sums, inputs});
    declare(in, name, Shape{sums, inputs}, param.weight_filler(), "recurrent_param.weight_filler");
  };
  weight("input_weight", x.count(2));
  declare(in, "bias", Shape{sums}, param.bias_filler(), "recurrent_param.bias_filler");
  if (layout(in.param(), in.bottoms()).has_static) weight("static_weight", in.bottom(2).count(1));
  weight("hidden_weight", hidden);
  declare_output(in, hidden);
  set_checked_top(in, 0, Shape{x[0], x[1], hidden}, "recurrent_param.num_output");
  for (int i = 1; i < in.tops(); ++i) in.set_top(i, Shape{1, x[1], hidden});
}

// What the inputs give at the gates, at all steps at once: (T, N, G H).
Value Recurrent::input_sums(Lowering& to, const Layout& at) const {
  const Shape x = to.shape(to.bottom(0));
  const Value rows = to.reshape(to.bottom(0), Shape{x[0] * x[1], x.count(2)});
  Value sums = product(to, rows, to.blob(0), {to.blob(1)});
  sums = to.reshape(sums, Shape{x[0], x[1], to.shape(sums)[1]});
  if (!at.has_static) return sums;
  const Shape shape = to.shape(to.bottom(2));
  const Value fixed = to.reshape(to.bottom(2), Shape{shape[0], shape.count(1)});
  ops::Bias add;
  add.axis = 1;
  return to.emit1(add, {sums, product(to, fixed, to.blob(2))});
}

std::vector<Value> Recurrent::initial_states(Lowering& to, const Layout& at,
                                             int64_t streams) const {
  const int64_t hidden = to.param().recurrent_param().num_output();
  std::vector<Value> out;
  for (size_t i = 0; i < states_.size(); ++i)
    out.push_back(at.exposed
                      ? to.emit1(ops::Detach(), {to.bottom(at.first_state + static_cast<int>(i))})
                      : to.carried(states_[i], Shape{1, streams, hidden}));
  return out;
}

void Recurrent::leave_states(Lowering& to, const Layout& at, const std::vector<Value>& first,
                             const std::vector<Value>& last) const {
  for (size_t i = 0; i < states_.size(); ++i) {
    const Value state = to.reshape(last[i], to.shape(first[i]));
    if (at.exposed)
      to.set_top(1 + static_cast<int>(i), to.emit1(ops::Detach(), {state}));
    else
      to.carry(first[i], state);
  }
}

void Recurrent::lower(Lowering& to) const {
  const Layout at = layout(to.param(), to.bottoms());
  const Shape x = to.shape(to.bottom(0));
  const int64_t hidden = to.param().recurrent_param().num_output();
  const int hidden_weight = at.has_static ? 3 : 2;
  const std::vector<Value> sums = steps_of(to, input_sums(to, at));
  const std::vector<Value> cont = steps_of(to, to.bottom(1));
  const std::vector<Value> first = initial_states(to, at, x[1]);
  std::vector<Value> states, outputs;
  for (const Value state : first) states.push_back(to.reshape(state, Shape{x[1], hidden}));
  for (size_t t = 0; t < sums.size(); ++t) {
    const Value recurrent = product(to, kept(to, states[0], cont[t]), to.blob(hidden_weight));
    states = step(to, states, sum(to, sums[t], recurrent), cont[t]);
    outputs.push_back(states[0]);
  }
  const Value rows = output(to, rows_of(to, outputs), hidden_weight + 1);
  to.set_top(0, to.reshape(rows, Shape{x[0], x[1], hidden}));
  leave_states(to, at, first, states);
}

void Recurrent::declare_output(Inference&, int64_t) const {}

Value Recurrent::output(Lowering&, Value states, int) const {
  return states;
}

}  // namespace crema::layers
