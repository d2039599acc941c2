#include "data/synthetic.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "data/located.hpp"
#include "data/source.hpp"

namespace crema::data {

namespace {

// Caffe's limit for the elements of one blob.
constexpr double kMostElements = std::numeric_limits<int32_t>::max();

const SourceType& type_of(const config::LayerConfig& layer) {
  const SourceType* type = Registry<SourceTag>::instance().find(layer.param.type());
  CREMA_CHECK(type != nullptr, layer.param.type() + " is no data source");
  return *type;
}

// The first top's images after the transformation.
std::optional<Shape> image_of(const config::LayerConfig& layer, const SourceType& type) {
  const caffe::TransformationParameter& transform = layer.param.transform_param();
  std::optional<Shape> image;
  if (type.image_shape) image = type.image_shape(layer.param);
  const int64_t crop = transform.crop_size();
  if (crop == 0) return image;
  const int64_t channels = image                             ? (*image)[0]
                           : transform.mean_value_size() > 1 ? transform.mean_value_size()
                           : transform.force_gray()          ? 1
                                                             : 3;
  return Shape{channels, crop, crop};
}

std::optional<Shape> sample_of(const config::LayerConfig& layer, const SourceType& type, int top) {
  // Sources of any number of tops (HDF5Data) name arrays of any shape.
  if (type.max_tops > 2) return std::nullopt;
  return top == 0 ? image_of(layer, type) : Shape{};
}

}  // namespace

std::vector<Shape> synthetic_shapes(const config::LayerConfig& layer,
                                    const std::map<std::string, Shape>& given) {
  const SourceType& type = type_of(layer);
  const int64_t batch = type.batch_size(layer.param);
  if (batch < 1)
    throw config_error(layer, fmt::format("{}.batch_size", type.param), "batch_size must be > 0");
  std::vector<Shape> out;
  for (int i = 0; i < layer.param.top_size(); ++i) {
    const std::string& name = layer.param.top(i);
    const auto it = given.find(name);
    const std::optional<Shape> sample = it != given.end() ? it->second : sample_of(layer, type, i);
    if (!sample)
      throw config_error(layer, type.param,
                         fmt::format("only the data tell the shape of the blob '{}'", name))
          .advise(fmt::format("--shape={}:3x224x224 gives the shape of one sample; for images "
                              "transform_param.crop_size does it too",
                              name));
    Shape shape{batch};
    double count = static_cast<double>(batch);
    for (const int64_t dim : sample->dims()) {
      shape.append(dim);
      count *= static_cast<double>(dim);
    }
    if (count > kMostElements)
      throw config_error(layer, type.param,
                         fmt::format("the blob '{}' has more than 2^31 elements", name));
    out.push_back(shape);
  }
  return out;
}

void set_batch_size(config::LayerConfig& layer, int64_t batch) {
  caffe::LayerParameter& param = layer.param;
  const auto* field = param.GetDescriptor()->FindFieldByName(type_of(layer).param);
  CREMA_CHECK(field != nullptr, "a data source names a message that is not there");
  google::protobuf::Message& options = *param.GetReflection()->MutableMessage(&param, field);
  const auto* size = options.GetDescriptor()->FindFieldByName("batch_size");
  CREMA_CHECK(size != nullptr, "a data source keeps no batch_size");
  options.GetReflection()->SetUInt32(&options, size, static_cast<uint32_t>(batch));
}

}  // namespace crema::data
