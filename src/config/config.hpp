// prototxt text -> checked, located, immutable configurations.
//
// Reading collects every mistake of a file (unknown field, bad value, unknown enum name, misplaced
// repetition, contradictory rules) and throws them together as Error / ErrorList{kConfig}, each
// with file:line:column and a suggestion. Meaning that needs shapes is checked later, by layers.
#pragma once

#include <string>
#include <vector>

#include "config/places.hpp"
#include "proto/net.pb.h"
#include "proto/solver.pb.h"

namespace crema::config {

// One layer of a net definition, in its present form (V0 and V1 layers are upgraded on reading).
struct LayerConfig {
  caffe::LayerParameter param;
  Places places;  // paths relative to the layer: at("top"), at("convolution_param.pad")
};

// A net definition: what BVLC's NetParameter says, layers with their places.
struct NetConfig {
  std::string file;            // as given; "" when not from a file
  caffe::NetParameter header;  // everything but the layers (name, state, force_backward, ...)
  std::vector<LayerConfig> layers;
  Places places;
  std::vector<Note> notes;  // what the upgrade of an older format could not carry over
};

// A solver definition with the nets it names. Nets are read, not yet filtered.
struct SolverConfig {
  std::string file;
  caffe::SolverParameter param;  // solver_type upgraded to type; without the inline nets
  Places places;
  NetConfig train_net;               // with its state: {phase TRAIN} + the net's own + train_state
  std::vector<NetConfig> test_nets;  // test_net_param, then test_net files, then generic instances;
                                     // states merged as in BVLC; size = number of test nets
};

// Reads a text net definition and brings it into its present form. Error{kConfig} if it cannot be
// read or does not parse.
NetConfig read_net(const std::string& path);
NetConfig parse_net(std::string name, std::string text);  // `name` stands for the file in messages

// Reads a solver and the nets it names. A net path is relative to the working directory, as in
// Caffe, or else to the folder of the solver file. Each override is "FIELD=VALUE" with FIELD a path
// into SolverParameter ("base_lr=0.02", "stepvalue=[100,200]", "train_state.stage=\"a\""); it
// replaces what the file says and is checked and located like file input ("--set base_lr=x:1:9").
// Texts need no quotes there, a list is replaced as a whole unless an element is named, "solver."
// may stand before the field. Later ones win.
SolverConfig read_solver(const std::string& path, const std::vector<std::string>& overrides = {});
SolverConfig parse_solver(std::string name, std::string text,
                          const std::vector<std::string>& overrides = {});

// The state a net is built in: its own state with the phase and level replaced, stages appended.
NetConfig with_state(NetConfig net, caffe::Phase phase, int level,
                     const std::vector<std::string>& stages);

// True if the layer's include / exclude rules admit it in this state: with include rules, if any of
// them is met; else if no exclude rule is. A layer with both kinds is Error{kConfig}.
bool included(const LayerConfig& layer, const caffe::NetState& state);

// The layers admitted in the net's own state; a layer without a phase gets the state's. Collects
// the mistakes in admitted layers that need no shapes: no type, a propagate_down of wrong length.
NetConfig filter(const NetConfig& net);

// Settings of data layers that nothing reads, though older formats had them at that place.
std::vector<Note> unread_settings(const NetConfig& net);

// The present form of a net read from a binary file or a text: V0 -> V1 -> layer, legacy inputs,
// BatchNorm specs. Returns notes on what could not be carried over; Error{kConfig} for a net that
// has both `layer` and `layers`, an unknown V0 type or too few input sizes.
std::vector<std::string> upgrade(caffe::NetParameter& net);

// A definition in its present form, for `crema upgrade`.
struct Upgraded {
  std::string text;
  std::vector<Note> notes;  // what could not be carried over
  bool is_solver = false;   // seen from its fields
  bool changed = false;     // false: it was in its present form already
};
// Upgrades a net or solver definition; the nets inside a solver too, but not those in other files.
// Comments are lost. Error / ErrorList{kConfig} as in reading.
Upgraded upgrade_text(std::string name, std::string text);

// The resolved definition as text, parseable by read_net / read_solver again. A solver's nets are
// written into it (train_net_param, test_net_param) with their states, so that it stands alone.
std::string to_text(const NetConfig& net);
std::string to_text(const SolverConfig& solver);

}  // namespace crema::config
