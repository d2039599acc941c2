// A learnable parameter as the optimizer sees it.
#pragma once

#include <span>
#include <string>

#include "optim/param_rules.hpp"

namespace crema::optim {

struct Param {
  std::string name;                 // "layer/blob"
  std::span<float> value;           // flat memory in whatever layout
  std::span<const float> gradient;  // sum over iter_size passes; update() leaves it as it is
  // lr_mult 0 keeps Caffe's meaning: old velocity still runs out. A frozen parameter is left alone.
  ParamSettings settings = {};
};

}  // namespace crema::optim
