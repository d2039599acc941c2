// Reading datasets of HDF5 files by ranges of rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "tensor/shape.hpp"

namespace crema::data {

// One open dataset of integers or floats with at least one axis. Not for two threads at once.
class Hdf5Dataset {
 public:
  // Error{kData} if there is no such dataset, its element type is another, or a row is too large.
  Hdf5Dataset(hid_t file, const std::string& file_name, const std::string& name);

  int64_t rows() const { return rows_; }
  const Shape& row() const { return row_; }      // axes 1..
  int64_t chunk_rows() const { return chunk_; }  // rows stored together, 1 if stored plainly
  // Rows [first, first + count) converted to float, row-major.
  void read(int64_t first, int64_t count, float* out) const;

 private:
  std::string what_;
  Hdf5Handle dataset_;
  int64_t rows_ = 0, chunk_ = 1;
  Shape row_;
};

}  // namespace crema::data
