// type: "AdaGrad"   h += g^2;   w -= r * g / (sqrt(h) + delta)
#include <cmath>

#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class AdaGrad : public UpdateRule {
 public:
  explicit AdaGrad(double delta) : delta_(delta) {}
  std::vector<std::string> slots() const override { return {"square_sum"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    const float delta = static_cast<float>(delta_), r = static_cast<float>(info.rate);
    descend(param, info, [=](int64_t i, float g) {
      h[i] += g * g;
      return r * (g / (std::sqrt(h[i]) + delta));
    });
  }
  std::string formula() const override { return "h += g^2;  w -= r * g / (sqrt(h) + delta)"; }

  bool normalises_gradient() const override { return true; }

 private:
  double delta_;
};

std::unique_ptr<UpdateRule> make_adagrad(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double delta = read_delta(fields);
  fields.check(fields.number("momentum") == 0, "momentum", "0",
               "AdaGrad has no momentum; Adam is the adaptive rule that has");
  fields.done();
  return std::make_unique<AdaGrad>(delta);
}

CREMA_REGISTER(RuleTag, "AdaGrad", make_adagrad);

}  // namespace
}  // namespace crema::optim
