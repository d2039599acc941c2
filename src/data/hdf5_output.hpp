// What HDF5Output layers write.
#pragma once

#include <span>
#include <string>

#include "tensor/shape.hpp"

namespace crema::data {

// A file with the datasets `data` and `label`, float32, 4 axes each (missing trailing ones are 1).
// The first append() replaces what was there; each further one adds rows, and leaves a whole file.
class Hdf5Output {
 public:
  explicit Hdf5Output(std::string path) : path_(std::move(path)) {}
  struct Rows {
    Shape shape;  // at most 4 axes; axis 0 counts the rows
    std::span<const float> values;
  };
  // Error{kOutput}.
  void append(const Rows& data, const Rows& label);

 private:
  std::string path_;
  bool begun_ = false;
};

}  // namespace crema::data
