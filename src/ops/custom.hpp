// Novel maths in one place: an op given by plain functions, run by the reference engine.
#pragma once

#include <functional>
#include <variant>

#include "ops/engine.hpp"
#include "ops/op.hpp"

namespace crema::ops {

// Operands of a Custom's functions: row-major, f32 or f64 after the plan's type.
template <class T>
struct CustomArgs {
  std::vector<std::span<const T>> src, diff_dst;
  std::vector<std::span<T>> dst, diff_src;  // empty span where a gradient is not wanted
  StepInfo step;
};

struct Custom final : Op {
  std::string name;
  std::function<std::vector<Shape>(std::span<const Shape>)> shapes;
  std::vector<GradientPart> parts;        // at most one part; it may read any src and dst
  std::vector<int> differentiable = {0};  // destinations; an empty span where one has no gradient
  std::function<void(CustomArgs<float>&)> forward32, backward32;
  std::function<void(CustomArgs<double>&)> forward64, backward64;

  // A function written once for both types.
  template <class Fn>
  void set_forward(const Fn& fn) {
    forward32 = fn;
    forward64 = fn;
  }
  template <class Fn>
  void set_backward(const Fn& fn) {
    backward32 = fn;
    backward64 = fn;
  }

  const char* kind() const override { return "custom"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return shapes(src); }
  std::vector<GradientPart> gradient() const override { return parts; }
  std::vector<int> differentiable_dst() const override { return differentiable; }
  std::string describe() const override { return name; }
};

}  // namespace crema::ops
