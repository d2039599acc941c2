// Graph + engines -> what runs: kernels, layouts and the reorders between them, one memory map.
// Immutable once made, but for the kernels, which belong to one executor at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "graph/graph.hpp"
#include "ops/engine.hpp"
#include "plan/program.hpp"
#include "tensor/tensor.hpp"

namespace crema::plan {

using graph::kNone;
using Engines = std::vector<ops::Engine*>;  // first offer wins; not owned

enum class Storage {
  kArena,          // in the plan's arena, at Buffer::offset
  kParamValue,     // the parameter's value
  kParamGradient,  // the parameter's gradient
  kInput,          // fed by the run
  kConstant,       // filled once
  kCarried,        // left by the pass before
  kOutside,        // of another segment's plan
  kDerived,        // computed from parameters, whenever they have changed
  kPart,           // in another buffer
};

// A piece of memory and the steps between which its contents matter.
struct Buffer {
  Storage storage = Storage::kArena;
  int index = kNone;  // parameter, input, carried state, value id (constant, outside), or buffer
  size_t bytes = 0;
  int first = kNone, last = kNone;  // steps; first = kNone: never used
  size_t offset = 0;                // in the arena, or in the buffer that this is a part of
};

// A value in one physical layout. A value may have several (a reordered copy each).
struct Tensor {
  int value = kNone;
  TensorDesc desc;
  int buffer = kNone;
};

// One kernel call. Entries of tensor lists are tensor ids, or kNone where the kernel neither reads
// nor writes.
struct Step {
  int node = kNone;  // kNone: a reorder inserted by the plan
  int layer = kNone;
  ops::OpPtr op;
  int part = ops::kForward;
  std::string engine, implementation;
  std::vector<std::string> refusals;  // "onednn: reason", of the engines asked before
  std::unique_ptr<ops::Kernel> kernel;
  std::vector<int> src, dst, diff_dst, diff_src;
  std::vector<bool> mutates;        // per source: the kernel updates it in place
  int workspace = kNone;            // buffer
  int pieces = 1;                   // the kernel runs so often: diff_src[1] is handed out in pieces
  int scratch = kNone;              // buffer of this step alone
  std::optional<ops::Parts> parts;  // the kernel copies parts to or from a whole, no more
  bool parts_in_place = false;      // ... and need not: they lie there
  double flops = 0;
};

// After this step a parameter's gradient is complete, and no later one reads its value.
struct Ready {
  int step = kNone, param = kNone;
  int tensor = kNone;  // the gradient, in the parameter's layout
  int pieces = 1;      // in which it is there, one after another in the same memory
};

// Which results the backward pass computes again instead of finding them in memory.
enum class Recompute {
  kNone,
  kCheap,  // large ones that cost no more than a copy, where their sources are there anyway
  kAuto,   // as many as a budget demands, of all ops that can be repeated; none if it fits without
};

struct RecomputeOptions {
  Recompute mode = Recompute::kCheap;
  size_t budget = 0;  // kAuto: the most that arena_bytes may be
  // Of the Error where that is impossible: kConfig and the budget's place, or kUsage.
  ErrorCode code = ErrorCode::kConfig;
  Location place;
  bool compare = false;  // find out how large the arena were without recomputation
};

// What came of it.
struct Recomputed {
  size_t budget = 0;         // 0: none
  size_t results = 0;        // computed again
  size_t bytes = 0;          // ... of how many bytes together
  size_t arena_without = 0;  // the arena if they were not; 0: unknown
  int plans = 1;             // made until one fitted
};

// The plan of one segment of a graph; most graphs have only one.
struct Plan {
  std::shared_ptr<const graph::Graph> graph;
  int segment = 0;
  Program program;  // the graph's nodes after fusion; tensors and steps refer to it
  DType dtype = DType::kF32;
  ops::Precision precision = ops::Precision::kF32;
  std::vector<Tensor> tensors;
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  int derived_steps = 0;  // steps [0, derived_steps) run only after parameters have changed
  int forward_steps = 0;  // steps [derived_steps, forward_steps) are the forward pass
  size_t arena_bytes = 0;
  size_t scratch_bytes = 0;  // in the arena: what the step that needs most scratch memory needs
  // Per parameter: how the weights rest; empty where neither the plan nor anybody before decided.
  std::vector<std::optional<Layout>> param_layouts;
  std::vector<int> param_gradients;  // per parameter: tensor with its gradient, or kNone
  bool separate_gradients = false;   // param_gradients are in the arena: to be added up
  bool hand_out_gradients = false;   // they are in the arena, each from when it is written to ...
  std::vector<Ready> ready;          // ... when it is handed out; by step
  std::vector<int> value_tensors;    // per value: a tensor that holds it, or kNone
  std::map<int, int> exports;        // value that another segment reads -> tensor
  Recomputed recomputed;
  std::vector<std::pair<std::string, double>> pass_seconds;
};

struct PlanOptions {
  DType dtype = DType::kF32;
  ops::Precision precision = ops::Precision::kF32;
  bool prepare = true;              // kernels, too: the plan is going to be run
  bool training = true;             // the graph's backward pass is planned too
  bool keep_blobs = false;          // every blob can be read after a pass, not only the outputs
  bool every_value = false;         // nothing is fused: somebody looks at every value of the graph
  bool separate_gradients = false;  // gradients are accumulated over several passes (iter_size)
  // Each gradient is there only while it is handed out, before the pass is over. For graphs of one
  // segment, without separate_gradients.
  bool hand_out_gradients = false;
  bool in_pieces = false;  // ... and large ones piece by piece, where a kernel can do that
  // Layouts that the parameters have already (a test plan sharing the weights of a train plan).
  std::vector<std::optional<Layout>> param_layouts;
  int segment = 0;  // of the graph: what is planned
  // Layouts of the values that this segment reads from those below. Gradients come down plain.
  std::map<int, Layout> outside;
  RecomputeOptions recompute;  // of a plan for training
  // Recompute::kCheap drops results of at least so many elements: below, nobody misses the memory.
  int64_t recompute_from = int64_t{1} << 18;
  // Passes to leave out, of skippable_passes(); "fuse" stands for all that rewrite the program but
  // recompute, without which no budget is looked at.
  std::set<std::string> skip;
};

// Names of the passes that may be skipped, with what counts as one on the command line.
const std::vector<std::string>& skippable_passes();

// Error where a budget for recomputation cannot be kept.
Plan make_plan(std::shared_ptr<const graph::Graph> graph, const Engines& engines,
               const PlanOptions& options);

// Whether a step computes a result again.
bool repeats(const Plan& plan, const Step& step);
// What a step computes: "convolution", "convolution d(conv1/weight), d(conv1/bias)", "reorder".
std::string operation_text(const Plan& plan, const Step& step);
// A table of all steps: layer, op, engine, layouts, bytes, refusals with reasons; then totals.
std::string explain(const Plan& plan);
// The memory map: live bytes at each step, the peak, and what is live there.
std::string explain_memory(const Plan& plan);

// Copies between layouts of one shape and type, by whichever engine knows both.
class Reorderer {
 public:
  explicit Reorderer(Engines engines) : engines_(std::move(engines)) {}
  void run(const TensorDesc& from, const void* src, const TensorDesc& to, void* dst) const;

 private:
  Engines engines_;
};

}  // namespace crema::plan
