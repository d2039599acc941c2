// Tensors that lie side by side in a larger one, along an axis: what concat and slice share.
#pragma once

#include <optional>
#include <vector>

#include "engines/reference/kernel.hpp"

namespace crema::reference {

// A part of a row of the whole (a row: everything at one index of the axes before).
struct Part {
  int64_t offset, length;  // elements
};

struct SideBySide {
  int64_t rows = 1, row_length = 0;
  std::vector<Part> parts;

  SideBySide(const std::vector<ops::Operand>& operands, int axis)
      : rows(operands[0].shape.count(0, axis)) {
    for (const ops::Operand& operand : operands) {
      parts.push_back({row_length, operand.shape.count(axis)});
      row_length += parts.back().length;
    }
  }

  // Where the parts lie in the whole, elements of `bytes` each, if there is only one row.
  std::optional<ops::Parts> in_place(bool of_output, size_t bytes) const {
    if (rows != 1) return std::nullopt;
    ops::Parts out{of_output, {}};
    for (size_t p = 0; p < parts.size(); ++p)
      out.offsets[static_cast<int>(p)] = static_cast<size_t>(parts[p].offset) * bytes;
    return out;
  }

  template <class T>
  void copy_out(const T* whole, size_t part, T* to) const {
    const auto [offset, length] = parts[part];
    parallel_each(rows, length, [&, offset = offset, length = length](int64_t row) {
      std::copy_n(whole + row * row_length + offset, length, to + row * length);
    });
  }

  // The same of whole and mask: where the mask is not positive, times `slope`.
  template <class T>
  void copy_out(const T* whole, const T* mask, T slope, size_t part, T* to) const {
    const auto [offset, length] = parts[part];
    parallel_each(rows, length, [&, offset = offset, length = length](int64_t row) {
      const int64_t at = row * row_length + offset;
      for (int64_t i = 0; i < length; ++i)
        to[row * length + i] = mask[at + i] > 0 ? whole[at + i] : slope * whole[at + i];
    });
  }

  // from(part): its elements, null for zeros.
  template <class T, class From>
  void copy_in(const From& from, T* whole) const {
    parallel_each(rows, row_length, [&](int64_t row) {
      for (size_t p = 0; p < parts.size(); ++p) {
        const auto [offset, length] = parts[p];
        T* to = whole + row * row_length + offset;
        if (const T* part = from(p))
          std::copy_n(part + row * length, length, to);
        else
          std::fill_n(to, length, T{0});
      }
    });
  }
};

}  // namespace crema::reference
