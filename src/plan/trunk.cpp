#include "plan/trunk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace crema::plan {

namespace {

// What is known of a buffer's contents while the steps are walked through.
enum class Contents { kUnknown, kRows, kWeights };

class TrunkFinder {
 public:
  TrunkFinder(const Plan& plan, int64_t batch)
      : plan_(plan),
        batch_(batch),
        contents_(plan.buffers.size()),
        writer_(plan.buffers.size(), kNone) {
    for (size_t b = 0; b < plan.buffers.size(); ++b) contents_[b] = at_first(plan.buffers[b]);
  }

  Trunk run() {
    const int all = static_cast<int>(plan_.steps.size());
    for (int i = 0; i < all; ++i) {
      const Step& step = plan_.steps[static_cast<size_t>(i)];
      const bool forward = i < plan_.forward_steps;
      const StepKind kind = forward ? kind_of(step) : StepKind::kOwn;
      if (kind == StepKind::kTrunk && step.node != kNone) trunk_nodes_.insert(step.node);
      if (!forward) refuse_gradients(step);
      if (kind == StepKind::kOwn) read_features(step);
      write(step, i, kind);
      if (!forward) continue;
      out_.steps.push_back(kind);
      out_.trunk_steps += kind == StepKind::kTrunk && step.node != kNone;
    }
    for (const graph::OutputInfo& output : plan_.graph->outputs) {
      const int tensor = plan_.value_tensors[static_cast<size_t>(output.value)];
      if (tensor != kNone) read_feature(tensor);
    }
    if (out_.trunk_steps == 0) out_.features.clear();
    return std::move(out_);
  }

 private:
  Contents at_first(const Buffer& buffer) const {
    switch (buffer.storage) {
      case Storage::kInput: {
        const graph::InputInfo& input = plan_.graph->inputs[static_cast<size_t>(buffer.index)];
        const bool data = input.layer != kNone;  // not a gradient that is fed
        return data && has_rows(plan_.graph->values[static_cast<size_t>(input.value)].shape)
                   ? Contents::kRows
                   : Contents::kUnknown;
      }
      case Storage::kConstant:
        return Contents::kWeights;
      case Storage::kParamValue:
        return rests(buffer.index) ? Contents::kWeights : Contents::kUnknown;
      default:
        return Contents::kUnknown;
    }
  }

  bool rests(int param) const {
    const graph::ParamInfo& info = plan_.graph->params[static_cast<size_t>(param)];
    if (!info.choice.frozen && (info.state || info.choice.learns)) return false;
    for (const Step& step : plan_.steps)
      for (size_t i = 0; i < step.src.size(); ++i)
        if (step.mutates[i] && buffer_of(step.src[i]).index == param) return false;
    return true;
  }

  const Buffer& buffer_of(int tensor) const {
    return plan_.buffers[static_cast<size_t>(plan_.tensors[static_cast<size_t>(tensor)].buffer)];
  }

  Contents written(int tensor) const {
    return contents_[static_cast<size_t>(plan_.tensors[static_cast<size_t>(tensor)].buffer)];
  }

  // In the shape of this tensor.
  Contents contents(int tensor) const {
    const Contents now = written(tensor);
    const Shape& shape = plan_.tensors[static_cast<size_t>(tensor)].desc.shape;
    return now == Contents::kRows && !has_rows(shape) ? Contents::kUnknown : now;
  }

  // What runs backward may need more than results: workspaces.
  void refuse_gradients(const Step& step) {
    if (step.node == kNone) return;
    const graph::Node& node = plan_.program.nodes[static_cast<size_t>(step.node)];
    if (node.part == ops::kForward || !trunk_nodes_.contains(node.forward)) return;
    out_.trunk_steps = 0;
    out_.end_layer = step.layer;
    out_.end_reason = "a gradient is computed in it though nothing in it or below it learns";
  }

  bool has_rows(const Shape& shape) const { return shape.rank() > 0 && shape[0] == batch_; }

  StepKind kind_of(const Step& step) {
    bool rows = false, weights = true;
    std::string obstacle;
    for (size_t i = 0; i < step.src.size(); ++i) {
      if (step.src[i] == kNone) continue;
      const Contents source = contents(step.src[i]);
      weights &= source == Contents::kWeights;
      rows |= written(step.src[i]) == Contents::kRows;
      const bool row_wise = source == Contents::kRows && step.op->row_wise(static_cast<int>(i));
      if (!row_wise && source != Contents::kWeights && obstacle.empty())
        obstacle = obstacle_of(step, i);
    }
    for (const int id : step.dst)
      if (id != kNone && !has_rows(plan_.tensors[static_cast<size_t>(id)].desc.shape) &&
          obstacle.empty())
        obstacle = fmt::format("its result is not one row per sample");
    if (rows && obstacle.empty()) return StepKind::kTrunk;
    if (rows && out_.end_layer == kNone) {
      out_.end_layer = step.layer;
      out_.end_reason = obstacle;
    }
    return weights && !step.src.empty() && step.node == kNone ? StepKind::kWeights : StepKind::kOwn;
  }

  std::string obstacle_of(const Step& step, size_t source) const {
    const Buffer& buffer = buffer_of(step.src[source]);
    if (buffer.storage != Storage::kParamValue)
      return fmt::format("what its {} computes differs from pass to pass, or mixes samples",
                         step.op->kind());
    const graph::ParamInfo& param = plan_.graph->params[static_cast<size_t>(buffer.index)];
    return param.state ? fmt::format("it collects its statistics, '{}'", param.name)
                       : fmt::format("'{}' learns", param.name);
  }

  void read_features(const Step& step) {
    for (const auto* list : {&step.src, &step.dst, &step.diff_dst})
      for (const int id : *list)
        if (id != kNone && !(list == &step.dst && step.part < 0)) read_feature(id);
  }

  // Whatever shape it is read in: what is kept are the rows that were written.
  void read_feature(int tensor) {
    const int buffer = plan_.tensors[static_cast<size_t>(tensor)].buffer;
    if (contents_[static_cast<size_t>(buffer)] != Contents::kRows) return;
    const int step = writer_[static_cast<size_t>(buffer)];
    if (!found_.insert({step, buffer}).second) return;
    Feature feature;
    feature.step = step;
    if (step == kNone) feature.input = plan_.buffers[static_cast<size_t>(buffer)].index;
    feature.tensor = step == kNone ? tensor_of_input(feature.input) : written_by(step, buffer);
    feature.row = plan_.tensors[static_cast<size_t>(feature.tensor)].desc.shape.count() / batch_;
    out_.features.push_back(feature);
  }

  int tensor_of_input(int input) const {
    const int value = plan_.graph->inputs[static_cast<size_t>(input)].value;
    return plan_.value_tensors[static_cast<size_t>(value)];
  }

  int written_by(int step, int buffer) const {
    for (const int id : plan_.steps[static_cast<size_t>(step)].dst)
      if (id != kNone && plan_.tensors[static_cast<size_t>(id)].buffer == buffer) return id;
    throw LogicError("a step does not write what it is said to write");
  }

  void write(const Step& step, int index, StepKind kind) {
    for (const auto* list : {&step.dst, &step.diff_src}) {
      if (list == &step.dst && step.part >= 0) continue;  // read there
      for (const int id : *list) {
        if (id == kNone) continue;
        const auto buffer = static_cast<size_t>(plan_.tensors[static_cast<size_t>(id)].buffer);
        contents_[buffer] = kind == StepKind::kTrunk     ? Contents::kRows
                            : kind == StepKind::kWeights ? Contents::kWeights
                                                         : Contents::kUnknown;
        writer_[buffer] = kind == StepKind::kTrunk ? index : kNone;
      }
    }
  }

  const Plan& plan_;
  int64_t batch_;
  std::vector<Contents> contents_;
  std::vector<int> writer_;              // per buffer: the trunk step that wrote it, or kNone
  std::set<std::pair<int, int>> found_;  // step and buffer of the features
  std::set<int> trunk_nodes_;
  Trunk out_;
};

}  // namespace

Trunk find_trunk(const Plan& plan, int64_t batch) {
  return TrunkFinder(plan, batch).run();
}

}  // namespace crema::plan
