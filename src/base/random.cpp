#include "base/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "base/parallel.hpp"
#include "base/simd.hpp"

namespace crema {

namespace {

constexpr uint64_t kMul0 = 0xD2511F53, kMul1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr int64_t kGrain = 1 << 14;  // numbers below which a second thread does not pay

float uniform_of(uint32_t bits) {
  return static_cast<float>(bits >> 8) * 0x1p-24f;
}

float normal_of(uint32_t radius, uint32_t angle) {
  const double u = (static_cast<double>(radius) + 1.0) * 0x1p-32;  // (0, 1]
  const double v = static_cast<double>(angle) * 0x1p-32;
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
}

}  // namespace

Philox4 philox4x32(const Philox4& counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  Philox4 c = counter;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = kMul0 * c[0], p1 = kMul1 * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return c;
}

static uint64_t mix(uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

uint64_t hash64(std::string_view text, uint64_t seed) {
  uint64_t h = 0xCBF29CE484222325ull ^ mix(seed + 0x9E3779B97F4A7C15ull);
  for (const char ch : text) h = (h ^ static_cast<uint8_t>(ch)) * 0x100000001B3ull;
  return mix(h);
}

RandomStream::RandomStream(uint64_t seed, std::string_view purpose, uint64_t index)
    : key_(hash64(purpose, seed)), index_(index) {}

Philox4 RandomStream::block(uint64_t block) const {
  return philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                     static_cast<uint32_t>(index_), static_cast<uint32_t>(index_ >> 32)},
                    key_);
}

uint64_t RandomStream::bits64(uint64_t element) const {
  const Philox4 b = block(element / 2);
  const size_t at = element % 2 * 2;
  return (static_cast<uint64_t>(b[at + 1]) << 32) | b[at];
}

float RandomStream::uniform(uint64_t element) const {
  return uniform_of(bits(element));
}

float RandomStream::normal(uint64_t element) const {
  const Philox4 b = block(element / 2);
  const size_t at = element % 2 * 2;
  return normal_of(b[at], b[at + 1]);
}

namespace {

// philox4x32 on eight counters side by side, each word in 64 bits: GCC's vectors have no widening
// product of 32.
constexpr int kBlocks = 8;
typedef uint64_t Words __attribute__((vector_size(kBlocks * sizeof(uint64_t))));
typedef int32_t Bits __attribute__((vector_size(2 * kBlocks * sizeof(int32_t))));

struct Blocks {
  Words word[4];
};

Blocks philox_blocks(uint64_t first, uint64_t index, uint64_t key) {
  constexpr uint64_t kLow = 0xFFFFFFFF;
  const Words counter = first + Words{0, 1, 2, 3, 4, 5, 6, 7};
  Words c0 = counter & kLow, c1 = counter >> 32;
  Words c2 = Words{} + (index & kLow), c3 = Words{} + (index >> 32);
  auto k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const Words p0 = c0 * kMul0, p1 = c2 * kMul1;
    c0 = (p1 >> 32) ^ c1 ^ k0;
    c1 = p1 & kLow;
    c2 = (p0 >> 32) ^ c3 ^ k1;
    c3 = p0 & kLow;
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {{c0, c1, c2, c3}};
}

// uniform_of() of all the blocks' words in their order.
constexpr int kUniforms = 4 * kBlocks;
void uniforms_of(const Blocks& blocks, float* out) {
  const Words first = blocks.word[0] | blocks.word[1] << 32;
  const Words second = blocks.word[2] | blocks.word[3] << 32;
  const Words halves[] = {
      __builtin_shuffle(first, second, Words{0, 8, 1, 9, 2, 10, 3, 11}),
      __builtin_shuffle(first, second, Words{4, 12, 5, 13, 6, 14, 7, 15}),
  };
  for (const Words& half : halves) {
    // The upper 24 bits of each.
    const Bits bits = (Bits)((half >> 8) & 0x00FFFFFF00FFFFFFull);
    const simd::Vector<2 * kBlocks> uniform =
        __builtin_convertvector(bits, simd::Vector<2 * kBlocks>) * 0x1p-24f;
    std::memcpy(out, &uniform, sizeof(uniform));
    out += 2 * kBlocks;
  }
}

}  // namespace

void RandomStream::uniforms(uint64_t first, std::span<float> out) const {
  parallel_for(static_cast<int64_t>(out.size()), kGrain, [&](int64_t begin, int64_t end) {
    simd::run([&] {
      float some[kUniforms];
      for (int64_t i = begin; i < end;) {
        const uint64_t element = first + static_cast<uint64_t>(i);
        const auto skip = static_cast<int64_t>(element % 4);
        const int64_t n = std::min(kUniforms - skip, end - i);
        float* to = out.data() + i;
        const Blocks words = philox_blocks(element / 4, index_, key_);
        uniforms_of(words, n == kUniforms ? to : some);
        if (n != kUniforms) std::copy_n(some + skip, n, to);
        i += n;
      }
    });
  });
}

void RandomStream::normals(uint64_t first, std::span<float> out) const {
  parallel_for(static_cast<int64_t>(out.size()), kGrain, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<uint64_t>(begin); i < static_cast<uint64_t>(end);) {
      const Philox4 words = block((first + i) / 2);
      const uint64_t skip = (first + i) % 2;
      out[i++] = normal_of(words[2 * skip], words[2 * skip + 1]);
      if (skip == 0 && i < static_cast<uint64_t>(end)) out[i++] = normal_of(words[2], words[3]);
    }
  });
}

uint64_t RandomStream::below(uint64_t element, uint64_t n) const {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(bits64(element)) * n) >> 64);
}

Permutation::Permutation(const RandomStream& stream, uint64_t n) : n_(n), half_bits_(1) {
  while (half_bits_ < 32 && (uint64_t{1} << (2 * half_bits_)) < n_) ++half_bits_;
  for (uint64_t i = 0; i < round_keys_.size(); ++i) round_keys_[i] = stream.bits64(i);
}

uint64_t Permutation::encrypt(uint64_t x) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = x >> half_bits_, right = x & mask;
  for (const uint64_t key : round_keys_) {
    const uint64_t next = left ^ (mix(right ^ key) & mask);
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

uint64_t Permutation::operator()(uint64_t i) const {
  if (n_ <= 1) return i;
  do i = encrypt(i);
  while (i >= n_);
  return i;
}

}  // namespace crema
