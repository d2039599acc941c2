// An exponential moving average of all parameters, running statistics included.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "config/config.hpp"
#include "optim/param.hpp"
#include "tensor/tensor.hpp"

namespace crema::optim {

// average += (1 - d) * (value - average) after every update, with d = decay, or, where the average
// warms up, d = min(decay, (1 + n) / (10 + n)) in the n-th update.
class Ema {
 public:
  // Error / ErrorList{kConfig}. Nothing is allocated and nothing done without `ema` in the solver.
  Ema(const config::SolverConfig& solver, std::span<const Param> params);

  bool on() const { return memory_ != nullptr; }
  void start(std::span<const Param> params);  // the average becomes the present values
  void update(std::span<const Param> params);
  std::span<float> average(size_t param) { return averages_[param]; }
  int64_t updates() const { return updates_; }
  void set_updates(int64_t n) { updates_ = n; }
  // Exchanges averages and values; twice is nothing.
  void swap(std::span<const Param> params);

 private:
  double decay_ = 0;
  bool warms_up_ = false;
  int64_t updates_ = 0;
  std::unique_ptr<Arena> memory_;
  std::vector<std::span<float>> averages_;
};

}  // namespace crema::optim
