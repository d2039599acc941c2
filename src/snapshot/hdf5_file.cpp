#include "snapshot/hdf5_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.hpp"
#include "base/hdf5_check.hpp"
#include "snapshot/blobs.hpp"

namespace crema::snapshot {

int blob_index(const std::string& name) {
  constexpr size_t kMostDigits = 6;
  if (name.empty() || name.size() > kMostDigits || (name.size() > 1 && name[0] == '0') ||
      name.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoi(name);
}

// --- reading

struct Hdf5Reader::Dataset {
  Hdf5Handle handle;
  H5T_class_t kind;
  size_t element_bytes;
  Shape shape;
  int64_t count;
};

Hdf5Reader::Hdf5Reader(const std::string& path) : path_(path) {
  check_hdf5_file(path, ErrorCode::kWeights);
  file_ = open_hdf5(path, ErrorCode::kWeights);
}

void Hdf5Reader::refuse(const std::string& name, const std::string& why) const {
  throw Error(ErrorCode::kWeights, fmt::format("'{}', '{}' {}", path_, name, why));
}

bool Hdf5Reader::has(const std::string& name) const {
  return H5Lexists(file_.id(), name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> Hdf5Reader::links(const std::string& group) const {
  const Hdf5Handle handle(H5Gopen2(file_.id(), group.c_str(), H5P_DEFAULT), H5Gclose);
  std::vector<std::string> out;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  if (!handle.valid() ||
      H5Literate(handle.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &out) < 0)
    refuse(group, "is damaged, or no group");
  return out;
}

bool Hdf5Reader::is_group(const std::string& name) const {
  const Hdf5Handle object(H5Oopen(file_.id(), name.c_str(), H5P_DEFAULT), H5Oclose);
  return H5Iget_type(object.id()) == H5I_GROUP;
}

Hdf5Reader::Dataset Hdf5Reader::open(const std::string& name) const {
  Dataset out;
  out.handle = Hdf5Handle(H5Dopen2(file_.id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!out.handle.valid()) refuse(name, "is missing, damaged or no dataset");
  const Hdf5Handle type(H5Dget_type(out.handle.id()), H5Tclose);
  const Hdf5Handle space(H5Dget_space(out.handle.id()), H5Sclose);
  out.kind = H5Tget_class(type.id());
  out.element_bytes = H5Tget_size(type.id());
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank < 0) refuse(name, "is damaged");
  std::vector<hsize_t> dims(static_cast<size_t>(rank));
  H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
  for (const hsize_t dim : dims) out.shape.append(static_cast<int64_t>(dim));
  out.count = checked_count(out.shape, fmt::format("'{}', '{}'", path_, name));
  return out;
}

Blob Hdf5Reader::blob(const std::string& dataset) const {
  const Dataset data = open(dataset);
  if (data.kind != H5T_FLOAT && data.kind != H5T_INTEGER) refuse(dataset, "holds no numbers");
  Blob out;
  out.shape = data.shape;
  out.values.resize(static_cast<size_t>(data.count));
  if (data.count > 0 && H5Dread(data.handle.id(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                out.values.data()) < 0)
    refuse(dataset, "cannot be read");
  return out;
}

int64_t Hdf5Reader::integer(const std::string& dataset) const {
  const Dataset data = open(dataset);
  int64_t out = 0;
  if (data.kind != H5T_INTEGER || data.count != 1) refuse(dataset, "is not one whole number");
  if (H5Dread(data.handle.id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &out) < 0)
    refuse(dataset, "cannot be read");
  return out;
}

std::string Hdf5Reader::text(const std::string& dataset) const {
  const Dataset data = open(dataset);
  if (data.kind != H5T_STRING || data.count != 1) refuse(dataset, "is not one text");
  const Hdf5Handle type(H5Dget_type(data.handle.id()), H5Tclose);
  if (H5Tis_variable_str(type.id()) != 0) refuse(dataset, "is a text of variable length");
  std::string out(data.element_bytes, '\0');
  if (H5Dread(data.handle.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()) < 0)
    refuse(dataset, "cannot be read");
  out.resize(std::min(out.size(), out.find('\0')));
  return out;
}

std::string Hdf5Reader::bytes(const std::string& dataset) const {
  const Dataset data = open(dataset);
  if (data.kind != H5T_INTEGER || data.element_bytes != 1) refuse(dataset, "holds no bytes");
  std::string out(static_cast<size_t>(data.count), '\0');
  if (!out.empty() &&
      H5Dread(data.handle.id(), H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()) < 0)
    refuse(dataset, "cannot be read");
  return out;
}

// --- writing

namespace {

// Nothing but a lack of memory makes these fail.
hid_t must(hid_t result) {
  if (result < 0) throw std::bad_alloc();
  return result;
}

}  // namespace

Hdf5Writer::Hdf5Writer()
    : access_(must(H5Pcreate(H5P_FILE_ACCESS)), H5Pclose),
      plain_(must(H5Pcreate(H5P_DATASET_CREATE)), H5Pclose) {
  constexpr size_t kGrowth = size_t{1} << 20;
  must(H5Pset_fapl_core(access_.id(), kGrowth, 0));
  // No times in the file: equal runs write equal bytes.
  must(H5Pset_obj_track_times(plain_.id(), 0));
  // The library wants a name, and no two open files of one name.
  const std::string name = fmt::format("snapshot in memory at {}", fmt::ptr(this));
  file_ =
      Hdf5Handle(must(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access_.id())), H5Fclose);
}

void Hdf5Writer::group(const std::string& name) {
  const Hdf5Handle made(
      must(H5Gcreate2(file_.id(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)), H5Gclose);
}

void Hdf5Writer::dataset(const std::string& name, hid_t stored, const Shape* shape, hid_t memory,
                         const void* values) {
  std::vector<hsize_t> dims;
  if (shape) dims.assign(shape->dims().begin(), shape->dims().end());
  const Hdf5Handle space(
      must(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr)), H5Sclose);
  const Hdf5Handle made(must(H5Dcreate2(file_.id(), name.c_str(), stored, space.id(), H5P_DEFAULT,
                                        plain_.id(), H5P_DEFAULT)),
                        H5Dclose);
  if (!shape || shape->count() > 0)
    must(H5Dwrite(made.id(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
}

void Hdf5Writer::blob(const std::string& name, const Shape& shape,
                      const std::vector<float>& values) {
  CREMA_CHECK(static_cast<int64_t>(values.size()) == shape.count(),
              "a blob's values do not fill its shape");
  dataset(name, H5T_IEEE_F32LE, &shape, H5T_NATIVE_FLOAT, values.data());
}

void Hdf5Writer::integer(const std::string& name, int value) {
  const Shape one{1};
  dataset(name, H5T_STD_I32LE, &one, H5T_NATIVE_INT, &value);
}

void Hdf5Writer::text(const std::string& name, const std::string& value) {
  const Hdf5Handle type(must(H5Tcopy(H5T_C_S1)), H5Tclose);
  must(H5Tset_size(type.id(), value.size() + 1));
  dataset(name, type.id(), nullptr, type.id(), value.c_str());
}

void Hdf5Writer::bytes(const std::string& name, const std::string& value) {
  const Shape shape{static_cast<int64_t>(value.size())};
  dataset(name, H5T_STD_U8LE, &shape, H5T_NATIVE_UCHAR, value.data());
}

uint32_t Hdf5Writer::commit(const std::string& path) {
  must(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL));
  const ssize_t size = H5Fget_file_image(file_.id(), nullptr, 0);
  void* memory = nullptr;  // the driver's own, so that a large net is not copied once more
  if (size < 0 || H5Fget_vfd_handle(file_.id(), access_.id(), &memory) < 0) throw std::bad_alloc();
  const std::string_view image(*static_cast<const char**>(memory), static_cast<size_t>(size));
  write_file_atomically(path, image);
  return crc32_of(image);
}

}  // namespace crema::snapshot
