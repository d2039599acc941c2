#include "tensor/tensor.hpp"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace crema {

size_t bytes_of(DType type) {
  switch (type) {
    case DType::kF32:
      return 4;
    case DType::kF64:
      return 8;
    case DType::kBf16:
      return 2;
  }
  return 0;
}

const char* name_of(DType type) {
  switch (type) {
    case DType::kF32:
      return "f32";
    case DType::kF64:
      return "f64";
    case DType::kBf16:
      return "bf16";
  }
  return "?";
}

bool Layout::operator==(const Layout& other) const {
  if (opaque_ == other.opaque_) return true;
  return opaque_ && other.opaque_ && opaque_->equals(*other.opaque_);
}

size_t TensorDesc::bytes() const {
  return layout.plain() ? static_cast<size_t>(shape.count()) * bytes_of(dtype)
                        : layout.opaque()->bytes();
}

Arena::Arena(size_t bytes) : bytes_(bytes) {
  if (bytes_ == 0) return;
  constexpr size_t kHuge = size_t{2} << 20;
  const size_t alignment = bytes_ >= kHuge ? kHuge : kAlignment;
  const size_t rounded = (bytes_ + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  if (alignment == kHuge) ::madvise(memory, rounded, MADV_HUGEPAGE);  // advice only
  std::memset(memory, 0, rounded);
  data_ = static_cast<std::byte*>(memory);
}

Arena::~Arena() {
  std::free(data_);
}

}  // namespace crema
