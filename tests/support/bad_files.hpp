// Folders of definitions that are refused: x.prototxt beside x.expected, the report on it word for
// word.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace crema::test {

// Without ".prototxt", sorted.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".prototxt") out.push_back(entry.path().stem().string());
  std::sort(out.begin(), out.end());
  return out;
}

// What reading a definition reports, "" if it is accepted.
template <class Read>
std::string report_of(Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kConfig);
    return error.report();
  } catch (const ErrorList& list) {
    EXPECT_EQ(list.code(), ErrorCode::kConfig);
    return list.what();
  }
  return "";
}

// The test of one file, in the folder that its report is relative to.
class BadFile : public testing::TestWithParam<std::string> {
 protected:
  explicit BadFile(const std::string& folder) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder);
  }
  ~BadFile() override { std::filesystem::current_path(before_); }
  std::string file() const { return GetParam() + ".prototxt"; }
  std::string expected() const { return read_file(GetParam() + ".expected", ErrorCode::kConfig); }

 private:
  std::filesystem::path before_;
};

}  // namespace crema::test
