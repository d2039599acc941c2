// A data source: random access to labelled samples. No cursor, no thread, no randomness of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/registry.hpp"
#include "config/config.hpp"
#include "tensor/shape.hpp"

namespace crema::data {

// One top's part of one sample, without the batch axis. Exactly one of the two vectors is used.
struct Field {
  Shape shape;
  std::vector<uint8_t> bytes;
  std::vector<float> values;
};
using Sample = std::vector<Field>;  // one Field per top of the layer

class Source {
 public:
  virtual ~Source() = default;
  // Number of samples in one epoch, > 0.
  virtual int64_t size() const = 0;
  // Overwrites `out`, whose memory it may use again. Called from several threads at once.
  // Error{kData} on damaged records.
  virtual void read(int64_t index, Sample& out) const = 0;
  // How messages call a sample: "record 17 (key '00000017') of 'mnist_lmdb'".
  virtual std::string describe(int64_t index) const = 0;
};

// What a source's file registers: how to open it, and where its layer keeps the common options.
struct SourceType {
  std::function<std::unique_ptr<Source>(const config::LayerConfig&, caffe::Phase)> open;
  std::function<int64_t(const caffe::LayerParameter&)> batch_size;
  std::function<bool(const caffe::LayerParameter&)> shuffle;
  const char* param = "";  // the layer's message with these options, "data_param"
  int max_tops = 2;        // data and label; the label may be left out
  // Shape of the images before the transformation, where the definition alone tells it.
  std::function<std::optional<Shape>(const caffe::LayerParameter&)> image_shape = {};
  bool transforms = true;  // the layer's transform_param applies to field 0 (images); else an error
};
struct SourceTag {
  using Entry = SourceType;
  static constexpr const char* kTable = "data source";
};
// In a source's file:  CREMA_REGISTER(SourceTag, "Data", SourceType{...});

}  // namespace crema::data
