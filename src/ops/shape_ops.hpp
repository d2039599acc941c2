// Ops that move data: views, concatenation and its opposite, layout changes.
#pragma once

#include "ops/op.hpp"
#include "tensor/tensor.hpp"

namespace crema::ops {

// The same elements in row-major order under another shape.
struct Reshape final : Op {
  Shape shape;

  // If axis 0 stays as it is.
  bool row_wise(int) const override { return true; }
  const char* kind() const override { return "reshape"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {shape}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {}}}; }
  bool view() const override { return true; }
};

// The same elements; no gradient passes.
struct Detach final : Op {
  const char* kind() const override { return "detach"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  bool view() const override { return true; }
};

// Sources one after another along an axis. `sources` must be set.
struct Concat final : Op {
  int axis = 1;
  int sources = 1;

  bool row_wise(int) const override { return axis >= 1; }
  const char* kind() const override { return "concat"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  Again again() const override { return Again::kForward; }
  bool again_as_a_rule() const override { return true; }
  // One part per source: its slice of diff_dst.
  std::vector<GradientPart> gradient() const override;
};

// A tensor cut along an axis; the opposite of Concat. Part i is [cuts[i], cuts[i + 1]).
//   src  x
//   dst  the parts, cuts.size() - 1 of them
struct Slice final : Op {
  int axis = 1;
  std::vector<int64_t> cuts;  // rising, from 0 to the whole extent

  bool row_wise(int) const override { return axis >= 1; }
  const char* kind() const override { return "slice"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  // Zero where a part has no gradient.
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {}}}; }
  std::vector<int> differentiable_dst() const override;
};

// Rows of a table, a row being everything after axis 0: y[i] = table[index[i]].
//   src  table (R, rest...), index (any axes) with numbers cut to integers 0..R-1
//   dst  y (index's axes, rest...)
// An index outside 0..R-1 raises Error{kData} at run time.
struct Gather final : Op {
  std::string layer;  // for the message

  const char* kind() const override { return "gather"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  Again again() const override { return Again::kForward; }
  // The table's gradient: rows that were taken several times get the sum.
  std::vector<GradientPart> gradient() const override { return {{{0}, {1}, {}}}; }
};

// The same elements in another physical layout; inserted by the plan only.
struct Reorder final : Op {
  bool row_wise(int) const override { return true; }
  const char* kind() const override { return "reorder"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
};

}  // namespace crema::ops
