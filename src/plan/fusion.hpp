// What the fusion passes share. Private to this room.
#pragma once

#include "plan/passes.hpp"

namespace crema::plan {

// A sum of this many sources, all with coefficient 1.
bool plain_sum(const ops::Op& op, size_t sources);

// Puts `fused` in the place of the last node of the chain and removes the others; their gradient
// nodes become those of `fused`.
void replace(Program& program, const std::vector<int>& chain, graph::Node fused);

}  // namespace crema::plan
