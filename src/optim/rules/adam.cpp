// type: "Adam"   m = b1 * m + (1 - b1) * g;   v = b2 * v + (1 - b2) * g^2
//                w -= r * sqrt(1 - b2^n) / (1 - b1^n) * m / (sqrt(v) + delta)
// with b1 = momentum (0 if unset, as in BVLC Caffe), b2 = momentum2, n = updates of this parameter
// including this one. delta is not bias-corrected. Source: Kingma and Ba, arXiv:1412.6980.
#include <cmath>

#include "optim/rules/amsgrad.hpp"
#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class Adam : public UpdateRule {
 public:
  Adam(double beta1, double beta2, double delta) : beta1_(beta1), beta2_(beta2), delta_(delta) {}
  std::vector<std::string> slots() const override { return {"m", "v"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const m = param.slots[0].data();
    float* const v = param.slots[1].data();
    const double b1 = info.momentum, n = static_cast<double>(info.step_count + 1);
    const double correction = std::sqrt(1 - std::pow(beta2_, n)) / (1 - std::pow(b1, n));
    const float r = static_cast<float>(info.rate * correction);
    const float delta = static_cast<float>(delta_);
    const float keep1 = static_cast<float>(b1), add1 = static_cast<float>(1 - b1);
    const float keep2 = static_cast<float>(beta2_), add2 = static_cast<float>(1 - beta2_);
    descend(param, info, [=](int64_t i, float g) {
      m[i] = keep1 * m[i] + add1 * g;
      v[i] = keep2 * v[i] + add2 * (g * g);
      return r * (m[i] / (std::sqrt(v[i]) + delta));
    });
  }
  std::string formula() const override {
    return "m = momentum * m + (1 - momentum) * g;  v = momentum2 * v + (1 - momentum2) * g^2;  "
           "w -= r * sqrt(1 - momentum2^n) / (1 - momentum^n) * m / (sqrt(v) + delta)";
  }
  std::optional<double> momentum() const override { return beta1_; }
  bool normalises_gradient() const override { return true; }

 private:
  double beta1_, beta2_, delta_;
};

std::unique_ptr<UpdateRule> make_adam(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  if (solver.param.amsgrad() && solver.param.rectified())
    fields
        .fail(fields.has("rectified") ? "rectified" : "amsgrad",
              "rectified Adam is not there (it is jolibrain's default beside amsgrad)")
        .advise("write rectified: false, or type: \"AMSGrad\" instead of both");
  const double beta1 = read_average(fields, "momentum", 0);
  const double beta2 = read_average(fields, "momentum2", 0.999);
  const double delta = read_delta(fields);
  fields.done();
  if (solver.param.amsgrad()) return make_amsgrad(solver, true);
  return std::make_unique<Adam>(beta1, beta2, delta);
}

CREMA_REGISTER(RuleTag, "Adam", {make_adam, {"amsgrad", "rectified"}});

}  // namespace
}  // namespace crema::optim
