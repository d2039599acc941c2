// source -> order -> transform -> batch -> prefetch. Which records and which augmentation belong to
// batch k is a pure function of (seed, k), whatever the number of threads.
//
// Batch k holds the sample positions [k·B, (k+1)·B). Position p stands for sample p mod n of epoch
// p / n, of the source's own order or of that epoch's permutation (shuffle); so batches are always
// full and run across the end of an epoch. The draws of a position (crop, mirror) depend on the
// seed and the position only: two layers with equal sizes and one seed stay in step.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "tensor/shape.hpp"

namespace crema::data {

struct LoaderOptions {
  uint64_t seed = 0;
  int threads = 1;   // decode threads, >= 1; more than `prefetch` of them are of no use
  int prefetch = 0;  // batches decoded ahead; 0: the layer's data_param.prefetch (4)
  int64_t first_batch = 0;
};

class Loader {
 public:
  virtual ~Loader() = default;
  // Shapes of the layer's tops, with the batch axis: of the batch that next() returned last; before
  // that, as the source's first sample has them.
  virtual const std::vector<Shape>& shapes() const = 0;
  virtual int64_t batch_size() const = 0;
  virtual int64_t samples() const = 0;  // in one epoch
  // Which samples of the source make up a batch.
  virtual std::vector<int64_t> samples_of(int64_t batch) const = 0;
  // The field of the layer that makes a sample's numbers differ from epoch to epoch
  // ("transform_param.mirror"); "" if none does.
  virtual std::string random_field() const = 0;
  // Number of the batch that next() returns next.
  virtual int64_t position() const = 0;
  virtual void seek(int64_t batch) = 0;
  // The next batch: one span of row-major floats per top, valid until the next call of next().
  // Waits for the prefetch threads, which the first call starts. Rethrows the Error{kData} of the
  // batch concerned and stays at that batch; seek() goes past it.
  virtual const std::vector<std::span<const float>>& next() = 0;
};

// True if layers of this type are fed by a Loader ("Data", "HDF5Data", "MnistData", ...).
bool is_source(const std::string& layer_type);
std::vector<std::string> source_types();

// Opens the source of a layer and reads its first sample. Error{kData} if it is missing or damaged,
// {kConfig} if the layer's parameters are wrong; both located at the layer.
std::unique_ptr<Loader> open_loader(const config::LayerConfig& layer, caffe::Phase phase,
                                    const LoaderOptions& options);

}  // namespace crema::data
