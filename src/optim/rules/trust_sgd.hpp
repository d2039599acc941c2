// SGD whose rate is scaled, parameter by parameter, by a trust ratio: coefficient * |w| / |g|.
#pragma once

#include "optim/rule.hpp"

namespace crema::optim {

// How a ratio is made and used. In all forms rate, lr_mult and ratio are multiplied.
struct TrustRatio {
  double coefficient = 0.001;
  // |g| is that of the gradient before decay; the denominator is |g| + decay * |w| with
  enum class Decay {
    kOwn,     // the parameter's weight decay
    kSolver,  // the solver's weight_decay, without decay_mult (Intel)
    kNone,    // nothing (NVIDIA)
  } decay = Decay::kOwn;
  bool times_damping = false;  // the ratio is multiplied by (1 - momentum) (NVIDIA)
  bool clip = false;           // r = lr_mult * min(rate, ratio) instead of lr_mult * rate * ratio
};

std::unique_ptr<UpdateRule> make_trust_sgd(const config::SolverConfig& solver,
                                           const TrustRatio& ratio, double momentum);

// type: "SGD" with NVIDIA's `larc: true` or Intel's `local_lr_auto: true`. Unlike there, lr_mult
// counts. Error / ErrorList{kConfig}.
std::unique_ptr<UpdateRule> make_trust_of_forks(const config::SolverConfig& solver);

}  // namespace crema::optim
