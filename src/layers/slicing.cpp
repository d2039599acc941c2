#include "layers/slicing.hpp"

#include "ops/shape_ops.hpp"

namespace crema::layers {

std::vector<Value> slice(Lowering& to, Value value, int axis, const std::vector<int64_t>& cuts) {
  if (cuts.size() == 2) return {value};
  ops::Slice op;
  op.axis = axis;
  op.cuts = cuts;
  return to.emit(std::make_shared<const ops::Slice>(std::move(op)), {value});
}

}  // namespace crema::layers
