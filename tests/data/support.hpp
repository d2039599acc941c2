// What the tests of the data room share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "config/config.hpp"
#include "data/hdf5_file.hpp"
#include "data/loader.hpp"

namespace crema::data {

inline std::string golden(const std::string& name) {
  return CREMA_TEST_DIR "/data/goldens/" + name;
}

// Recordings of BVLC Caffe that the conformance suite runs too.
inline std::string interop(const std::string& name) {
  return CREMA_TEST_DIR "/goldens/interop/" + name;
}

// The only layer of a net definition.
inline config::LayerConfig layer_of_file(const std::string& path) {
  return config::read_net(path).layers.at(0);
}
// layer { name: "l" TEXT }
inline config::LayerConfig layer_of(const std::string& text) {
  return config::parse_net("test.prototxt", "layer { name: \"l\" " + text + " }").layers.at(0);
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "crema.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using Tops = std::vector<std::vector<float>>;

// Copies of the next `batches` batches: [batch][top].
inline std::vector<Tops> take(Loader& loader, int batches) {
  std::vector<Tops> out;
  for (int k = 0; k < batches; ++k) {
    Tops tops;
    for (const std::span<const float> top : loader.next())
      tops.emplace_back(top.begin(), top.end());
    out.push_back(tops);
  }
  return out;
}

inline std::unique_ptr<Loader> open_test(const config::LayerConfig& layer,
                                         caffe::Phase phase = caffe::TEST,
                                         const LoaderOptions& options = {}) {
  return open_loader(layer, phase, options);
}

// Expects fn to throw an Error with this code whose message (with its hint) contains `part`.
// Returns it.
template <class Fn>
Error expect_error(ErrorCode code, const std::string& part, Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code), static_cast<int>(code)) << error.report();
    EXPECT_THAT(error.report(), testing::HasSubstr(part));
    return error;
  }
  ADD_FAILURE() << "no error, expected: " << part;
  return Error(code, "");
}

// The same for opening a layer; the error must be located.
inline Error expect_refused(ErrorCode code, const std::string& part,
                            const config::LayerConfig& layer, caffe::Phase phase = caffe::TEST) {
  Error error = expect_error(code, part, [&] { open_test(layer, phase); });
  EXPECT_TRUE(error.location.known()) << error.report();
  return error;
}

// A recorded case: what the layer in <path>.prototxt puts out in its first runs.
class GoldenCase {
 public:
  explicit GoldenCase(const std::string& path)
      : path_(path),
        file_(open_hdf5(path + ".h5", ErrorCode::kData)),
        layer_(layer_of_file(path + ".prototxt")) {}

  void expect_same() const {
    const auto loader = open_test(layer_, text("phase") == "TRAIN" ? caffe::TRAIN : caffe::TEST);
    const int runs = static_cast<int>(number("runs"));
    ASSERT_GE(runs, 1);
    for (int run = 0; run < runs; ++run) {
      SCOPED_TRACE(path_ + " run " + std::to_string(run));
      const auto& tops = loader->next();
      ASSERT_EQ(static_cast<int>(tops.size()), layer_.param.top_size());
      for (size_t i = 0; i < tops.size(); ++i) expect_top(run, i, loader->shapes()[i], tops[i]);
    }
  }

 private:
  void expect_top(int run, size_t i, const Shape& shape, std::span<const float> values) const {
    const std::string name =
        (run ? "run" + std::to_string(run) + "/" : std::string()) + "top/" + std::to_string(i);
    const Hdf5Dataset expected(file_.id(), path_, name);
    Shape full{expected.rows()};
    for (const int64_t dim : expected.row().dims()) full.append(dim);
    ASSERT_EQ(shape.text(), full.text());
    std::vector<float> b(static_cast<size_t>(full.count()));
    expected.read(0, expected.rows(), b.data());
    ASSERT_EQ(values.size(), b.size());
    const double rtol = number("rtol"), atol = number("atol");
    for (size_t k = 0; k < b.size(); ++k)
      ASSERT_LE(std::abs(values[k] - b[k]), atol + rtol * std::abs(b[k]))
          << name << " element " << k << ": " << values[k] << " for " << b[k];
  }
  double number(const char* name) const {
    double out = -1;
    const Hdf5Handle attribute(H5Aopen(file_.id(), name, H5P_DEFAULT), H5Aclose);
    EXPECT_GE(H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, &out), 0) << name;
    return out;
  }
  std::string text(const char* name) const {
    const Hdf5Handle attribute(H5Aopen(file_.id(), name, H5P_DEFAULT), H5Aclose);
    const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose);
    std::string out(H5Tget_size(type.id()), '\0');
    EXPECT_GE(H5Aread(attribute.id(), type.id(), out.data()), 0) << name;
    return out.substr(0, out.find('\0'));
  }

  std::string path_;
  Hdf5Handle file_;
  config::LayerConfig layer_;
};

}  // namespace crema::data
