// Batch k of a source as a pure function: order, transform and assembly, without threads.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/config.hpp"
#include "data/source.hpp"
#include "data/transform.hpp"

namespace crema::data {

class Batches {
 public:
  // Checks the layer's common options, opens its source and reads the first sample.
  Batches(const config::LayerConfig& layer, caffe::Phase phase, uint64_t seed);

  // With the batch axis, as the first sample of the source has them.
  const std::vector<Shape>& shapes() const { return shapes_; }
  int64_t batch_size() const { return batch_size_; }
  int64_t samples() const { return source_->size(); }

  // The source's samples of a batch, in its order.
  std::vector<int64_t> samples_of(int64_t batch) const;
  std::string random_field() const { return transform_ ? transform_->random_field() : ""; }

  // What one thread keeps between its calls of fill().
  struct Scratch {
    Sample sample;
  };
  // One batch: row-major floats per top. The first top (images) has the size of the batch's first
  // sample, as in Caffe.
  struct Batch {
    std::vector<Shape> shapes;
    std::vector<std::vector<float>> tops;
  };
  // Makes batch `number`. Any threads at once, each with its own scratch. Error{kData} located at
  // the layer.
  void fill(int64_t number, Scratch& scratch, Batch& out) const;

 private:
  void check_layer() const;
  // With the batch axis, of a batch of samples like this one.
  std::vector<Shape> shapes_like(const Sample& sample) const;
  // The source's sample at a position of the run.
  int64_t sample_at(int64_t position) const;
  // Shapes of the batch that begins with this sample.
  std::vector<Shape> batch_shapes(const Sample& first, int64_t index) const;
  void check_shapes(const std::vector<Shape>& batch, const Sample& sample, int64_t index) const;
  Shape image_shape(const Sample& sample, int64_t index) const;

  config::LayerConfig layer_;
  const SourceType* type_;
  uint64_t seed_;
  int64_t batch_size_ = 0;
  bool shuffle_ = false;
  std::unique_ptr<Source> source_;
  std::optional<Transform> transform_;  // of field 0
  std::vector<Shape> shapes_;
};

}  // namespace crema::data
