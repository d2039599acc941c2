#include "engines/openblas/engine.hpp"

#include <gtest/gtest.h>

#include "ops/linear.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

std::string reason(OpenBlasEngine& engine, const ops::Op& op, DType type) {
  ops::KernelRequest request;
  request.op = &op;
  request.dtype = type;
  request.src = {{{2, 3}, Layout(), true}, {{4, 3}, std::nullopt, true}, {{4}, Layout(), true}};
  request.dst = {{{2, 4}, std::nullopt, true}};
  const ops::Answer answer = engine.offer(request);
  const auto* refusal = std::get_if<ops::Refusal>(&answer);
  return refusal != nullptr ? refusal->reason : "";
}

TEST(OpenBlasEngine, refuses_other_types_and_kinds) {
  OpenBlasEngine engine{std::nullopt};
  EXPECT_EQ(reason(engine, ops::InnerProduct(), DType::kF32), "");
  EXPECT_EQ(reason(engine, ops::InnerProduct(), DType::kF64), "single precision only, not f64");
  EXPECT_EQ(reason(engine, ops::InnerProduct(), DType::kBf16), "single precision only, not bf16");
  EXPECT_EQ(reason(engine, ops::Unary(), DType::kF32), "no kernel for unary");
}

TEST(OpenBlasEngine, refuses_everything_on_slow_kernels_and_says_what_to_do) {
  OpenBlasEngine engine{"SkylakeX"};
  const std::string why = reason(engine, ops::InnerProduct(), DType::kF32);
  EXPECT_EQ(why.rfind("OpenBLAS ", 0), 0u) << why;
  EXPECT_NE(why.find("chose its slowest kernels"), std::string::npos) << why;
  EXPECT_NE(why.find("OPENBLAS_CORETYPE=SkylakeX"), std::string::npos) << why;
}

TEST(CoreType, a_slow_core_on_a_fast_processor_has_a_better_one) {
  EXPECT_EQ(better_core_type("Prescott", true, true), "SkylakeX");
  EXPECT_EQ(better_core_type("prescott", true, false), "Haswell");
  EXPECT_EQ(better_core_type("Core2", true, false), "Haswell");
  EXPECT_EQ(better_core_type("Nehalem", true, true), "SkylakeX");
  EXPECT_EQ(better_core_type("Generic", true, false), "Haswell");
  EXPECT_EQ(better_core_type("Sandybridge", true, false), "Haswell");
}

TEST(CoreType, a_good_or_the_only_possible_choice_is_left) {
  EXPECT_EQ(better_core_type("SkylakeX", true, true), std::nullopt);
  EXPECT_EQ(better_core_type("Haswell", true, true), std::nullopt);
  EXPECT_EQ(better_core_type("Zen", true, false), std::nullopt);
  EXPECT_EQ(better_core_type("SomethingNew", true, true), std::nullopt);
  EXPECT_EQ(better_core_type("Prescott", false, false), std::nullopt);
}

}  // namespace
}  // namespace crema::test
