// Counter-based random numbers: no generator has a state, so nothing has to be saved, and a
// resumed run draws what the uninterrupted one would have drawn.
//
// Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace crema {

using Philox4 = std::array<uint32_t, 4>;

// One Philox4x32-10 block: a pure function of the 128-bit counter and the 64-bit key.
Philox4 philox4x32(const Philox4& counter, uint64_t key);

// An endless array of random numbers, named by its purpose ("fill/conv1/weight", "mask/drop6",
// "order", "crop") and an index within it (iteration, epoch or sample). Every element can be read
// in any order, from any thread.
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view purpose, uint64_t index = 0);

  // The stream of the same purpose at another index.
  RandomStream at(uint64_t index) const { return RandomStream(key_, index); }

  // Elements 4*block .. 4*block+3 as raw bits.
  Philox4 block(uint64_t block) const;
  uint32_t bits(uint64_t element) const { return block(element / 4)[element % 4]; }
  uint64_t bits64(uint64_t element) const;  // its own numbering: uses elements 2e and 2e+1
  // [0, 1), 24 bits.
  float uniform(uint64_t element) const;
  // Standard normal (Box-Muller on the element's own pair of 32-bit words).
  float normal(uint64_t element) const;
  // [0, n), without bias worth naming for n < 2^32. n > 0.
  uint64_t below(uint64_t element, uint64_t n) const;

  // Elements first, first + 1, ... at once, as uniform() and normal() give them one by one; long
  // spans on several threads.
  void uniforms(uint64_t first, std::span<float> out) const;
  void normals(uint64_t first, std::span<float> out) const;

  uint64_t key() const { return key_; }

 private:
  RandomStream(uint64_t key, uint64_t index) : key_(key), index_(index) {}
  uint64_t key_;
  uint64_t index_;
};

// A pseudo-random permutation of [0, n): where element i of epoch e goes. O(1) memory.
// A Feistel network of 4 rounds on the next even power of two, with cycle walking.
class Permutation {
 public:
  Permutation(const RandomStream& stream, uint64_t n);
  uint64_t operator()(uint64_t i) const;

 private:
  uint64_t encrypt(uint64_t x) const;
  uint64_t n_;
  int half_bits_;
  std::array<uint64_t, 4> round_keys_;
};

// 64-bit FNV-1a followed by a mixer; stable across platforms and versions.
uint64_t hash64(std::string_view text, uint64_t seed = 0);

}  // namespace crema
