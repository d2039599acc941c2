// type: "SGD"   h = momentum * h + r * g;   w -= h
//
// Caffe's form of momentum: the rate is inside h, so a drop of the rate leaves old velocity as it
// was, and a parameter whose lr_mult becomes 0 runs on until its velocity has died away.
#include "optim/fields.hpp"
#include "optim/rule.hpp"
#include "optim/rules/elementwise.hpp"

namespace crema::optim {
namespace {

class Sgd : public UpdateRule {
 public:
  explicit Sgd(double momentum) : momentum_(momentum) {}
  std::vector<std::string> slots() const override { return {"momentum"}; }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    const float mu = static_cast<float>(momentum_), r = static_cast<float>(info.rate);
    descend(param, info, [=](int64_t i, float g) { return h[i] = mu * h[i] + r * g; });
  }
  std::string formula() const override { return "h = momentum * h + r * g;  w -= h"; }

 private:
  double momentum_;
};

std::unique_ptr<UpdateRule> make(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double momentum = fields.number("momentum");
  fields.check(momentum > -1 && momentum < 1, "momentum", "between -1 and 1 (exclusive)",
               "a velocity that does not fade makes the weights run away");
  fields.done();
  return std::make_unique<Sgd>(momentum);
}

CREMA_REGISTER(RuleTag, "SGD", make);

}  // namespace
}  // namespace crema::optim
