// What a solver says about loading weights: names and terms (proto/weights.proto). Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "snapshot/weights.hpp"

namespace crema::train {

using OnMismatch = caffe::WeightsMap::OnMismatch;

// What the stars of a pattern stand for in a text, * matching any run of characters; nothing if the
// whole text does not match.
std::optional<std::vector<std::string>> match_stars(std::string_view pattern,
                                                    std::string_view text);
// The pattern with its stars replaced, one by one.
std::string fill_stars(std::string_view pattern, const std::vector<std::string>& texts);

class WeightsRules {
 public:
  // Everything by its own name, and it must fit: resumed runs, `crema test`.
  WeightsRules() = default;
  // Error / ErrorList{kConfig}, located at the weights_map.
  explicit WeightsRules(const config::SolverConfig& solver);

  // Terms for one layer of the net and one file.
  struct Terms {
    std::string from;  // the layer's name in the file
    OnMismatch on_mismatch = caffe::WeightsMap::ERROR;
    bool skip = false;
  };
  Terms terms(const std::string& layer, const std::string& file) const;

  // ErrorList{kUnmatchedRule}: the maps that name no layer of the net, no file, or no layer in it.
  void check_used(const std::vector<std::string>& layers,
                  std::span<const snapshot::WeightsFile> files) const;

  bool from_solver() const { return from_solver_; }
  bool maps() const { return param_.weights_map_size() > 0; }
  bool strict() const { return param_.weights_strict(); }
  bool lenient() const { return param_.has_weights_strict() && !param_.weights_strict(); }
  const config::Places& places() const { return places_; }

 private:
  bool applies(const caffe::WeightsMap& map, const std::string& file) const;
  void check_map(int index, Diagnostics& found) const;
  void check_used(int index, const std::vector<std::string>& layers,
                  std::span<const snapshot::WeightsFile> files, Diagnostics& found) const;

  bool from_solver_ = false;
  caffe::SolverParameter param_;
  config::Places places_;
};

}  // namespace crema::train
