// Definitions that are right, and what is in them.
#pragma once

#include <stdexcept>
#include <string>

#include "config/config.hpp"

namespace crema::config {

inline const std::string kGood = CREMA_TEST_DIR "/config/good/";

inline const LayerConfig& layer(const NetConfig& net, const std::string& name) {
  for (const LayerConfig& l : net.layers)
    if (l.param.name() == name) return l;
  throw std::runtime_error("no layer " + name);
}

}  // namespace crema::config
