// Runs a plan. No allocation, no lock and no string in forward() and backward().
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exec/params.hpp"
#include "plan/plan.hpp"

namespace crema::exec {

class Executor {
 public:
  // The plan and the store are kept by reference-counted pointer and shared with the caller.
  Executor(std::shared_ptr<plan::Plan> plan, std::shared_ptr<ParamStore> params,
           plan::Engines engines);

  // Feeds input i of the graph: row-major floats that stay valid until the next set_input or the
  // end of backward(). LogicError on a wrong element count.
  void set_input(size_t i, std::span<const float> values);

  // Runs the forward pass; returns the weighted loss. Error{kData} from kernels (a label out of
  // range).
  double forward(const ops::StepInfo& step);
  // Runs the backward pass of the last forward pass. Parameter gradients are overwritten, or with a
  // plan of separate gradients added to what is there.
  void backward(const ops::StepInfo& step);
  void clear_gradients();

  // Row-major copy of a value after a pass: outputs and losses always, other blobs if the plan
  // keeps them. Empty if the plan does not compute it.
  std::vector<float> read(int value) const;
  // The same without rounding, of an f64 plan.
  std::vector<double> read_f64(int value) const;
  const plan::Plan& plan() const { return *plan_; }
  ParamStore& params() const { return *params_; }

  // Called after each step with its index; for timing and debugging. Empty: nothing is called.
  std::function<void(int step)> observer;

 private:
  struct Bound {  // a step's operands as pointers
    std::vector<const void*> src, diff_dst;
    std::vector<void*> dst, diff_src, mutated;
    void* workspace = nullptr;
  };
  void* address(int tensor) const;
  void* buffer_address(int buffer) const;
  void bind(int step);
  void run(int begin, int end, const ops::StepInfo& step);
  double loss() const;
  void fill_constants();
  double element(int value, int64_t i) const;

  std::shared_ptr<plan::Plan> plan_;
  std::shared_ptr<ParamStore> params_;
  plan::Reorderer reorderer_;
  Arena arena_, scratch_;
  std::vector<std::unique_ptr<Arena>> owned_;  // per buffer: constants, inputs of f64 plans
  std::vector<const void*> inputs_;            // per graph input
  std::vector<Bound> bound_;
  std::vector<std::vector<int>> input_steps_;  // per graph input: the steps that read it
};

}  // namespace crema::exec
