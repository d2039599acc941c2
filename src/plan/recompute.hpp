// What may be computed again in the backward pass, and what is. Private to this room.
#pragma once

#include <functional>

#include "plan/passes.hpp"

namespace crema::plan {

// Whether the op says that the node's result can be had a second time.
bool repeatable(const graph::Node& node);
// The indices of the sources that doing so reads.
std::vector<int> again_sources(const graph::Node& node);

// The results of the forward nodes `dropped`, all repeatable(), and views of them are computed
// again before the first node of the backward pass that needs them; a dropped source is so first.
// Forward nodes and the values before keep their numbers.
void repeat(Program& program, const std::set<int>& dropped);

// Recompute::kCheap: large results of ops that are repeated as a rule, if their sources live
// anyway.
std::set<int> dropped_as_a_rule(const Rewriting& in);

// The plan in which the results of these nodes are dropped, but for Kernel::prepare().
using Draft = std::function<Plan(const std::set<int>& dropped)>;

// Recompute::kAuto: drops what lies idle where memory peaks, most bytes for the time of computing
// them again first, until the arena fits options.recompute.budget. Error where it cannot.
Plan plan_within_budget(const Rewriting& in, const Draft& draft);

}  // namespace crema::plan
