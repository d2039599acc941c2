#include "engines/openblas/im2col.hpp"

#include <algorithm>

namespace crema::openblas {
namespace {

// Walks one row of the columns matrix in lines along the last axis. For each line:
// fn(column of its first element, offset in the channel of the image line; -1 if that is outside).
template <class Fn>
void each_line(const Windows& w, int64_t kernel_index, Fn&& fn) {
  const int64_t last_out = w.axes.back().out;
  const int64_t lines = last_out == 0 ? 0 : w.columns() / last_out;
  for (int64_t line = 0; line < lines; ++line) {
    int64_t o = line, k = kernel_index / w.axes.back().kernel, step = w.axes.back().in, offset = 0;
    bool inside = true;
    for (size_t a = w.axes.size() - 1; a-- > 0;) {
      const Axis& axis = w.axes[a];
      const int64_t at = axis.position(o % axis.out, k % axis.kernel);
      inside = inside && at >= 0 && at < axis.in;
      offset += at * step;
      step *= axis.in;
      o /= axis.out;
      k /= axis.kernel;
    }
    fn(line * last_out, inside ? offset : -1);
  }
}

// Output positions [first, last) of the last axis that meet the image.
struct Range {
  int64_t first, last, start;  // start: image position of `first`

  Range(const Axis& axis, int64_t k) {
    const int64_t shift = axis.pad - k * axis.dilation;  // o * stride >= shift
    first =
        std::clamp<int64_t>(shift > 0 ? (shift + axis.stride - 1) / axis.stride : 0, 0, axis.out);
    const int64_t limit = axis.in + shift;  // o * stride < limit
    last = limit > 0 ? std::min(axis.out, (limit + axis.stride - 1) / axis.stride) : 0;
    last = std::max(first, last);
    start = axis.position(first, k);
  }
};

}  // namespace

int64_t Windows::image_size() const {
  int64_t n = 1;
  for (const Axis& axis : axes) n *= axis.in;
  return n;
}

int64_t Windows::kernel_size() const {
  int64_t n = 1;
  for (const Axis& axis : axes) n *= axis.kernel;
  return n;
}

int64_t Windows::columns() const {
  int64_t n = 1;
  for (const Axis& axis : axes) n *= axis.out;
  return n;
}

bool Windows::trivial() const {
  return std::all_of(axes.begin(), axes.end(), [](const Axis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.pad == 0;
  });
}

void im2col(const Windows& w, const float* image, int64_t begin, int64_t end, float* columns) {
  const int64_t kernels = w.kernel_size(), width = w.columns(), size = w.image_size();
  const Axis& last = w.axes.back();
  for (int64_t row = begin; row < end; ++row) {
    const float* channel = image + row / kernels * size;
    float* to = columns + row * width;
    const Range range(last, row % kernels % last.kernel);
    each_line(w, row % kernels, [&](int64_t column, int64_t offset) {
      float* line = to + column;
      if (offset < 0) {
        std::fill_n(line, last.out, 0.0f);
        return;
      }
      std::fill_n(line, range.first, 0.0f);
      const float* from = channel + offset + range.start;
      if (last.stride == 1)
        std::copy_n(from, range.last - range.first, line + range.first);
      else
        for (int64_t o = range.first; o < range.last; ++o, from += last.stride) line[o] = *from;
      std::fill(line + range.last, line + last.out, 0.0f);
    });
  }
}

void col2im(const Windows& w, const float* columns, int64_t begin, int64_t end, float* image) {
  const int64_t kernels = w.kernel_size(), width = w.columns(), size = w.image_size();
  const Axis& last = w.axes.back();
  for (int64_t row = begin * kernels; row < end * kernels; ++row) {
    float* channel = image + row / kernels * size;
    const float* from = columns + row * width;
    const Range range(last, row % kernels % last.kernel);
    each_line(w, row % kernels, [&](int64_t column, int64_t offset) {
      if (offset < 0) return;
      const float* line = from + column;
      float* to = channel + offset + range.start;
      for (int64_t o = range.first; o < range.last; ++o, to += last.stride) *to += line[o];
    });
  }
}

}  // namespace crema::openblas
