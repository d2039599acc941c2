// What a primitive does to its result before it is stored.
#pragma once

#include <optional>

#include "engines/onednn/kernel.hpp"
#include "ops/fused.hpp"

namespace crema::onednn {

// max(x, 0), the one function that every kernel has.
bool is_relu(const ops::Unary& function);

// oneDNN's algorithm for a function and its parameters; empty if it has none.
struct Elementwise {
  dnnl::algorithm algorithm;
  float alpha = 0, beta = 0;
};
std::optional<Elementwise> elementwise_of(const ops::Unary& function);

// Attributes of a primitive (scratch memory comes from the plan) with these post-ops; empty if
// oneDNN has no such function.
std::optional<dnnl::primitive_attr> attributes_with(const ops::Post& post);

// oneDNN's sum adds to what is in the destination. Source `summand`, which takes the destination's
// layout, is copied there unless the plan has put both into the same memory.
void add_in_place(ops::Offer& offer, size_t summand, const Desc& dst);

}  // namespace crema::onednn
