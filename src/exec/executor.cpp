#include "exec/executor.hpp"

#include <algorithm>

#include "base/parallel.hpp"

namespace crema::exec {

using plan::Buffer;
using plan::kNone;
using plan::Step;
using plan::Storage;

Executor::Executor(std::shared_ptr<plan::Plan> plan, std::shared_ptr<ParamStore> params,
                   plan::Engines engines, Shared shared)
    : plan_(std::move(plan)),
      params_(std::move(params)),
      shared_(std::move(shared)),
      reorderer_(std::move(engines)) {
  if (!shared_.arena) shared_.arena = std::make_shared<SharedArena>();
  inputs_.resize(plan_->graph->inputs.size(), nullptr);
  input_steps_.resize(inputs_.size());
  owned_.resize(plan_->buffers.size());
  for (const Buffer& buffer : plan_->buffers)
    if (buffer.storage == Storage::kOutside) outside_values_.push_back(buffer.index);
  fill_constants();
  allocate_carried();
  for (const Step& step : plan_->steps)
    for (const bool mutated : step.mutates) mutates_ |= mutated;
  bound_.resize(plan_->steps.size());
  // The plans of later segments may never run: they take their memory when they do.
  if (plan_->segment == 0) settle();
  for (int i = 0; i < static_cast<int>(plan_->steps.size()); ++i)
    for (const auto* list : {&plan_->steps[i].src, &plan_->steps[i].diff_dst})
      for (const int id : *list) {
        if (id == kNone) continue;
        const Buffer& buffer = plan_->buffers[plan_->tensors[id].buffer];
        if (buffer.storage == Storage::kInput) input_steps_[buffer.index].push_back(i);
      }
}

// Before a pass: memory enough, and the addresses anew if something has moved.
void Executor::settle() {
  shared_.arena->reserve(plan_->arena_bytes);
  if (bound_arena_ == shared_.arena->data() && !rebind_) return;
  for (int i = 0; i < static_cast<int>(plan_->steps.size()); ++i) bind(i);
  bound_arena_ = shared_.arena->data();
  rebind_ = false;
}

void Executor::set_outside(int value, const void* data) {
  const void*& known = outside_[value];
  rebind_ |= known != data;
  known = data;
}

void Executor::fill_constants() {
  for (size_t b = 0; b < owned_.size(); ++b) {
    const Buffer& buffer = plan_->buffers[b];
    if (buffer.storage == Storage::kDerived) owned_[b] = std::make_unique<Arena>(buffer.bytes);
    if (buffer.storage != Storage::kConstant) continue;
    owned_[b] = std::make_unique<Arena>(buffer.bytes);
    const float number = plan_->program.values[buffer.index].constant;
    if (plan_->dtype == DType::kF64)
      std::fill_n(reinterpret_cast<double*>(owned_[b]->data()), buffer.bytes / 8, number);
    else
      std::fill_n(reinterpret_cast<float*>(owned_[b]->data()), buffer.bytes / 4, number);
  }
}

void Executor::allocate_carried() {
  if (!shared_.carried)
    shared_.carried = std::make_shared<CarriedStates>(initial_states(*plan_->graph));
  CREMA_CHECK(shared_.carried->size() == plan_->graph->carried.size(),
              "carried states of another net");
  for (size_t b = 0; b < owned_.size(); ++b)
    if (plan_->buffers[b].storage == Storage::kCarried)
      owned_[b] = std::make_unique<Arena>(plan_->buffers[b].bytes);
}

// The buffers keep what the pass found until the next pass: the backward pass reads it.
void Executor::load_carried() {
  for (size_t b = 0; b < owned_.size(); ++b) {
    const Buffer& buffer = plan_->buffers[b];
    if (buffer.storage != Storage::kCarried) continue;
    const graph::CarriedInfo& info = plan_->graph->carried[buffer.index];
    reshape_state((*shared_.carried)[buffer.index], plan_->graph->values[info.value].shape, state_);
    if (plan_->dtype == DType::kF64)
      std::copy(state_.begin(), state_.end(), reinterpret_cast<double*>(owned_[b]->data()));
    else
      std::copy(state_.begin(), state_.end(), reinterpret_cast<float*>(owned_[b]->data()));
  }
}

void Executor::save_carried() {
  const graph::Graph& graph = *plan_->graph;
  for (size_t i = 0; i < shared_.carried->size(); ++i) {
    const graph::CarriedInfo& info = graph.carried[i];
    if (graph.segment_of_layer(info.layer) != plan_->segment) continue;
    CarriedState& state = (*shared_.carried)[i];
    state.shape = graph.values[info.next].shape;
    state.values = read(info.next);
  }
}

void* Executor::buffer_address(int index) const {
  const Buffer& buffer = plan_->buffers[index];
  switch (buffer.storage) {
    case Storage::kArena:
      return shared_.arena->data() + buffer.offset;
    case Storage::kParamValue:
      return (*params_)[buffer.index].value();
    case Storage::kParamGradient:
      return (*params_)[buffer.index].gradient();
    case Storage::kConstant:
    case Storage::kCarried:
    case Storage::kDerived:
      return owned_[index]->data();
    case Storage::kInput:
      return const_cast<void*>(inputs_[buffer.index]);
    case Storage::kPart:
      return static_cast<std::byte*>(buffer_address(buffer.index)) + buffer.offset;
    case Storage::kOutside: {
      const auto it = outside_.find(buffer.index);
      return it == outside_.end() ? nullptr : const_cast<void*>(it->second);
    }
  }
  return nullptr;
}

void* Executor::address(int tensor) const {
  return tensor == kNone ? nullptr : buffer_address(plan_->tensors[tensor].buffer);
}

void Executor::bind(int index) {
  const Step& step = plan_->steps[index];
  Bound& bound = bound_[index];
  const auto pointers = [&](const std::vector<int>& ids, auto& out) {
    out.resize(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) out[i] = address(ids[i]);
  };
  pointers(step.src, bound.src);
  pointers(step.dst, bound.dst);
  pointers(step.diff_dst, bound.diff_dst);
  pointers(step.diff_src, bound.diff_src);
  bound.mutated.assign(step.src.size(), nullptr);
  for (size_t i = 0; i < step.src.size(); ++i)
    if (step.mutates[i]) bound.mutated[i] = address(step.src[i]);
  if (step.workspace != kNone) bound.workspace = buffer_address(step.workspace);
  if (step.scratch != kNone) bound.scratch = buffer_address(step.scratch);
}

void Executor::set_input(size_t i, std::span<const float> values) {
  const graph::InputInfo& input = plan_->graph->inputs[i];
  const Shape& shape = plan_->graph->values[input.value].shape;
  CREMA_CHECK(static_cast<int64_t>(values.size()) == shape.count(),
              "input '" + input.name + "' has the wrong number of elements");
  const void* data = values.data();
  if (plan_->dtype == DType::kF64) {
    for (size_t b = 0; b < plan_->buffers.size(); ++b) {
      const Buffer& buffer = plan_->buffers[b];
      if (buffer.storage != Storage::kInput || buffer.index != static_cast<int>(i)) continue;
      if (!owned_[b]) owned_[b] = std::make_unique<Arena>(buffer.bytes);
      std::copy(values.begin(), values.end(), reinterpret_cast<double*>(owned_[b]->data()));
      data = owned_[b]->data();
    }
  }
  if (inputs_[i] == data) return;
  inputs_[i] = data;
  for (const int step : input_steps_[i]) bind(step);
}

void Executor::run_piece(int index, int piece, const ops::StepInfo& info) {
  const Bound& bound = bound_[index];
  ops::KernelArgs args;
  args.src = bound.src;
  args.dst = bound.dst;
  args.diff_dst = bound.diff_dst;
  args.diff_src = bound.diff_src;
  args.mutated = bound.mutated;
  args.workspace = bound.workspace;
  args.scratch = bound.scratch;
  args.piece = piece;
  args.step = &info;
  plan_->steps[index].kernel->run(args);
}

void Executor::run(int index, const ops::StepInfo& info) {
  run_piece(index, 0, info);
  if (observer) observer(index);
}

// A step after which gradients are complete, of which one may come in pieces.
void Executor::run_and_hand_out(int index, const ops::StepInfo& info,
                                std::span<const plan::Ready> ready) {
  const int pieces = plan_->steps[index].pieces;
  const auto hand_out = [&](const plan::Ready& gradient, int piece) {
    const auto param = static_cast<size_t>(gradient.param);
    const size_t count = (*params_)[param].physical_count() / static_cast<size_t>(gradient.pieces);
    const size_t first = gradient.pieces > 1 ? static_cast<size_t>(piece) * count : 0;
    gradient_ready({param, address(gradient.tensor), first, count});
  };
  for (int piece = 0; piece < pieces; ++piece) {
    run_piece(index, piece, info);
    if (piece + 1 == pieces && observer) observer(index);
    for (const plan::Ready& gradient : ready)
      if (gradient.pieces > 1 || piece + 1 == pieces) hand_out(gradient, piece);
  }
}

void Executor::run(int begin, int end, const ops::StepInfo& info) {
  for (int i = begin; i < end; ++i) run(i, info);
}

double Executor::forward(const ops::StepInfo& step) {
  settle();
  load_carried();
  const bool stale = derived_from_ != params_->version();
  run(stale ? 0 : plan_->derived_steps, plan_->forward_steps, step);
  derived_from_ = params_->version();
  if (mutates_) params_->changed();
  save_carried();
  return loss();
}

double Executor::forward(const ops::StepInfo& step, const plan::Trunk& trunk, TrunkMode mode,
                         const Visit& visit) {
  const auto visit_at = [&](int index) {
    for (size_t f = 0; f < trunk.features.size(); ++f) {
      const plan::Feature& feature = trunk.features[f];
      const bool given = feature.step == kNone && mode == TrunkMode::kRecall;
      if (feature.step == index && !given) visit(f, address(feature.tensor));
    }
  };
  settle();
  const bool alone = mode == TrunkMode::kTrunk;
  if (!alone) load_carried();
  visit_at(kNone);
  for (int i = 0; i < plan_->forward_steps; ++i) {
    const plan::StepKind kind = trunk.steps[i];
    const bool left_out = mode == TrunkMode::kRecall ? kind == plan::StepKind::kTrunk
                          : alone                    ? kind == plan::StepKind::kOwn
                                                     : false;
    if (!left_out) run(i, step);
    if (kind == plan::StepKind::kTrunk) visit_at(i);
  }
  if (alone) return 0;
  derived_from_ = params_->version();
  if (mutates_) params_->changed();
  save_carried();
  return loss();
}

void Executor::backward(const ops::StepInfo& step) {
  settle();
  int done = plan_->forward_steps;
  const std::vector<plan::Ready>& ready = plan_->ready;
  for (size_t first = 0, last = 0; first < ready.size(); first = last) {
    const int index = ready[first].step;
    while (last < ready.size() && ready[last].step == index) ++last;
    run(done, index, step);
    run_and_hand_out(index, step, std::span(ready).subspan(first, last - first));
    done = index + 1;
  }
  run(done, static_cast<int>(plan_->steps.size()), step);
  if (plan_->separate_gradients) add_gradients();
}

void Executor::add_gradients() {
  for (size_t p = 0; p < plan_->param_gradients.size(); ++p) {
    const int tensor = plan_->param_gradients[p];
    if (tensor == kNone) continue;
    const int64_t count = static_cast<int64_t>((*params_)[p].physical_count());
    const auto add = [&](auto* to, const auto* from) {
      parallel_for(count, 1 << 14, [=](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) to[i] += from[i];
      });
    };
    if (plan_->dtype == DType::kF64)
      add(static_cast<double*>((*params_)[p].gradient()),
          static_cast<const double*>(address(tensor)));
    else
      add(static_cast<float*>((*params_)[p].gradient()),
          static_cast<const float*>(address(tensor)));
  }
}

double Executor::element(int value, int64_t i) const {
  const void* data = address(plan_->value_tensors[value]);
  return plan_->dtype == DType::kF64 ? static_cast<const double*>(data)[i]
                                     : static_cast<double>(static_cast<const float*>(data)[i]);
}

double Executor::loss() const {
  double total = 0;
  for (const graph::LossTerm& term : plan_->graph->losses) {
    if (plan_->graph->segment_of_value(term.value) != plan_->segment) continue;
    const plan::Tensor& tensor = plan_->tensors[plan_->value_tensors[term.value]];
    if (tensor.desc.layout.plain()) {
      double sum = 0;
      for (int64_t i = 0; i < tensor.desc.shape.count(); ++i) sum += element(term.value, i);
      total += term.weight * sum;
    } else {
      double sum = 0;
      for (const float v : read(term.value)) sum += v;
      total += term.weight * sum;
    }
  }
  return total;
}

std::vector<float> Executor::read(int value) const {
  const int id = plan_->value_tensors[value];
  if (id == kNone || address(id) == nullptr) return {};
  const plan::Tensor& tensor = plan_->tensors[id];
  const int64_t count = tensor.desc.shape.count();
  std::vector<float> out(static_cast<size_t>(count));
  if (tensor.desc.layout.plain())
    for (int64_t i = 0; i < count; ++i)
      out[static_cast<size_t>(i)] = static_cast<float>(element(value, i));
  else
    reorderer_.run(tensor.desc, address(id), {tensor.desc.shape, tensor.desc.dtype, {}},
                   out.data());
  return out;
}

void Executor::to_plain(int tensor, const void* data, float* plain) const {
  const TensorDesc& desc = plan_->tensors[tensor].desc;
  reorderer_.run(desc, data, {desc.shape, desc.dtype, {}}, plain);
}

void Executor::from_plain(int tensor, const float* plain, void* data) const {
  const TensorDesc& desc = plan_->tensors[tensor].desc;
  reorderer_.run({desc.shape, desc.dtype, {}}, plain, desc, data);
}

std::vector<double> Executor::read_f64(int value) const {
  CREMA_CHECK(plan_->dtype == DType::kF64, "read_f64 of an f32 plan");
  const int id = plan_->value_tensors[value];
  if (id == kNone || address(id) == nullptr) return {};
  const double* data = static_cast<const double*>(address(id));
  return {data, data + plan_->tensors[id].desc.shape.count()};
}

}  // namespace crema::exec
