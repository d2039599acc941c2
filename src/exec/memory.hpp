// Memory that the plans of a net use in turn.
#pragma once

#include <memory>

#include "tensor/tensor.hpp"

namespace crema::exec {

// Grows to what the largest plan needs. Growing moves it: whoever holds addresses asks again.
class SharedArena {
 public:
  void reserve(size_t bytes) {
    if (arena_ && arena_->bytes() >= bytes) return;
    arena_.reset();  // the old one first: both together may be too much
    arena_ = std::make_unique<Arena>(bytes);
  }
  std::byte* data() const { return arena_ ? arena_->data() : nullptr; }

 private:
  std::unique_ptr<Arena> arena_;
};

}  // namespace crema::exec
