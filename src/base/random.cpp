#include "base/random.hpp"

#include <cmath>
#include <numbers>

namespace crema {

Philox4 philox4x32(const Philox4& counter, uint64_t key) {
  constexpr uint64_t kMul0 = 0xD2511F53, kMul1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
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
  return static_cast<float>(bits(element) >> 8) * 0x1p-24f;
}

float RandomStream::normal(uint64_t element) const {
  const Philox4 b = block(element / 2);
  const size_t at = element % 2 * 2;
  const double u = (static_cast<double>(b[at]) + 1.0) * 0x1p-32;  // (0, 1]
  const double v = static_cast<double>(b[at + 1]) * 0x1p-32;
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
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
