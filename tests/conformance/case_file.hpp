// Reads the .h5 file of a recorded case (format: tests/goldens/README.md).
#pragma once

#include <hdf5.h>

#include <set>
#include <string>
#include <vector>

#include "tensor/shape.hpp"

namespace crema::conformance {

struct Array {
  Shape shape;
  std::vector<float> values;
};

class CaseFile {
 public:
  explicit CaseFile(const std::string& path);  // std::runtime_error if it cannot be read
  ~CaseFile();
  CaseFile(const CaseFile&) = delete;
  CaseFile& operator=(const CaseFile&) = delete;

  bool has(const std::string& path) const;  // a dataset or group
  Array array(const std::string& path) const;
  // Paths of the datasets below a group, relative to it ("conv/1" in nested groups).
  std::vector<std::string> below(const std::string& group) const;
  // Datasets that array() was never asked for: a recording that nobody compared proves nothing.
  std::vector<std::string> unread() const;

  double number(const std::string& attribute, double missing) const;
  std::vector<double> numbers(const std::string& attribute) const;
  std::string text(const std::string& attribute) const;  // "" if missing
  // Lines of a text attribute; a single blank is the empty list.
  std::vector<std::string> lines(const std::string& attribute) const;

 private:
  hid_t file_;
  mutable std::set<std::string> read_;
};

}  // namespace crema::conformance
