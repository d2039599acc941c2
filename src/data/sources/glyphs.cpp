// Glyphs: pictures of characters drawn by the program, so that examples need no download.
//   tops    data (1, size, size) bytes, light on dark; label ()
// Picture i is a pure function of (seed, phase, i): the phase names the random stream, so train and
// test pictures differ. Labels are a permutation of the classes in each block of as many samples.

#include <fmt/format.h>

#include "data/glyph_picture.hpp"
#include "data/located.hpp"
#include "data/source.hpp"

namespace crema::data {

namespace {

constexpr uint32_t kLeastSize = 8, kMostSize = 512;

class GlyphSource final : public Source {
 public:
  GlyphSource(const caffe::GlyphsParameter& param, caffe::Phase phase, size_t tops)
      : count_(param.count()),
        size_(static_cast<int>(param.size())),
        tops_(tops),
        pictures_(param.seed(), phase == caffe::TRAIN ? "glyphs/train" : "glyphs/test"),
        labels_(param.seed(), phase == caffe::TRAIN ? "glyphs/train/label" : "glyphs/test/label") {
    using P = caffe::GlyphsParameter;
    first_class_ = param.alphabet() == P::LETTERS ? kGlyphDigits : 0;
    classes_ = param.alphabet() == P::DIGITS    ? kGlyphDigits
               : param.alphabet() == P::LETTERS ? kGlyphLetters
                                                : kGlyphDigits + kGlyphLetters;
  }

  int64_t size() const override { return count_; }
  std::string describe(int64_t index) const override { return fmt::format("picture {}", index); }
  void read(int64_t index, Sample& out) const override {
    const int label = label_of(static_cast<uint64_t>(index));
    const GlyphVariants& variants = glyph_table()[static_cast<size_t>(first_class_ + label)];
    out.resize(tops_);
    out[0].shape = Shape{1, size_, size_};
    draw_glyph(variants, pictures_.at(static_cast<uint64_t>(index)), size_, out[0].bytes);
    if (tops_ > 1) out[1].values.assign(1, static_cast<float>(label));
  }

 private:
  int label_of(uint64_t index) const {
    const uint64_t n = static_cast<uint64_t>(classes_);
    return static_cast<int>(Permutation(labels_.at(index / n), n)(index % n));
  }

  int64_t count_;
  int size_;
  size_t tops_;
  RandomStream pictures_, labels_;
  int first_class_ = 0, classes_ = 0;
};

std::unique_ptr<Source> open_glyphs(const config::LayerConfig& layer, caffe::Phase phase) {
  const caffe::GlyphsParameter& param = layer.param.glyphs_param();
  if (param.count() == 0) throw config_error(layer, "glyphs_param.count", "count must be > 0");
  if (param.size() < kLeastSize || param.size() > kMostSize)
    throw config_error(
        layer, "glyphs_param.size",
        fmt::format("size must be {} to {}, not {}", kLeastSize, kMostSize, param.size()));
  return std::make_unique<GlyphSource>(param, phase, static_cast<size_t>(layer.param.top_size()));
}

CREMA_REGISTER(SourceTag, "Glyphs",
               SourceType{open_glyphs,
                          [](const caffe::LayerParameter& p) -> int64_t {
                            return p.glyphs_param().batch_size();
                          },
                          [](const caffe::LayerParameter& p) { return p.glyphs_param().shuffle(); },
                          "glyphs_param", 2,
                          [](const caffe::LayerParameter& p) {
                            const int64_t size = p.glyphs_param().size();
                            return Shape{1, size, size};
                          }});

}  // namespace

}  // namespace crema::data
