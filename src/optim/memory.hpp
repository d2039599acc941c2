// Zeroed float arrays in one piece of memory, each aligned.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tensor/tensor.hpp"

namespace crema::optim {

inline std::unique_ptr<Arena> allocate(std::span<const size_t> sizes,
                                       std::vector<std::span<float>>& arrays) {
  const auto rounded = [](size_t elements) {
    const size_t step = Arena::kAlignment / sizeof(float);
    return (elements + step - 1) / step * step;
  };
  size_t total = 0;
  for (const size_t size : sizes) total += rounded(size);
  auto memory = std::make_unique<Arena>(total * sizeof(float));
  auto* next = reinterpret_cast<float*>(memory->data());
  for (const size_t size : sizes) {
    arrays.emplace_back(next, size);
    next += rounded(size);
  }
  return memory;
}

}  // namespace crema::optim
