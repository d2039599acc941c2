// type: "Nesterov"   h' = momentum * h + r * g;   w -= (1 + momentum) * h' - momentum * h;   h = h'
#include "optim/fields.hpp"
#include "optim/rule.hpp"
#include "optim/rules/elementwise.hpp"

namespace crema::optim {
namespace {

class Nesterov : public UpdateRule {
 public:
  explicit Nesterov(double momentum) : momentum_(momentum) {}
  std::vector<std::string> slots() const override { return {"momentum"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    const float mu = static_cast<float>(momentum_), r = static_cast<float>(info.rate);
    descend(param, info, [=](int64_t i, float g) {
      const float before = h[i];
      h[i] = mu * before + r * g;
      return (1 + mu) * h[i] - mu * before;
    });
  }
  std::string formula() const override {
    return "h' = momentum * h + r * g;  w -= (1 + momentum) * h' - momentum * h";
  }

 private:
  double momentum_;
};

std::unique_ptr<UpdateRule> make(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double momentum = fields.number("momentum");
  fields.check(momentum > -1 && momentum < 1, "momentum", "between -1 and 1 (exclusive)",
               "a velocity that does not fade makes the weights run away");
  fields.done();
  return std::make_unique<Nesterov>(momentum);
}

CREMA_REGISTER(RuleTag, "Nesterov", make);

}  // namespace
}  // namespace crema::optim
