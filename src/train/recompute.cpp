#include "train/recompute.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace crema::train {

namespace {

constexpr double kMib = 1048576.0;

}  // namespace

plan::RecomputeOptions recompute_options(caffe::SolverParameter::Recompute wanted, double mib,
                                         ErrorCode code, const Location& place) {
  plan::RecomputeOptions out;
  out.code = code;
  out.place = place;
  switch (wanted) {
    case caffe::SolverParameter::NONE:
      out.mode = plan::Recompute::kNone;
      break;
    case caffe::SolverParameter::CHEAP:
      break;
    case caffe::SolverParameter::AUTO:
      out.mode = plan::Recompute::kAuto;
      out.budget = static_cast<size_t>(std::min(std::ceil(mib * kMib), 0x1p62));
      break;
  }
  return out;
}

plan::RecomputeOptions solver_recompute(const config::SolverConfig& solver) {
  return recompute_options(solver.param.recompute(), solver.param.memory_budget_mib(),
                           ErrorCode::kConfig, solver.places.at("memory_budget_mib"));
}

std::string recompute_text(const Net& net) {
  std::string out;
  for (const plan::Plan* plan : net.session().plans()) {
    const plan::Recomputed& made = plan->recomputed;
    if (made.budget == 0) continue;
    const double arena = static_cast<double>(plan->arena_bytes) / kMib;
    out += out.empty() ? "recompute: " : "; ";
    if (made.results == 0)
      out += fmt::format("nothing, as {:.1f} MiB are within the budget of {:.1f} MiB", arena,
                         static_cast<double>(made.budget) / kMib);
    else
      out += fmt::format(
          "{} results, for {:.1f} MiB of activations, gradients and scratch memory "
          "instead of {:.1f}, within the budget of {:.1f} MiB",
          made.results, arena, static_cast<double>(made.arena_without) / kMib,
          static_cast<double>(made.budget) / kMib);
  }
  return out;
}

}  // namespace crema::train
