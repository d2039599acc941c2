// Operation descriptors: what is to be computed, and which operands the gradient needs.
// An op knows no engine, no memory and no layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/shape.hpp"

namespace crema::ops {

// One kernel of the backward pass: computes the gradients with respect to the sources in `wrt`,
// always reading the gradients of all destinations that have one (diff_dst). What else it reads
// decides how long values must live.
struct GradientPart {
  std::vector<int> wrt;        // source indices
  std::vector<int> reads_src;  // source indices
  std::vector<int> reads_dst;  // destination indices
  bool reads_workspace = false;
};

// dst may be written over src if nobody reads src afterwards.
struct InPlace {
  int dst, src;
};

// How a result can be had a second time, bit for bit, in the backward pass.
enum class Again {
  kNo,
  kForward,    // by the forward kernel, which writes the workspace anew
  kWorkspace,  // by a kernel of its own, from the sources in reads_again() and the workspace
};

class Op {
 public:
  virtual ~Op() = default;
  // The key of the engines' kernel tables: "convolution".
  virtual const char* kind() const = 0;
  // Destination shapes. Sources were checked by the layer; LogicError if they do not fit.
  virtual std::vector<Shape> infer(std::span<const Shape> src) const = 0;
  // Sources in no part have no gradient (labels, statistics). Empty: not differentiable.
  virtual std::vector<GradientPart> gradient() const { return {}; }
  // Indices of the destinations through which gradients flow (an arg-max index has none).
  virtual std::vector<int> differentiable_dst() const { return {0}; }
  // True if dst 0 is src 0's memory under another shape: no kernel runs.
  virtual bool view() const { return false; }
  // True if the gradient of a view is the same view backward; else its part has a kernel.
  virtual bool gradient_view() const { return view(); }
  virtual std::vector<InPlace> in_place() const { return {}; }
  // The same for gradient part `part`: pairs (diff_src index, diff_dst index).
  virtual std::vector<InPlace> gradient_in_place(int part) const {
    (void)part;
    return {};
  }
  // Only of ops that are cheap beside convolutions and inner products.
  virtual Again again() const { return Again::kNo; }
  virtual std::vector<int> reads_again() const { return {}; }
  // What that costs, in copies of the sources read and the result written.
  virtual double again_cost() const { return 1; }
  // True if it is done wherever it saves memory, without a budget that demands it.
  virtual bool again_as_a_rule() const { return false; }
  // Sources that the forward kernel updates in place (running statistics).
  virtual std::vector<int> mutates() const { return {}; }
  // True if row i (axis 0) of every destination depends on no row but i of this source, and on
  // nothing else that changes from pass to pass. An op that does not say so is not computed ahead.
  virtual bool row_wise(int source) const {
    (void)source;
    return false;
  }
  // Multiply-adds x 2 of the forward pass, 0 where memory traffic is what counts.
  virtual double flops(std::span<const Shape> src) const {
    (void)src;
    return 0;
  }
  // Parameters in words, for `crema plan`: "3x3 stride 2 pad 1".
  virtual std::string describe() const { return {}; }
};
using OpPtr = std::shared_ptr<const Op>;

}  // namespace crema::ops
