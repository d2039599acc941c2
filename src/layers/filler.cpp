#include "layers/filler.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace crema::layers {

std::string check_filler(const caffe::FillerParameter& filler, const Shape& shape) {
  const auto& registry = Registry<FillerTag>::instance();
  const FillerType* type = registry.find(filler.type());
  if (type == nullptr)
    return fmt::format("unknown filler type '{}'; {}", filler.type(),
                       suggestion(filler.type(), registry.names()));
  if (shape.count() == 0) return fmt::format("a blob of {} has no elements to fill", shape.text());
  if (filler.sparse() != -1 && filler.type() != "gaussian")
    return fmt::format("sparse has no meaning for the filler '{}', only for gaussian",
                       filler.type());
  return type->check(filler, shape);
}

void fill(const caffe::FillerParameter& filler, const Shape& shape, const RandomStream& stream,
          std::span<float> out) {
  const std::string mistake = check_filler(filler, shape);
  CREMA_CHECK(mistake.empty(), mistake);
  CREMA_CHECK(static_cast<int64_t>(out.size()) == shape.count(), "one value per element");
  Registry<FillerTag>::instance().find(filler.type())->fill(filler, shape, stream, out);
}

double fan(const caffe::FillerParameter& filler, const Shape& shape) {
  const int64_t count = shape.count();
  const auto in = static_cast<double>(count / shape[0]);
  const auto out = static_cast<double>(shape.rank() > 1 ? count / shape[1] : count);
  switch (filler.variance_norm()) {
    case caffe::FillerParameter::FAN_IN:
      return in;
    case caffe::FillerParameter::FAN_OUT:
      return out;
    case caffe::FillerParameter::AVERAGE:
      return (in + out) / 2;
  }
  return in;
}

}  // namespace crema::layers
