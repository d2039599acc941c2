#include "blocked.hpp"
#include "ops/loss.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

using Engine = OneDnn;
using Tag = dnnl::memory::format_tag;

TEST_F(Engine, refuses_other_types_unknown_kinds_and_empty_tensors) {
  const ops::Unary relu;
  const auto reason = [&](const ops::Op& op, DType type, const Shape& shape) {
    ops::KernelRequest request;
    request.op = &op;
    request.dtype = type;
    request.src = {{shape, Layout(), true}};
    request.dst = {{shape, std::nullopt, true}};
    return std::get<ops::Refusal>(engine.offer(request)).reason;
  };
  EXPECT_EQ(reason(relu, DType::kF64, {2}), "oneDNN kernels are single precision only, not f64");
  EXPECT_EQ(reason(relu, DType::kBf16, {2}), "oneDNN kernels are single precision only, not bf16");
  EXPECT_EQ(reason(relu, DType::kF32, {0, 3}), "an operand has no elements");
  EXPECT_EQ(reason(relu, DType::kF32, Shape(std::vector<int64_t>(13, 1))),
            "oneDNN has at most 12 axes");
  EXPECT_EQ(reason(ops::EuclideanLoss(), DType::kF32, {2}), "no kernel for euclidean_loss");
}

TEST_F(Engine, a_second_engine_works_beside_the_first) {
  OneDnnEngine second;
  const ops::Unary relu;
  const std::vector<Values> x = {random_values({2, 3}, 1)};
  expect_same(second, reference, relu, x, kTolerance);
  expect_same(engine, reference, relu, x, kTolerance);
}

TEST(OneDnnLayout, names_sizes_and_equality) {
  const Layout a = with_tag({2, 20, 3, 3}, Tag::aBcd8b), b = with_tag({2, 20, 3, 3}, Tag::aBcd8b);
  EXPECT_EQ(a.text(), "aBcd8b");
  EXPECT_EQ(a.opaque()->bytes(), 2u * 24 * 9 * 4);
  EXPECT_EQ(a, b);
  EXPECT_FALSE(a == with_tag({2, 20, 3, 3}, Tag::aBcd16b));
  EXPECT_FALSE(a == Layout());
  EXPECT_EQ(with_tag({16, 16, 3, 3}, Tag::ABcd8b8a).text(), "ABcd8b8a");
  EXPECT_EQ(with_tag({2, 20, 3, 3}, Tag::acdb).text(), "acdb");
}

TEST(OneDnnLayout, layouts_that_order_memory_as_plain_are_plain) {
  EXPECT_TRUE(with_tag({2, 20, 3, 3}, Tag::abcd).plain());
  EXPECT_TRUE(with_tag({2, 16, 1, 1}, Tag::aBcd8b).plain());
  EXPECT_TRUE(with_tag({2, 16, 1, 1}, Tag::acdb).plain());
  EXPECT_TRUE(with_tag({2, 1, 4, 4}, Tag::acdb).plain());
  EXPECT_TRUE(with_tag({1, 8}, Tag::ba).plain());
  EXPECT_FALSE(with_tag({2, 16, 1, 2}, Tag::aBcd8b).plain());
  EXPECT_FALSE(with_tag({2, 20, 1, 1}, Tag::aBcd8b).plain());  // padded
  EXPECT_FALSE(with_tag({8, 8}, Tag::ba).plain());
}

TEST(OneDnnLayout, plain_elements_of_a_blocked_tensor_are_not_handed_out) {
  TensorView view{{{2, 20, 3, 3}, DType::kF32, with_tag({2, 20, 3, 3}, Tag::aBcd8b)}, nullptr};
  EXPECT_THROW(view.plain<float>(), LogicError);
}

}  // namespace
}  // namespace crema::test
