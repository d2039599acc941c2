#include "train/precision.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace crema::train {

namespace {

using Wanted = caffe::SolverParameter;

// Below, conversions cost more than faster products save.
constexpr double kWorthwhile = 1.15;

// The first engine that can; else why none does.
ops::Bf16Support best_support(const plan::Engines& engines) {
  std::vector<std::string> reasons;
  for (ops::Engine* engine : engines) {
    ops::Bf16Support support = engine->bf16();
    if (support.possible) return support;
    reasons.push_back(std::move(support.note));
  }
  return {false, 0, join(reasons, "; ")};
}

}  // namespace

ops::Precision allowed_precision(Wanted::Precision wanted, ErrorCode code, const Location& place,
                                 const Context& context) {
  if (wanted == Wanted::F32) return ops::Precision::kF32;
  const ops::Bf16Support support = best_support(context.engines);
  if (!support.possible)
    throw Error(code, "bf16 is not possible here: " + support.note)
        .at(place)
        .advise("leave precision out: F32 runs everywhere");
  if (wanted == Wanted::BF16 && support.speed < kWorthwhile)
    throw Error(code,
                fmt::format("this processor computes products in bf16 at {:.2f} times the "
                            "speed of f32: training would not be faster{}",
                            support.speed, support.note.empty() ? "" : " (" + support.note + ")"))
        .at(place)
        .advise("leave precision out, or write BF16_FORCED to have it all the same");
  context.reporter->info(fmt::format(
      "precision: bf16 for convolutions and inner products (measured at {:.1f} times the speed of "
      "f32), f32 for sums, statistics, losses, parameters and updates",
      support.speed));
  if (!support.note.empty()) context.reporter->info("bf16: " + support.note);
  return ops::Precision::kBf16;
}

ops::Precision solver_precision(const config::SolverConfig& solver, const Context& context) {
  return allowed_precision(solver.param.precision(), ErrorCode::kConfig,
                           solver.places.at("precision"), context);
}

}  // namespace crema::train
