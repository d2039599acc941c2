// The passes inplace and memory: lifetimes, merging, one arena.
#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "plan/passes.hpp"

namespace crema::plan {

namespace {

template <class Fn>
void for_each_tensor(const Step& step, Fn&& fn) {
  for (const auto* list : {&step.src, &step.dst, &step.diff_dst, &step.diff_src})
    for (const int id : *list)
      if (id != kNone) fn(id);
}

void touch(Buffer& buffer, int step) {
  if (buffer.first == kNone) buffer.first = step;
  buffer.last = step;
}

bool meet(const Buffer& a, const Buffer& b) {
  return a.first <= b.last && b.first <= a.last;
}

bool in_arena(const Buffer& buffer) {
  return buffer.storage == Storage::kArena && buffer.first != kNone;
}

// How often the step touches a buffer, through any tensor.
int uses(const Plan& plan, const Step& step, int buffer) {
  int n = step.workspace == buffer ? 1 : 0;
  for_each_tensor(step, [&](int id) { n += plan.tensors[id].buffer == buffer; });
  return n;
}

void merge(Plan& plan, int index, int from, int into) {
  if (from == kNone || into == kNone) return;
  const int source = plan.tensors[from].buffer, target = plan.tensors[into].buffer;
  Buffer& a = plan.buffers[source];
  Buffer& b = plan.buffers[target];
  if (source == target || a.storage != Storage::kArena || b.storage != Storage::kArena) return;
  if (a.last != index || b.first != index || a.bytes != b.bytes) return;
  if (uses(plan, plan.steps[index], source) != 1) return;
  if (plan.tensors[from].desc.layout != plan.tensors[into].desc.layout) return;
  a.last = b.last;
  b.first = b.last = kNone;
  for (Tensor& tensor : plan.tensors)
    if (tensor.buffer == target) tensor.buffer = source;
}

// Where each parameter is ready for its update: its gradient has been written, its value read.
// Until then the gradient lives.
void find_ready(Plan& plan) {
  std::vector<int> last(plan.param_gradients.size(), kNone);
  for (const Buffer& buffer : plan.buffers)
    if (buffer.storage == Storage::kParamValue)
      last[buffer.index] = std::max(last[buffer.index], buffer.last);
  for (size_t p = 0; p < plan.param_gradients.size(); ++p) {
    const int tensor = plan.param_gradients[p];
    if (tensor == kNone) continue;
    Buffer& gradient = plan.buffers[plan.tensors[tensor].buffer];
    gradient.last = std::max(gradient.last, last[p]);
    const Step& step = plan.steps[gradient.last];
    const bool divided = step.pieces > 1 && step.diff_src[1] == tensor;
    plan.ready.push_back({gradient.last, static_cast<int>(p), tensor, divided ? step.pieces : 1});
  }
  std::stable_sort(plan.ready.begin(), plan.ready.end(),
                   [](const Ready& a, const Ready& b) { return a.step < b.step; });
}

}  // namespace

void find_lifetimes(Plan& plan, const PlanOptions& options) {
  const int end = static_cast<int>(plan.steps.size());
  for (int i = 0; i < end; ++i) {
    const Step& step = plan.steps[i];
    for_each_tensor(step, [&](int id) { touch(plan.buffers[plan.tensors[id].buffer], i); });
    for (const int buffer : {step.workspace, step.scratch})
      if (buffer != kNone) touch(plan.buffers[buffer], i);
  }
  // What is read after the pass lives to its end.
  const auto keep = [&](int value) {
    if (value == kNone || plan.value_tensors[value] == kNone) return;
    Buffer& buffer = plan.buffers[plan.tensors[plan.value_tensors[value]].buffer];
    if (buffer.first != kNone) buffer.last = end;
  };
  // What other segments read lives until their forward and backward passes are over: they run
  // between this one's.
  const graph::Graph& graph = *plan.graph;
  for (const auto& [value, tensor] : plan.exports) {
    Buffer& buffer = plan.buffers[plan.tensors[tensor].buffer];
    const bool gradient = graph.values[value].producer >= graph.forward_nodes;
    if (buffer.first != kNone)
      buffer.last = gradient ? end : std::max(buffer.last, plan.forward_steps);
  }
  for (const auto& output : graph.outputs) keep(output.value);
  for (const auto& loss : graph.losses) keep(loss.value);
  for (const auto& state : graph.carried) keep(state.next);
  for (const auto& sink : graph.sinks)
    for (const int value : sink.values) keep(value);
  for (const auto& [name, value] : graph.input_gradients) keep(value);
  if (options.keep_blobs)
    for (const auto& [name, value] : graph.blobs) keep(value);
  if (options.hand_out_gradients) return find_ready(plan);
  for (const int tensor : plan.param_gradients) {
    if (tensor == kNone) continue;
    Buffer& buffer = plan.buffers[plan.tensors[tensor].buffer];
    if (buffer.first != kNone) buffer.last = end;
  }
}

void merge_in_place(Plan& plan) {
  for (int i = 0; i < static_cast<int>(plan.steps.size()); ++i) {
    const Step& step = plan.steps[i];
    if (step.node == kNone) continue;
    if (step.part < 0) {
      for (const ops::InPlace& pair : step.op->in_place())
        merge(plan, i, step.src[pair.src], step.dst[pair.dst]);
    } else {
      for (const ops::InPlace& pair : step.op->gradient_in_place(step.part))
        merge(plan, i, step.diff_dst[pair.src], step.diff_src[pair.dst]);
    }
  }
}

namespace {

using Offsets = std::map<int, size_t>;  // by buffer

// Each buffer in its turn as low as those placed before allow; the end of the highest.
size_t place(const Plan& plan, const std::vector<int>& order, bool reuse, Offsets& offsets) {
  constexpr size_t kAlign = Arena::kAlignment;
  std::vector<int> placed;  // by offset
  size_t end = 0;
  for (const int id : order) {
    const Buffer& buffer = plan.buffers[id];
    const size_t bytes = (buffer.bytes + kAlign - 1) / kAlign * kAlign;
    size_t offset = 0;
    for (const int other : placed) {
      const Buffer& o = plan.buffers[other];
      if (reuse && !meet(buffer, o)) continue;
      if (offsets[other] >= offset + bytes) break;
      offset = std::max(offset, (offsets[other] + o.bytes + kAlign - 1) / kAlign * kAlign);
    }
    offsets[id] = offset;
    end = std::max(end, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), id,
                                   [&](int a, int b) { return offsets[a] < offsets[b]; }),
                  id);
  }
  return end;
}

}  // namespace

// Greedy offline placement in several orders, of which the best counts: the largest first is the
// classic; what lives long, or is large for long, leaves fewer holes in small nets.
void assign_memory(Plan& plan, bool reuse) {
  std::vector<int> arena;
  for (size_t i = 0; i < plan.buffers.size(); ++i)
    if (in_arena(plan.buffers[i])) arena.push_back(static_cast<int>(i));
  const auto bytes = [](const Buffer& b) { return static_cast<double>(b.bytes); };
  const auto steps = [](const Buffer& b) { return static_cast<double>(b.last - b.first + 1); };
  const std::function<double(const Buffer&)> weights[] = {
      bytes, steps, [&](const Buffer& b) { return bytes(b) * steps(b); }};
  std::optional<size_t> least;
  for (const auto& weight : weights) {
    std::vector<int> order = arena;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return weight(plan.buffers[a]) > weight(plan.buffers[b]);
    });
    Offsets offsets;
    const size_t end = place(plan, order, reuse, offsets);
    if (least && end >= *least) continue;
    least = end;
    for (const auto& [id, offset] : offsets) plan.buffers[id].offset = offset;
  }
  plan.arena_bytes = least.value_or(0);
}

namespace {

// Every gradient is handed out once, when its parameter may change.
void verify_ready(const Plan& plan) {
  std::vector<int> handed(plan.graph->params.size(), kNone);
  for (const Ready& ready : plan.ready) {
    const Buffer& gradient = plan.buffers[plan.tensors[ready.tensor].buffer];
    CREMA_CHECK(handed[ready.param] == kNone && ready.step >= plan.forward_steps &&
                    gradient.first <= ready.step && ready.step <= gradient.last,
                "a gradient is handed out twice, or when it is not there");
    CREMA_CHECK(gradient.bytes * ready.pieces == plan.tensors[ready.tensor].desc.bytes(),
                "a piece of a gradient is handed out as the whole");
    handed[ready.param] = ready.step;
  }
  for (size_t p = 0; p < handed.size(); ++p)
    CREMA_CHECK((handed[p] != kNone) == (plan.graph->params[p].gradient != kNone),
                "a gradient is not handed out");
  for (const Buffer& buffer : plan.buffers)
    CREMA_CHECK(buffer.storage != Storage::kParamValue || handed[buffer.index] == kNone ||
                    buffer.last <= handed[buffer.index],
                "a parameter is read after its update");
}

}  // namespace

void verify(const Plan& plan) {
  if (plan.hand_out_gradients) verify_ready(plan);
  std::vector<bool> written(plan.buffers.size(), false);
  for (size_t i = 0; i < plan.buffers.size(); ++i)
    written[i] = plan.buffers[i].storage != Storage::kArena &&
                 plan.buffers[i].storage != Storage::kDerived &&
                 plan.buffers[i].storage != Storage::kPart &&
                 plan.buffers[i].storage != Storage::kParamGradient;
  for (const Step& step : plan.steps) {
    const auto read = [&](const std::vector<int>& ids) {
      for (const int id : ids)
        CREMA_CHECK(id == kNone || written[plan.tensors[id].buffer],
                    "a step reads what nobody wrote");
    };
    read(step.src);
    read(step.diff_dst);
    if (step.part >= 0) read(step.dst);
    for (const int id : step.dst)
      if (id != kNone) written[plan.tensors[id].buffer] = true;
    for (const int id : step.diff_src)
      if (id != kNone) written[plan.tensors[id].buffer] = true;
  }
  for (size_t i = 0; i < plan.buffers.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      const Buffer &a = plan.buffers[i], &b = plan.buffers[j];
      if (!in_arena(a) || !in_arena(b) || !meet(a, b)) continue;
      CREMA_CHECK(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset ||
                      a.bytes == 0 || b.bytes == 0,
                  "two live buffers overlap");
    }
}

}  // namespace crema::plan
