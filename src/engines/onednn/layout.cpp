#include "engines/onednn/layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace crema::onednn {
namespace {

const dnnl_blocking_desc_t& blocking(const Desc& desc) {
  return desc.data.format_desc.blocking;
}

bool blocked_format(const Desc& desc) {
  return desc.data.format_kind == dnnl_blocked && desc.data.extra.flags == 0;
}

// Product of all inner blocks per axis.
std::array<int64_t, DNNL_MAX_NDIMS> block_sizes(const Desc& desc) {
  std::array<int64_t, DNNL_MAX_NDIMS> sizes;
  sizes.fill(1);
  for (int i = 0; i < blocking(desc).inner_nblks; ++i)
    sizes[static_cast<size_t>(blocking(desc).inner_idxs[i])] *= blocking(desc).inner_blks[i];
  return sizes;
}

// True if stepping through any axis of `desc`, block by block and within blocks, moves through
// memory as stepping through the unblocked `row_major` does.
bool same_order(const Desc& desc, const Desc& row_major) {
  if (!blocked_format(desc) || padded(desc) || desc.data.offset0 != 0) return false;
  const auto& plain = blocking(row_major);
  auto step = block_sizes(desc);  // of the outer index, in elements of the axis
  for (int axis = 0; axis < desc.data.ndims; ++axis) {
    const int64_t block = step[static_cast<size_t>(axis)];
    if (desc.data.dims[axis] / block > 1 &&
        blocking(desc).strides[axis] != plain.strides[axis] * block)
      return false;
  }
  int64_t inner = std::accumulate(step.begin(), step.end(), int64_t{1}, std::multiplies<>());
  for (int i = 0; i < blocking(desc).inner_nblks; ++i) {
    const int64_t axis = blocking(desc).inner_idxs[i], block = blocking(desc).inner_blks[i];
    inner /= block;
    int64_t& below = step[static_cast<size_t>(axis)];
    below /= block;
    if (block > 1 && inner != plain.strides[axis] * below) return false;
  }
  return true;
}

}  // namespace

std::string OneDnnLayout::describe() const {
  const std::string type = is_bf16(desc_) ? "bf16:" : "";
  if (!blocked_format(desc_)) return type + "onednn";
  std::vector<int> axes(static_cast<size_t>(desc_.data.ndims));
  std::iota(axes.begin(), axes.end(), 0);
  std::stable_sort(axes.begin(), axes.end(), [&](int a, int b) {
    return blocking(desc_).strides[a] > blocking(desc_).strides[b];
  });
  const auto blocks = block_sizes(desc_);
  std::string out = type;
  for (const int axis : axes)
    out += static_cast<char>((blocks[static_cast<size_t>(axis)] > 1 ? 'A' : 'a') + axis);
  for (int i = 0; i < blocking(desc_).inner_nblks; ++i)
    out += fmt::format("{}{}", blocking(desc_).inner_blks[i],
                       static_cast<char>('a' + blocking(desc_).inner_idxs[i]));
  return out;
}

DType OneDnnLayout::dtype() const {
  return is_bf16(desc_) ? DType::kBf16 : DType::kF32;
}

bool OneDnnLayout::equals(const OpaqueLayout& other) const {
  const auto* same = dynamic_cast<const OneDnnLayout*>(&other);
  return same != nullptr && desc_ == same->desc_ && row_major_ == same->row_major_;
}

Desc plain_desc(const Dims& dims, Type type) {
  if (dims.empty()) return plain_desc(Dims{1}, type);  // a scalar
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i)
    strides[i - 1] = strides[i] * std::max<int64_t>(dims[i], 1);
  return {dims, type, strides};
}

Desc any_desc(const Dims& dims, Type type) {
  return {dims, type, dnnl::memory::format_tag::any};
}

Desc as(Desc desc, Type type) {
  desc.data.data_type = dnnl::memory::convert_to_c(type);
  return desc;
}

Layout layout_of(const Desc& desc, const Desc& row_major) {
  if (!is_bf16(desc) && same_order(desc, row_major)) return Layout();
  return Layout(std::make_shared<OneDnnLayout>(desc, row_major));
}

const OneDnnLayout* ours(const Layout& layout) {
  return dynamic_cast<const OneDnnLayout*>(layout.opaque());
}

std::optional<Desc> desc_of(const std::optional<Layout>& layout, const Desc& row_major) {
  if (!layout) return std::nullopt;
  if (layout->plain()) return row_major;
  const OneDnnLayout* opaque = ours(*layout);
  if (opaque == nullptr || opaque->row_major() != row_major) return std::nullopt;
  return as(opaque->desc(), Type::f32);
}

Desc stored_or_plain(const ops::Operand& operand) {
  const Desc desc = desc_or_plain(operand);
  const bool rounded = operand.layout && !operand.layout->plain() &&
                       operand.layout->opaque()->dtype() == DType::kBf16;
  return rounded ? as(desc, Type::bf16) : desc;
}

bool padded(const Desc& desc) {
  return !std::equal(desc.data.dims, desc.data.dims + desc.data.ndims, desc.data.padded_dims);
}

std::optional<OuterAxis> outer_axis(const Desc& desc) {
  if (!blocked_format(desc) || padded(desc) || desc.data.offset0 != 0) return std::nullopt;
  const auto blocks = block_sizes(desc);
  std::optional<OuterAxis> out;
  size_t elements = 1;
  for (int axis = 0; axis < desc.data.ndims; ++axis) {
    const int64_t extent = desc.data.dims[axis] / blocks[static_cast<size_t>(axis)];
    elements *= static_cast<size_t>(desc.data.dims[axis]);
    if (extent > 1 && (!out || blocking(desc).strides[axis] > blocking(desc).strides[out->axis]))
      out = OuterAxis{axis, extent};
  }
  return elements * sizeof(float) == desc.get_size() ? out : std::nullopt;
}

Desc part_of(const Desc& desc, int axis, int64_t count) {
  Desc out = desc;
  auto& strides = out.data.format_desc.blocking.strides;
  out.data.dims[axis] /= count;
  out.data.padded_dims[axis] /= count;
  for (int other = 0; other < out.data.ndims; ++other)
    if (blocking(desc).strides[other] > blocking(desc).strides[axis]) strides[other] /= count;
  return out;
}

std::optional<Desc> inner_part(const Desc& rows, int64_t count) {
  if (!blocked_format(rows) || padded(rows)) return std::nullopt;
  const auto blocks = block_sizes(rows);
  const auto& strides = blocking(rows).strides;
  if (blocks[0] != 1 || rows.data.dims[1] % (blocks[1] * count) != 0) return std::nullopt;
  if (strides[0] != strides[1] * (rows.data.dims[1] / blocks[1])) return std::nullopt;
  for (int axis = 2; axis < rows.data.ndims; ++axis)
    if (rows.data.dims[axis] > 1 && strides[axis] > strides[1]) return std::nullopt;
  return part_of(rows, 1, count);
}

Desc resized(const Desc& desc, int axis, int64_t extent) {
  Desc out = desc;
  const int64_t block = block_sizes(desc)[static_cast<size_t>(axis)];
  const int64_t padded = (extent + block - 1) / block * block;
  out.data.dims[axis] = extent;
  out.data.padded_dims[axis] = padded;
  auto& strides = out.data.format_desc.blocking.strides;
  for (int other = 0; other < desc.data.ndims; ++other)
    if (blocking(desc).strides[other] > blocking(desc).strides[axis])
      strides[other] = strides[other] / desc.data.padded_dims[axis] * padded;
  return out;
}

std::optional<Runs> runs_of(const Desc& whole, int axis, int64_t begin, const Desc& part) {
  if (!blocked_format(whole) || whole.data.offset0 != 0 || whole.data.dims[axis] == 0)
    return std::nullopt;
  const int64_t extent = part.data.dims[axis];
  if (resized(whole, axis, extent) != part) return std::nullopt;
  const auto blocks = block_sizes(whole);
  const int64_t block = blocks[static_cast<size_t>(axis)];
  const bool last = begin + extent == whole.data.dims[axis];
  if (begin % block != 0 || (!last && extent % block != 0)) return std::nullopt;
  // Each axis must step over all that come after it, densely. Strides of axes of one block do not
  // matter.
  const auto step = [&](int a) { return blocking(whole).strides[a]; };
  const auto outer = [&](int a) {
    return whole.data.padded_dims[a] / blocks[static_cast<size_t>(a)];
  };
  for (int a = axis + 1; a < whole.data.ndims; ++a)
    if (outer(a) > 1 && step(a) * outer(a) > step(axis)) return std::nullopt;
  const int64_t row = step(axis) * outer(axis);
  int64_t row_stride = row, count = 1;
  for (int a = axis - 1; a >= 0; --a) {
    if (outer(a) > 1 && step(a) != row_stride) return std::nullopt;
    row_stride *= outer(a);
    count *= outer(a);
  }
  const auto bytes = static_cast<int64_t>(dnnl::memory::data_type_size(whole.data_type()));
  if (count * row * bytes != static_cast<int64_t>(whole.get_size())) return std::nullopt;
  const int64_t inside = step(axis) * bytes;
  return Runs{count, row * bytes, (extent + block - 1) / block * inside, begin / block * inside};
}

}  // namespace crema::onednn
