// Short forms for the reference engine's tests.
#pragma once

#include "engines/reference/engine.hpp"
#include "support/gradient_check.hpp"

namespace crema::test {

inline ReferenceEngine& reference() {
  static ReferenceEngine engine;
  return engine;
}

inline RunOptions in(DType dtype) {
  RunOptions options;
  options.dtype = dtype;
  return options;
}

// Forward in f64.
inline std::vector<Values> forward(const ops::Op& op, const std::vector<Values>& inputs) {
  return OpRunner(reference(), op, inputs, in(DType::kF64)).forward();
}

// One gradient in f64 after a forward pass.
inline Values gradient(const ops::Op& op, const std::vector<Values>& inputs, int part, int source,
                       const Values& dy) {
  OpRunner run(reference(), op, inputs, in(DType::kF64));
  run.forward();
  return *run.gradient(part, {dy})[static_cast<size_t>(source)];
}

// Gradients against differences in f64, and f32 against f64.
inline void check_all(const ops::Op& op, const std::vector<Values>& inputs,
                      GradientCheck check = {}) {
  check_gradient(reference(), op, inputs, check);
  RunOptions options;
  options.step = check.at;
  EXPECT_EQ(expect_same(reference(), reference(), op, inputs, 2e-6, options), "");
}

}  // namespace crema::test
