// concat, rectified_concat, slice, reorder
#include <gmock/gmock.h>

#include "blocked.hpp"
#include "ops/fused.hpp"

namespace crema::test {
namespace {

using ShapeOps = OneDnn;

ops::Concat concat_of(int axis, int sources) {
  ops::Concat op;
  op.axis = axis;
  op.sources = sources;
  return op;
}

TEST_F(ShapeOps, concat_equals_the_reference) {
  const struct {
    std::vector<Shape> shapes;
    int axis;
  } cases[] = {{{{2, 16, 5, 5}, {2, 8, 5, 5}, {2, 24, 5, 5}}, 1},
               {{{2, 16, 3, 3}, {5, 16, 3, 3}}, 0},
               {{{2, 16, 3, 3}, {2, 16, 2, 3}}, 2},
               {{{2, 20, 3, 3}, {2, 5, 3, 3}}, 1},
               {{{4, 7}, {4, 3}}, 1},
               {{{2, 16, 5, 5}}, 1}};
  for (const auto& c : cases) {
    const ops::Concat op = concat_of(c.axis, static_cast<int>(c.shapes.size()));
    std::vector<Values> x;
    for (const Shape& shape : c.shapes)
      x.push_back(random_values(shape, static_cast<uint32_t>(x.size())));
    SCOPED_TRACE(c.shapes[0].text());
    EXPECT_EQ(expect_same(engine, reference, op, x, 0), "");
    if (c.shapes[0].rank() < 4) continue;
    EXPECT_EQ(expect_same(engine, reference, op, x, 0, blocked_sources(x, x.size())), "");
  }
}

TEST_F(ShapeOps, rectified_concat_equals_the_reference) {
  for (const Shape& other : {Shape{2, 24, 5, 5}, Shape{2, 11, 5, 5}}) {
    ops::RectifiedConcat op;
    op.concat = concat_of(1, 3);
    op.negative_slopes = {0, 0.25f, 0};
    const std::vector<Values> x = {random_values({2, 16, 5, 5}, 1), random_values({2, 8, 5, 5}, 2),
                                   random_values(other, 3)};
    EXPECT_EQ(expect_same(engine, reference, op, x, 0, blocked_sources(x, 3)), "");
    EXPECT_EQ(expect_same(engine, reference, op, x, 0), "");
  }
}

TEST_F(ShapeOps, concat_keeps_whole_blocks) {
  const std::vector<Values> x = {random_values({2, 16, 5, 5}, 1), random_values({2, 8, 5, 5}, 2)};
  const ops::Concat op = concat_of(1, 2);
  OpRunner run(engine, op, x, blocked_sources(x, 2));
  EXPECT_EQ(run.forward_offer().src[1], blocked(x[1].shape));
  EXPECT_EQ(run.forward_offer().dst[0], blocked({2, 24, 5, 5}));
}

TEST_F(ShapeOps, slice_equals_the_reference) {
  const struct {
    Shape shape;
    int axis;
    std::vector<int64_t> cuts;
  } cases[] = {{{2, 24, 5, 5}, 1, {0, 8, 24}},
               {{2, 20, 5, 5}, 1, {0, 8, 16, 20}},
               {{5, 16, 3, 3}, 0, {0, 1, 5}},
               {{2, 16, 5, 3}, 2, {0, 1, 5}},
               {{1, 48, 3, 3}, 1, {0, 16, 48}}};
  for (const auto& c : cases) {
    ops::Slice op;
    op.axis = c.axis;
    op.cuts = c.cuts;
    const std::vector<Values> x = {random_values(c.shape, 1)};
    SCOPED_TRACE(c.shape.text());
    EXPECT_EQ(expect_same(engine, reference, op, x, 0, blocked_sources(x)), "");
  }
}

TEST_F(ShapeOps, parts_have_places_in_the_whole_where_nothing_varies_slower) {
  const struct {
    Shape shape;
    int axis;
    std::vector<int64_t> cuts;
    std::map<int, size_t> offsets;
  } cases[] = {{{1, 24, 5, 5}, 1, {0, 8, 24}, {{0, 0}, {1, 8 * 25 * 4}}},
               {{3, 8, 5, 5}, 0, {0, 1, 3}, {{0, 0}, {1, 8 * 25 * 4}}},
               {{2, 24, 5, 5}, 1, {0, 8, 24}, {}}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.shape.text());
    ops::Slice slice;
    slice.axis = c.axis;
    slice.cuts = c.cuts;
    const std::vector<Values> x = {random_values(c.shape, 1)};
    OpRunner apart(engine, slice, x, blocked_sources(x));
    const auto found = apart.forward_offer().parts;
    ASSERT_EQ(found.has_value(), !c.offsets.empty());
    std::vector<Values> parts;
    for (const Shape& shape : slice.infer(std::vector<Shape>{c.shape}))
      parts.push_back(random_values(shape, 1));
    const ops::Concat concat = concat_of(c.axis, 2);
    OpRunner together(engine, concat, parts, blocked_sources(parts, 2));
    const auto back = together.forward_offer().parts;
    ASSERT_EQ(back.has_value(), !c.offsets.empty());
    if (!found) continue;
    EXPECT_EQ(found->offsets, c.offsets);
    EXPECT_EQ(back->offsets, c.offsets);
    EXPECT_TRUE(back->of_output && !found->of_output);
  }
}

TEST_F(ShapeOps, slice_refuses_parts_that_begin_within_a_block) {
  ops::Slice op;
  op.cuts = {0, 4, 16};
  const std::vector<Values> x = {random_values({2, 16, 3, 3}, 1)};
  OpRunner run(engine, op, x, blocked_sources(x));
  EXPECT_FALSE(run.accepts());
  EXPECT_THAT(run.refusal(), ::testing::HasSubstr("does not begin with a block of aBcd8b"));
}

TEST_F(ShapeOps, reorder_there_and_back_changes_no_bit) {
  for (const Shape& shape : {Shape{2, 16, 5, 5}, Shape{3, 20, 7, 3}, Shape{1, 3, 9, 9}}) {
    Values x = random_values(shape, 1);
    x.v[0] = 1e-40;  // denormals too
    x.v[1] = -0.0;
    RunOptions options;
    options.src_layouts = {blocked(shape)};
    // A concatenation of one source, by way of the blocked layout.
    const ops::Concat op = concat_of(1, 1);
    OpRunner run(engine, op, {x}, options);
    const auto y = run.forward();
    for (size_t i = 0; i < x.v.size(); ++i)
      ASSERT_EQ(static_cast<float>(x.v[i]), static_cast<float>(y[0].v[i])) << i;
  }
}

ops::KernelRequest reorder_request(const ops::Op& op, const Shape& shape, Layout from, Layout to) {
  ops::KernelRequest request;
  request.op = &op;
  request.src = {{shape, std::move(from), true}};
  request.dst = {{shape, std::move(to), true}};
  return request;
}

// The same weights under five axes (two groups) and under four.
TEST_F(ShapeOps, reorder_between_layouts_with_different_axes) {
  const Shape shape{16, 8, 3, 3};
  using Tag = dnnl::memory::format_tag;
  const auto f32 = dnnl::memory::data_type::f32;
  const onednn::Dims grouped = {2, 8, 8, 3, 3};
  const Layout a = onednn::layout_of({grouped, f32, Tag::gOIhw8i8o}, onednn::plain_desc(grouped));
  const Layout b = onednn::layout_of({shape.dims(), f32, Tag::OIhw8i8o});
  const ops::Reorder op;
  const Values x = random_values(shape, 1);
  std::vector<float> plain(x.v.begin(), x.v.end());
  const auto convert = [&](const Layout& from, const Layout& to, const void* source) {
    ops::Answer answer = engine.offer(reorder_request(op, shape, from, to));
    ops::Offer& offer = std::get<ops::Offer>(answer);
    auto out = std::make_shared<Arena>(TensorDesc{shape, DType::kF32, to}.bytes());
    const Arena scratch(offer.scratch_bytes);
    const void* src[] = {source};
    void* dst[] = {out->data()};
    ops::KernelArgs args;
    args.src = src;
    args.dst = dst;
    args.scratch = scratch.data();
    offer.kernel->run(args);
    return out;
  };
  const auto in_a = convert(Layout(), a, plain.data());
  const auto in_b = convert(a, b, in_a->data());
  const auto direct = convert(Layout(), b, plain.data());
  EXPECT_EQ(std::memcmp(in_b->data(), direct->data(), direct->bytes()), 0);
  const auto back = convert(b, Layout(), in_b->data());
  EXPECT_EQ(std::memcmp(back->data(), plain.data(), plain.size() * sizeof(float)), 0);
}

class ForeignLayout final : public OpaqueLayout {
 public:
  const char* engine() const override { return "other"; }
  std::string describe() const override { return "foreign"; }
  size_t bytes() const override { return 64; }
  bool equals(const OpaqueLayout& other) const override { return this == &other; }
};

TEST_F(ShapeOps, reorder_refusals) {
  const ops::Reorder op;
  const Shape shape{1, 16};
  const auto reason = [&](const Layout& from, const Layout& to) {
    return std::get<ops::Refusal>(engine.offer(reorder_request(op, shape, from, to))).reason;
  };
  EXPECT_EQ(reason(Layout(), Layout()), "both layouts are plain");
  EXPECT_EQ(reason(Layout(std::make_shared<ForeignLayout>()), Layout()),
            "a layout of another engine");
}

}  // namespace
}  // namespace crema::test
