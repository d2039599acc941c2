#include "layers/layer.hpp"

#include <fmt/format.h>

#include "ops/shape_ops.hpp"

namespace crema::layers {

std::string axes_text(int count) {
  return count == 1 ? "1 axis" : fmt::format("{} axes", count);
}

int Inference::axis(std::string_view field, int value, int rank) const {
  if (value < -rank || value >= rank)
    fail(field, fmt::format("axis {} is out of range: the blob has {}", value, axes_text(rank)),
         rank == 0 ? std::string() : fmt::format("write a number from {} to {}", -rank, rank - 1));
  return value < 0 ? value + rank : value;
}

Value Lowering::reshape(Value value, const Shape& wanted) {
  if (shape(value) == wanted) return value;
  ops::Reshape op;
  op.shape = wanted;
  return emit1(std::move(op), {value});
}

}  // namespace crema::layers
