// lr_policy: "fixed"   rate = base_lr
#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Fixed : public LrPolicy {
 public:
  explicit Fixed(double base) : base_(base) {}
  double rate(int64_t) const override { return base_; }
  std::string formula() const override { return "base_lr"; }

 private:
  double base_;
};

std::unique_ptr<LrPolicy> make_fixed(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  fields.done();
  return std::make_unique<Fixed>(base);
}

CREMA_REGISTER(PolicyTag, "fixed", make_fixed);

}  // namespace
}  // namespace crema::optim
