// The image transformation of transform_param.
//
//   y[c, h, w'] = (x[c, h + h0, w + w0] − m) · scale      w' = W' − 1 − w if mirrored, else w
//   m        mean_file's element at the source position, or mean_value[c], or 0
//   h0, w0   0 without crop_size; TRAIN uniform in [0, H − crop], [0, W − crop]; TEST half of that
//   mirror   with probability 1/2, in both phases (as BVLC)
// Draws come from the streams "mirror" and "crop" at the sample position.
#pragma once

#include <optional>
#include <vector>

#include "config/config.hpp"
#include "data/mean_file.hpp"
#include "data/source.hpp"

namespace crema::data {

class Transform {
 public:
  // Reads the mean file. Error{kConfig} or {kData}, located at the field.
  Transform(const config::LayerConfig& layer, caffe::Phase phase, uint64_t seed);

  // The shape apply() makes of an image (C, H, W). Error{kConfig} located at the field if crop,
  // mean values or ({kData}) mean file do not fit it.
  Shape output(const Shape& image) const;

  // The field that makes a sample's numbers depend on its place in the run
  // ("transform_param.mirror"),
  // "" if none does.
  std::string random_field() const;
  // Writes output(image.shape).count() floats. `position` numbers the samples of the run.
  void apply(const Field& image, int64_t position, float* out) const;

 private:
  struct Window {
    int64_t top = 0, left = 0;
    bool mirror = false;
  };
  Window draw(const Shape& image, int64_t position) const;
  template <class T>
  void write(const T* pixels, const Shape& image, const Window& window, float* out) const;

  config::LayerConfig layer_;  // for its places
  caffe::Phase phase_;
  uint64_t seed_;
  std::optional<MeanImage> mean_;
};

// out[i] = float(field[i]): what a field becomes without transformation.
void copy_field(const Field& field, float* out);

}  // namespace crema::data
