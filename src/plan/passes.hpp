// The passes behind make_plan(). Private to this room.
#pragma once

#include "plan/plan.hpp"

namespace crema::plan {

// What the passes that rewrite the program know.
struct Rewriting {
  const graph::Graph& graph;
  Program& program;
  const Engines& engines;
  const PlanOptions& options;
  std::set<int> kept;  // values that somebody looks at after a pass
};

// Results that are their source bit for bit (gradients of sums) become other names of it.
void share_copies(Rewriting& to);
// BatchNorm with global statistics, and its Scale, go into the weights of the convolution before.
// Plans without backward pass only.
void fold_batch_norm(Rewriting& to);
// BatchNorm + Scale + sum + ReLU as one op, with one gradient.
void fuse_batch_norm(Rewriting& to);
// Convolution or inner product + sum + element-wise function as one op.
void fuse_post(Rewriting& to);

// Gradients of ReLUs before a concatenation come out of its own.
void fuse_concat(Rewriting& to);

// True if the engine that runs `plain` offers `fused`, whatever the layouts: it is asked before
// they are known.
bool takes_over(const Rewriting& in, const graph::Node& plain, const graph::Node& fused);

// Nodes whose gradient of a parameter may be handed out piece by piece: nobody reads the parameter
// afterwards, and the gradient is for the update alone.
std::set<int> nodes_in_pieces(const graph::Graph& graph, const Program& program,
                              const PlanOptions& options);
// Picks a kernel for every node and inserts the reorders between their layouts.
void choose(Plan& plan, const Engines& engines, const PlanOptions& options);
// Steps that compute something from parameters alone come first, and run only when those have
// changed; where there are several passes until then.
void hoist_derived(Plan& plan, const PlanOptions& options);
// First and last step of every buffer.
void find_lifetimes(Plan& plan, const PlanOptions& options);
// Lets a result overwrite an operand that nobody reads afterwards.
void merge_in_place(Plan& plan);
// Parts are put into their whole, or taken from there, so that nothing need be copied.
void put_parts_in_place(Plan& plan);
// Gives every arena buffer an offset; buffers alive at the same time never overlap.
void assign_memory(Plan& plan, bool reuse);
// LogicError if a step reads what nobody wrote, or live buffers overlap.
void verify(const Plan& plan);

// The step of node `index`, and what to ask engines for; without operands.
Step step_for(int index, const graph::Node& node);
ops::KernelRequest request_for(const graph::Node& node, const PlanOptions& options);
// Asks the engines in order; `refusals` gets what the ones before the winner said.
struct Chosen {
  ops::Engine* engine = nullptr;
  ops::Offer offer;
  std::vector<std::string> refusals;
};
Chosen ask(const Engines& engines, const ops::KernelRequest& request);
Chosen ask_reorder(const Engines& engines, const ops::Op& reorder, const TensorDesc& from,
                   const TensorDesc& to);

}  // namespace crema::plan
