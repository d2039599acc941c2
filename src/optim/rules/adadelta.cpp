// type: "AdaDelta"   h = momentum * h + (1 - momentum) * g^2
//                    u = g * sqrt((k + delta) / (h + delta))
//                    k = momentum * k + (1 - momentum) * u^2;   w -= r * u
#include <cmath>

#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class AdaDelta : public UpdateRule {
 public:
  AdaDelta(double momentum, double delta) : momentum_(momentum), delta_(delta) {}
  std::vector<std::string> slots() const override { return {"square_mean", "update_mean"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    float* const k = param.slots[1].data();
    const float keep = static_cast<float>(info.momentum);
    const float add = static_cast<float>(1 - info.momentum);
    const float delta = static_cast<float>(delta_), r = static_cast<float>(info.rate);
    descend(param, info, [=](int64_t i, float g) {
      h[i] = keep * h[i] + add * (g * g);
      const float u = g * std::sqrt((k[i] + delta) / (h[i] + delta));
      k[i] = keep * k[i] + add * (u * u);
      return r * u;
    });
  }
  std::string formula() const override {
    return "h = momentum * h + (1 - momentum) * g^2;  u = g * sqrt((k + delta) / (h + delta));  "
           "k = momentum * k + (1 - momentum) * u^2;  w -= r * u";
  }

  std::optional<double> momentum() const override { return momentum_; }
  bool normalises_gradient() const override { return true; }

 private:
  double momentum_, delta_;
};

std::unique_ptr<UpdateRule> make_adadelta(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double momentum = fields.number("momentum"), delta = read_delta(fields);
  fields.check(momentum >= 0 && momentum < 1, "momentum", "in [0, 1)",
               "it is the decay of AdaDelta's averages; 0.95 is common");
  fields.done();
  return std::make_unique<AdaDelta>(momentum, delta);
}

CREMA_REGISTER(RuleTag, "AdaDelta", make_adadelta);

}  // namespace
}  // namespace crema::optim
