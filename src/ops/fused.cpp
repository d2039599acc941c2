#include "ops/fused.hpp"

namespace crema::ops {
namespace {

std::string with_post(const std::string& what, const Post& post) {
  std::string out = what;
  if (post.sum) out += (out.empty() ? "" : ", ") + std::string("sum");
  if (post.function) out += (out.empty() ? "" : ", ") + post.function->describe();
  return out;
}

}  // namespace

std::vector<InPlace> FusedConvolution::in_place() const {
  if (!post.sum) return {};
  return {{0, convolution.bias ? 3 : 2}};
}

std::string FusedConvolution::describe() const {
  return with_post(convolution.describe(), post);
}

std::vector<InPlace> FusedInnerProduct::in_place() const {
  if (!post.sum) return {};
  return {{0, product.bias ? 3 : 2}};
}

std::string FusedInnerProduct::describe() const {
  return with_post(product.describe(), post);
}

std::vector<GradientPart> FusedBatchNorm::gradient() const {
  GradientPart part{{0}, {0}, {}, true};
  if (scale) part.wrt.push_back(gamma());
  if (shift) part.wrt.push_back(beta());
  if (sum) part.wrt.push_back(summand());
  if (sum && relu) part.reads_dst = {0};
  return {part};
}

std::vector<InPlace> FusedBatchNorm::in_place() const {
  if (sum) return {{0, summand()}, {0, 0}};
  return {{0, 0}};
}

std::vector<InPlace> FusedBatchNorm::gradient_in_place(int) const {
  if (sum) return {{0, 0}, {summand(), 0}};
  return {{0, 0}};
}

std::string FusedBatchNorm::describe() const {
  std::string out = norm.describe();
  for (const auto& [present, word] : {std::pair(scale, "scale"), std::pair(shift, "shift"),
                                      std::pair(sum, "sum"), std::pair(relu, "relu")})
    if (present) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

std::vector<GradientPart> RectifiedConcat::gradient() const {
  std::vector<GradientPart> parts = concat.gradient();
  for (GradientPart& part : parts) part.reads_dst = {0};
  return parts;
}

}  // namespace crema::ops
