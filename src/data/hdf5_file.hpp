// Reading datasets of HDF5 files by ranges of rows.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tensor/shape.hpp"

namespace crema::data {

// An HDF5 handle with the function that closes it. The library is never told to print its errors.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
  ~Hdf5Handle();
  Hdf5Handle(Hdf5Handle&& other) noexcept;
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;

  hid_t id() const { return id_; }
  bool valid() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

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

// Opens a file for reading. Error{kData}.
Hdf5Handle open_hdf5(const std::string& path);

}  // namespace crema::data
