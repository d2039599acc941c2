// Weights files <-> a net's parameters.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "optim/optimizer.hpp"
#include "snapshot/weights.hpp"
#include "train/net.hpp"
#include "train/weights_map.hpp"

namespace crema::train {

enum class LoadKind { kLoaded, kReshaped, kSliced, kPadded };

// What weights files will do to a net, decided before anything is copied. BVLC's matching by layer
// name (facts: net.md section 8), extended by the terms of proto/weights.proto.
class WeightsPlan {
 public:
  // Error / ErrorList: everything in all files that does not fit and may not be skipped (kWeights,
  // located at the layers of the net), a file with nothing for this net (kWeights), maps that find
  // nothing (kUnmatchedRule). Of a net that is not the `whole` one but shares most of it (a test
  // net), only what does not fit. `files` and `graph` must outlive the plan.
  WeightsPlan(std::span<const snapshot::WeightsFile> files, const graph::Graph& graph,
              const WeightsRules& rules, bool whole);

  // Whether parameter i of the graph gets values from some file.
  bool loaded(size_t param) const { return last_[param] >= 0; }
  // Error / ErrorList{kWeights}: layers of the net that should have been loaded and are not.
  // `wanted`: per parameter, whether a rule counts on it, beside what weights_strict says.
  void require(const std::vector<bool>& wanted) const;
  // Copies into the net of this graph.
  report::WeightsLoaded apply(Net& net) const;

 private:
  struct Copy {
    size_t file;
    const snapshot::LayerBlobs* source;
    size_t blob;   // in the source
    size_t param;  // of the graph
    const Shape* wanted;
    LoadKind kind;
  };
  bool plan_file(size_t file, const WeightsRules& rules, Diagnostics& found);
  void report_useless(size_t file, Diagnostics& found) const;
  void plan_layer(size_t file, const snapshot::LayerBlobs& source, int layer, OnMismatch terms,
                  Diagnostics& found);
  // Blob b of the layer may be without values in the file.
  bool may_miss(const snapshot::LayerBlobs& source, int layer, size_t b, OnMismatch terms) const;
  void report_mismatch(size_t file, const snapshot::LayerBlobs& source, int layer, OnMismatch terms,
                       Diagnostics& found) const;
  void copy(const Copy& copy, Net& net) const;
  std::string how(size_t param) const;

  std::span<const snapshot::WeightsFile> files_;
  const graph::Graph& graph_;
  std::vector<Copy> copies_;
  std::vector<int> last_;                         // per parameter: the copy that counts, or -1
  std::vector<bool> skipped_;                     // per parameter: left out because of a mismatch
  std::vector<bool> exempt_;                      // per parameter: a map says skip
  std::vector<std::vector<std::string>> unused_;  // per file
  bool strict_ = false, lenient_ = false, from_solver_ = false;
};

// The files into the net by name, everything must fit: for tests and resumed runs.
report::WeightsLoaded load_weights(std::span<const snapshot::WeightsFile> files, Net& net);

// The layers of a net with their present values, as they are written; with `steps` what its last
// update took off each blob too (snapshot_diff).
std::vector<snapshot::LayerRecord> weights_of(Net& net, const optim::Optimizer* steps = nullptr);

}  // namespace crema::train
