// The passes behind make_plan(). Private to this room.
#pragma once

#include "plan/plan.hpp"

namespace crema::plan {

// Picks a kernel for every node and inserts the reorders between their layouts.
void choose(Plan& plan, const Engines& engines, const PlanOptions& options);
// First and last step of every buffer.
void find_lifetimes(Plan& plan, const PlanOptions& options);
// Lets a result overwrite an operand that nobody reads afterwards.
void merge_in_place(Plan& plan);
// Gives every arena buffer an offset; buffers alive at the same time never overlap.
void assign_memory(Plan& plan, bool reuse);
// LogicError if a step reads what nobody wrote, or live buffers overlap.
void verify(const Plan& plan);

// Asks the engines in order; `refusals` gets what the ones before the winner said.
struct Chosen {
  ops::Engine* engine = nullptr;
  ops::Offer offer;
  std::vector<std::string> refusals;
};
Chosen ask(const Engines& engines, const ops::KernelRequest& request);

}  // namespace crema::plan
