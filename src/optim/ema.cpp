#include "optim/ema.hpp"

#include <algorithm>

#include "base/parallel.hpp"
#include "optim/fields.hpp"
#include "optim/memory.hpp"

namespace crema::optim {

Ema::Ema(const config::SolverConfig& solver, std::span<const Param> params) {
  if (!solver.param.has_ema()) return;
  Fields fields(solver.param.ema(), solver.places.inside("ema"), "ema");
  decay_ = fields.number("decay");
  fields.check(decay_ >= 0 && decay_ < 1, "decay", "in [0, 1)", "0.999 is common");
  fields.done();
  warms_up_ = solver.param.ema().warmup();
  std::vector<size_t> sizes;
  for (const Param& param : params) sizes.push_back(param.value.size());
  memory_ = allocate(sizes, averages_);
}

void Ema::start(std::span<const Param> params) {
  updates_ = 0;
  if (!on()) return;
  for (size_t p = 0; p < params.size(); ++p)
    std::copy(params[p].value.begin(), params[p].value.end(), averages_[p].begin());
}

void Ema::update(std::span<const Param> params) {
  if (!on()) return;
  ++updates_;
  const auto n = static_cast<double>(updates_);
  const double d = warms_up_ ? std::min(decay_, (1 + n) / (10 + n)) : decay_;
  const auto add = static_cast<float>(1 - d);
  for (size_t p = 0; p < params.size(); ++p) {
    const float* const value = params[p].value.data();
    float* const average = averages_[p].data();
    parallel_for(static_cast<int64_t>(averages_[p].size()), 16384, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) average[i] += add * (value[i] - average[i]);
    });
  }
}

void Ema::swap(std::span<const Param> params) {
  if (!on()) return;
  for (size_t p = 0; p < params.size(); ++p)
    std::swap_ranges(averages_[p].begin(), averages_[p].end(), params[p].value.begin());
}

}  // namespace crema::optim
