#include "engines/onednn/weight_pieces.hpp"

#include <algorithm>

namespace crema::onednn {
namespace {

using Forward = dnnl::inner_product_forward;
using BackwardWeights = dnnl::inner_product_backward_weights;

// With value and slots beside it, a piece that stays in the cache until it is used up.
constexpr size_t kPieceBytes = size_t{4} << 20;
constexpr size_t kAlign = 64;

// Fewer blocks leave oneDNN's product without work for its threads.
constexpr int64_t kLeastBlocks = 4;

// The fewest equal groups of `blocks` that are small enough, or as small as is good.
int64_t count_of(int64_t blocks, size_t bytes) {
  int64_t best = 1;
  for (int64_t count = 1; blocks / count >= kLeastBlocks; ++count) {
    if (blocks % count != 0) continue;
    best = count;
    if (bytes / static_cast<size_t>(count) <= kPieceBytes) break;
  }
  return best;
}

// Its part of the operand's rows is gathered in the scratch memory behind the primitive's own.
class PiecesKernel final : public ops::Kernel {
 public:
  PiecesKernel(Call call, const WeightPieces& pieces, size_t gathered)
      : call_(std::move(call)),
        axis_(pieces.axis),
        rows_(pieces.rows),
        chunk_(pieces.chunk),
        step_(pieces.chunk * pieces.count),
        gathered_(gathered) {}
  void prepare() override { call_.prepare(); }
  void run(const ops::KernelArgs& args) override {
    const void* operand = axis_ == 0 ? args.diff_dst[0] : args.src[0];
    const float* from = static_cast<const float*>(operand) + args.piece * chunk_;
    auto* to = reinterpret_cast<float*>(static_cast<std::byte*>(args.scratch) + gathered_);
    for (int64_t row = 0; row < rows_; ++row)
      std::copy_n(from + row * step_, chunk_, to + row * chunk_);
    std::array<void*, 3> out{};
    std::copy_n(args.diff_src.begin(), args.diff_src.size(), out.begin());
    if (axis_ == 0 && out[2] != nullptr) out[2] = static_cast<float*>(out[2]) + args.piece * chunk_;
    ops::KernelArgs own = args;
    own.diff_src = out;
    call_.run(own);
  }

 private:
  Call call_;
  int axis_;
  int64_t rows_, chunk_, step_;
  size_t gathered_;
};

}  // namespace

std::optional<WeightPieces> WeightPieces::of(const Desc& x, const Desc& weights, const Desc& y) {
  const std::optional<OuterAxis> outer = outer_axis(weights);
  if (!outer || outer->axis > 1) return std::nullopt;
  WeightPieces out;
  out.axis = outer->axis;
  out.count = count_of(outer->blocks, weights.get_size());
  if (out.count < 2) return std::nullopt;
  const auto input = out.axis == 1 ? inner_part(x, out.count) : x;
  const auto output = out.axis == 0 ? inner_part(y, out.count) : y;
  if (!input || !output) return std::nullopt;
  out.x = *input;
  out.y = *output;
  out.weights = part_of(weights, out.axis, out.count);
  out.bias = plain_desc(Dims{out.y.dims()[1]});
  out.rows = y.dims()[0];
  const Desc& gathered = out.axis == 1 ? out.x : out.y;
  out.chunk = static_cast<int64_t>(gathered.get_size() / sizeof(float)) / out.rows;
  return out;
}

void offer_pieces(ops::Offer& offer, const WeightPieces& pieces, bool bias,
                  const BackwardWeights::primitive_desc& whole, const Context& context) {
  std::optional<BackwardWeights::primitive_desc> desc;
  try {
    const Forward::primitive_desc hint(
        {dnnl::prop_kind::forward_training, pieces.x, any_desc(pieces.weights.dims()), pieces.y},
        context.attributes, context.engine);
    desc.emplace(
        BackwardWeights::desc(pieces.x, pieces.weights, bias ? pieces.bias : Desc(), pieces.y),
        context.attributes, context.engine, hint);
  } catch (const dnnl::error&) {
    return;
  }
  if (std::string(desc->impl_info_str()) != whole.impl_info_str()) return;
  const Desc scratch = desc->scratchpad_desc();
  const size_t own = (scratch.get_size() + kAlign - 1) / kAlign * kAlign;
  const auto at = static_cast<int64_t>(own);
  const bool inputs = pieces.axis == 1;
  std::vector<Binding> bindings = {
      {DNNL_ARG_SRC, inputs ? Role::kScratch : Role::kSrc, inputs ? at : 0, pieces.x},
      {DNNL_ARG_DIFF_DST, inputs ? Role::kDiffDst : Role::kScratch, inputs ? 0 : at, pieces.y},
      {DNNL_ARG_DIFF_WEIGHTS, Role::kDiffSrc, 1, pieces.weights}};
  if (bias) bindings.push_back({DNNL_ARG_DIFF_BIAS, Role::kDiffSrc, 2, pieces.bias});
  if (scratch.get_size() > 0) bindings.push_back({DNNL_ARG_SCRATCHPAD, Role::kScratch, 0, scratch});
  offer.pieces = static_cast<int>(pieces.count);
  offer.scratch_bytes = own + static_cast<size_t>(pieces.rows * pieces.chunk) * sizeof(float);
  offer.kernel = std::make_unique<PiecesKernel>(
      Call(
          context, [made = *desc] { return BackwardWeights(made); }, bindings),
      pieces, own);
}

}  // namespace crema::onednn
