// The pass batch_norm: BatchNorm + Scale + sum + ReLU as one op, forward and backward.
#include <algorithm>

#include "ops/fused.hpp"
#include "plan/fusion.hpp"

namespace crema::plan {

using graph::Node;

namespace {

// A batch normalisation and the ops after it that one kernel can do.
class NormChain {
 public:
  NormChain(const Program& program, const Readers& readers, int norm)
      : program_(program), readers_(readers), nodes_{norm}, src_(at(norm).src) {
    op_.norm = dynamic_cast<const ops::BatchNorm&>(*at(norm).op);
  }

  void add_scale() {
    const int n = next();
    const auto* scale = n == kNone ? nullptr : dynamic_cast<const ops::Scale*>(at(n).op.get());
    if (scale == nullptr || at(n).src[0] != result()) return;
    const Shape channels{program_.values[static_cast<size_t>(result())].shape[1]};
    const Shape& factor = program_.values[static_cast<size_t>(at(n).src[1])].shape;
    if (scale->axis != 1 || factor != channels) return;
    op_.scale = true;
    op_.shift = scale->bias;
    src_.insert(src_.end(), at(n).src.begin() + 1, at(n).src.end());
    nodes_.push_back(n);
  }

  void add_sum() {
    const int n = next();
    if (n == kNone || at(n).part != ops::kForward || !plain_sum(*at(n).op, 2)) return;
    if (!readers_.gradients_of(n).empty()) return;  // not shared: share_copies was skipped
    const auto& both = at(n).src;
    if (both[0] == both[1]) return;
    op_.sum = true;
    src_.push_back(both[both[0] == result() ? 1 : 0]);
    nodes_.push_back(n);
  }

  void add_relu() {
    const int n = next();
    const auto* f = n == kNone ? nullptr : dynamic_cast<const ops::Unary*>(at(n).op.get());
    if (f == nullptr || f->function != ops::Function::kRelu || f->p != 0) return;
    if (at(n).reads_another) return;
    op_.relu = true;
    nodes_.push_back(n);
  }

  // Whether what lies between the nodes is read by them and their gradients only.
  bool closed() const {
    const std::set<int> inside = all();
    for (size_t i = 0; i + 1 < nodes_.size(); ++i)
      if (!readers_.only_within(at(nodes_[i]).dst[0], inside)) return false;
    return true;
  }

  const std::vector<int>& nodes() const { return nodes_; }
  std::vector<int> gradients() const {
    std::vector<int> out;
    for (const int n : nodes_)
      for (const int g : readers_.gradients_of(n)) out.push_back(g);
    std::sort(out.begin(), out.end());
    return out;
  }

  Node forward() const {
    Node out = at(nodes_.front());
    out.op = std::make_shared<const ops::FusedBatchNorm>(op_);
    out.src = src_;
    out.dst = at(nodes_.back()).dst;
    return out;
  }

  // The one gradient node; nothing if a gradient between the nodes is wanted by somebody else.
  std::optional<Node> gradient(const Node& fused) const {
    const std::vector<int> old = gradients();
    Node out = fused;
    out.part = 0;
    out.forward = nodes_.back();
    out.diff_src.assign(fused.src.size(), kNone);
    const std::set<int> inside(old.begin(), old.end());
    for (const int g : old) {
      const Node& node = at(g);
      const auto* scale = dynamic_cast<const ops::Scale*>(node.op.get());
      const bool is_norm = dynamic_cast<const ops::BatchNorm*>(node.op.get()) != nullptr;
      if (scale != nullptr && node.part == 1)
        out.diff_src[at_index(op_.gamma())] = node.diff_src[1];
      if (scale != nullptr && node.part == 2) out.diff_src[at_index(op_.beta())] = node.diff_src[2];
      if (is_norm) out.diff_src[0] = node.diff_src[0];
      if (scale != nullptr && node.part == 0 && !readers_.only_within(node.diff_src[0], inside))
        return std::nullopt;
    }
    const Node& first = at(old.front());  // of the last op
    out.diff_dst = first.diff_dst;
    if (op_.relu) {
      const int passed = first.diff_src[0];
      const bool wanted = !readers_.only_within(passed, inside);
      if (wanted && !op_.sum) return std::nullopt;
      if (wanted) out.diff_src[at_index(op_.summand())] = passed;
    }
    return out;
  }

 private:
  static size_t at_index(int i) { return static_cast<size_t>(i); }
  const Node& at(int n) const { return program_.nodes[static_cast<size_t>(n)]; }
  int result() const { return at(nodes_.back()).dst[0]; }
  int next() const { return readers_.only_forward_reader(result()); }
  std::set<int> all() const {
    std::set<int> out(nodes_.begin(), nodes_.end());
    for (const int g : gradients()) out.insert(g);
    return out;
  }

  const Program& program_;
  const Readers& readers_;
  std::vector<int> nodes_;
  std::vector<int> src_;
  ops::FusedBatchNorm op_;
};

bool fuse_at(Rewriting& to, int n) {
  Program& program = to.program;
  const Node& node = program.nodes[static_cast<size_t>(n)];
  if (node.part != ops::kForward || !dynamic_cast<const ops::BatchNorm*>(node.op.get()))
    return false;
  const Readers readers(program, to.kept);
  for (const bool with_sum : {true, false}) {
    NormChain chain(program, readers, n);
    chain.add_scale();
    if (with_sum) chain.add_sum();
    chain.add_relu();
    if (chain.nodes().size() < 2 || !chain.closed()) continue;
    Node fused = chain.forward();
    const std::vector<int> old = chain.gradients();
    std::optional<Node> gradient;
    if (!old.empty() && !(gradient = chain.gradient(fused))) continue;
    if (!takes_over(to, node, fused)) continue;
    const std::vector<int> nodes = chain.nodes();
    for (const int g : old) program.nodes[static_cast<size_t>(g)] = Node();
    if (gradient) program.nodes[static_cast<size_t>(old.front())] = std::move(*gradient);
    replace(program, nodes, std::move(fused));
    return true;
  }
  return false;
}

}  // namespace

void fuse_batch_norm(Rewriting& to) {
  for (int n = 0; n < to.program.forward_nodes; ++n)
    if (to.program.nodes[static_cast<size_t>(n)].op) fuse_at(to, n);
}

}  // namespace crema::plan
