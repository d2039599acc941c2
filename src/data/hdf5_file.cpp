#include "data/hdf5_file.hpp"

#include <fmt/format.h>

#include <limits>

namespace crema::data {

namespace {

std::vector<std::string> dataset_names(hid_t file) {
  std::vector<std::string> names;
  H5Literate(
      file, H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
        static_cast<std::vector<std::string>*>(out)->emplace_back(name);
        return 0;
      },
      &names);
  return names;
}

int64_t rows_per_chunk(hid_t dataset, int rank) {
  const Hdf5Handle plist(H5Dget_create_plist(dataset), H5Pclose);
  if (!plist.valid() || H5Pget_layout(plist.id()) != H5D_CHUNKED) return 1;
  std::vector<hsize_t> chunk(static_cast<size_t>(rank));
  if (H5Pget_chunk(plist.id(), rank, chunk.data()) != rank || chunk[0] == 0) return 1;
  return static_cast<int64_t>(chunk[0]);
}

}  // namespace

Hdf5Dataset::Hdf5Dataset(hid_t file, const std::string& file_name, const std::string& name)
    : what_(fmt::format("dataset '{}' of '{}'", name, file_name)) {
  const Hdf5Quiet quiet;
  const auto fail = [this](const std::string& message) {
    return Error(ErrorCode::kData, fmt::format("{} {}", what_, message));
  };
  dataset_ = Hdf5Handle(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset_.valid())
    throw Error(ErrorCode::kData, fmt::format("'{}' has no dataset '{}'", file_name, name))
        .advise(fmt::format("datasets are named after the tops; the file has: {}",
                            fmt::format("{}", fmt::join(dataset_names(file), ", "))));
  const Hdf5Handle type(H5Dget_type(dataset_.id()), H5Tclose);
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT)
    throw fail("holds neither integers nor floating-point numbers");
  const Hdf5Handle space(H5Dget_space(dataset_.id()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank < 1) throw fail("has no axes: axis 0 must count the records");
  std::vector<hsize_t> dims(static_cast<size_t>(rank));
  H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
  constexpr hsize_t kMost = std::numeric_limits<int32_t>::max();
  hsize_t elements = 1;
  for (size_t i = 1; i < dims.size(); ++i) {
    if (dims[i] == 0) throw fail(fmt::format("has the size 0 on axis {}", i));
    if (elements > kMost / dims[i]) throw fail("has rows of more than 2^31 elements");
    elements *= dims[i];
    row_.append(static_cast<int64_t>(dims[i]));
  }
  if (dims[0] > static_cast<hsize_t>(std::numeric_limits<int64_t>::max() / 8) / elements)
    throw fail("claims an impossible number of rows");
  rows_ = static_cast<int64_t>(dims[0]);
  chunk_ = rows_per_chunk(dataset_.id(), rank);
}

void Hdf5Dataset::read(int64_t first, int64_t count, float* out) const {
  const Hdf5Quiet quiet;
  std::vector<hsize_t> start{static_cast<hsize_t>(first)}, size{static_cast<hsize_t>(count)};
  for (const int64_t dim : row_.dims()) {
    start.push_back(0);
    size.push_back(static_cast<hsize_t>(dim));
  }
  const Hdf5Handle from(H5Dget_space(dataset_.id()), H5Sclose);
  const Hdf5Handle to(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr),
                      H5Sclose);
  if (!from.valid() || !to.valid() ||
      H5Sselect_hyperslab(from.id(), H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr) <
          0 ||
      H5Dread(dataset_.id(), H5T_NATIVE_FLOAT, to.id(), from.id(), H5P_DEFAULT, out) < 0)
    throw Error(ErrorCode::kData,
                fmt::format("{} cannot be read at rows {} to {}", what_, first, first + count - 1))
        .advise("the file is damaged, or packed with a filter that this HDF5 library lacks");
}

}  // namespace crema::data
