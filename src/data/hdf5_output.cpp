#include "data/hdf5_output.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "base/hdf5.hpp"

namespace crema::data {

namespace {

constexpr int kAxes = 4;
using Dims = std::array<hsize_t, kAxes>;

struct Failed {};  // the library says no more than that

hid_t must(hid_t result) {
  if (result < 0) throw Failed{};
  return result;
}

Dims dims_of(const Shape& shape) {
  Dims out{1, 1, 1, 1};
  for (int i = 0; i < shape.rank(); ++i) out[static_cast<size_t>(i)] = shape[i];
  return out;
}

// An empty dataset that can grow along axis 0.
Hdf5Handle make_dataset(hid_t file, const char* name, const Dims& rows) {
  Dims now = rows, most = rows, chunk = rows;
  now[0] = 0;
  most[0] = H5S_UNLIMITED;
  for (hsize_t& dim : chunk) dim = std::max<hsize_t>(1, dim);
  const Hdf5Handle space(must(H5Screate_simple(kAxes, now.data(), most.data())), H5Sclose);
  const Hdf5Handle plain(must(H5Pcreate(H5P_DATASET_CREATE)), H5Pclose);
  must(H5Pset_chunk(plain.id(), kAxes, chunk.data()));
  must(H5Pset_obj_track_times(plain.id(), 0));
  return Hdf5Handle(must(H5Dcreate2(file, name, H5T_IEEE_F32LE, space.id(), H5P_DEFAULT, plain.id(),
                                    H5P_DEFAULT)),
                    H5Dclose);
}

void append_rows(hid_t file, const char* name, bool fresh, const Hdf5Output::Rows& rows) {
  const Dims more = dims_of(rows.shape);
  const Hdf5Handle dataset = fresh ? make_dataset(file, name, more)
                                   : Hdf5Handle(must(H5Dopen2(file, name, H5P_DEFAULT)), H5Dclose);
  Dims size{};
  {
    const Hdf5Handle space(must(H5Dget_space(dataset.id())), H5Sclose);
    if (H5Sget_simple_extent_ndims(space.id()) != kAxes) throw Failed{};
    H5Sget_simple_extent_dims(space.id(), size.data(), nullptr);
  }
  const Dims start{size[0], 0, 0, 0};
  size[0] += more[0];
  for (int i = 1; i < kAxes; ++i)
    if (size[static_cast<size_t>(i)] != more[static_cast<size_t>(i)]) throw Failed{};
  must(H5Dset_extent(dataset.id(), size.data()));
  if (rows.values.empty()) return;
  const Hdf5Handle to(must(H5Dget_space(dataset.id())), H5Sclose);
  const Hdf5Handle from(must(H5Screate_simple(kAxes, more.data(), nullptr)), H5Sclose);
  must(H5Sselect_hyperslab(to.id(), H5S_SELECT_SET, start.data(), nullptr, more.data(), nullptr));
  must(H5Dwrite(dataset.id(), H5T_NATIVE_FLOAT, from.id(), to.id(), H5P_DEFAULT,
                rows.values.data()));
}

}  // namespace

void Hdf5Output::append(const Rows& data, const Rows& label) {
  const Hdf5Quiet quiet;
  try {
    if (const auto folder = std::filesystem::path(path_).parent_path(); !folder.empty()) {
      std::error_code ignored;  // what fails here fails again below
      std::filesystem::create_directories(folder, ignored);
    }
    const Hdf5Handle file(
        must(begun_ ? H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)
                    : H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)),
        H5Fclose);
    append_rows(file.id(), "data", !begun_, data);
    append_rows(file.id(), "label", !begun_, label);
    must(H5Fflush(file.id(), H5F_SCOPE_GLOBAL));
    begun_ = true;
  } catch (const Failed&) {
    throw Error(ErrorCode::kOutput,
                fmt::format("cannot write the rows of an HDF5Output layer to '{}'", path_))
        .advise("the disk may be full, the folder not writable, or the file open elsewhere");
  }
}

}  // namespace crema::data
