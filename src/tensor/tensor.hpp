// What a tensor is: shape (always logical N, C, spatial...), element type and physical layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.hpp"
#include "tensor/shape.hpp"

namespace crema {

enum class DType : uint8_t { kF32, kF64, kBf16 };
size_t bytes_of(DType type);
const char* name_of(DType type);

template <class T>
inline constexpr DType kDTypeOf = DType::kF32;
template <>
inline constexpr DType kDTypeOf<double> = DType::kF64;

// A physical layout minted by an engine. Only engines/ and plan/ look at one.
class OpaqueLayout {
 public:
  virtual ~OpaqueLayout() = default;
  virtual const char* engine() const = 0;
  virtual std::string describe() const = 0;  // "aBcd8b", "bf16:aBcd16b"
  // How elements are stored: an engine may round a tensor of f32 to bf16.
  virtual DType dtype() const { return DType::kF32; }
  virtual size_t bytes() const = 0;  // including padding
  virtual bool equals(const OpaqueLayout& other) const = 0;
};

// Plain (row-major, contiguous) or opaque.
class Layout {
 public:
  Layout() = default;
  explicit Layout(std::shared_ptr<const OpaqueLayout> opaque) : opaque_(std::move(opaque)) {}
  bool plain() const { return opaque_ == nullptr; }
  const OpaqueLayout* opaque() const { return opaque_.get(); }
  std::string text() const { return plain() ? "plain" : opaque_->describe(); }
  bool operator==(const Layout& other) const;

 private:
  std::shared_ptr<const OpaqueLayout> opaque_;
};

struct TensorDesc {
  Shape shape;
  DType dtype = DType::kF32;  // of the numbers, and of the elements of the plain layout
  Layout layout;

  // Of the elements in memory: an opaque layout may store f32 numbers as bf16.
  DType stored() const { return layout.plain() ? dtype : layout.opaque()->dtype(); }
  size_t bytes() const;
  bool operator==(const TensorDesc&) const = default;
};

// A tensor somebody else owns.
struct TensorView {
  TensorDesc desc;
  void* data = nullptr;

  // The elements in row-major order. LogicError if the layout is opaque or T is another type:
  // nobody gets silent garbage.
  template <class T>
  std::span<T> plain() const {
    CREMA_CHECK(desc.layout.plain(), "an opaque tensor was asked for plain elements");
    CREMA_CHECK(desc.dtype == kDTypeOf<std::remove_const_t<T>>, "wrong element type");
    return {static_cast<T*>(data), static_cast<size_t>(desc.shape.count())};
  }
};

// One block of zeroed memory, aligned to 64 bytes (2 MiB and huge pages where large).
class Arena {
 public:
  explicit Arena(size_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  static constexpr size_t kAlignment = 64;

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace crema
