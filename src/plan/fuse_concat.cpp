// The pass concat: gradients of ReLUs whose results are joined are computed where they are cut out
// of the gradient of the whole, from the whole's sign: one pass over memory less, and the ReLUs'
// results need not be kept.
#include "ops/fused.hpp"
#include "plan/fusion.hpp"

namespace crema::plan {

using graph::Node;

namespace {

// The node that takes `gradient`, one source's part, on through the ReLU that gave this source;
// kNone if there is no such ReLU, or somebody else reads the gradient.
int next_relu(const Program& program, const Readers& readers, const Node& gradient) {
  const auto part = static_cast<size_t>(gradient.part);
  const int value = gradient.diff_src[part];
  if (value == kNone || readers.kept(value) || readers.of(value).size() != 1) return kNone;
  const int next = readers.of(value)[0];
  const Node& node = program.nodes[static_cast<size_t>(next)];
  const auto* function = dynamic_cast<const ops::Unary*>(node.op.get());
  const bool relu = function != nullptr && node.part == 0 &&
                    function->function == ops::Function::kRelu && function->gradient_from_dst();
  return relu && node.dst[0] == gradient.src[part] ? next : kNone;
}

}  // namespace

void fuse_concat(Rewriting& to) {
  Program& program = to.program;
  const Readers readers(program, to.kept);
  for (Node& node : program.nodes) {
    const auto* concat = dynamic_cast<const ops::Concat*>(node.op.get());
    if (concat == nullptr || node.part < 0) continue;
    const int next = next_relu(program, readers, node);
    if (next == kNone) continue;
    Node& relu = program.nodes[static_cast<size_t>(next)];
    const auto part = static_cast<size_t>(node.part);
    ops::RectifiedConcat op;
    op.concat = *concat;
    op.negative_slopes.assign(static_cast<size_t>(concat->sources), 0);
    op.negative_slopes[part] = static_cast<float>(dynamic_cast<const ops::Unary&>(*relu.op).p);
    Node fused = std::move(node);
    fused.op = std::make_shared<const ops::RectifiedConcat>(std::move(op));
    fused.diff_src[part] = relu.diff_src[0];
    // Where the ReLU's was: what it writes is read next, and is in the cache then.
    relu = std::move(fused);
    node = Node();
  }
}

}  // namespace crema::plan
