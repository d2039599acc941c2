#include "layers/filler.hpp"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace crema::layers {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Shape kBig{100, 20, 5, 5};  // 50000 elements, fan in 500, fan out 2500

caffe::FillerParameter filler(const std::string& text) {
  caffe::FillerParameter out;
  CREMA_CHECK(google::protobuf::TextFormat::ParseFromString(text, &out), text);
  return out;
}

std::vector<float> values(const std::string& text, const Shape& shape, uint64_t seed = 1) {
  std::vector<float> out(static_cast<size_t>(shape.count()), -1e30f);
  fill(filler(text), shape, RandomStream(seed, "fill/test"), out);
  return out;
}

std::string mistake(const std::string& text, const Shape& shape) {
  return check_filler(filler(text), shape);
}

struct Moments {
  double mean, variance, least, most;
};
Moments moments(const std::vector<float>& x) {
  const auto n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double squares = 0;
  for (const float v : x) squares += (v - mean) * (v - mean);
  return {mean, squares / n, *std::min_element(x.begin(), x.end()),
          *std::max_element(x.begin(), x.end())};
}

TEST(Filler, constant) {
  EXPECT_THAT(values("", Shape{3}), Each(0.0f));
  EXPECT_THAT(values("type: 'constant' value: 2.5", Shape{2, 3}), Each(2.5f));
  EXPECT_THAT(values("value: 3", Shape{}), ElementsAre(3.0f)) << "a scalar has one element";
}

TEST(Filler, uniform) {
  const Moments m = moments(values("type: 'uniform' min: -1 max: 3", kBig));
  EXPECT_NEAR(m.mean, 1, 0.03);
  EXPECT_NEAR(m.variance, 16.0 / 12, 0.03);
  EXPECT_GE(m.least, -1);
  EXPECT_LT(m.least, -0.99);
  EXPECT_LE(m.most, 3);
  EXPECT_GT(m.most, 2.99);
  EXPECT_THAT(values("type: 'uniform' min: 2 max: 2", Shape{5}), Each(2.0f));
}

TEST(Filler, uniform_mistakes) {
  EXPECT_EQ(mistake("type: 'uniform' min: 1 max: 0.5", Shape{3}), "min 1 is greater than max 0.5");
  EXPECT_THAT(mistake("type: 'uniform' min: nan", Shape{3}), HasSubstr("must be finite"));
  EXPECT_THAT(mistake("type: 'uniform' max: inf", Shape{3}), HasSubstr("must be finite"));
}

TEST(Filler, gaussian) {
  const std::vector<float> x = values("type: 'gaussian' mean: 2 std: 0.5", kBig);
  const Moments m = moments(x);
  EXPECT_NEAR(m.mean, 2, 0.01);
  EXPECT_NEAR(m.variance, 0.25, 0.006);
  int64_t inside = 0;
  for (const float v : x) inside += std::abs(v - 2) < 0.5;
  EXPECT_NEAR(static_cast<double>(inside) / 50000, 0.6827, 0.01) << "the normal's one-sigma share";
}

TEST(Filler, gaussian_sparse) {
  const std::vector<float> x = values("type: 'gaussian' std: 2 sparse: 30", kBig);
  std::vector<float> kept;
  for (const float v : x)
    if (v != 0) kept.push_back(v);
  EXPECT_NEAR(static_cast<double>(kept.size()) / 50000, 0.3, 0.01) << "30 of 100 rows' worth";
  EXPECT_NEAR(moments(kept).mean, 0, 0.06);
  EXPECT_NEAR(moments(kept).variance, 4, 0.15);
  EXPECT_THAT(values("type: 'gaussian' mean: 5 sparse: 0", Shape{4, 4}), Each(0.0f));
  const std::vector<float> all = values("type: 'gaussian' sparse: 100", kBig);
  EXPECT_EQ(std::count(all.begin(), all.end(), 0.0f), 0);
}

TEST(Filler, gaussian_mistakes) {
  EXPECT_THAT(mistake("type: 'gaussian' std: 0", Shape{3}), HasSubstr("std 0 is not possible"));
  EXPECT_THAT(mistake("type: 'gaussian' std: -1", Shape{3}), HasSubstr("std -1 is not possible"));
  EXPECT_THAT(mistake("type: 'gaussian' std: nan", Shape{3}), HasSubstr("is not possible"));
  EXPECT_THAT(mistake("type: 'gaussian' mean: inf", Shape{3}), HasSubstr("must be finite"));
  EXPECT_THAT(mistake("type: 'gaussian' sparse: 4", Shape{3, 9}), HasSubstr("out of range"));
  EXPECT_THAT(mistake("type: 'gaussian' sparse: -2", Shape{3, 9}), HasSubstr("out of range"));
  EXPECT_THAT(mistake("type: 'gaussian' sparse: 1", Shape{}), HasSubstr("at least one axis"));
}

TEST(Filler, positive_unitball) {
  const std::vector<float> x = values("type: 'positive_unitball'", Shape{40, 5, 5});
  for (size_t row = 0; row < 40; ++row) {
    const double sum = std::accumulate(x.begin() + static_cast<long>(row * 25),
                                       x.begin() + static_cast<long>(row * 25 + 25), 0.0);
    EXPECT_NEAR(sum, 1, 1e-5);
  }
  EXPECT_GT(moments(x).least, 0);
  EXPECT_LT(moments(x).most, 1);
  EXPECT_GT(moments(x).variance, 1e-5) << "not one value everywhere";
  EXPECT_THAT(values("type: 'positive_unitball'", Shape{6}), Each(1.0f)) << "rows of one element";
}

TEST(Filler, xavier) {
  for (const auto& [mode, fans] : std::vector<std::pair<std::string, double>>{
           {"FAN_IN", 500}, {"FAN_OUT", 2500}, {"AVERAGE", 1500}}) {
    const Moments m = moments(values("type: 'xavier' variance_norm: " + mode, kBig));
    const double limit = std::sqrt(3 / fans);
    EXPECT_NEAR(m.mean, 0, 0.02 * limit) << mode;
    EXPECT_NEAR(m.variance * fans, 1, 0.03) << mode;
    EXPECT_GE(m.least, -limit * 1.000001) << mode;
    EXPECT_LE(m.most, limit * 1.000001) << mode;
  }
}

TEST(Filler, msra) {
  for (const auto& [mode, fans] : std::vector<std::pair<std::string, double>>{
           {"FAN_IN", 500}, {"FAN_OUT", 2500}, {"AVERAGE", 1500}}) {
    const Moments m = moments(values("type: 'msra' variance_norm: " + mode, kBig));
    EXPECT_NEAR(m.mean, 0, 0.02 * std::sqrt(2 / fans)) << mode;
    EXPECT_NEAR(m.variance * fans / 2, 1, 0.03) << mode;
    EXPECT_GT(m.most, 3.2 * std::sqrt(2 / fans)) << "not bounded as a uniform would be";
  }
}

TEST(Filler, fan) {
  EXPECT_EQ(fan(filler(""), kBig), 500);
  EXPECT_EQ(fan(filler("variance_norm: FAN_OUT"), kBig), 2500);
  EXPECT_EQ(fan(filler("variance_norm: AVERAGE"), kBig), 1500);
  EXPECT_EQ(fan(filler(""), Shape{7}), 1) << "a bias";
  EXPECT_EQ(fan(filler("variance_norm: FAN_OUT"), Shape{7}), 7);
}

TEST(Filler, bilinear) {
  // W = 4: F = 2, c = 3/4; columns 0..3 have weights 1/4, 3/4, 3/4, 1/4.
  const float tent[] = {0.25f, 0.75f, 0.75f, 0.25f};
  const std::vector<float> x = values("type: 'bilinear'", Shape{2, 3, 4, 4});
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i], tent[i % 4] * tent[i / 4 % 4]) << i;
  // W = 3: F = 2, c = 1/2; weights 1/2, 1, 1/2.
  EXPECT_THAT(values("type: 'bilinear'", Shape{1, 1, 3, 3}),
              ElementsAre(0.25f, 0.5f, 0.25f, 0.5f, 1, 0.5f, 0.25f, 0.5f, 0.25f));
  EXPECT_THAT(values("type: 'bilinear'", Shape{1, 1, 1, 1}), ElementsAre(1));
}

TEST(Filler, bilinear_mistakes) {
  EXPECT_THAT(mistake("type: 'bilinear'", Shape{3, 3}), HasSubstr("needs 4 axes"));
  EXPECT_THAT(mistake("type: 'bilinear'", Shape{1, 1, 3, 4}), HasSubstr("needs square planes"));
}

TEST(Filler, MistakesOfAnyType) {
  EXPECT_EQ(mistake("type: 'xaver'", Shape{3}),
            "unknown filler type 'xaver'; did you mean 'xavier'?");
  EXPECT_THAT(mistake("type: 'orthogonal'", Shape{3}), HasSubstr("known: bilinear, constant"));
  EXPECT_THAT(mistake("", Shape{3, 0}), HasSubstr("no elements to fill"));
  EXPECT_THAT(mistake("type: 'xavier' sparse: 3", Shape{3}), HasSubstr("only for gaussian"));
  for (const char* type : {"xavier", "msra", "positive_unitball"})
    EXPECT_THAT(mistake(std::string("type: '") + type + "'", Shape{}),
                HasSubstr("at least one axis"))
        << type;
  EXPECT_EQ(mistake("type: 'constant'", Shape{}), "");
}

TEST(Filler, FillRefusesWhatCheckRefuses) {
  std::vector<float> out(3);
  const RandomStream stream(1, "fill/test");
  EXPECT_THROW(fill(filler("type: 'nope'"), Shape{3}, stream, out), LogicError);
  EXPECT_THROW(fill(filler(""), Shape{4}, stream, out), LogicError) << "wrong size";
}

// A value depends on the stream and its element number alone: not on what else is drawn.
TEST(Filler, ElementsAreDrawnByNumber) {
  for (const char* text : {"type: 'uniform'", "type: 'gaussian'", "type: 'gaussian' sparse: 4"}) {
    const std::vector<float> few = values(text, Shape{8, 3}), many = values(text, Shape{8, 30});
    EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin())) << text;
    EXPECT_EQ(values(text, Shape{8, 3}), few) << text;
    EXPECT_NE(values(text, Shape{8, 3}, 2), few) << text << ": another seed";
  }
  const RandomStream stream(1, "fill/test");
  const std::vector<float> x = values("type: 'uniform'", Shape{11});
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i], stream.uniform(i)) << i;
}

}  // namespace
}  // namespace crema::layers
