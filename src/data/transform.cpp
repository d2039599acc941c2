#include "data/transform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "data/located.hpp"

namespace crema::data {

namespace {

// One row of an image: (x − m)·scale, m being a row of the mean image or one value.
template <class T>
void write_row(const T* x, const float* mean, float value, float scale, int64_t width, bool mirror,
               float* out) {
  if (mean) {
    for (int64_t w = 0; w < width; ++w) out[w] = (static_cast<float>(x[w]) - mean[w]) * scale;
  } else {
    for (int64_t w = 0; w < width; ++w) out[w] = (static_cast<float>(x[w]) - value) * scale;
  }
  if (mirror) std::reverse(out, out + width);
}

}  // namespace

Transform::Transform(const config::LayerConfig& layer, caffe::Phase phase, uint64_t seed)
    : layer_(layer), phase_(phase), seed_(seed) {
  const caffe::TransformationParameter& param = layer.param.transform_param();
  if (param.has_mean_file() && param.mean_value_size() > 0)
    throw config_error(layer, "transform_param.mean_value",
                       "mean_file and mean_value exclude each other");
  if (param.force_color() && param.force_gray())
    throw config_error(layer, "transform_param.force_gray",
                       "force_color and force_gray exclude each other");
  if (!std::isfinite(param.scale()))
    throw config_error(layer, "transform_param.scale", "scale must be a finite number");
  if (!param.has_mean_file()) return;
  const std::string path = existing_path(layer, "transform_param.mean_file", param.mean_file());
  try {
    mean_ = read_mean_file(path);
  } catch (Error& error) {
    throw error.at(layer.places.at("transform_param.mean_file"));
  }
}

Shape Transform::output(const Shape& image) const {
  CREMA_CHECK(image.rank() == 3, "an image has the axes C, H, W");
  const caffe::TransformationParameter& param = layer_.param.transform_param();
  if (param.mean_value_size() > 1 && param.mean_value_size() != image[0])
    throw config_error(
        layer_, "transform_param.mean_value",
        fmt::format("{} mean values for images of {} channels", param.mean_value_size(), image[0]))
        .advise("give one mean_value for all channels or one for each");
  if (mean_ && mean_->shape != image)
    throw data_error(
        layer_, "transform_param.mean_file",
        fmt::format("the mean file is {} but the images are {}", mean_->shape.text(), image.text()))
        .advise("the mean image has the size of the images before cropping");
  const int64_t crop = param.crop_size();
  if (crop == 0) return image;
  if (crop > image[1] || crop > image[2])
    throw config_error(
        layer_, "transform_param.crop_size",
        fmt::format("crop_size {} is larger than the images, {}", crop, image.text()));
  return Shape{image[0], crop, crop};
}

Transform::Window Transform::draw(const Shape& image, int64_t position) const {
  const caffe::TransformationParameter& param = layer_.param.transform_param();
  const uint64_t sample = static_cast<uint64_t>(position);
  Window window;
  if (param.mirror()) window.mirror = (RandomStream(seed_, "mirror", sample).bits(0) & 1) != 0;
  const int64_t crop = param.crop_size();
  if (crop == 0) return window;
  if (phase_ == caffe::TRAIN) {
    const RandomStream stream(seed_, "crop", sample);
    window.top = static_cast<int64_t>(stream.below(0, static_cast<uint64_t>(image[1] - crop + 1)));
    window.left = static_cast<int64_t>(stream.below(1, static_cast<uint64_t>(image[2] - crop + 1)));
  } else {
    window.top = (image[1] - crop) / 2;
    window.left = (image[2] - crop) / 2;
  }
  return window;
}

std::string Transform::random_field() const {
  const caffe::TransformationParameter& param = layer_.param.transform_param();
  if (param.mirror()) return "transform_param.mirror";
  // Whatever the first image says: others may be larger.
  if (param.crop_size() > 0 && phase_ == caffe::TRAIN) return "transform_param.crop_size";
  return "";
}

template <class T>
void Transform::write(const T* pixels, const Shape& image, const Window& window, float* out) const {
  const caffe::TransformationParameter& param = layer_.param.transform_param();
  const int64_t crop = param.crop_size();
  const int64_t rows = crop ? crop : image[1], columns = crop ? crop : image[2];
  for (int64_t c = 0; c < image[0]; ++c) {
    const int values = param.mean_value_size();
    const float value = values ? param.mean_value(values > 1 ? static_cast<int>(c) : 0) : 0.0f;
    for (int64_t h = 0; h < rows; ++h) {
      const int64_t from = (c * image[1] + h + window.top) * image[2] + window.left;
      write_row(pixels + from, mean_ ? mean_->values.data() + from : nullptr, value, param.scale(),
                columns, window.mirror, out);
      out += columns;
    }
  }
}

void Transform::apply(const Field& image, int64_t position, float* out) const {
  const Window window = draw(image.shape, position);
  if (!image.bytes.empty())
    write(image.bytes.data(), image.shape, window, out);
  else
    write(image.values.data(), image.shape, window, out);
}

void copy_field(const Field& field, float* out) {
  if (!field.bytes.empty())
    std::copy(field.bytes.begin(), field.bytes.end(), out);
  else
    std::copy(field.values.begin(), field.values.end(), out);
}

}  // namespace crema::data
