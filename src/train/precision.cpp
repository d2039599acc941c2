#include "train/precision.hpp"

#include <fmt/format.h>

namespace crema::train {

namespace {

using Wanted = caffe::SolverParameter;

// Below, conversions cost more than faster products save.
constexpr double kWorthwhile = 1.15;

// Of the first engine that can, else of the one that is asked first.
ops::Bf16Support best_support(const plan::Engines& engines) {
  for (ops::Engine* engine : engines)
    if (ops::Bf16Support support = engine->bf16(); support.possible) return support;
  return engines.front()->bf16();
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
  if (!support.note.empty()) context.reporter->info("bf16: " + support.note);
  return wanted == Wanted::BF16 ? ops::Precision::kBf16 : ops::Precision::kBf16Forced;
}

std::string precision_text(const Net& net) {
  int all = 0, rounded = 0;
  for (const plan::Plan* plan : net.session().plans()) {
    if (plan->precision == ops::Precision::kF32) return {};
    for (const plan::Step& step : plan->steps) {
      if (step.part != ops::kForward || step.flops == 0) continue;
      ++all;
      rounded += plan->tensors[static_cast<size_t>(step.src[0])].desc.stored() == DType::kBf16;
    }
  }
  if (rounded == 0) return "precision: f32, as no layer of this net is faster in bf16";
  return fmt::format(
      "precision: bf16 in {} of {} convolutions and inner products, f32 in sums, statistics, "
      "losses, parameters and updates",
      rounded, all);
}

ops::Precision solver_precision(const config::SolverConfig& solver, const Context& context) {
  return allowed_precision(solver.param.precision(), ErrorCode::kConfig,
                           solver.places.at("precision"), context);
}

}  // namespace crema::train
