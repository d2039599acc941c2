// type: "LAMB"   m = b1 * m + (1 - b1) * g;   v = b2 * v + (1 - b2) * g^2
//                u = m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + delta) + decay * w
//                w -= r * |w| / |u| * u
// with b1 = momentum (0.9 if unset), b2 = momentum2, n = updates of this parameter including this
// one; the ratio is 1 where |w| or |u| is 0. The decay enters u only. Source: You et al.,
// arXiv:1904.00962, algorithm 2, with phi(x) = x.
#include <cmath>

#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {
namespace {

class Lamb : public UpdateRule {
 public:
  Lamb(double beta1, double beta2, double delta) : beta1_(beta1), beta2_(beta2), delta_(delta) {}
  std::vector<std::string> slots() const override { return {"m", "v"}; }

  void step(const ParamSpans& param, const StepInfo& info) const override {
    const GradientScale of(info);
    // Two passes: |u| must be known before w can move. The branch is outside the loops.
    if (of.limit > 0)
      run(param, info, [of](float x) { return of.clipped(x); });
    else
      run(param, info, [of](float x) { return of.plain(x); });
  }
  std::string formula() const override {
    return "m = momentum * m + (1 - momentum) * g;  v = momentum2 * v + (1 - momentum2) * g^2;  "
           "u = m / (1 - momentum^n) / (sqrt(v / (1 - momentum2^n)) + delta) + decay * w;  "
           "w -= r * |w| / |u| * u";
  }
  bool elementwise() const override { return false; }
  std::optional<double> momentum() const override { return beta1_; }
  bool decouples_decay() const override { return true; }
  bool normalises_gradient() const override { return true; }

 private:
  template <class Gradient>
  void run(const ParamSpans& param, const StepInfo& info, const Gradient& gradient_of) const {
    float* const w = param.value.data();
    const float* const x = param.gradient.data();
    float* const m = param.slots[0].data();
    float* const v = param.slots[1].data();
    const auto count = static_cast<int64_t>(param.value.size());
    const double b1 = info.momentum, n = static_cast<double>(info.step_count + 1);
    const float fix1 = static_cast<float>(1 / (1 - std::pow(b1, n)));
    const float fix2 = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2_, n)));
    const float delta = static_cast<float>(delta_), decay = static_cast<float>(info.l2);
    const float keep1 = static_cast<float>(b1), add1 = static_cast<float>(1 - b1);
    const float keep2 = static_cast<float>(beta2_), add2 = static_cast<float>(1 - beta2_);
    const auto u = [=](int64_t i) {
      return fix1 * m[i] / (fix2 * std::sqrt(v[i]) + delta) + decay * w[i];
    };
    const double length = std::sqrt(sum_over_blocks(count, [&](int64_t begin, int64_t end) {
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = begin; i < end; ++i) {
        const float g = gradient_of(x[i]);
        m[i] = keep1 * m[i] + add1 * g;
        v[i] = keep2 * v[i] + add2 * (g * g);
        const double part = u(i);
        sum += part * part;
      }
      return sum;
    }));
    const double weight = norm(param.value);
    const float r =
        static_cast<float>(weight > 0 && length > 0 ? info.rate * weight / length : info.rate);
    parallel_for(count, kElementsPerThread, [&](int64_t begin, int64_t end) {
      if (!param.taken.empty())
        for (int64_t i = begin; i < end; ++i) param.taken[static_cast<size_t>(i)] = r * u(i);
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) w[i] -= r * u(i) + 0.0f;
    });
  }

  double beta1_, beta2_, delta_;
};

std::unique_ptr<UpdateRule> make_lamb(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  const double beta1 = read_average(fields, "momentum", 0.9);
  const double beta2 = read_average(fields, "momentum2", 0.999);
  const double delta = read_delta(fields);
  require_l2(solver, fields);
  fields.done();
  return std::make_unique<Lamb>(beta1, beta2, delta);
}

CREMA_REGISTER(RuleTag, "LAMB", make_lamb);

}  // namespace
}  // namespace crema::optim
