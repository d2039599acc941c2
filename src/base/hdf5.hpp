// HDF5 handles that close themselves, for the rooms that read or write such files.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/hdf5_library.hpp"

// Prefetch threads read while the training thread writes snapshots.
#ifndef H5_HAVE_THREADSAFE
#error "crema needs an HDF5 library built with --enable-threadsafe, as Debian's is"
#endif

namespace crema {

// An HDF5 handle with the function that closes it.
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

// Silences the library's own printing for its lifetime, in this thread: our errors say it better.
class Hdf5Quiet {
 public:
  Hdf5Quiet();
  ~Hdf5Quiet();
  Hdf5Quiet(const Hdf5Quiet&) = delete;
  Hdf5Quiet& operator=(const Hdf5Quiet&) = delete;

 private:
  H5E_auto2_t print_ = nullptr;
  void* client_ = nullptr;
};

// Opens a file for reading. Error{code}.
Hdf5Handle open_hdf5(const std::string& path, ErrorCode code);

}  // namespace crema
