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

  const std::vector<Shape>& shapes() const { return shapes_; }  // with the batch axis
  int64_t batch_size() const { return batch_size_; }
  int64_t samples() const { return source_->size(); }

  // What one thread keeps between its calls of fill().
  struct Scratch {
    Sample sample;
  };
  // Writes batch `number`; out[i] holds shapes()[i].count() floats. Any threads at once, each with
  // its own scratch. Error{kData} located at the layer.
  void fill(int64_t number, Scratch& scratch, const std::vector<float*>& out) const;

 private:
  void check_layer() const;
  void find_shapes(const Sample& first);
  // The source's sample at a position of the run.
  int64_t sample_at(int64_t position) const;
  void check_shapes(const Sample& sample, int64_t index) const;

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
