#include "support/op_runner.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ops/shape_ops.hpp"

namespace crema::test {

OpRunner::OpRunner(ops::Engine& engine, const ops::Op& op, std::vector<Values> inputs,
                   RunOptions options)
    : engine_(engine), op_(op), inputs_(std::move(inputs)), options_(std::move(options)) {
  for (const Values& input : inputs_) src_shapes_.push_back(input.shape);
  dst_shapes_ = op_.infer(src_shapes_);
}

bool OpRunner::accepts() {
  if (forward_) return true;
  ops::KernelRequest request;
  request.op = &op_;
  request.dtype = options_.dtype;
  request.precision = options_.precision;
  request.training = options_.training;
  for (size_t i = 0; i < src_shapes_.size(); ++i)
    request.src.push_back({src_shapes_[i], initial_layout(i), true});
  for (const Shape& shape : dst_shapes_) request.dst.push_back({shape, std::nullopt, true});
  return ask(request, forward_);
}

const ops::Offer& OpRunner::forward_offer() {
  require(accepts());
  return *forward_;
}

std::vector<Values> OpRunner::forward() {
  require(accepts());
  const ops::Offer& offer = *forward_;
  src_ = load_sources(offer);
  dst_.clear();
  for (size_t i = 0; i < dst_shapes_.size(); ++i)
    dst_.push_back(allocate(dst_shapes_[i], offer.dst[i]));
  workspace_ = poisoned(offer.workspace_bytes);
  Arguments args(src_.size(), dst_.size());
  for (size_t i = 0; i < src_.size(); ++i) args.src[i] = src_[i].data();
  for (const int i : op_.mutates())
    args.mutated[static_cast<size_t>(i)] = src_[static_cast<size_t>(i)].data();
  for (size_t i = 0; i < dst_.size(); ++i) args.dst[i] = dst_[i].data();
  const auto scratch = poisoned(offer.scratch_bytes);
  ops::KernelArgs kernel_args = args.get(options_.step);
  kernel_args.workspace = workspace_->data();
  kernel_args.scratch = scratch->data();
  offer.kernel->run(kernel_args);
  std::vector<Values> out;
  for (const Buffer& buffer : dst_) out.push_back(store(buffer));
  return out;
}

std::vector<std::optional<Values>> OpRunner::gradient(int part,
                                                      std::vector<std::optional<Values>> diff_dst,
                                                      std::optional<std::vector<int>> wanted) {
  CREMA_CHECK(!dst_.empty(), "gradient() needs forward() first");
  const ops::GradientPart rule = op_.gradient().at(static_cast<size_t>(part));
  diff_dst.resize(dst_shapes_.size());
  const std::vector<int> wrt = wanted.value_or(rule.wrt);
  std::optional<ops::Offer> offer;
  require(ask(gradient_request(part, diff_dst, wrt), offer));
  return run_gradient(rule, *offer, diff_dst, wrt);
}

bool OpRunner::accepts_gradient(int part) {
  if (!accepts()) return false;
  std::vector<std::optional<Values>> diff_dst(dst_shapes_.size());
  for (const int i : op_.differentiable_dst())
    diff_dst[static_cast<size_t>(i)] = Values{dst_shapes_[static_cast<size_t>(i)]};
  std::optional<ops::Offer> offer;
  const ops::GradientPart rule = op_.gradient().at(static_cast<size_t>(part));
  return ask(gradient_request(part, diff_dst, rule.wrt), offer);
}

std::optional<Layout> OpRunner::initial_layout(size_t i) const {
  if (i < options_.src_layouts.size()) return options_.src_layouts[i];
  const std::string kind = op_.kind();
  const bool weighted = kind.ends_with("convolution") || kind.ends_with("inner_product");
  if (i > 0 && weighted) return std::nullopt;
  return Layout{};
}

bool OpRunner::ask(const ops::KernelRequest& request, std::optional<ops::Offer>& into) {
  ops::Answer answer = engine_.offer(request);
  if (auto* refusal = std::get_if<ops::Refusal>(&answer)) {
    refusal_ = refusal->reason;
    CREMA_CHECK(!refusal_.empty(), "a refusal says why");
    return false;
  }
  into = std::move(std::get<ops::Offer>(answer));
  CREMA_CHECK(into->kernel != nullptr, "an offer has a kernel");
  CREMA_CHECK(into->src.size() == request.src.size() && into->dst.size() == request.dst.size() &&
                  into->diff_dst.size() == request.diff_dst.size() &&
                  into->diff_src.size() == request.diff_src.size(),
              "an offer has one layout per operand");
  return true;
}

void OpRunner::require(bool offered) const {
  if (!offered)
    throw Refused(fmt::format("{} refuses {}: {}", engine_.name(), op_.kind(), refusal_));
}

ops::KernelRequest OpRunner::gradient_request(int part,
                                              const std::vector<std::optional<Values>>& diff_dst,
                                              const std::vector<int>& wrt) const {
  ops::KernelRequest request;
  request.op = &op_;
  request.part = part;
  request.dtype = options_.dtype;
  request.precision = options_.precision;
  request.training = options_.training;
  request.in_pieces = options_.in_pieces;
  for (size_t i = 0; i < src_shapes_.size(); ++i) {
    const bool wanted = std::count(wrt.begin(), wrt.end(), static_cast<int>(i)) > 0;
    request.src.push_back({src_shapes_[i], forward_->src[i], true});
    request.diff_src.push_back({src_shapes_[i], std::nullopt, wanted});
  }
  for (size_t i = 0; i < dst_shapes_.size(); ++i) {
    request.dst.push_back({dst_shapes_[i], forward_->dst[i], true});
    const Layout layout = options_.diff_dst_like_dst ? forward_->dst[i] : Layout{};
    request.diff_dst.push_back({dst_shapes_[i], layout, diff_dst[i].has_value()});
  }
  return request;
}

std::vector<std::optional<Values>> OpRunner::run_gradient(
    const ops::GradientPart& rule, const ops::Offer& offer,
    const std::vector<std::optional<Values>>& diff_dst, const std::vector<int>& wrt) {
  Arguments args(src_.size(), dst_.size());
  std::vector<Buffer> keep;
  const auto pass = [&](Buffer buffer, const Layout& layout) {
    keep.push_back(reorder(buffer, layout));
    return keep.back().data();
  };
  for (const int i : rule.reads_src) {
    const auto at = static_cast<size_t>(i);
    args.src[at] = pass(src_[at], offer.src[at]);
  }
  for (const int i : rule.reads_dst) {
    const auto at = static_cast<size_t>(i);
    args.dst[at] = pass(dst_[at], offer.dst[at]);
  }
  for (size_t i = 0; i < diff_dst.size(); ++i)
    if (diff_dst[i]) args.diff_dst[i] = pass(load(*diff_dst[i]), offer.diff_dst[i]);
  std::vector<std::optional<Buffer>> diff_src(src_.size());
  for (const int i : wrt) {
    const auto at = static_cast<size_t>(i);
    diff_src[at] = allocate(src_shapes_[at], offer.diff_src[at]);
    args.diff_src[at] = diff_src[at]->data();
  }
  const auto scratch = poisoned(offer.scratch_bytes);
  ops::KernelArgs kernel_args = args.get(options_.step);
  if (rule.reads_workspace) kernel_args.workspace = workspace_->data();
  kernel_args.scratch = scratch->data();
  pieces_ = offer.pieces;
  for (kernel_args.piece = 0; kernel_args.piece < pieces_; ++kernel_args.piece) {
    if (pieces_ > 1) {
      const size_t bytes = diff_src[1]->memory->bytes() / static_cast<size_t>(pieces_);
      args.diff_src[1] = diff_src[1]->memory->data() + kernel_args.piece * bytes;
    }
    offer.kernel->run(kernel_args);
  }
  std::vector<std::optional<Values>> out(src_.size());
  for (size_t i = 0; i < out.size(); ++i)
    if (diff_src[i]) out[i] = store(*diff_src[i]);
  return out;
}

std::vector<OpRunner::Buffer> OpRunner::load_sources(const ops::Offer& offer) {
  std::vector<Buffer> out;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Buffer plain = load(inputs_[i]);
    // By way of the layout it was said to have, as in a net.
    const std::optional<Layout> initial = initial_layout(i);
    if (initial) plain = reorder(plain, *initial);
    out.push_back(reorder(plain, offer.src[i]));
  }
  return out;
}

std::shared_ptr<Arena> OpRunner::poisoned(size_t bytes) {
  auto memory = std::make_shared<Arena>(bytes);
  if (bytes > 0) std::memset(memory->data(), 0xFF, bytes);
  return memory;
}

OpRunner::Buffer OpRunner::allocate(const Shape& shape, const Layout& layout) const {
  const TensorDesc desc{shape, options_.dtype, layout};
  return {shape, layout, poisoned(desc.bytes())};
}

OpRunner::Buffer OpRunner::load(const Values& values) const {
  Buffer buffer = allocate(values.shape, Layout{});
  if (options_.dtype == DType::kF64)
    std::copy(values.v.begin(), values.v.end(), static_cast<double*>(buffer.data()));
  else
    std::transform(values.v.begin(), values.v.end(), static_cast<float*>(buffer.data()),
                   [](double x) { return static_cast<float>(x); });
  return buffer;
}

Values OpRunner::store(const Buffer& buffer) {
  check_written(buffer);
  const Buffer plain = reorder(buffer, Layout{});
  Values out{plain.shape};
  if (options_.dtype == DType::kF64)
    std::copy_n(static_cast<const double*>(plain.data()), out.v.size(), out.v.begin());
  else
    std::copy_n(static_cast<const float*>(plain.data()), out.v.size(), out.v.begin());
  return out;
}

void OpRunner::check_written(const Buffer& buffer) const {
  const size_t size = bytes_of(TensorDesc{buffer.shape, options_.dtype, buffer.layout}.stored());
  const std::byte* bytes = buffer.memory->data();
  for (size_t at = 0; at + size <= buffer.memory->bytes(); at += size)
    CREMA_CHECK(!std::all_of(bytes + at, bytes + at + size,
                             [](std::byte b) { return b == std::byte{0xFF}; }),
                fmt::format("{} of {} left word {} of a {} tensor {} unwritten", op_.kind(),
                            engine_.name(), at / size, buffer.layout.text(), buffer.shape.text()));
}

OpRunner::Buffer OpRunner::reorder(const Buffer& from, const Layout& layout) {
  if (from.layout == layout) return from;
  const ops::Reorder op;
  ops::KernelRequest request;
  request.op = &op;
  request.dtype = options_.dtype;
  request.precision = options_.precision;
  request.src = {{from.shape, from.layout, true}};
  request.dst = {{from.shape, layout, true}};
  ops::Answer answer = engine_.offer(request);
  if (auto* refusal = std::get_if<ops::Refusal>(&answer))
    throw Refused(fmt::format("{} refuses to reorder {} to {}: {}", engine_.name(),
                              from.layout.text(), layout.text(), refusal->reason));
  ops::Offer& offer = std::get<ops::Offer>(answer);
  CREMA_CHECK(offer.src[0] == from.layout && offer.dst[0] == layout,
              "a reorder keeps the layouts asked for");
  Buffer to = allocate(from.shape, layout);
  Arguments args(1, 1);
  args.src[0] = from.data();
  args.dst[0] = to.data();
  const auto scratch = poisoned(offer.scratch_bytes);
  ops::KernelArgs kernel_args = args.get(options_.step);
  kernel_args.scratch = scratch->data();
  offer.kernel->run(kernel_args);
  check_written(to);
  return to;
}

std::string expect_same(ops::Engine& subject, ops::Engine& truth, const ops::Op& op,
                        const std::vector<Values>& inputs, double tolerance, RunOptions options) {
  RunOptions exact;
  exact.dtype = DType::kF64;
  exact.training = options.training;
  exact.step = options.step;
  OpRunner a(subject, op, inputs, options), b(truth, op, inputs, exact);
  const std::vector<Values> y = a.forward(), expected = b.forward();
  for (size_t i = 0; i < y.size(); ++i)
    EXPECT_TRUE(near(y[i], expected[i], tolerance)) << op.kind() << ", destination " << i;
  for (const int i : op.mutates())
    EXPECT_TRUE(near(a.source(i), b.source(i), tolerance)) << op.kind() << ", statistics " << i;
  if (!options.training) return {};
  std::vector<std::optional<Values>> diff_dst(y.size());
  for (const int i : op.differentiable_dst())
    diff_dst[static_cast<size_t>(i)] = random_values(y[static_cast<size_t>(i)].shape, 77);
  const std::vector<ops::GradientPart> parts = op.gradient();
  std::string refused;
  for (int part = 0; part < static_cast<int>(parts.size()); ++part) {
    if (!a.accepts_gradient(part)) {
      EXPECT_FALSE(parts[static_cast<size_t>(part)].reads_workspace)
          << op.kind() << ": the workspace's owner must offer part " << part;
      refused += fmt::format("part {}: {}; ", part, a.refusal());
      continue;
    }
    const auto dx = a.gradient(part, diff_dst), right = b.gradient(part, diff_dst);
    for (size_t i = 0; i < dx.size(); ++i) {
      if (!right[i]) continue;
      EXPECT_TRUE(near(*dx[i], *right[i], tolerance)) << op.kind() << ", gradient of source " << i;
    }
  }
  return refused;
}

}  // namespace crema::test
