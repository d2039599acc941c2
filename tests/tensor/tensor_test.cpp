#include "tensor/tensor.hpp"

#include <gtest/gtest.h>

namespace crema {
namespace {

class Odd final : public OpaqueLayout {
 public:
  explicit Odd(int kind) : kind_(kind) {}
  const char* engine() const override { return "odd"; }
  std::string describe() const override { return "odd" + std::to_string(kind_); }
  size_t bytes() const override { return 999; }
  bool equals(const OpaqueLayout& other) const override {
    return static_cast<const Odd&>(other).kind_ == kind_;
  }

 private:
  int kind_;
};

TEST(shape, counts_and_slices) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.count(), 24);
  EXPECT_EQ(shape.count(1), 12);
  EXPECT_EQ(shape.count(1, 2), 3);
  EXPECT_EQ(shape.slice(1, 3), (Shape{3, 4}));
  EXPECT_EQ(shape.text(), "2x3x4");
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_EQ(Shape{}.text(), "scalar");
  EXPECT_EQ((Shape{2, 0}).count(), 0);
}

TEST(tensor, an_opaque_tensor_is_never_read_as_plain_numbers) {
  std::vector<float> memory(24);
  TensorView view{{Shape{2, 3, 4}, DType::kF32, Layout(std::make_shared<Odd>(1))}, memory.data()};
  EXPECT_THROW(view.plain<float>(), LogicError);
  view.desc.layout = {};
  EXPECT_EQ(view.plain<float>().size(), 24u);
  EXPECT_THROW(view.plain<double>(), LogicError);
}

TEST(tensor, bytes_follow_the_layout) {
  EXPECT_EQ((TensorDesc{Shape{2, 3}, DType::kF64, {}}).bytes(), 48u);
  EXPECT_EQ((TensorDesc{Shape{2, 3}, DType::kF32, Layout(std::make_shared<Odd>(1))}).bytes(), 999u);
}

TEST(layout, equality_is_the_engines_word) {
  EXPECT_EQ(Layout(std::make_shared<Odd>(1)), Layout(std::make_shared<Odd>(1)));
  EXPECT_NE(Layout(std::make_shared<Odd>(1)), Layout(std::make_shared<Odd>(2)));
  EXPECT_NE(Layout(std::make_shared<Odd>(1)), Layout());
  EXPECT_EQ(Layout(), Layout());
}

TEST(shape, comparison_appending_and_large_counts) {
  Shape shape;
  for (const int64_t dim : {2, 3}) shape.append(dim);
  EXPECT_EQ(shape, (Shape{2, 3}));
  EXPECT_NE(shape, (Shape{3, 2}));
  EXPECT_NE(shape, (Shape{2, 3, 1}));
  EXPECT_EQ(shape.count(1, 1), 1);
  EXPECT_EQ(shape.count(2), 1);
  EXPECT_EQ(shape.slice(1, 1), Shape{});
  EXPECT_EQ((Shape{int64_t{1} << 20, int64_t{1} << 20}).count(), int64_t{1} << 40);
}

TEST(dtype, sizes_and_names) {
  EXPECT_EQ(bytes_of(DType::kF32), 4u);
  EXPECT_EQ(bytes_of(DType::kF64), 8u);
  EXPECT_EQ(bytes_of(DType::kBf16), 2u);
  EXPECT_STREQ(name_of(DType::kF32), "f32");
  EXPECT_STREQ(name_of(DType::kF64), "f64");
  EXPECT_STREQ(name_of(DType::kBf16), "bf16");
}

TEST(tensor, a_plain_view_reads_and_writes_its_memory_in_order) {
  std::vector<double> memory{1, 2, 3, 4};
  const TensorView view{{Shape{2, 2}, DType::kF64, {}}, memory.data()};
  view.plain<double>()[3] = 9;
  EXPECT_EQ(memory[3], 9);
  EXPECT_EQ(view.plain<const double>()[1], 2);
  const TensorView half{{Shape{2, 2}, DType::kBf16, {}}, memory.data()};
  EXPECT_THROW(half.plain<float>(), LogicError);
}

TEST(arena, memory_is_aligned_and_zero) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{100}, size_t{3} << 20}) {
    const Arena arena(bytes);
    EXPECT_EQ(arena.bytes(), bytes);
    EXPECT_EQ(arena.data() == nullptr, bytes == 0);
    const size_t alignment = bytes >= size_t{2} << 20 ? size_t{2} << 20 : Arena::kAlignment;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data()) % alignment, 0u);
    for (size_t i = 0; i < bytes; i += 97) EXPECT_EQ(arena.data()[i], std::byte{0});
  }
}

}  // namespace
}  // namespace crema
