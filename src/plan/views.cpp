// The pass views: where a kernel does no more than copy parts into a whole, or out of it, the parts
// lie there in the first place.
#include <algorithm>

#include "plan/passes.hpp"

namespace crema::plan {

namespace {

using Buffers = std::set<int>;

class NoCopy final : public ops::Kernel {
 public:
  void run(const ops::KernelArgs&) override {}
};

class Views {
 public:
  explicit Views(Plan& plan) : plan_(plan) {
    for (const int tensor : plan.param_gradients)
      if (tensor != kNone) fixed_.insert(buffer_of(tensor));
  }

  void run() {
    for (int i = 0; i < static_cast<int>(plan_.steps.size()); ++i)
      if (plan_.steps[static_cast<size_t>(i)].parts) look_at(i);
  }

 private:
  struct Placement {
    int buffer = kNone;
    size_t offset = 0;
  };

  Buffer& buffer(int id) { return plan_.buffers[static_cast<size_t>(id)]; }
  int buffer_of(int tensor) const { return plan_.tensors[static_cast<size_t>(tensor)].buffer; }

  void look_at(int index) {
    Step& step = plan_.steps[static_cast<size_t>(index)];
    const bool forward = step.part < 0;
    const std::vector<int>& inputs = forward ? step.src : step.diff_dst;
    const std::vector<int>& outputs = forward ? step.dst : step.diff_src;
    const bool of_output = step.parts->of_output;
    const std::vector<int>& wholes = of_output ? outputs : inputs;
    const auto whole_tensor =
        std::find_if(wholes.begin(), wholes.end(), [](int id) { return id != kNone; });
    const int whole = buffer_of(*whole_tensor);
    std::vector<Placement> parts;
    for (const auto& [operand, offset] : step.parts->offsets) {
      const int tensor = (of_output ? inputs : outputs)[static_cast<size_t>(operand)];
      parts.push_back({buffer_of(tensor), offset});
      if (!movable(tensor, offset)) return;
    }
    if (!fits(index, whole, parts, of_output)) return;
    for (const Placement& part : parts) put(part, whole);
    step.kernel = std::make_unique<NoCopy>();
    step.implementation = "no copy";
    step.parts_in_place = true;
    if (step.scratch == kNone) return;
    buffer(step.scratch).first = buffer(step.scratch).last = kNone;
    step.scratch = kNone;
  }

  // Memory that is all the tensor's, and that may lie anywhere kernels expect their data.
  bool movable(int tensor, size_t offset) {
    const Buffer& part = buffer(buffer_of(tensor));
    return part.storage == Storage::kArena && !fixed_.contains(buffer_of(tensor)) &&
           offset % Arena::kAlignment == 0 &&
           part.bytes == plan_.tensors[static_cast<size_t>(tensor)].desc.bytes();
  }

  // Whether what is read from the parts, and from the whole, stays what it would be without.
  bool fits(int index, int whole, const std::vector<Placement>& parts, bool of_output) {
    if (buffer(whole).storage != Storage::kArena || fixed_.contains(whole)) return false;
    if (of_output && buffer(whole).first != index) return false;
    Buffers seen = {whole};
    for (const Placement& part : parts) {
      if (!seen.insert(part.buffer).second) return false;  // one source twice
      if (!of_output && buffer(part.buffer).first != index) return false;
    }
    // From here on both are to have the same contents, until the last of either is read.
    const int last_of_whole = buffer(whole).last;
    int last_of_parts = index;
    for (const Placement& part : parts)
      last_of_parts = std::max(last_of_parts, buffer(part.buffer).last);
    for (const Placement& part : parts)
      if (written_between(index, last_of_whole, inside(part.buffer))) return false;
    return !written_between(index, last_of_parts, inside(whole));
  }

  // The buffer and all that has become part of it.
  Buffers inside(int id) {
    Buffers out = {id};
    for (bool grows = true; grows;) {
      grows = false;
      for (size_t b = 0; b < plan_.buffers.size(); ++b)
        if (plan_.buffers[b].storage == Storage::kPart && out.contains(plan_.buffers[b].index))
          grows |= out.insert(static_cast<int>(b)).second;
    }
    return out;
  }

  // Whether a step after `from`, up to `to`, writes one of the buffers.
  bool written_between(int from, int to, const Buffers& buffers) const {
    const int end = std::min(to, static_cast<int>(plan_.steps.size()) - 1);
    for (int i = from + 1; i <= end; ++i) {
      const Step& step = plan_.steps[static_cast<size_t>(i)];
      if (step.parts_in_place) continue;
      for (const auto* list : {&step.dst, &step.diff_src}) {
        if (list == &step.dst && step.part >= 0) continue;  // read there
        for (const int id : *list)
          if (id != kNone && buffers.contains(buffer_of(id))) return true;
      }
    }
    return false;
  }

  void put(const Placement& part, int whole) {
    Buffer& own = buffer(part.buffer);
    Buffer& around = buffer(whole);
    around.first = std::min(around.first, own.first);
    around.last = std::max(around.last, own.last);
    own.storage = Storage::kPart;
    own.index = whole;
    own.offset = part.offset;
  }

  Plan& plan_;
  Buffers fixed_;  // gradients of parameters: optimizers write there
};

}  // namespace

void put_parts_in_place(Plan& plan) {
  Views(plan).run();
}

}  // namespace crema::plan
