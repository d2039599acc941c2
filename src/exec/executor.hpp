// Runs the plan of one segment. No lock and no string in forward() and backward(), and no
// allocation but for the states that recurrent layers leave to the next pass.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exec/carried.hpp"
#include "exec/memory.hpp"
#include "exec/params.hpp"
#include "plan/plan.hpp"
#include "plan/trunk.hpp"

namespace crema::exec {

// What several executors of one net share. Null members: the executor makes its own.
struct Shared {
  std::shared_ptr<SharedArena> arena;
  std::shared_ptr<CarriedStates> carried;  // what the first pass finds
};

// A parameter's gradient, or a part of it, in the parameter's layout. Parts come in the order of
// memory, one right after another.
struct ReadyGradient {
  size_t param = 0;
  const void* data = nullptr;
  size_t first = 0, count = 0;  // elements in memory, padding included
};

class Executor {
 public:
  // All are kept by reference-counted pointer and shared with the caller.
  Executor(std::shared_ptr<plan::Plan> plan, std::shared_ptr<ParamStore> params,
           plan::Engines engines, Shared shared = {});

  // Feeds input i of the graph: row-major floats that stay valid until the next set_input or the
  // end of backward(). LogicError on a wrong element count.
  void set_input(size_t i, std::span<const float> values);
  // Whether a step of the plan reads it.
  bool uses_input(size_t i) const { return !input_steps_[i].empty(); }

  // Where a value is that another segment's plan computes; must hold during the pass.
  void set_outside(int value, const void* data);
  const std::vector<int>& outside() const { return outside_values_; }
  // Where a value of plan().exports is.
  const void* exported(int value) const { return address(plan_->exports.at(value)); }

  // Runs the forward pass; returns the weighted loss. Error{kData} from kernels (a label out of
  // range).
  double forward(const ops::StepInfo& step);
  // The forward pass of a plan with a trunk.
  //   kAll     everything; visit(feature, data) when a feature is there, in its layout
  //   kRecall  the trunk is left out: visit() writes the feature; those that are inputs were set
  //   kTrunk   the trunk alone; visit() as in kAll
  enum class TrunkMode { kAll, kRecall, kTrunk };
  using Visit = std::function<void(size_t feature, void* data)>;
  double forward(const ops::StepInfo& step, const plan::Trunk& trunk, TrunkMode mode,
                 const Visit& visit);
  // Runs the backward pass of the last forward pass. Parameter gradients are overwritten, or with a
  // plan of separate gradients added to what is there, or with one that hands them out given to
  // gradient_ready.
  void backward(const ops::StepInfo& step);

  // Row-major copy of a value after a pass: outputs and losses always, other blobs if the plan
  // keeps them. Empty if the plan does not compute it.
  std::vector<float> read(int value) const;
  // The same without rounding, of an f64 plan.
  std::vector<double> read_f64(int value) const;
  // Copies between a tensor of the plan in its layout and its elements in row-major order.
  void to_plain(int tensor, const void* data, float* plain) const;
  void from_plain(int tensor, const float* plain, void* data) const;
  const plan::Plan& plan() const { return *plan_; }
  ParamStore& params() const { return *params_; }
  // What the last forward pass left, or what the next one will find if it is changed.
  const std::shared_ptr<CarriedStates>& carried() const { return shared_.carried; }

  // Called after each step with its index; for timing and debugging. Empty: nothing is called.
  std::function<void(int step)> observer;
  // Of a plan that hands out gradients: each one when it is complete and the pass has done with the
  // parameter, which may change then. It is there until this returns.
  std::function<void(const ReadyGradient& gradient)> gradient_ready;

 private:
  struct Bound {  // a step's operands as pointers
    std::vector<const void*> src, diff_dst;
    std::vector<void*> dst, diff_src, mutated;
    void *workspace = nullptr, *scratch = nullptr;
  };
  void* address(int tensor) const;
  void* buffer_address(int buffer) const;
  void bind(int step);
  void settle();
  void run(int begin, int end, const ops::StepInfo& step);
  void run(int index, const ops::StepInfo& step);
  void run_piece(int index, int piece, const ops::StepInfo& step);
  void run_and_hand_out(int index, const ops::StepInfo& step, std::span<const plan::Ready> ready);
  double loss() const;
  void fill_constants();
  void allocate_carried();
  void load_carried();
  void save_carried();
  void add_gradients();
  double element(int value, int64_t i) const;

  std::shared_ptr<plan::Plan> plan_;
  std::shared_ptr<ParamStore> params_;
  Shared shared_;
  plan::Reorderer reorderer_;
  const void* bound_arena_ = nullptr;
  std::vector<std::unique_ptr<Arena>> owned_;  // per buffer: constants, states, inputs of f64 plans
  std::vector<const void*> inputs_;            // per graph input
  std::vector<int> outside_values_;
  std::map<int, const void*> outside_;
  bool rebind_ = true;
  std::vector<Bound> bound_;
  uint64_t derived_from_ = 0;  // version of the parameters that the derived steps have seen
  bool mutates_ = false;       // a kernel of the plan changes parameters (statistics)
  std::vector<std::vector<int>> input_steps_;  // per graph input: the steps that read it
  std::vector<float> state_;                   // a carried state on its way
};

}  // namespace crema::exec
