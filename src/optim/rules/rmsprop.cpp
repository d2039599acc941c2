// type: "RMSProp"   h = rms_decay * h + (1 - rms_decay) * g^2;   w -= r * g / (sqrt(h) + delta)
#include <cmath>

#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class RmsProp : public UpdateRule {
 public:
  RmsProp(double decay, double delta) : decay_(decay), delta_(delta) {}
  std::vector<std::string> slots() const override { return {"square_mean"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    const float keep = static_cast<float>(decay_), add = static_cast<float>(1 - decay_);
    const float delta = static_cast<float>(delta_), r = static_cast<float>(info.rate);
    descend(param, info, [=](int64_t i, float g) {
      h[i] = keep * h[i] + add * (g * g);
      return r * (g / (std::sqrt(h[i]) + delta));
    });
  }
  std::string formula() const override {
    return "h = rms_decay * h + (1 - rms_decay) * g^2;  w -= r * g / (sqrt(h) + delta)";
  }

  bool normalises_gradient() const override { return true; }

 private:
  double decay_, delta_;
};

std::unique_ptr<UpdateRule> make_rmsprop(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double decay = fields.number("rms_decay"), delta = read_delta(fields);
  fields.check(decay >= 0 && decay < 1, "rms_decay", "in [0, 1)");
  fields.check(fields.number("momentum") == 0, "momentum", "0",
               "RMSProp has no momentum here; Adam is the adaptive rule that has");
  fields.done();
  return std::make_unique<RmsProp>(decay, delta);
}

CREMA_REGISTER(RuleTag, "RMSProp", make_rmsprop);

}  // namespace
}  // namespace crema::optim
