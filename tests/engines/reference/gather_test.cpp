#include <limits>

#include "engines/reference/run.hpp"
#include "ops/shape_ops.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Gather make_gather() {
  ops::Gather op;
  op.layer = "rows";
  return op;
}

TEST(Gather, ByHand) {
  const std::vector<Values> x{Values(Shape{3, 2}, {1, 2, 3, 4, 5, 6}),
                              Values(Shape{2, 2}, {2, 0, 2, 1.9})};
  const Values y = forward(make_gather(), x)[0];
  EXPECT_EQ(y.shape, (Shape{2, 2, 2}));
  EXPECT_EQ(y.v, (List{5, 6, 1, 2, 5, 6, 3, 4}));
  const Values dy(Shape{2, 2, 2}, {1, 10, 2, 20, 3, 30, 4, 40});
  EXPECT_EQ(gradient(make_gather(), x, 0, 0, dy).v, (List{2, 20, 4, 40, 4, 40}))
      << "repeated rows add up";
}

TEST(Gather, TableWithMoreAxes) {
  const std::vector<Values> x{random_values(Shape{4, 2, 3}, 1), random_labels(Shape{5}, 2, 4)};
  EXPECT_EQ(forward(make_gather(), x)[0].shape, (Shape{5, 2, 3}));
  check_all(make_gather(), x);
}

TEST(Gather, RowsOfOneNumber) {
  check_all(make_gather(), {random_values(Shape{4}, 1), random_labels(Shape{2, 3}, 2, 4)});
}

TEST(Gather, LargeEnoughForSeveralThreads) {
  const std::vector<Values> x{random_values(Shape{50, 300}, 1), random_labels(Shape{400}, 2, 50)};
  EXPECT_EQ(expect_same(reference(), reference(), make_gather(), x), "");
}

TEST(Gather, NoRowsTaken) {
  const std::vector<Values> x{random_values(Shape{4, 2}, 1), Values(Shape{0})};
  const ops::Gather op = make_gather();
  OpRunner run(reference(), op, x, in(DType::kF64));
  EXPECT_TRUE(run.forward()[0].v.empty());
  EXPECT_EQ(run.gradient(0, {Values(Shape{0, 2})})[0]->v, List(8, 0.0));
}

TEST(Gather, AnIndexOutOfRangeIsNamed) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {3.0, -1.0, inf, -inf, std::nan(""), 1e30}) {
    try {
      forward(make_gather(), {Values(Shape{3, 2}), Values(Shape{2}, {0, bad})});
      ADD_FAILURE() << "no error for " << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kData);
      EXPECT_EQ(error.message, fmt::format("layer 'rows': index {} (item 1) is not in 0..2", bad));
    }
  }
  EXPECT_EQ(forward(make_gather(), {Values(Shape{3}, {7, 8, 9}), Values(Shape{1}, {-0.9})})[0].v,
            List{7})
      << "cut toward zero";
}

}  // namespace
}  // namespace crema::test
