// A net as an SSA graph: values, nodes (forward, then backward), learnable parameters, and for each
// layer what was decided about it and why. Immutable once built.
//
// Built by passes: filter (config) -> resolve, infer, share (build.cpp, params.cpp) ->
// backward_scope (backward_scope.cpp) -> differentiate (differentiate.cpp).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "layers/layer.hpp"
#include "ops/engine.hpp"

namespace crema::graph {

inline constexpr int kNone = -1;

enum class ValueKind {
  kInput,     // fed by the run: data, labels, or a gradient supplied from outside
  kConstant,  // every element is `constant`
  kParam,     // the value of params[param]
  kCarried,   // left by the pass before: Graph::carried
  kResult,    // written by nodes[producer]
};

struct ValueInfo {
  std::string name;  // blob name, "layer/blob" of a parameter, "d(name)" of a gradient
  Shape shape;
  ValueKind kind = ValueKind::kResult;
  float constant = 0;
  int param = kNone;  // kResult: the parameter of which it is a gradient that nobody reads
  int producer = kNone;
};

// One op at work. Entries of value lists are value ids or kNone (absent).
struct Node {
  ops::OpPtr op;
  int part = ops::kForward;  // or the gradient part
  int layer = kNone;
  int forward = kNone;        // of a gradient part: its forward node
  std::vector<int> src, dst;  // the op's operands (of a gradient part too)
  std::vector<int> diff_dst, diff_src;
  // Of a forward node: a gradient would read another value in place of dst[0] (caffe_compat).
  bool reads_another = false;
};

// What the solver's rules make of a parameter at the time a graph is built for. Without one, the
// definition holds: a parameter with lr_mult 0 does not learn.
struct ParamChoice {
  bool learns = true;            // false: its multiplier is 0 throughout; no gradient is computed
  bool frozen = false;           // keeps its bits for now; no gradient is computed
  bool live_statistics = false;  // frozen statistics are collected all the same
  bool frozen_for_good = false;  // ... frozen throughout the run
  bool operator==(const ParamChoice&) const = default;
};

// A learnable blob (or running statistics), counted once however many layers share it.
struct ParamInfo {
  std::string name;   // "conv1/weight"
  int layer = kNone;  // the owner
  int blob = 0;       // its index in the owner
  Shape shape;
  caffe::FillerParameter filler;
  std::vector<float> initial;  // embedded in the definition; else empty
  bool state = false;
  double lr_mult = 1, decay_mult = 1;        // what the definition says
  Location lr_mult_place, decay_mult_place;  // ... and where
  caffe::ParamSpec spec;                     // the owner's param block
  config::Places spec_places;
  ParamChoice choice;
  int value = kNone;
  int gradient = kNone;  // value id; kNone if no gradient is computed
};

struct LayerInfo {
  std::string name, type;
  caffe::LayerParameter param;  // as defined, phase filled in
  config::Places places;
  std::vector<std::string> bottoms, tops;  // made-up tops of losses are named "(automatic)"
  std::vector<int> bottom_values, top_values;
  std::vector<layers::ParamDecl> decls;
  std::vector<int> params;             // index into Graph::params (of the owner) per blob
  std::vector<float> loss_weights;     // per top; 0 = not a loss
  std::vector<int64_t> bottom_ranges;  // per bottom: layers::Layer::index_range
  std::vector<bool> bottom_moves;      // ... moves
  bool backward = false;               // gradients are computed in this layer
  std::vector<bool> bottom_backward;   // ... with respect to this bottom
  std::vector<bool> param_backward;    // ... with respect to this blob
  std::string backward_reason;         // why, or why not: for `explain`
  // Gradients would be computed here if nothing were frozen. Its forward kernels are chosen for
  // that, so that freezing changes no bit of what is computed.
  bool trainable = false;
  // What the layer's backward pass adds to whose gradient: values, in the order of the pass.
  std::vector<std::pair<int, int>> contributions;  // of, gradient
};

// A blob that the run feeds: top `top` of layer `layer`.
struct InputInfo {
  std::string name;
  int layer = kNone, top = 0;
  int value = kNone;
};

// What a forward pass leaves to the next (the hidden state of a recurrent layer); 0 at first.
struct CarriedInfo {
  std::string name;  // "lstm/h"
  int layer = kNone;
  int value = kNone;  // as the pass finds it
  int next = kNone;   // as the pass leaves it
};

// Where a forward pass stops, because what follows has a shape that only the data decide: before
// layer `layer` the non-zero numbers of `selector` are counted. Layers from there on form a segment
// of their own, built for the count `rows`.
struct CutInfo {
  int layer = kNone;
  int selector = kNone;
  int64_t rows = 0;
};

// The gradient of `value`, or what one segment contributes to it, on its way down to the segments
// below. One per value and segment, so that builds for other counts can take each other's.
struct Crossing {
  int value = kNone;
  int segment = 0;
  int gradient = kNone;
};

// A free end of the net, or one number to report. In byte order of the name.
struct OutputInfo {
  std::string name;
  int value = kNone;
  float loss_weight = 0;
};

// A layer whose bottoms the run reads after each forward pass (HDF5Output).
struct SinkInfo {
  int layer = kNone;
  std::vector<int> values;
};

// The net's loss is the sum of weight * (sum of the value's elements).
struct LossTerm {
  int value = kNone;
  float weight = 0;
};

struct Graph {
  std::string name, file;
  caffe::NetState state;
  std::vector<LayerInfo> layers;
  std::vector<ValueInfo> values;
  std::vector<Node> nodes;
  int forward_nodes = 0;  // nodes [0, forward_nodes) are the forward pass
  std::vector<ParamInfo> params;
  std::vector<InputInfo> inputs;
  std::vector<CarriedInfo> carried;
  std::vector<CutInfo> cuts;  // in order; most nets have none
  std::vector<Crossing> crossings;
  std::vector<OutputInfo> outputs;
  std::vector<SinkInfo> sinks;
  std::vector<LossTerm> losses;
  std::vector<std::pair<std::string, int>>
      blobs;                                   // final value of every blob, in order of creation
  std::map<std::string, int> input_gradients;  // gradients of wanted inputs, by blob name
  std::vector<std::string> notes;              // worth telling the user, not mistakes

  int find_blob(const std::string& blob) const;    // value id or kNone
  int find_layer(const std::string& layer) const;  // the first of that name, or kNone
  // n if some layer takes the value's numbers for integers in [0, n), directly or after layers that
  // only move them; the least such n. 0: nobody does.
  int64_t index_range(int value) const;

  // A cut begins a segment: layers, the nodes of their passes, and what those compute. Nodes of no
  // layer belong to segment 0; so do values that no node computes, parameters to their owner's.
  int segments() const { return static_cast<int>(cuts.size()) + 1; }
  int segment_of_layer(int layer) const;
  int segment_of_value(int value) const;
};

// The values that a node's kernel reads.
std::vector<int> reads(const Node& node);

struct BuildOptions {
  // Shapes of the tops of a layer that a data source feeds; nothing if the type is no data source.
  std::function<std::optional<std::vector<Shape>>(const config::LayerConfig&)> source_shapes;
  // Names of such layer types, for suggestions.
  std::vector<std::string> source_types;
  bool backward = true;  // false: forward only (test nets)
  // Gradients that look at a blob's numbers find those that layers in place wrote there last, as in
  // BVLC Caffe, where the sum of several such layers may be wrong.
  bool caffe_compat = false;
  // For checks: the gradient of these blobs is fed by the run, as input "d(blob)" ...
  std::vector<std::string> seeded_blobs;
  // ... and the gradient with respect to these inputs is wanted.
  std::set<std::string> wanted_inputs;
  // By parameter name ("conv1/weight"); a parameter that is not here follows the definition.
  std::map<std::string, ParamChoice> choices;
  // Compute the gradients of frozen parameters too: for comparison.
  bool whole_backward = false;
  // A schedule in a layer as a function of the iteration; `places` are those of the schedule.
  // Empty: nothing is known of the run.
  std::function<std::function<double(int64_t)>(const caffe::Schedule&, const config::Places&)>
      schedule;
  // Shapes of blobs that the run feeds, other than the definition's or the source's.
  std::map<std::string, Shape> input_shapes;
  // What is to be counted at each cut, in order; where it ends, everything.
  std::vector<int64_t> rows;
};

// Builds from a definition in its own state (filters it first). All mistakes are collected:
// Error / ErrorList{kConfig} with places.
Graph build(const config::NetConfig& net, const BuildOptions& options);

// What a parameter holds before training, row-major: the values embedded in the definition, else
// the filler's, drawn from RandomStream(seed, "fill/" + name).
std::vector<float> initial_values(const ParamInfo& param, uint64_t seed);

}  // namespace crema::graph
