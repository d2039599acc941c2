// The HDF5 form of weights and states, as BVLC writes it with snapshot_format: HDF5.
//
//   weights  /data/LAYER/0, 1, ...  a float dataset of the blob's shape for each blob that the
//   layer
//                                   owns; a group for every layer, with blobs or without
//            /diff/LAYER/0, 1, ...  with snapshot_diff: of every blob, its last update
//   state    /iter, /current_step   one int each
//            /learned_net           the weights file's path, a string
//            /history/0, 1, ...     float datasets, in the order of the binary form
//            /crema_state           crema's own, which BVLC passes over: bytes of a SolverState
//                                   message (proto/snapshot.proto) without its arrays
//            /crema_slot/0, ...     its slots, where parameters have different optimizers
//            /crema_average/0, ...  its moving average of the parameters
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "snapshot/weights.hpp"

namespace crema::snapshot {

class Hdf5Reader {
 public:
  // Checks the whole file before it is believed. Error{kWeights}, here and below.
  explicit Hdf5Reader(const std::string& path);

  bool has(const std::string& name) const;  // a link of the root
  // Names of the links of a group, in byte order.
  std::vector<std::string> links(const std::string& group) const;
  bool is_group(const std::string& name) const;
  Blob blob(const std::string& dataset) const;         // integers and floats alike
  int64_t integer(const std::string& dataset) const;   // of one element
  std::string text(const std::string& dataset) const;  // a fixed-length string
  std::string bytes(const std::string& dataset) const;

 private:
  struct Dataset;
  Dataset open(const std::string& name) const;
  [[noreturn]] void refuse(const std::string& name, const std::string& why) const;

  std::string path_;
  Hdf5Quiet quiet_;
  Hdf5Handle file_;
};

// Builds the file in memory, so that a full disk meets no half-written HDF5 file.
class Hdf5Writer {
 public:
  Hdf5Writer();
  void group(const std::string& name);
  void blob(const std::string& name, const Shape& shape, const std::vector<float>& values);
  void integer(const std::string& name, int value);
  void text(const std::string& name, const std::string& value);
  void bytes(const std::string& name, const std::string& value);
  // Writes the file atomically; returns its CRC-32. Error{kOutput}.
  uint32_t commit(const std::string& path);

 private:
  void dataset(const std::string& name, hid_t stored, const Shape* shape, hid_t memory,
               const void* values);
  Hdf5Quiet quiet_;
  Hdf5Handle access_, plain_, file_;
};

// The number that a dataset's name "0", "1", ... says; -1 if it is none.
int blob_index(const std::string& name);

}  // namespace crema::snapshot
