#include "case_file.hpp"

#include <stdexcept>

#include "base/text.hpp"

namespace crema::conformance {

namespace {

struct Handle {
  hid_t id;
  herr_t (*close)(hid_t);
  ~Handle() {
    if (id >= 0) close(id);
  }
};

void collect(hid_t group, const std::string& prefix, std::vector<std::string>& out) {
  H5G_info_t info;
  H5Gget_info(group, &info);
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[512];
    H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    const Handle object{H5Oopen(group, name, H5P_DEFAULT), H5Oclose};
    if (H5Iget_type(object.id) == H5I_GROUP)
      collect(object.id, prefix + name + "/", out);
    else
      out.push_back(prefix + name);
  }
}

}  // namespace

CaseFile::CaseFile(const std::string& path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  file_ = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file_ < 0) throw std::runtime_error("cannot read " + path);
}

CaseFile::~CaseFile() {
  H5Fclose(file_);
}

bool CaseFile::has(const std::string& path) const {
  for (size_t at = path.find('/');; at = path.find('/', at + 1)) {
    if (H5Lexists(file_, path.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
    if (at == std::string::npos) return true;
  }
}

Array CaseFile::array(const std::string& path) const {
  const Handle data{H5Dopen2(file_, path.c_str(), H5P_DEFAULT), H5Dclose};
  if (data.id < 0) throw std::runtime_error("no dataset " + path);
  read_.insert(path);
  const Handle space{H5Dget_space(data.id), H5Sclose};
  const int rank = H5Sget_simple_extent_ndims(space.id);
  std::vector<hsize_t> dims(static_cast<size_t>(rank) + 1);
  H5Sget_simple_extent_dims(space.id, dims.data(), nullptr);
  Array out;
  for (int i = 0; i < rank; ++i) out.shape.append(static_cast<int64_t>(dims[i]));
  out.values.resize(static_cast<size_t>(out.shape.count()));
  if (!out.values.empty() &&
      H5Dread(data.id, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.values.data()) < 0)
    throw std::runtime_error("cannot read dataset " + path);
  return out;
}

std::vector<std::string> CaseFile::below(const std::string& group) const {
  std::vector<std::string> out;
  if (group != "/" && !has(group)) return out;
  const Handle handle{H5Gopen2(file_, group.c_str(), H5P_DEFAULT), H5Gclose};
  collect(handle.id, "", out);
  return out;
}

std::vector<std::string> CaseFile::unread() const {
  std::vector<std::string> out;
  for (const std::string& path : below("/"))
    if (!read_.contains(path)) out.push_back(path);
  return out;
}

std::vector<double> CaseFile::numbers(const std::string& attribute) const {
  if (H5Aexists(file_, attribute.c_str()) <= 0) return {};
  const Handle a{H5Aopen(file_, attribute.c_str(), H5P_DEFAULT), H5Aclose};
  const Handle space{H5Aget_space(a.id), H5Sclose};
  std::vector<double> out(static_cast<size_t>(H5Sget_simple_extent_npoints(space.id)));
  if (!out.empty()) H5Aread(a.id, H5T_NATIVE_DOUBLE, out.data());
  return out;
}

double CaseFile::number(const std::string& attribute, double missing) const {
  const std::vector<double> all = numbers(attribute);
  return all.empty() ? missing : all[0];
}

std::string CaseFile::text(const std::string& attribute) const {
  if (H5Aexists(file_, attribute.c_str()) <= 0) return {};
  const Handle a{H5Aopen(file_, attribute.c_str(), H5P_DEFAULT), H5Aclose};
  const Handle type{H5Aget_type(a.id), H5Tclose};
  std::string out(H5Tget_size(type.id), '\0');
  H5Aread(a.id, type.id, out.data());
  return out.substr(0, out.find('\0'));
}

std::vector<std::string> CaseFile::lines(const std::string& attribute) const {
  return split(text(attribute), '\n');
}

}  // namespace crema::conformance
