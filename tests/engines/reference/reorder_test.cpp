#include "engines/reference/run.hpp"
#include "ops/shape_ops.hpp"

namespace crema::test {
namespace {

class Strange final : public OpaqueLayout {
 public:
  const char* engine() const override { return "elsewhere"; }
  std::string describe() const override { return "aBcd8b"; }
  size_t bytes() const override { return 256; }
  bool equals(const OpaqueLayout& other) const override { return this == &other; }
};

TEST(Reorder, PlainToPlainIsACopy) {
  const ops::Reorder op;
  const Values x = random_values(Shape{3, 5, 1000}, 1);
  EXPECT_EQ(forward(op, {x})[0].v, x.v);
}

TEST(Reorder, RefusesALayoutOfSomebodyElse) {
  const ops::Reorder op;
  const Layout strange(std::make_shared<Strange>());
  for (const bool from : {false, true}) {
    ops::KernelRequest request;
    request.op = &op;
    request.src = {{Shape{1, 8}, from ? strange : Layout{}, true}};
    request.dst = {{Shape{1, 8}, from ? Layout{} : strange, true}};
    const ops::Answer answer = reference().offer(request);
    ASSERT_TRUE(std::holds_alternative<ops::Refusal>(answer));
    EXPECT_EQ(std::get<ops::Refusal>(answer).reason, "elsewhere's layout aBcd8b is not plain");
  }
}

}  // namespace
}  // namespace crema::test
