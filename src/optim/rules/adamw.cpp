// type: "AdamW"   m = b1 * m + (1 - b1) * g;   v = b2 * v + (1 - b2) * g^2
//                 w -= r * (m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + delta) + decay * w)
// with b1 = momentum (0.9 if unset), b2 = momentum2, n = updates of this parameter including this
// one. The decay is weight_decay, or adamw_decay (MyCaffe's name), times decay_mult; it follows
// rate and lr_mult and does not enter m and v. Source: Loshchilov and Hutter, arXiv:1711.05101, in
// PyTorch's form.
#include <cmath>

#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class AdamW : public UpdateRule {
 public:
  AdamW(double beta1, double beta2, double delta) : beta1_(beta1), beta2_(beta2), delta_(delta) {}
  std::vector<std::string> slots() const override { return {"m", "v"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    const float* const w = param.value.data();
    float* const m = param.slots[0].data();
    float* const v = param.slots[1].data();
    const double b1 = info.momentum, n = static_cast<double>(info.step_count + 1);
    const float fix1 = static_cast<float>(1 / (1 - std::pow(b1, n)));
    const float fix2 = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2_, n)));
    const float r = static_cast<float>(info.rate), decay = static_cast<float>(info.l2);
    const float delta = static_cast<float>(delta_);
    const float keep1 = static_cast<float>(b1), add1 = static_cast<float>(1 - b1);
    const float keep2 = static_cast<float>(beta2_), add2 = static_cast<float>(1 - beta2_);
    descend_undecayed(param, info, [=](int64_t i, float g) {
      m[i] = keep1 * m[i] + add1 * g;
      v[i] = keep2 * v[i] + add2 * (g * g);
      return r * (fix1 * m[i] / (fix2 * std::sqrt(v[i]) + delta) + decay * w[i]);
    });
  }
  std::string formula() const override {
    return "m = momentum * m + (1 - momentum) * g;  v = momentum2 * v + (1 - momentum2) * g^2;  "
           "w -= r * (m / (1 - momentum^n) / (sqrt(v / (1 - momentum2^n)) + delta) + decay * w)";
  }
  std::optional<double> momentum() const override { return beta1_; }
  bool decouples_decay() const override { return true; }
  bool normalises_gradient() const override { return true; }

 private:
  double beta1_, beta2_, delta_;
};

std::unique_ptr<UpdateRule> make_adamw(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double beta1 = read_average(fields, "momentum", 0.9);
  const double beta2 = read_average(fields, "momentum2", 0.999);
  const double delta = read_delta(fields);
  fields.check(fields.number("adamw_decay") >= 0, "adamw_decay", ">= 0");
  if (fields.has("adamw_decay") && solver.param.weight_decay() != 0)
    fields.fail("adamw_decay", "both weight_decay and adamw_decay are given")
        .advise("keep one: under AdamW either is the decoupled decay, and there is no other");
  require_l2(solver, fields);
  fields.done();
  return std::make_unique<AdamW>(beta1, beta2, delta);
}

CREMA_REGISTER(RuleTag, "AdamW", {make_adamw, {"adamw_decay"}});

}  // namespace
}  // namespace crema::optim
