// Passes that rewrite the program: shared_copies, post.
#include <algorithm>

#include "ops/fused.hpp"
#include "plan/fusion.hpp"
#include "plan/passes.hpp"

namespace crema::plan {

using graph::Node;

bool plain_sum(const ops::Op& op, size_t sources) {
  const auto* sum = dynamic_cast<const ops::Eltwise*>(&op);
  return sum != nullptr && sum->method == ops::EltwiseMethod::kSum &&
         static_cast<size_t>(sum->sources) == sources &&
         std::all_of(sum->coefficients.begin(), sum->coefficients.end(),
                     [](float c) { return c == 1; });
}

void replace(Program& program, const std::vector<int>& chain, Node fused) {
  const int last = chain.back();
  for (const int n : chain) program.nodes[static_cast<size_t>(n)] = Node();
  program.nodes[static_cast<size_t>(last)] = std::move(fused);
  for (Node& node : program.nodes)
    if (node.op && node.forward != kNone &&
        std::find(chain.begin(), chain.end(), node.forward) != chain.end())
      node.forward = last;
}

namespace {

// The first engine that offers to run the node, layouts undecided.
const ops::Engine* taker(const Rewriting& in, const Node& node) {
  ops::KernelRequest request;
  request.op = node.op.get();
  request.dtype = in.options.dtype;
  request.precision = in.options.precision;
  request.training = in.options.training;
  const auto operand = [&](int v) {
    return ops::Operand{in.program.values[static_cast<size_t>(v)].shape, std::nullopt, true};
  };
  for (const int v : node.src) request.src.push_back(operand(v));
  for (const int v : node.dst) request.dst.push_back(operand(v));
  for (ops::Engine* engine : in.engines)
    if (std::holds_alternative<ops::Offer>(engine->offer(request))) return engine;
  return nullptr;
}

// What a node's only result is a copy of; kNone if of nothing.
int original(const Rewriting& in, const Node& node) {
  if (node.part == ops::kForward) {
    // In training, a view is what its gradient is known by.
    const auto shape = [&](int v) { return in.program.values[static_cast<size_t>(v)].shape; };
    const bool view =
        node.op->view() && !in.options.training && shape(node.src[0]) == shape(node.dst[0]);
    return view || plain_sum(*node.op, 1) ? node.src[0] : kNone;
  }
  const auto part = static_cast<size_t>(node.part);
  if (const auto* sum = dynamic_cast<const ops::Eltwise*>(node.op.get())) {
    const bool copies = sum->method == ops::EltwiseMethod::kSum &&
                        (part >= sum->coefficients.size() || sum->coefficients[part] == 1);
    return copies ? node.diff_dst[0] : kNone;
  }
  return dynamic_cast<const ops::Bias*>(node.op.get()) && part == 0 ? node.diff_dst[0] : kNone;
}

}  // namespace

bool takes_over(const Rewriting& in, const Node& plain, const Node& fused) {
  const ops::Engine* engine = taker(in, plain);
  return engine != nullptr && engine == taker(in, fused);
}

void share_copies(Rewriting& to) {
  Program& program = to.program;
  std::set<int> own_memory;  // a parameter's gradient is where the optimizer looks for it
  for (const auto& param : to.graph.params) own_memory.insert(param.gradient);
  for (Node& node : program.nodes) {
    for (auto* list : {&node.src, &node.dst, &node.diff_dst, &node.diff_src})
      for (int& v : *list)
        if (v != kNone) v = program.resolve(v);
    const int source = original(to, node);
    if (source == kNone) continue;
    const std::vector<int> results = writes(node);
    if (results.size() != 1 || own_memory.contains(results[0])) continue;
    program.same_as[static_cast<size_t>(results[0])] = source;
    node = Node();
  }
}

namespace {

// A convolution or inner product and what follows it.
struct PostChain {
  std::vector<int> nodes;
  Node fused;
};

void set_post(Node& node, const Node& linear, ops::Post post) {
  if (const auto* c = dynamic_cast<const ops::Convolution*>(linear.op.get())) {
    ops::FusedConvolution op;
    op.convolution = *c;
    op.post = std::move(post);
    node.op = std::make_shared<const ops::FusedConvolution>(std::move(op));
  } else {
    ops::FusedInnerProduct op;
    op.product = dynamic_cast<const ops::InnerProduct&>(*linear.op);
    op.post = std::move(post);
    node.op = std::make_shared<const ops::FusedInnerProduct>(std::move(op));
  }
}

class PostFusion {
 public:
  explicit PostFusion(Rewriting& to) : to_(to), readers_(to.program, to.kept) {}

  // The longest chain from node n that the engine takes, if any.
  std::optional<PostChain> match(int n) const {
    const Node& linear = at(n);
    const bool known = dynamic_cast<const ops::Convolution*>(linear.op.get()) != nullptr ||
                       dynamic_cast<const ops::InnerProduct*>(linear.op.get()) != nullptr;
    if (!known || linear.part != ops::kForward) return std::nullopt;
    for (const auto& [sum, function] : {std::pair(true, true), {true, false}, {false, true}})
      if (auto chain = build(n, sum, function); chain && takes_over(to_, linear, chain->fused))
        return chain;
    return std::nullopt;
  }

 private:
  const Node& at(int n) const { return to_.program.nodes[static_cast<size_t>(n)]; }

  std::optional<PostChain> build(int n, bool sum, bool function) const {
    PostChain chain{{n}, at(n)};
    ops::Post post;
    if (sum && !add_sum(chain, post)) return std::nullopt;
    if (function && !add_function(chain, post)) return std::nullopt;
    set_post(chain.fused, at(n), std::move(post));
    return chain;
  }

  // The only reader of the chain's result, if it reads it as its source and nobody else does.
  int next(const PostChain& chain) const {
    const int value = chain.fused.dst[0];
    const int reader = readers_.only_forward_reader(value);
    return reader != kNone && readers_.of(value).size() == 1 ? reader : kNone;
  }

  // In test nets only: whether the other summand dies may depend on what is frozen just now, and a
  // net that is frozen for a while must compute the same bits.
  bool add_sum(PostChain& chain, ops::Post& post) const {
    if (to_.options.training) return false;
    const int reader = next(chain);
    if (reader == kNone || !plain_sum(*at(reader).op, 2)) return false;
    const Node& sum = at(reader);
    const int other = sum.src[sum.src[0] == chain.fused.dst[0] ? 1 : 0];
    // Summed up in the other's memory: it must not be needed afterwards.
    const auto& uses = readers_.of(other);
    const bool dies = !readers_.kept(other) &&
                      std::all_of(uses.begin(), uses.end(), [&](int use) { return use <= reader; });
    const auto kind = to_.program.values[static_cast<size_t>(other)].kind;
    if (!dies || kind != graph::ValueKind::kResult) return false;
    post.sum = true;
    chain.fused.src.push_back(other);
    extend(chain, reader);
    return true;
  }

  bool add_function(PostChain& chain, ops::Post& post) const {
    const int reader = next(chain);
    if (reader == kNone) return false;
    auto function = std::dynamic_pointer_cast<const ops::Unary>(at(reader).op);
    if (!function || at(reader).part != ops::kForward) return false;
    // Decided by the function alone, not by whether a gradient is wanted just now: a layer that is
    // frozen for a while must compute the same bits.
    if (to_.options.training && !function->gradient_from_dst()) return false;
    post.function = std::move(function);
    extend(chain, reader);
    return true;
  }

  void extend(PostChain& chain, int reader) const {
    chain.nodes.push_back(reader);
    chain.fused.dst = at(reader).dst;
  }

  Rewriting& to_;
  Readers readers_;
};

}  // namespace

void fuse_post(Rewriting& to) {
  for (int n = 0; n < to.program.forward_nodes; ++n)
    if (auto chain = PostFusion(to).match(n))
      replace(to.program, chain->nodes, std::move(chain->fused));
}

}  // namespace crema::plan
