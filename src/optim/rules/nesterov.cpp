// type: "Nesterov"   LR_INSIDE    h' = momentum * h + r * g;   w -= (1 + momentum) * h' - momentum
// * h
//                    LR_OUTSIDE   h = momentum * h + g;        w -= r * (g + momentum * h)
//
// Inside is Caffe's and the default, outside PyTorch's; the same while the rate stays the same.
#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class Nesterov : public UpdateRule {
 public:
  Nesterov(double momentum, bool outside) : momentum_(momentum), outside_(outside) {}
  std::vector<std::string> slots() const override {
    return {outside_ ? "momentum_of_gradients" : "momentum"};
  }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    const float r = static_cast<float>(info.rate);
    if (outside_) {
      const float mu = static_cast<float>(info.momentum);
      descend(param, info, [=](int64_t i, float g) {
        h[i] = mu * h[i] + g;
        return r * (g + mu * h[i]);
      });
      return;
    }
    const float mu = static_cast<float>(info.momentum);
    const float old = static_cast<float>(info.momentum_scale);
    descend(param, info, [=](int64_t i, float g) {
      const float before = old * h[i];
      h[i] = mu * before + r * g;
      return (1 + mu) * h[i] - mu * before;
    });
  }
  std::string formula() const override {
    return outside_ ? "h = momentum * h + g;  w -= r * (g + momentum * h)"
                    : "h' = momentum * h + r * g;  w -= (1 + momentum) * h' - momentum * h";
  }
  std::optional<double> momentum() const override { return momentum_; }
  bool accepts_momentum(double value) const override { return value > -1 && value < 1; }
  bool rate_in_velocity() const override { return !outside_; }

 private:
  double momentum_;
  bool outside_;
};

std::unique_ptr<UpdateRule> make_nesterov(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double momentum = read_velocity(fields);
  fields.done();
  return std::make_unique<Nesterov>(momentum, rate_outside(solver));
}

CREMA_REGISTER(RuleTag, "Nesterov", {make_nesterov, {"momentum_form"}});

}  // namespace
}  // namespace crema::optim
