// oneDNN's memory descriptors as layouts of crema.
#pragma once

#include <dnnl.hpp>
#include <optional>
#include <string>

#include "ops/engine.hpp"
#include "tensor/tensor.hpp"

namespace crema::onednn {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

// A blocked or permuted layout. oneDNN may see a tensor under other axes than its Shape (weights
// with a group axis, flattened or transposed weights): `row_major` describes the tensor's plain
// memory under the same axes as `desc`, so that a reorder between the two is always possible.
//
// `row_major` is single precision; `desc` may store bf16.
class OneDnnLayout final : public OpaqueLayout {
 public:
  OneDnnLayout(Desc desc, Desc row_major)
      : desc_(std::move(desc)), row_major_(std::move(row_major)) {}
  const char* engine() const override { return "onednn"; }
  std::string describe() const override;
  DType dtype() const override;
  size_t bytes() const override { return desc_.get_size(); }
  bool equals(const OpaqueLayout& other) const override;
  const Desc& desc() const { return desc_; }
  const Desc& row_major() const { return row_major_; }

 private:
  Desc desc_, row_major_;
};

using Type = dnnl::memory::data_type;

// Row-major.
Desc plain_desc(const Dims& dims, Type type = Type::f32);
inline Desc plain_desc(const Shape& shape) {
  return plain_desc(shape.dims());
}
// oneDNN may choose.
Desc any_desc(const Dims& dims, Type type = Type::f32);
// The same places for elements of another type.
Desc as(Desc desc, Type type);
inline bool is_bf16(const Desc& desc) {
  return desc.data.data_type == dnnl_bf16;
}

// The layout of a tensor that oneDNN stores as `desc` and whose plain memory is `row_major`. Plain
// if the two put every element at the same place, so that no useless reorder arises.
Layout layout_of(const Desc& desc, const Desc& row_major);
inline Layout layout_of(const Desc& desc) {
  return layout_of(desc, plain_desc(desc.dims()));
}

// Null if the layout is plain or of another engine.
const OneDnnLayout* ours(const Layout& layout);

// The operand's present layout under the axes of `row_major`; empty if it has none yet, or one
// that cannot be expressed so. In single precision, also where it is stored as bf16: a kernel that
// asks for it gets it converted.
std::optional<Desc> desc_of(const std::optional<Layout>& layout, const Desc& row_major);
inline std::optional<Desc> desc_of(const ops::Operand& operand) {
  return desc_of(operand.layout, plain_desc(operand.shape));
}
// The same, or plain.
inline Desc desc_or_plain(const ops::Operand& operand) {
  return desc_of(operand).value_or(plain_desc(operand.shape));
}
// The same as it is stored, for kernels that take bf16 too.
Desc stored_or_plain(const ops::Operand& operand);

bool padded(const Desc& desc);

// The axis that varies slowest in memory, in blocks. Empty if the tensor is padded or not dense.
struct OuterAxis {
  int axis = 0;
  int64_t blocks = 1;
};
std::optional<OuterAxis> outer_axis(const Desc& desc);
// One of `count` equal parts along an axis, as a dense tensor of its own.
Desc part_of(const Desc& desc, int axis, int64_t count);
// The same of axis 1 of a tensor of rows (N, C, ...). Empty if a part is not contiguous in a row.
std::optional<Desc> inner_part(const Desc& rows, int64_t count);
// The same format for another extent of one axis, dense.
Desc resized(const Desc& desc, int axis, int64_t extent);

// Where a part of a tensor lies: in runs, one every `stride` bytes from `offset` on. In the part
// they lie one after another.
struct Runs {
  int64_t count = 1, stride = 0, length = 0, offset = 0;  // bytes
};
// Of the indices [begin, begin + part's extent) of an axis. Empty if the two are not dense, of one
// format and split between blocks, or if an axis before this one varies faster than one after it.
std::optional<Runs> runs_of(const Desc& whole, int axis, int64_t begin, const Desc& part);

}  // namespace crema::onednn
