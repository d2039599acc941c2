#include "data/batches.hpp"

#include <fmt/format.h>

#include <limits>
#include <new>

#include "base/random.hpp"
#include "base/text.hpp"
#include "data/located.hpp"

namespace crema::data {

namespace {

// Caffe's limit for the elements of one blob.
constexpr int64_t kMostElements = std::numeric_limits<int32_t>::max();

const SourceType* find_type(const config::LayerConfig& layer) {
  const auto& table = Registry<SourceTag>::instance();
  const SourceType* type = table.find(layer.param.type());
  if (type == nullptr)
    throw config_error(layer, "type", fmt::format("'{}' is not a data source", layer.param.type()))
        .advise(suggestion(layer.param.type(), table.names()));
  return type;
}

}  // namespace

Batches::Batches(const config::LayerConfig& layer, caffe::Phase phase, uint64_t seed)
    : layer_(layer), type_(find_type(layer)), seed_(seed) {
  check_layer();
  batch_size_ = type_->batch_size(layer.param);
  shuffle_ = type_->shuffle(layer.param);
  try {
    source_ = type_->open(layer, phase);
    if (type_->transforms) transform_.emplace(layer, phase, seed);
    Sample first;
    source_->read(0, first);
    shapes_ = shapes_like(first);
  } catch (Error& error) {
    if (!error.location.known()) error.at(layer.places.at(type_->param));
    throw;
  } catch (const std::bad_alloc&) {
    throw data_error(layer, type_->param, "not enough memory to read its data")
        .advise("the file is too large for this machine, or its header is damaged");
  }
  if (!type_->transforms && layer.param.has_transform_param())
    throw config_error(layer, "transform_param",
                       fmt::format("{} does not transform its data", layer.param.type()))
        .advise("remove transform_param; prepare the arrays when the files are written");
}

void Batches::check_layer() const {
  const caffe::LayerParameter& param = layer_.param;
  if (param.bottom_size() > 0)
    throw config_error(layer_, "bottom", fmt::format("{} takes no bottoms", param.type()));
  if (param.top_size() < 1 || param.top_size() > type_->max_tops)
    throw config_error(
        layer_, param.top_size() < 1 ? "" : fmt::format("top[{}]", type_->max_tops),
        fmt::format("{} has {}, but this layer has {}", param.type(),
                    type_->max_tops > 2 ? "one top or more" : "1 top (data) or 2 (data, label)",
                    param.top_size()));
  if (type_->batch_size(param) < 1)
    throw config_error(layer_, fmt::format("{}.batch_size", type_->param),
                       "batch_size must be > 0");
}

std::vector<Shape> Batches::shapes_like(const Sample& sample) const {
  std::vector<Shape> out;
  for (size_t i = 0; i < sample.size(); ++i) {
    const Shape field =
        i == 0 && transform_ ? transform_->output(sample[0].shape) : sample[i].shape;
    if (batch_size_ > kMostElements / std::max<int64_t>(1, field.count()))
      throw config_error(
          layer_, fmt::format("{}.batch_size", type_->param),
          fmt::format("a batch of {} x {} has more than 2^31 elements", batch_size_, field.text()));
    Shape shape{batch_size_};
    for (const int64_t dim : field.dims()) shape.append(dim);
    out.push_back(shape);
  }
  return out;
}

int64_t Batches::sample_at(int64_t position) const {
  const uint64_t n = static_cast<uint64_t>(source_->size());
  const uint64_t epoch = static_cast<uint64_t>(position) / n;
  const uint64_t rank = static_cast<uint64_t>(position) % n;
  if (!shuffle_) return static_cast<int64_t>(rank);
  return static_cast<int64_t>(Permutation(RandomStream(seed_, "order", epoch), n)(rank));
}

std::vector<int64_t> Batches::samples_of(int64_t batch) const {
  std::vector<int64_t> out;
  for (int64_t item = 0; item < batch_size_; ++item)
    out.push_back(sample_at(batch * batch_size_ + item));
  return out;
}

Shape Batches::image_shape(const Sample& sample, int64_t index) const {
  if (!transform_) return sample[0].shape;
  try {
    return transform_->output(sample[0].shape);
  } catch (Error& error) {
    // The first sample fitted, so it is the data that are at odds, not the definition.
    error.code = ErrorCode::kData;
    throw error.note(fmt::format("this is {}", source_->describe(index)));
  }
}

std::vector<Shape> Batches::batch_shapes(const Sample& first, int64_t index) const {
  image_shape(first, index);
  std::vector<Shape> out = shapes_like(first);
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i].rank() != shapes_[i].rank() || (i > 0 && out[i] != shapes_[i]))
      throw data_error(
          layer_, type_->param,
          fmt::format("{} is {} but the first one is {}", source_->describe(index),
                      first[i].shape.text(), shapes_[i].slice(1, shapes_[i].rank()).text()));
  return out;
}

void Batches::check_shapes(const std::vector<Shape>& batch, const Sample& sample,
                           int64_t index) const {
  for (size_t i = 0; i < batch.size(); ++i) {
    const Shape expected = batch[i].slice(1, batch[i].rank());
    const Shape found = i == 0 ? image_shape(sample, index) : sample[i].shape;
    if (found != expected)
      throw data_error(layer_, type_->param,
                       fmt::format("{} is {} but the first one of its batch is {}",
                                   source_->describe(index), found.text(), expected.text()))
          .advise(
              "the samples of one batch must have one size: crop them to one by crop_size, or "
              "write batch_size: 1");
  }
}

void Batches::fill(int64_t number, Scratch& scratch, Batch& out) const {
  for (int64_t item = 0; item < batch_size_; ++item) {
    const int64_t position = number * batch_size_ + item;
    const int64_t index = sample_at(position);
    try {
      source_->read(index, scratch.sample);
      if (item == 0) {
        out.shapes = batch_shapes(scratch.sample, index);
        out.tops.resize(out.shapes.size());
        for (size_t i = 0; i < out.tops.size(); ++i)
          out.tops[i].resize(static_cast<size_t>(out.shapes[i].count()));
      } else {
        check_shapes(out.shapes, scratch.sample, index);
      }
    } catch (Error& error) {
      if (!error.location.known()) error.at(layer_.places.at(type_->param));
      throw;
    }
    for (size_t i = 0; i < out.tops.size(); ++i) {
      float* to = out.tops[i].data() + item * out.shapes[i].count(1);
      if (i == 0 && transform_)
        transform_->apply(scratch.sample[0], position, to);
      else
        copy_field(scratch.sample[i], to);
    }
  }
}

}  // namespace crema::data
