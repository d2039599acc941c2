// type: "SGD"   LR_INSIDE    h = momentum * h + r * g;   w -= h        (Caffe; the default)
//               LR_OUTSIDE   h = momentum * h + g;       w -= r * h    (PyTorch)
//
// The same while the rate stays the same. Inside, a drop of the rate leaves old velocity as it was,
// and a parameter whose lr_mult becomes 0 runs on until its velocity has died away; outside, every
// step is of the present rate.
#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"
#include "optim/rules/trust_sgd.hpp"

namespace crema::optim {
namespace {

class Sgd : public UpdateRule {
 public:
  Sgd(double momentum, bool outside) : momentum_(momentum), outside_(outside) {}
  std::vector<std::string> slots() const override {
    return {outside_ ? "momentum_of_gradients" : "momentum"};
  }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    const float mu = static_cast<float>(info.momentum * (outside_ ? 1 : info.momentum_scale));
    const float r = static_cast<float>(info.rate);
    if (outside_)
      descend(param, info, [=](int64_t i, float g) { return r * (h[i] = mu * h[i] + g); });
    else
      descend(param, info, [=](int64_t i, float g) { return h[i] = mu * h[i] + r * g; });
  }
  std::string formula() const override {
    return outside_ ? "h = momentum * h + g;  w -= r * h" : "h = momentum * h + r * g;  w -= h";
  }
  std::optional<double> momentum() const override { return momentum_; }
  bool accepts_momentum(double value) const override { return value > -1 && value < 1; }
  bool rate_in_velocity() const override { return !outside_; }

 private:
  double momentum_;
  bool outside_;
};

std::unique_ptr<UpdateRule> make_sgd(const config::SolverConfig& solver) {
  if (solver.param.larc() || solver.param.local_lr_auto()) return make_trust_of_forks(solver);
  Fields fields(solver, "type");
  for (const char* field : {"larc_policy", "larc_eta", "larc_turbo"})
    if (fields.has(field))
      fields.fail(field, fmt::format("{} does nothing without larc: true", field));
  if (fields.has("local_gw_ratio"))
    fields.fail("local_gw_ratio", "local_gw_ratio does nothing without local_lr_auto: true");
  const double momentum = read_velocity(fields);
  fields.done();
  return std::make_unique<Sgd>(momentum, rate_outside(solver));
}

CREMA_REGISTER(RuleTag, "SGD",
               {make_sgd,
                {"momentum_form", "larc", "larc_policy", "larc_eta", "larc_turbo", "local_lr_auto",
                 "local_gw_ratio"}});

}  // namespace
}  // namespace crema::optim
