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

namespace {

constexpr size_t kHugePage = size_t{2} << 20, kPage = size_t{4} << 10;

size_t rounded_up(size_t bytes, size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

// Zeroed pages straight from the system, which get them back when the arena ends: what malloc has
// freed may stay with the process.
std::byte* map_huge(size_t bytes) {
  const size_t more = bytes + kHugePage;
  void* mapped = ::mmap(nullptr, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(mapped);
  auto* data =
      reinterpret_cast<std::byte*>(rounded_up(reinterpret_cast<uintptr_t>(begin), kHugePage));
  const auto before = static_cast<size_t>(data - begin);
  if (before > 0) ::munmap(begin, before);
  if (kHugePage > before) ::munmap(data + bytes, kHugePage - before);
  // Advice only; what is left over at the end would take a whole huge page for itself.
  ::madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return data;
}

}  // namespace

Arena::Arena(size_t bytes) : bytes_(bytes) {
  if (bytes_ >= kHugePage) {
    data_ = map_huge(rounded_up(bytes_, kPage));
  } else if (bytes_ > 0) {
    const size_t rounded = rounded_up(bytes_, kAlignment);
    void* memory = std::aligned_alloc(kAlignment, rounded);
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory, 0, rounded);
    data_ = static_cast<std::byte*>(memory);
  }
}

Arena::~Arena() {
  if (bytes_ >= kHugePage)
    ::munmap(data_, rounded_up(bytes_, kPage));
  else
    std::free(data_);
}

}  // namespace crema
