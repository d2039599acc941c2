// The Glyphs source: pictures drawn by the program.
#include <fmt/format.h>

#include <map>
#include <set>

#include "data/glyph_picture.hpp"
#include "data/support.hpp"

namespace crema::data {
namespace {

config::LayerConfig glyphs(const std::string& options, const std::string& more = "") {
  return layer_of("type: \"Glyphs\" top: \"d\" top: \"l\" glyphs_param { " + options + " } " +
                  more);
}
std::vector<Tops> pictures(const std::string& options, caffe::Phase phase, int batches = 1) {
  return take(*open_test(glyphs(options), phase), batches);
}

TEST(Glyphs, ShapesAndDefaults) {
  const auto loader = open_test(glyphs(""));
  EXPECT_EQ(loader->samples(), 60000);
  EXPECT_EQ(loader->shapes()[0].text(), "64x1x28x28");
  EXPECT_EQ(loader->shapes()[1].text(), "64");
  EXPECT_EQ(open_test(glyphs("size: 41 batch_size: 2"))->shapes()[0].text(), "2x1x41x41");
  for (const float pixel : loader->next()[0]) ASSERT_TRUE(pixel >= 0 && pixel <= 255);
}

TEST(Glyphs, APictureIsAFunctionOfSeedPhaseAndNumber) {
  const auto train = pictures("batch_size: 50 seed: 4", caffe::TRAIN, 2);
  EXPECT_EQ(train, pictures("batch_size: 50 seed: 4", caffe::TRAIN, 2));
  EXPECT_NE(train[0][0], pictures("batch_size: 50 seed: 5", caffe::TRAIN)[0][0]);
  EXPECT_NE(train[0][1], pictures("batch_size: 50 seed: 5", caffe::TRAIN)[0][1]);
  EXPECT_NE(train[0][0], pictures("batch_size: 50 seed: 4", caffe::TEST)[0][0]);
  // The number of samples does not matter, nor does the loader's seed.
  EXPECT_EQ(train[0], pictures("batch_size: 50 seed: 4 count: 50", caffe::TRAIN)[0]);
  EXPECT_EQ(train[0],
            take(*open_test(glyphs("batch_size: 50 seed: 4"), caffe::TRAIN, {.seed = 9}), 1)[0]);
}

TEST(Glyphs, NoPictureComesTwice) {
  std::set<std::vector<float>> seen;
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST})
    for (const Tops& one : pictures("batch_size: 1 alphabet: DIGITS_AND_LETTERS", phase, 2000))
      seen.insert(one[0]);
  EXPECT_EQ(seen.size(), 4000u);
}

TEST(Glyphs, LabelsAreBalancedAndMixed) {
  const std::pair<const char*, int> alphabets[] = {
      {"DIGITS", 10}, {"LETTERS", 26}, {"DIGITS_AND_LETTERS", 36}};
  for (const auto& [name, classes] : alphabets) {
    const std::vector<float> labels = pictures(
        fmt::format("alphabet: {} batch_size: {}", name, 20 * classes), caffe::TRAIN)[0][1];
    std::map<float, int> counts;
    for (const float label : labels) ++counts[label];
    ASSERT_EQ(counts.size(), static_cast<size_t>(classes)) << name;
    EXPECT_EQ(counts.begin()->first, 0.0f);
    EXPECT_EQ(counts.rbegin()->first, static_cast<float>(classes - 1));
    for (const auto& [label, count] : counts) EXPECT_EQ(count, 20) << name << " " << label;
    EXPECT_NE(std::vector<float>(labels.begin(), labels.begin() + classes),
              std::vector<float>(labels.begin() + classes, labels.begin() + 2 * classes));
  }
}

// The pictures of a label are of that character: its mean picture is nearest to them more often
// than chance would have it, in every class.
TEST(Glyphs, PicturesBelongToTheirLabels) {
  constexpr int kClasses = 36, kEach = 100;
  const std::string options =
      fmt::format("alphabet: DIGITS_AND_LETTERS batch_size: {}", kClasses * kEach);
  const Tops train = pictures(options, caffe::TRAIN)[0], test = pictures(options, caffe::TEST)[0];
  std::vector<std::vector<double>> means(kClasses, std::vector<double>(784));
  const auto picture = [](const Tops& set, size_t i) { return &set[0][i * 784]; };
  for (size_t i = 0; i < train[1].size(); ++i)
    for (size_t k = 0; k < 784; ++k)
      means[static_cast<size_t>(train[1][i])][k] += picture(train, i)[k] / kEach;
  std::vector<int> right(kClasses);
  for (size_t i = 0; i < test[1].size(); ++i) {
    // Correlation, so that contrast does not matter.
    size_t best = 0;
    double most = -2;
    for (size_t c = 0; c < kClasses; ++c) {
      double ab = 0, aa = 0, bb = 0, a0 = 0, b0 = 0;
      for (size_t k = 0; k < 784; ++k) a0 += means[c][k] / 784, b0 += picture(test, i)[k] / 784;
      for (size_t k = 0; k < 784; ++k) {
        const double a = means[c][k] - a0, b = picture(test, i)[k] - b0;
        ab += a * b, aa += a * a, bb += b * b;
      }
      if (const double r = ab / std::sqrt(aa * bb); r > most) most = r, best = c;
    }
    if (static_cast<float>(best) == test[1][i]) ++right[best];
  }
  for (size_t c = 0; c < kClasses; ++c) EXPECT_GT(right[c], 3 * kEach / kClasses) << c;
}

// The set is frozen: results are compared over years. The picture file shows its first 8 x 8
// pictures; a grey level of difference is allowed for other compilers' rounding.
class GlyphsFrozen : public testing::TestWithParam<caffe::Phase> {};
TEST_P(GlyphsFrozen, FirstPicturesAreThoseOfTheFile) {
  const std::string phase = GetParam() == caffe::TRAIN ? "train" : "test";
  const std::string file = read_file(golden("glyphs/" + phase + ".pgm"), ErrorCode::kData);
  const std::string header = "P5\n224 224\n255\n";
  ASSERT_EQ(file.substr(0, header.size()), header);
  ASSERT_EQ(file.size(), header.size() + 224 * 224);
  const Tops tops = pictures("alphabet: DIGITS_AND_LETTERS batch_size: 64", GetParam())[0];
  for (size_t i = 0; i < 64; ++i)
    for (size_t k = 0; k < 784; ++k) {
      const size_t row = i / 8 * 28 + k / 28, column = i % 8 * 28 + k % 28;
      const auto expected = static_cast<uint8_t>(file[header.size() + row * 224 + column]);
      ASSERT_NEAR(tops[0][i * 784 + k], expected, 1.0f) << "picture " << i << " pixel " << k;
    }
}
INSTANTIATE_TEST_SUITE_P(Phases, GlyphsFrozen, testing::Values(caffe::TRAIN, caffe::TEST));

TEST(Glyphs, AreTransformedLikeAnyPicture) {
  const std::vector<Tops> plain = pictures("batch_size: 4", caffe::TEST);
  const auto scaled =
      take(*open_test(glyphs("batch_size: 4", "transform_param { scale: 0.00390625 }")), 1);
  for (size_t k = 0; k < plain[0][0].size(); ++k)
    ASSERT_EQ(scaled[0][0][k], plain[0][0][k] * 0.00390625f);
  EXPECT_EQ(scaled[0][1], plain[0][1]);
}

TEST(Glyphs, LargerPicturesShowTheSameCharacter) {
  const RandomStream stream(1, "glyphs/test", 3);
  std::vector<uint8_t> small, large;
  draw_glyph(glyph_table()[8], stream, 28, small);
  draw_glyph(glyph_table()[8], stream, 112, large);
  ASSERT_EQ(large.size(), 112u * 112u);
  double difference = 0;
  for (size_t i = 0; i < 28; ++i)
    for (size_t j = 0; j < 28; ++j) {
      double mean = 0;
      for (size_t k = 0; k < 16; ++k) mean += large[(i * 4 + k / 4) * 112 + j * 4 + k % 4] / 16.0;
      difference += std::abs(mean - small[i * 28 + j]) / 784;
    }
  EXPECT_LT(difference, 20.0);
}

TEST(Glyphs, WrongOptions) {
  expect_refused(ErrorCode::kConfig, "count must be > 0", glyphs("count: 0"));
  expect_refused(ErrorCode::kConfig, "size must be 8 to 512, not 7", glyphs("size: 7"));
  expect_refused(ErrorCode::kConfig, "size must be 8 to 512", glyphs("size: 0"));
  expect_refused(ErrorCode::kConfig, "size must be 8 to 512, not 513", glyphs("size: 513"));
  const Error error =
      expect_refused(ErrorCode::kConfig, "batch_size must be > 0", glyphs("batch_size: 0"));
  EXPECT_EQ(error.location.line, 1);
}

}  // namespace
}  // namespace crema::data
