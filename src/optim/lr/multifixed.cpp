// lr_policy: "multifixed"   rate = stagelr[i] for stageiter[i - 1] < t <= stageiter[i]
//
// Intel's: an iteration equal to stageiter[i] still belongs to stage i; after the last one the rate
// stays. base_lr is not read (but by warmup_iter).
#include <fmt/format.h>

#include <algorithm>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class MultiFixed : public LrPolicy {
 public:
  MultiFixed(std::vector<double> rates, std::vector<double> ends)
      : rates_(std::move(rates)), ends_(std::move(ends)) {}
  double rate(int64_t t) const override { return rates_[stage(t)]; }
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    std::vector<int64_t> out;
    for (size_t i = 0; i + 1 < ends_.size() && out.size() < kMostBoundaries; ++i) {
      const int64_t t = static_cast<int64_t>(ends_[i]) + 1;
      if (t > 0 && t < max_iter && rate(t) != rate(t - 1)) out.push_back(t);
    }
    return out;
  }
  std::string formula() const override { return "the stagelr whose stageiter is the first >= t"; }

 private:
  size_t stage(int64_t t) const {
    const auto at = std::lower_bound(ends_.begin(), ends_.end(), static_cast<double>(t));
    return std::min(static_cast<size_t>(at - ends_.begin()), ends_.size() - 1);
  }
  std::vector<double> rates_, ends_;
};

std::unique_ptr<LrPolicy> make_multifixed(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  std::vector<double> rates = fields.numbers("stagelr"), ends = fields.numbers("stageiter");
  if (rates.empty())
    fields.fail("stagelr", "lr_policy: \"multifixed\" needs stagelr, which is not set")
        .advise("write stagelr and stageiter once for each stage");
  if (rates.size() != ends.size())
    fields
        .fail(rates.size() > ends.size() ? "stagelr" : "stageiter",
              fmt::format("{} stagelr for {} stageiter", rates.size(), ends.size()))
        .advise("write stagelr and stageiter once for each stage");
  for (size_t i = 0; i < ends.size(); ++i) {
    const std::string field = fmt::format("stageiter[{}]", i);
    fields.check(ends[i] >= 0, field, ">= 0");
    if (i > 0) fields.check(ends[i] > ends[i - 1], field, "larger than the one before it");
  }
  fields.done();
  return std::make_unique<MultiFixed>(std::move(rates), std::move(ends));
}

CREMA_REGISTER(PolicyTag, "multifixed", {make_multifixed, {"stagelr", "stageiter"}});

}  // namespace
}  // namespace crema::optim
