#include "graph/graph.hpp"

#include "graph/passes.hpp"

namespace crema::graph {

int Graph::find_blob(const std::string& blob) const {
  for (const auto& [name, value] : blobs)
    if (name == blob) return value;
  return kNone;
}

int Graph::find_layer(const std::string& layer) const {
  for (size_t i = 0; i < layers.size(); ++i)
    if (layers[i].name == layer) return static_cast<int>(i);
  return kNone;
}

int64_t Graph::index_range(int value) const {
  int64_t least = 0;
  const auto take = [&](int64_t range) {
    if (range > 0 && (least == 0 || range < least)) least = range;
  };
  for (const LayerInfo& layer : layers)
    for (size_t i = 0; i < layer.bottom_values.size(); ++i) {
      if (layer.bottom_values[i] != value) continue;
      take(layer.bottom_ranges[i]);
      if (!layer.bottom_moves[i]) continue;
      for (const int top : layer.top_values)
        if (top != value) take(index_range(top));
    }
  return least;
}

int Graph::segment_of_layer(int layer) const {
  int segment = 0;
  for (const CutInfo& cut : cuts)
    if (layer != kNone && cut.layer <= layer) ++segment;
  return segment;
}

int Graph::segment_of_value(int value) const {
  const ValueInfo& info = values[static_cast<size_t>(value)];
  if (info.kind == ValueKind::kParam)
    return segment_of_layer(params[static_cast<size_t>(info.param)].layer);
  if (info.kind != ValueKind::kResult) return 0;
  return segment_of_layer(nodes[static_cast<size_t>(info.producer)].layer);
}

std::vector<int> reads(const Node& node) {
  if (node.part == ops::kForward) return node.src;
  std::vector<int> out;
  const ops::GradientPart part = node.op->gradient()[static_cast<size_t>(node.part)];
  for (const int i : part.reads_src) out.push_back(node.src[static_cast<size_t>(i)]);
  for (const int i : part.reads_dst) out.push_back(node.dst[static_cast<size_t>(i)]);
  for (const int value : node.diff_dst)
    if (value != kNone) out.push_back(value);
  return out;
}

int add_value(Graph& graph, ValueInfo value) {
  graph.values.push_back(std::move(value));
  return static_cast<int>(graph.values.size()) - 1;
}

std::vector<int> add_node(Graph& graph, Node node, const std::string& name) {
  std::vector<Shape> src;
  for (const int id : node.src) src.push_back(graph.values[static_cast<size_t>(id)].shape);
  const std::vector<Shape> shapes = node.op->infer(src);
  const int index = static_cast<int>(graph.nodes.size());
  for (size_t i = 0; i < shapes.size(); ++i) {
    ValueInfo value;
    value.name = i == 0 ? name : name + "#" + std::to_string(i);
    value.shape = shapes[i];
    value.producer = index;
    node.dst.push_back(add_value(graph, std::move(value)));
  }
  graph.nodes.push_back(std::move(node));
  return graph.nodes.back().dst;
}

}  // namespace crema::graph
