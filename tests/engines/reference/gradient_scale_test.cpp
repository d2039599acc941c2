// The backward kernel of GradientScale; there is no forward one.
#include <gmock/gmock.h>

#include "engines/reference/engine.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

using ::testing::ElementsAre;

// Some engine's layout of 3 elements with one of padding.
class PaddedLayout final : public OpaqueLayout {
 public:
  const char* engine() const override { return "test"; }
  std::string describe() const override { return "padded"; }
  size_t bytes() const override { return 4 * sizeof(float); }
  bool equals(const OpaqueLayout& other) const override { return &other == this; }
};

ops::GradientScale by_iteration() {
  ops::GradientScale op;
  op.factor = [](int64_t t) { return static_cast<double>(t); };
  return op;
}

ops::KernelRequest request(const ops::GradientScale& op, std::optional<Layout> gradient) {
  ops::KernelRequest out;
  out.op = &op;
  out.part = 0;
  out.src = out.dst = {{Shape{3}, Layout(), true}};
  out.diff_dst = {{Shape{3}, std::move(gradient), true}};
  out.diff_src = {{Shape{3}, std::nullopt, true}};
  return out;
}

std::vector<float> run(ops::Kernel& kernel, int64_t t, std::vector<float> g) {
  const void* diff_dst[] = {g.data()};
  void* diff_src[] = {g.data()};  // in place
  const ops::StepInfo step{0, t, 0};
  ops::KernelArgs args;
  args.diff_dst = diff_dst;
  args.diff_src = diff_src;
  args.step = &step;
  kernel.run(args);
  return g;
}

TEST(GradientScale, multiplies_by_the_factor_of_the_iteration) {
  const ops::GradientScale op = by_iteration();
  ReferenceEngine engine;
  auto offer = std::get<ops::Offer>(engine.offer(request(op, Layout())));
  EXPECT_TRUE(offer.diff_src[0].plain());
  EXPECT_THAT(run(*offer.kernel, 2, {1, -2, 0.5f}), ElementsAre(2, -4, 1));
  EXPECT_THAT(run(*offer.kernel, -1, {1, -2, 0.5f}), ElementsAre(-1, 2, -0.5f));
  EXPECT_THAT(run(*offer.kernel, 0, {1, INFINITY, NAN}), ElementsAre(0, 0, 0));
}

TEST(GradientScale, takes_the_gradient_in_whatever_layout_it_has) {
  const ops::GradientScale op = by_iteration();
  const Layout padded(std::make_shared<PaddedLayout>());
  ReferenceEngine engine;
  auto offer = std::get<ops::Offer>(engine.offer(request(op, padded)));
  EXPECT_EQ(offer.diff_dst[0], padded);
  EXPECT_EQ(offer.diff_src[0], padded);
  EXPECT_THAT(run(*offer.kernel, 3, {1, 2, 3, 0}), ElementsAre(3, 6, 9, 0)) << "padding stays 0";
}

TEST(GradientScale, has_no_forward_kernel) {
  const ops::GradientScale op = by_iteration();
  ops::KernelRequest forward = request(op, Layout());
  forward.part = ops::kForward;
  ReferenceEngine engine;
  EXPECT_TRUE(std::holds_alternative<ops::Refusal>(engine.offer(forward)));
}

}  // namespace
}  // namespace crema::reference
