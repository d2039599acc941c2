// type: "AMSGrad"   m = b1 * m + (1 - b1) * g;   v = b2 * v + (1 - b2) * g^2;   k = max(k, v)
//                   w -= r * sqrt(1 - b2^n) / (1 - b1^n) * m / (sqrt(k) + delta)
// Adam whose second average never falls. b1 = momentum (0.9 if unset), the rest as in Adam. Source:
// Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond", ICLR 2018.
//
// type: "Adam" with `amsgrad: true` is that of jolibrain's Caffe: v = max(v, b2 * v + (1 - b2) *
// g^2) takes the place of both v and k.
#include "optim/rules/amsgrad.hpp"

#include <cmath>

#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {

namespace {

class AmsGrad : public UpdateRule {
 public:
  AmsGrad(double beta1, double beta2, double delta, bool of_jolibrain)
      : beta1_(beta1), beta2_(beta2), delta_(delta), of_jolibrain_(of_jolibrain) {}
  std::vector<std::string> slots() const override {
    return of_jolibrain_ ? std::vector<std::string>{"m", "v"}
                         : std::vector<std::string>{"m", "v", "v_max"};
  }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const m = param.slots[0].data();
    float* const v = param.slots[1].data();
    float* const k = param.slots[of_jolibrain_ ? 1 : 2].data();
    const double b1 = info.momentum, n = static_cast<double>(info.step_count + 1);
    const double correction = std::sqrt(1 - std::pow(beta2_, n)) / (1 - std::pow(b1, n));
    const float r = static_cast<float>(info.rate * correction);
    const float delta = static_cast<float>(delta_);
    const float keep1 = static_cast<float>(b1), add1 = static_cast<float>(1 - b1);
    const float keep2 = static_cast<float>(beta2_), add2 = static_cast<float>(1 - beta2_);
    descend(param, info, [=](int64_t i, float g) {
      m[i] = keep1 * m[i] + add1 * g;
      const float largest = k[i], now = keep2 * v[i] + add2 * (g * g);
      v[i] = now;
      k[i] = std::max(largest, now);
      return r * (m[i] / (std::sqrt(k[i]) + delta));
    });
  }
  std::string formula() const override {
    const std::string average = "momentum2 * v + (1 - momentum2) * g^2";
    return "m = momentum * m + (1 - momentum) * g;  " +
           (of_jolibrain_ ? "v = max(v, " + average + ")" : "v = " + average + ";  k = max(k, v)") +
           ";  w -= r * sqrt(1 - momentum2^n) / (1 - momentum^n) * m / (sqrt(" +
           (of_jolibrain_ ? "v" : "k") + ") + delta)";
  }
  std::optional<double> momentum() const override { return beta1_; }
  bool normalises_gradient() const override { return true; }

 private:
  double beta1_, beta2_, delta_;
  bool of_jolibrain_;
};

std::unique_ptr<UpdateRule> make_own_amsgrad(const config::SolverConfig& solver) {
  return make_amsgrad(solver, false);
}

CREMA_REGISTER(RuleTag, "AMSGrad", make_own_amsgrad);

}  // namespace

std::unique_ptr<UpdateRule> make_amsgrad(const config::SolverConfig& solver, bool of_jolibrain) {
  Fields fields(solver, "type");
  const double beta1 = read_average(fields, "momentum", of_jolibrain ? 0 : 0.9);
  const double beta2 = read_average(fields, "momentum2", 0.999);
  const double delta = read_delta(fields);
  fields.done();
  return std::make_unique<AmsGrad>(beta1, beta2, delta, of_jolibrain);
}

}  // namespace crema::optim
