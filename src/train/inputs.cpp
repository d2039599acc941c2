#include "train/inputs.hpp"

#include <fmt/format.h>

#include <set>

#include "base/random.hpp"
#include "base/text.hpp"
#include "data/loader.hpp"
#include "data/synthetic.hpp"

namespace crema::train {

namespace {

// Sets axis 0 of a shape that has one; true if it did.
bool set_batch(caffe::BlobShape& shape, int64_t batch) {
  if (shape.dim_size() == 0) return false;
  shape.set_dim(0, batch);
  return true;
}

bool set_batch(config::LayerConfig& layer, int64_t batch) {
  caffe::LayerParameter& param = layer.param;
  if (data::is_source(param.type())) {
    data::set_batch_size(layer, batch);
    return true;
  }
  bool found = false;
  if (param.has_input_param())
    for (caffe::BlobShape& shape : *param.mutable_input_param()->mutable_shape())
      found |= set_batch(shape, batch);
  if (param.has_dummy_data_param()) {
    caffe::DummyDataParameter& dummy = *param.mutable_dummy_data_param();
    for (caffe::BlobShape& shape : *dummy.mutable_shape()) found |= set_batch(shape, batch);
    for (uint32_t& num : *dummy.mutable_num()) num = static_cast<uint32_t>(batch);
    found |= dummy.num_size() > 0;
  }
  return found;
}

// The Input layer's shape of top `top`, which gets an entry of its own.
void set_sample(caffe::InputParameter& input, int tops, int top, const Shape& sample) {
  while (input.shape_size() > 0 && input.shape_size() < tops)
    input.add_shape()->CopyFrom(input.shape(0));
  if (top >= input.shape_size()) return;  // the layer is in error, and will be told so
  caffe::BlobShape& shape = *input.mutable_shape(top);
  const int64_t batch = shape.dim_size() > 0 ? shape.dim(0) : 1;
  shape.clear_dim();
  shape.add_dim(batch);
  for (const int64_t dim : sample.dims()) shape.add_dim(dim);
}

void set_samples(config::NetConfig& net, const InputOptions& options, bool lenient) {
  std::set<std::string> inputs;
  for (config::LayerConfig& layer : net.layers) {
    const bool input = layer.param.type() == "Input";
    if (!input && !data::is_source(layer.param.type())) continue;
    for (int i = 0; i < layer.param.top_size(); ++i) {
      inputs.insert(layer.param.top(i));
      const auto it = options.shapes.find(layer.param.top(i));
      if (input && it != options.shapes.end())
        set_sample(*layer.param.mutable_input_param(), layer.param.top_size(), i, it->second);
    }
  }
  if (lenient) return;
  for (const auto& [name, shape] : options.shapes)
    if (!inputs.contains(name))
      throw Error(ErrorCode::kUsage, fmt::format("--shape: the net has no input '{}'", name))
          .advise(suggestion(name, {inputs.begin(), inputs.end()}));
}

}  // namespace

config::NetConfig with_inputs(config::NetConfig net, const InputOptions& options, bool lenient) {
  if (!options.shapes.empty()) set_samples(net, options, lenient);
  if (options.batch == 0) return net;
  bool found = false;
  for (config::LayerConfig& layer : net.layers) found |= set_batch(layer, options.batch);
  if (!found && !lenient)
    throw Error(ErrorCode::kUsage, "--batch: no layer of the net has a batch size")
        .advise("data layers, Input and DummyData have one");
  return net;
}

std::vector<float> synthetic_batch(const graph::Graph& graph, const graph::InputInfo& input,
                                   uint64_t seed) {
  const Shape& shape = graph.values[static_cast<size_t>(input.value)].shape;
  const int64_t range = graph.index_range(input.value);
  std::vector<float> out(static_cast<size_t>(shape.count()));
  const RandomStream stream(seed, "synthetic/" + input.name);
  for (size_t k = 0; k < out.size(); ++k) {
    if (range > 0)
      out[k] = static_cast<float>(stream.below(k, static_cast<uint64_t>(range)));
    else if (shape.rank() > 1)
      out[k] = stream.normal(k);
    // One number per sample that no layer reads as a label stays 0.
  }
  return out;
}

}  // namespace crema::train
