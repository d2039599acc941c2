// The pass fold: in a test net, batch normalisation after a convolution is a matter of its weights.
#include "ops/fused.hpp"
#include "plan/fusion.hpp"

namespace crema::plan {

using graph::Node;

namespace {

class Folding {
 public:
  Folding(Rewriting& to, int convolution)
      : program_(to.program), readers_(to.program, to.kept), chain_{convolution} {}

  // A convolution, then a normalisation, then perhaps a scale per channel.
  bool match() {
    const auto* conv = dynamic_cast<const ops::Convolution*>(at(chain_[0]).op.get());
    if (conv == nullptr || at(chain_[0]).part != ops::kForward) return false;
    conv_ = *conv;
    const int n = next();
    const auto* norm = n == kNone ? nullptr : dynamic_cast<const ops::BatchNorm*>(at(n).op.get());
    if (norm == nullptr || !norm->use_global) return false;
    fold_.eps = norm->eps;
    chain_.push_back(n);
    const int s = next();
    const auto* scale = s == kNone ? nullptr : dynamic_cast<const ops::Scale*>(at(s).op.get());
    if (scale == nullptr || !scales_channels(at(s), *scale)) return true;
    fold_.scale = true;
    fold_.shift = scale->bias;
    chain_.push_back(s);
    return true;
  }

  void apply() {
    const Node conv = at(chain_[0]);
    fold_.bias = conv_.bias;
    Node fold;
    fold.layer = conv.layer;
    fold.src.assign(conv.src.begin() + 1, conv.src.end());
    for (size_t i = 1; i < chain_.size(); ++i)
      fold.src.insert(fold.src.end(), at(chain_[i]).src.begin() + 1, at(chain_[i]).src.end());
    fold.op = std::make_shared<const ops::FoldBatchNorm>(fold_);
    const int weights = conv.src[1];
    fold.dst = {add("folded " + value(weights).name, value(weights).shape),
                add("folded bias of " + value(weights).name, Shape{value(weights).shape[0]})};
    Node folded = conv;
    conv_.bias = true;
    folded.op = std::make_shared<const ops::Convolution>(conv_);
    folded.src = {conv.src[0], fold.dst[0], fold.dst[1]};
    folded.dst = at(chain_.back()).dst;
    replace(program_, chain_, std::move(folded));
    program_.nodes[static_cast<size_t>(chain_[0])] = std::move(fold);
  }

 private:
  const Node& at(int n) const { return program_.nodes[static_cast<size_t>(n)]; }
  const graph::ValueInfo& value(int v) const { return program_.values[static_cast<size_t>(v)]; }
  int next() const { return readers_.only_forward_reader(at(chain_.back()).dst[0]); }

  // The factor must be a parameter: folded weights are kept from pass to pass.
  bool scales_channels(const Node& node, const ops::Scale& scale) const {
    const graph::ValueInfo& factor = value(node.src[1]);
    return node.src[0] == at(chain_.back()).dst[0] && scale.axis == 1 &&
           factor.shape == Shape{value(node.src[0]).shape[1]} &&
           factor.kind == graph::ValueKind::kParam;
  }

  int add(std::string name, Shape shape) const {
    graph::ValueInfo info;
    info.name = std::move(name);
    info.shape = std::move(shape);
    return program_.add_value(std::move(info));
  }

  Program& program_;
  const Readers readers_;
  std::vector<int> chain_;
  ops::Convolution conv_;
  ops::FoldBatchNorm fold_;
};

}  // namespace

void fold_batch_norm(Rewriting& to) {
  if (to.options.dtype != DType::kF32) return;  // f64 is for checks, of what the net says
  for (int n = 0; n < to.program.forward_nodes; ++n) {
    if (!to.program.nodes[static_cast<size_t>(n)].op) continue;
    Folding folding(to, n);
    if (folding.match()) folding.apply();
  }
}

}  // namespace crema::plan
