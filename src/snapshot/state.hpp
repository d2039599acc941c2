// .solverstate and .solverstate.h5 files: everything but the weights that a run needs to go on
// exactly. The formats are documented in proto/snapshot.proto and hdf5_file.hpp; BVLC reads ours,
// we read BVLC's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "snapshot/weights.hpp"

namespace crema::snapshot {

// What a policy remembers that follows a metric; fields as in proto/snapshot.proto.
struct Follower {
  int rule = -1;
  bool started = false;
  double best = 0;
  int64_t waited = 0, cooldown = 0, drops = 0, last_event = 0, last_iteration = -1;
  double sum = 0;
  int64_t count = 0;
};

// An array of an optimizer, where parameters have different ones.
struct NamedSlot {
  std::string param, name;
  Blob blob;
};

// A recurrent layer's hidden state.
struct Carried {
  int net = 0;  // 0 the training net, k the k-th test net
  std::string name;
  Blob value;
};

struct State {
  int64_t iter = 0;
  std::string learned_net;  // as written in the file
  int current_step = 0;
  std::vector<Blob> history;  // slot-major, owner-parameter order

  // crema's own: always written; absent in a state that BVLC wrote.
  bool by_crema = false;  // set by read_state: the file had what follows
  uint64_t seed = 0;
  std::string solver_type;
  std::optional<int64_t> batches_read;   // training batches: where the data go on
  std::vector<std::string> param_names;  // as many as history has blobs per slot
  std::vector<int64_t> step_counts;      // one per name
  std::vector<float> loss_window;
  std::vector<Carried> carried;
  std::optional<uint32_t> learned_net_crc32;
  // The run began with weights files, and these parameters came from them.
  bool weights_given = false;
  std::vector<std::string> loaded;
  std::vector<std::string> history_slots;  // names of the runs in history; may be unknown
  std::vector<NamedSlot> slots;            // instead of history
  std::vector<std::string> param_types;    // ... and with it, one per name
  std::vector<Blob> averages;              // one per name, or none
  int64_t average_updates = 0;
  std::vector<Follower> followers;
};

// In either format, whatever the name says. Error{kWeights}: missing, truncated, or another kind of
// file (a .caffemodel is recognised and named, with the .solverstate that stands beside it).
State read_state(const std::string& path);

// Both write atomically. Error{kOutput}.
void write_state(const std::string& path, const State& state);
void write_hdf5_state(const std::string& path, const State& state);

// The weights file a state names: as written, else the same file name beside the state (files that
// were moved together). A checksum in the state decides between them. Error{kWeights} if there is
// none, or none with that checksum.
WeightsFile read_weights_of(const State& state, const std::string& state_path);

}  // namespace crema::snapshot
