#include "ops/pointwise.hpp"

#include <fmt/format.h>

namespace crema::ops {

bool Unary::gradient_from_dst() const {
  switch (function) {
    case Function::kRelu:
    case Function::kElu:
      return p >= 0;
    case Function::kSigmoid:
    case Function::kTanh:
    case Function::kExp:
      return true;
    default:
      return false;
  }
}

double Unary::again_cost() const {
  switch (function) {
    case Function::kRelu:
    case Function::kAbs:
    case Function::kClip:
    case Function::kThreshold:
      return 1;
    case Function::kPower:
      return p == 1 || p == 2 ? 1 : 4;
    default:
      return 4;
  }
}

std::vector<GradientPart> Unary::gradient() const {
  if (function == Function::kThreshold) return {};
  if (gradient_from_dst()) return {{{0}, {}, {0}}};
  return {{{0}, {0}, {}}};
}

std::string Unary::describe() const {
  switch (function) {
    case Function::kRelu:
      return p == 0 ? "relu" : fmt::format("relu, slope {}", p);
    case Function::kSigmoid:
      return "sigmoid";
    case Function::kTanh:
      return "tanh";
    case Function::kPower:
      return fmt::format("({} + {} x)^{}", r, q, p);
    case Function::kAbs:
      return "abs";
    case Function::kBnll:
      return "log(1 + e^x)";
    case Function::kElu:
      return fmt::format("elu, alpha {}", p);
    case Function::kExp:
      return fmt::format("{} e^({} x)", q, p);
    case Function::kLog:
      return fmt::format("{} log({} + {} x)", p, r, q);
    case Function::kSwish:
      return fmt::format("swish, beta {}", p);
    case Function::kClip:
      return fmt::format("clip to {}..{}", p, q);
    case Function::kThreshold:
      return fmt::format("x > {}", p);
  }
  return {};
}

std::vector<GradientPart> Eltwise::gradient() const {
  std::vector<GradientPart> parts;
  for (int i = 0; i < sources; ++i) {
    GradientPart part{{i}, {}, {}};
    if (method == EltwiseMethod::kMax) part.reads_workspace = true;
    if (method == EltwiseMethod::kProduct) {
      if (stable_product_gradient) {
        for (int j = 0; j < sources; ++j)
          if (j != i) part.reads_src.push_back(j);
      } else {
        part.reads_src = {i};
        part.reads_dst = {0};
      }
    }
    parts.push_back(part);
  }
  return parts;
}

std::vector<InPlace> Eltwise::gradient_in_place(int part) const {
  return {{part, 0}};
}

std::vector<GradientPart> Scale::gradient() const {
  std::vector<GradientPart> parts{{{0}, {1}, {}}, {{1}, {0}, {}}};
  if (bias) parts.push_back({{2}, {}, {}});
  return parts;
}

std::vector<InPlace> Scale::gradient_in_place(int part) const {
  if (part == 0) return {{0, 0}};
  return {};
}

std::vector<InPlace> Bias::gradient_in_place(int part) const {
  if (part == 0) return {{0, 0}};
  return {};
}

std::string Dropout::describe() const {
  return fmt::format("ratio {}", ratio);
}

}  // namespace crema::ops
