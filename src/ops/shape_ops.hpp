// Ops that move data: views, concatenation, layout changes.
#pragma once

#include "ops/op.hpp"
#include "tensor/tensor.hpp"

namespace crema::ops {

// The same elements in row-major order under another shape.
struct Reshape final : Op {
  Shape shape;

  const char* kind() const override { return "reshape"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {shape}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {}}}; }
  bool view() const override { return true; }
};

// Sources one after another along an axis. `sources` must be set.
struct Concat final : Op {
  int axis = 1;
  int sources = 1;

  const char* kind() const override { return "concat"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  // One part per source: its slice of diff_dst.
  std::vector<GradientPart> gradient() const override;
};

// The same elements in another physical layout; inserted by the plan only.
struct Reorder final : Op {
  const char* kind() const override { return "reorder"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
};

}  // namespace crema::ops
