// Weights files <-> a net's parameters.
#pragma once

#include <string>
#include <vector>

#include "optim/optimizer.hpp"
#include "snapshot/weights.hpp"
#include "train/net.hpp"

namespace crema::train {

// What a weights file did to a net, blob by blob.
struct LoadReport {
  std::vector<std::string> loaded;     // layers
  std::vector<std::string> unused;     // layers with blobs in the file that the net lacks
  std::vector<std::string> at_filler;  // layers with blobs in the net that the file lacks
  std::string summary(const std::string& path) const;  // one line
};

// Copies by layer name (facts: net.md section 8). All mismatches of the file are one
// ErrorList{kWeights}, and then nothing was copied.
LoadReport load_weights(const snapshot::WeightsFile& file, Net& net);

// The layers of a net with their present values, as they are written; with `steps` what its last
// update took off each blob too (snapshot_diff).
std::vector<snapshot::LayerRecord> weights_of(Net& net, const optim::Optimizer* steps = nullptr);

}  // namespace crema::train
