#include "base/random.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/simd.hpp"

namespace crema {
namespace {

// Known answers of the Random123 distribution.
TEST(random, philox_gives_the_published_numbers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, 0), (Philox4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, ~uint64_t{0}),
            (Philox4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Philox4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(random, streams_are_named_and_indexed) {
  const RandomStream a(1, "fill/conv1/weight"), b(1, "fill/conv2/weight"),
      c(2, "fill/conv1/weight");
  EXPECT_NE(a.bits(0), b.bits(0));
  EXPECT_NE(a.bits(0), c.bits(0));
  EXPECT_NE(a.bits(0), a.at(1).bits(0));
  EXPECT_EQ(a.bits(17), RandomStream(1, "fill/conv1/weight").bits(17));
}

TEST(random, distributions_have_their_moments) {
  const RandomStream stream(3, "moments");
  constexpr int kCount = 200000;
  double uniform = 0, normal = 0, square = 0;
  for (int i = 0; i < kCount; ++i) {
    const float u = stream.uniform(i), n = stream.normal(i);
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    uniform += u;
    normal += n;
    square += static_cast<double>(n) * n;
    ASSERT_LT(stream.below(i, 7), 7u);
  }
  EXPECT_NEAR(uniform / kCount, 0.5, 0.003);
  EXPECT_NEAR(normal / kCount, 0.0, 0.01);
  EXPECT_NEAR(square / kCount, 1.0, 0.015);
}

TEST(random, a_permutation_visits_everything_once) {
  for (const uint64_t n : {1u, 2u, 3u, 10u, 64u, 65u, 1000u, 4097u}) {
    const Permutation order(RandomStream(5, "order", n), n);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < n; ++i) {
      ASSERT_LT(order(i), n);
      seen.insert(order(i));
    }
    EXPECT_EQ(seen.size(), n);
  }
}

TEST(random, many_at_once_are_the_same_as_one_by_one) {
  const RandomStream stream(11, "many", 5);
  for (const simd::Isa isa : {simd::Isa::kBaseline, simd::Isa::kAvx2, simd::Isa::kAvx512}) {
    simd::limit_isa(isa);
    for (const uint64_t first : {0u, 1u, 2u, 3u, 1000u, 4294967290u})
      for (const size_t n : {0u, 1u, 5u, 64u, 100u, 50000u}) {
        std::vector<float> uniforms(n), normals(n);
        stream.uniforms(4 * first + first % 4, uniforms);
        stream.normals(2 * first + first % 2, normals);
        for (size_t i = 0; i < n; i += 1 + n / 100) {
          ASSERT_EQ(uniforms[i], stream.uniform(4 * first + first % 4 + i)) << first << "+" << i;
          ASSERT_EQ(normals[i], stream.normal(2 * first + first % 2 + i)) << first << "+" << i;
        }
      }
  }
  simd::limit_isa(simd::Isa::kAvx512);
}

TEST(random, elements_are_words_of_their_blocks) {
  const RandomStream stream(7, "words", 3);
  for (const uint64_t block : {uint64_t{0}, uint64_t{5}, uint64_t{1} << 40}) {
    const Philox4 words = stream.block(block);
    for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(stream.bits(4 * block + i), words[i]);
    for (uint64_t i = 0; i < 2; ++i)
      EXPECT_EQ(stream.bits64(2 * block + i), uint64_t{words[2 * i + 1]} << 32 | words[2 * i]);
  }
  EXPECT_EQ(RandomStream(7, "words").at(3).bits(1), stream.bits(1));
}

// Snapshots of older versions resume on the same numbers only while these stay.
TEST(random, streams_are_frozen) {
  EXPECT_EQ(hash64(""), 0xaebe53f85cdc3c4cull);
  EXPECT_EQ(hash64("fill/conv1/weight", 1), 0x5e2d4cbba090a83eull);
  EXPECT_EQ(RandomStream(1, "fill/conv1/weight", 2).bits(3), 0xdb7f25au);
  EXPECT_EQ(Permutation(RandomStream(1, "order"), 1000)(0), 199u);
}

TEST(random, neighbours_and_streams_are_independent) {
  const RandomStream a(3, "left"), b(3, "right"), next = a.at(1);
  constexpr int kCount = 100000;
  double lag = 0, streams = 0, indices = 0, fourth = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = a.normal(i);
    lag += x * a.normal(i + 1);
    streams += x * b.normal(i);
    indices += x * next.normal(i);
    fourth += x * x * x * x;
  }
  // Standard errors: 1 / sqrt(n) = 0.0032, and sqrt(96 / n) = 0.031 for the fourth moment.
  EXPECT_NEAR(lag / kCount, 0, 0.016);
  EXPECT_NEAR(streams / kCount, 0, 0.016);
  EXPECT_NEAR(indices / kCount, 0, 0.016);
  EXPECT_NEAR(fourth / kCount, 3, 0.15);
}

TEST(random, below_is_uniform) {
  const RandomStream stream(3, "below");
  constexpr int kCount = 70000;
  int seen[7] = {};
  for (int i = 0; i < kCount; ++i) ++seen[stream.below(i, 7)];
  double chi_square = 0;
  for (const int n : seen) chi_square += (n - 10000.0) * (n - 10000.0) / 10000.0;
  EXPECT_LT(chi_square, 22.5);  // 6 degrees of freedom, p = 0.001
  EXPECT_EQ(stream.below(0, 1), 0u);
  EXPECT_LT(stream.below(0, ~uint64_t{0}), ~uint64_t{0});
}

TEST(random, permutations_of_every_small_size_and_of_huge_ones) {
  for (uint64_t n = 1; n <= 300; ++n) {
    const Permutation order(RandomStream(n, "order"), n);
    std::vector<bool> seen(n, false);
    for (uint64_t i = 0; i < n; ++i) {
      ASSERT_LT(order(i), n);
      ASSERT_FALSE(seen[order(i)]) << n;
      seen[order(i)] = true;
    }
  }
  constexpr uint64_t kHuge = (uint64_t{1} << 33) + 1;
  const Permutation order(RandomStream(1, "order"), kHuge);
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 5000; ++i) seen.insert(order(kHuge - 1 - i));
  EXPECT_EQ(seen.size(), 5000u);
  EXPECT_LT(*seen.rbegin(), kHuge);
}

TEST(random, permutations_mix_and_differ_by_stream) {
  constexpr uint64_t kCount = 1000;
  const Permutation one(RandomStream(1, "order"), kCount), two(RandomStream(2, "order"), kCount);
  int in_place = 0, ascending = 0, equal = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    in_place += one(i) == i;
    equal += one(i) == two(i);
    ascending += i > 0 && one(i) > one(i - 1);
  }
  EXPECT_LT(in_place, 8);  // of a random permutation: 1 on average
  EXPECT_LT(equal, 8);
  EXPECT_NEAR(ascending, 500, 50);
}

}  // namespace
}  // namespace crema
