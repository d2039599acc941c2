// transform_param and mean files. The recorded cases are in data_test.cpp.
#include "data/transform.hpp"

#include <fmt/format.h>

#include <map>
#include <numeric>
#include <set>

#include "data/support.hpp"
#include "proto/blob.pb.h"

namespace crema::data {
namespace {

// (channels, height, width) bytes 0, 1, 2, ...
Field image(int64_t channels, int64_t height, int64_t width) {
  Field field;
  field.shape = Shape{channels, height, width};
  field.bytes.resize(static_cast<size_t>(field.shape.count()));
  std::iota(field.bytes.begin(), field.bytes.end(), uint8_t{0});
  return field;
}

config::LayerConfig with_transform(const std::string& text) {
  return layer_of("type: \"Glyphs\" top: \"d\" transform_param { " + text + " }");
}

std::vector<float> transformed(const std::string& text, const Field& field, int64_t position = 0,
                               caffe::Phase phase = caffe::TEST, uint64_t seed = 1) {
  const Transform transform(with_transform(text), phase, seed);
  std::vector<float> out(static_cast<size_t>(transform.output(field.shape).count()));
  transform.apply(field, position, out.data());
  return out;
}

using Floats = std::vector<float>;

TEST(Transform, MeanIsSubtractedBeforeScaling) {
  EXPECT_EQ(transformed("", image(1, 2, 2)), (Floats{0, 1, 2, 3}));
  EXPECT_EQ(transformed("scale: 0.5 mean_value: 2", image(1, 2, 2)), (Floats{-1, -0.5, 0, 0.5}));
  EXPECT_EQ(transformed("mean_value: 1 mean_value: -1", image(2, 1, 2)), (Floats{-1, 0, 3, 4}));
  EXPECT_EQ(transformed("mean_value: 1", image(2, 1, 2)), (Floats{-1, 0, 1, 2}));
}

TEST(Transform, FloatsAreTransformedAsBytesAre) {
  Field field;
  field.shape = Shape{1, 1, 3};
  field.values = {-1.5f, 0.25f, 1000.0f};
  EXPECT_EQ(transformed("scale: 2 mean_value: 1", field), (Floats{-5, -1.5, 1998}));
}

TEST(Transform, TestCropIsCentredRoundedDown) {
  EXPECT_EQ(transformed("crop_size: 2", image(1, 5, 4)), (Floats{5, 6, 9, 10}));
  EXPECT_EQ(transformed("crop_size: 1", image(2, 2, 2)), (Floats{0, 4}));
}

TEST(Transform, TrainCropTakesEveryPlaceEquallyOften) {
  std::map<float, int> seen;
  for (int i = 0; i < 1200; ++i)
    ++seen[transformed("crop_size: 3", image(1, 5, 6), i, caffe::TRAIN)[0]];
  ASSERT_EQ(seen.size(), 12u);  // 3 rows x 4 columns
  for (const auto& [corner, count] : seen) {
    EXPECT_TRUE(static_cast<int>(corner) / 6 <= 2 && static_cast<int>(corner) % 6 <= 3) << corner;
    EXPECT_GT(count, 50) << corner;
    EXPECT_LT(count, 160) << corner;
  }
}

TEST(Transform, MirrorFlipsTheCropHalfOfTheTimeInBothPhases) {
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST}) {
    int flipped = 0;
    for (int i = 0; i < 400; ++i) {
      const Floats out = transformed("mirror: true", image(1, 2, 3), i, phase);
      if (out == Floats{2, 1, 0, 5, 4, 3})
        ++flipped;
      else
        ASSERT_EQ(out, (Floats{0, 1, 2, 3, 4, 5}));
    }
    EXPECT_GT(flipped, 150);
    EXPECT_LT(flipped, 250);
  }
  // Cropped first: the centre 2 of 5 columns, reversed.
  std::set<Floats> seen;
  for (int i = 0; i < 40; ++i)
    seen.insert(transformed("mirror: true crop_size: 2", image(1, 2, 5), i));
  EXPECT_EQ(seen, (std::set<Floats>{{1, 2, 6, 7}, {2, 1, 7, 6}}));
}

TEST(Transform, DrawsDependOnSeedAndPositionOnly) {
  const auto draws = [](uint64_t seed) {
    std::vector<Floats> out;
    for (int i = 0; i < 50; ++i)
      out.push_back(
          transformed("mirror: true crop_size: 4", image(1, 9, 9), i, caffe::TRAIN, seed));
    return out;
  };
  EXPECT_EQ(draws(1), draws(1));
  EXPECT_NE(draws(1), draws(2));
}

std::string mean_file(const TemporaryFolder& folder, const std::vector<int64_t>& shape, int values,
                      bool doubles = false) {
  caffe::BlobProto blob;
  for (const int64_t dim : shape) blob.mutable_shape()->add_dim(dim);
  for (int i = 0; i < values; ++i)
    if (doubles)
      blob.add_double_data(i * 10);
    else
      blob.add_data(static_cast<float>(i * 10));
  write_file_atomically(folder / "mean", blob.SerializeAsString());
  return "mean_file: \"" + (folder / "mean") + "\"";
}

TEST(Transform, MeanImageIsCroppedAndFlippedWithTheData) {
  const TemporaryFolder folder;
  const std::string mean = mean_file(folder, {1, 4, 4}, 16);
  EXPECT_EQ(transformed(mean + " crop_size: 2", image(1, 4, 4)), (Floats{-45, -54, -81, -90}));
  std::set<Floats> seen;
  for (int i = 0; i < 40; ++i)
    seen.insert(transformed(mean + " crop_size: 2 mirror: true", image(1, 4, 4), i));
  EXPECT_EQ(seen, (std::set<Floats>{{-45, -54, -81, -90}, {-54, -45, -90, -81}}));
  // Random crops too take the mean at the place of the pixel: x - 10x = -9x.
  for (int i = 0; i < 20; ++i)
    for (const float value : transformed(mean + " crop_size: 3", image(1, 4, 4), i, caffe::TRAIN))
      EXPECT_EQ(std::fmod(value, 9.0f), 0.0f);
}

TEST(Transform, MeanFilesInEveryForm) {
  const TemporaryFolder folder;
  const Floats expected{0, -9, -18, -27};
  EXPECT_EQ(transformed(mean_file(folder, {1, 2, 2}, 4), image(1, 2, 2)), expected);
  EXPECT_EQ(transformed(mean_file(folder, {1, 1, 2, 2}, 4), image(1, 2, 2)), expected);
  EXPECT_EQ(transformed(mean_file(folder, {1, 2, 2}, 4, true), image(1, 2, 2)), expected);
  const MeanImage legacy = read_mean_file(interop("cifar40_mean.binaryproto"));
  EXPECT_EQ(legacy.shape.text(), "3x32x32");
}

TEST(Transform, WrongMeanFiles) {
  const TemporaryFolder folder;
  const auto expect = [&](ErrorCode code, const std::string& message, const std::string& text) {
    const Error error = expect_error(code, message, [&] { transformed(text, image(2, 2, 2)); });
    EXPECT_TRUE(error.location.known());
  };
  expect(ErrorCode::kData, "4 values where its shape 2x2x2 asks for 8",
         mean_file(folder, {2, 2, 2}, 4));
  expect(ErrorCode::kData, "is not one image: its shape is 2x2x2x2",
         mean_file(folder, {2, 2, 2, 2}, 16));
  expect(ErrorCode::kData, "is not one image", mean_file(folder, {}, 1));
  expect(ErrorCode::kData, "is not one image",
         mean_file(folder, {int64_t{1} << 40, int64_t{1} << 40, 2}, 4));
  expect(ErrorCode::kData, "is not one image", mean_file(folder, {-2, -2, 2}, 8));
  expect(ErrorCode::kData, "the mean file is 1x2x2 but the images are 2x2x2",
         mean_file(folder, {1, 2, 2}, 4));
  write_file_atomically(folder / "text", "no mean at all");
  expect(ErrorCode::kData, "is not a binary BlobProto", "mean_file: \"" + (folder / "text") + "\"");
  write_file_atomically(folder / "nothing", "");
  expect(ErrorCode::kData, "is not a binary BlobProto",
         "mean_file: \"" + (folder / "nothing") + "\"");
  expect(ErrorCode::kData, "there is no", "mean_file: \"" + (folder / "none") + "\"");
}

TEST(Transform, ContradictionsAreLocated) {
  const auto expect = [](const std::string& message, const std::string& text) {
    const Error error =
        expect_error(ErrorCode::kConfig, message, [&] { transformed(text, image(2, 3, 4)); });
    EXPECT_EQ(error.location.line, 1);
  };
  expect("exclude each other", "mean_file: \"x\" mean_value: 1");
  expect("exclude each other", "force_color: true force_gray: true");
  expect("3 mean values for images of 2 channels", "mean_value: 1 mean_value: 2 mean_value: 3");
  expect("crop_size 4 is larger than the images, 2x3x4", "crop_size: 4");
  expect("scale must be a finite number", "scale: inf");
}

}  // namespace
}  // namespace crema::data
