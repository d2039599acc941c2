// type: "Lion"   c = b1 * m + (1 - b1) * g;   w -= r * (sign(c) + decay * w)
//                m = b2 * m + (1 - b2) * g
// with b1 = momentum (0.9 if unset), b2 = momentum2 (0.99 if unset), sign(0) = 0. Source: Chen et
// al., arXiv:2302.06675.
#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class Lion : public UpdateRule {
 public:
  Lion(double beta1, double beta2) : beta1_(beta1), beta2_(beta2) {}
  std::vector<std::string> slots() const override { return {"m"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    const float* const w = param.value.data();
    float* const m = param.slots[0].data();
    const float r = static_cast<float>(info.rate), decay = static_cast<float>(info.l2);
    const float keep1 = static_cast<float>(info.momentum);
    const float add1 = static_cast<float>(1 - info.momentum);
    const float keep2 = static_cast<float>(beta2_), add2 = static_cast<float>(1 - beta2_);
    descend_undecayed(param, info, [=](int64_t i, float g) {
      const float c = keep1 * m[i] + add1 * g;
      m[i] = keep2 * m[i] + add2 * g;
      const float sign = static_cast<float>((c > 0) - (c < 0));
      return r * (sign + decay * w[i]);
    });
  }
  std::string formula() const override {
    return "c = momentum * m + (1 - momentum) * g;  w -= r * (sign(c) + decay * w);  "
           "m = momentum2 * m + (1 - momentum2) * g";
  }
  std::optional<double> momentum() const override { return beta1_; }
  bool decouples_decay() const override { return true; }
  bool normalises_gradient() const override { return true; }

 private:
  double beta1_, beta2_;
};

std::unique_ptr<UpdateRule> make_lion(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double beta1 = read_average(fields, "momentum", 0.9);
  const double beta2 = read_average(fields, "momentum2", 0.99);
  require_l2(solver, fields);
  fields.done();
  return std::make_unique<Lion>(beta1, beta2);
}

CREMA_REGISTER(RuleTag, "Lion", make_lion);

}  // namespace
}  // namespace crema::optim
