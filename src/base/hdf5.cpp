#include "base/hdf5.hpp"

#include <fmt/format.h>

#include <utility>

namespace crema {

Hdf5Handle::~Hdf5Handle() {
  if (valid() && close_) close_(id_);
}

Hdf5Handle::Hdf5Handle(Hdf5Handle&& other) noexcept
    : id_(std::exchange(other.id_, -1)), close_(other.close_) {}

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}

Hdf5Quiet::Hdf5Quiet() {
  H5Eget_auto2(H5E_DEFAULT, &print_, &client_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Quiet::~Hdf5Quiet() {
  H5Eset_auto2(H5E_DEFAULT, print_, client_);
}

Hdf5Handle open_hdf5(const std::string& path, ErrorCode code) {
  const Hdf5Quiet quiet;
  Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file.valid())
    throw Error(code, fmt::format("'{}' cannot be opened as an HDF5 file: no permission, another "
                                  "format, or cut short",
                                  path));
  return file;
}

}  // namespace crema
