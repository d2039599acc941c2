// A few small parameters to try an optimizer on.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "optim/optimizer.hpp"

namespace crema::optim {

inline ParamSettings multipliers(double lr_mult, double decay_mult) {
  ParamSettings out;
  out.lr_mult = lr_mult;
  out.decay_mult = decay_mult;
  return out;
}

// Parameters with memory of their own and gradients that follow from the values.
struct Bench {
  std::vector<std::vector<float>> values, gradients;
  std::vector<double> lr_mults, decay_mults;
  std::vector<ParamSettings> settings;  // empty: multipliers alone

  void add(std::vector<float> value, double lr_mult, double decay_mult) {
    gradients.emplace_back(value.size());
    values.push_back(std::move(value));
    lr_mults.push_back(lr_mult);
    decay_mults.push_back(decay_mult);
  }
  std::vector<Param> params() {
    std::vector<Param> out;
    for (size_t i = 0; i < values.size(); ++i)
      out.push_back({"p" + std::to_string(i), values[i], gradients[i],
                     settings.empty() ? multipliers(lr_mults[i], decay_mults[i]) : settings[i]});
    return out;
  }
};

// A gradient that depends on the value: a pull towards a target that differs per element.
inline double pull(double w, size_t p, size_t i) {
  return 0.3 * (w - std::sin(static_cast<double>(7 * p + i)));
}

struct Setting {
  const char* name;
  const char* text;
};
inline void PrintTo(const Setting& s, std::ostream* out) {
  *out << s.name;
}

// Every optimizer in every form.
inline const Setting kAllRules[] = {
    {"SGD", "type: 'SGD' momentum: 0.9"},
    {"SgdOutside", "type: 'SGD' momentum: 0.9 momentum_form: LR_OUTSIDE"},
    {"Nesterov", "type: 'Nesterov' momentum: 0.8"},
    {"NesterovOutside", "type: 'Nesterov' momentum: 0.8 momentum_form: LR_OUTSIDE"},
    {"AdaGrad", "type: 'AdaGrad' delta: 1e-4"},
    {"RMSProp", "type: 'RMSProp' rms_decay: 0.9 delta: 1e-3"},
    {"AdaDelta", "type: 'AdaDelta' momentum: 0.95 delta: 1e-4"},
    {"Adam", "type: 'Adam' momentum: 0.9 momentum2: 0.99 delta: 1e-4"},
    {"AdamW", "type: 'AdamW' momentum2: 0.99 delta: 1e-4"},
    {"AMSGrad", "type: 'AMSGrad' momentum2: 0.9 delta: 1e-4"},
    {"AmsGradOfJolibrain",
     "type: 'Adam' momentum: 0.9 momentum2: 0.9 delta: 1e-4 amsgrad: true rectified: false"},
    {"LAMB", "type: 'LAMB' momentum2: 0.99 delta: 1e-4"},
    {"LARS", "type: 'LARS' momentum: 0.9 trust_coefficient: 0.5"},
    {"LarsOutside", "type: 'LARS' momentum: 0.9 trust_coefficient: 0.5 momentum_form: LR_OUTSIDE"},
    {"LARC", "type: 'LARC' momentum: 0.9 trust_coefficient: 0.05"},
    {"LarcOfNvidia", "type: 'SGD' momentum: 0.9 larc: true larc_eta: 0.5"},
    {"LarcClipOfNvidia", "type: 'SGD' momentum: 0.9 larc: true larc_policy: 'clip' larc_eta: 0.1"},
    {"LarsOfIntel", "type: 'SGD' momentum: 0.9 local_lr_auto: true local_gw_ratio: 0.5"},
    {"Lion", "type: 'Lion'"},
};

}  // namespace crema::optim
