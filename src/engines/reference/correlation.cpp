#include "engines/reference/correlation.hpp"

namespace crema::reference {
namespace {

// The multi-index of flat `index` in `extents`, row-major.
std::vector<int64_t> unflatten(int64_t index, const std::vector<int64_t>& extents) {
  std::vector<int64_t> at(extents.size());
  for (size_t i = extents.size(); i-- > 0; index /= extents[i]) at[i] = index % extents[i];
  return at;
}

struct Axes {
  std::vector<int64_t> in, out, kernel, stride, pad, dilation;
};

void fill_row_table(Correlation& g, const Axes& a) {
  const size_t leading = a.in.size() - 1;
  const std::vector<int64_t> outs(a.out.begin(), a.out.end() - 1);
  const std::vector<int64_t> kernels(a.kernel.begin(), a.kernel.end() - 1);
  for (int64_t k = 0; k < g.kernel_rows; ++k) {
    const std::vector<int64_t> tap = unflatten(k, kernels);
    for (int64_t r = 0; r < g.out_rows; ++r) {
      const std::vector<int64_t> at = unflatten(r, outs);
      int64_t offset = 0;
      for (size_t i = 0; i < leading && offset != Correlation::kOutside; ++i) {
        const int64_t x = at[i] * a.stride[i] - a.pad[i] + tap[i] * a.dilation[i];
        offset = x < 0 || x >= a.in[i] ? Correlation::kOutside : offset * a.in[i] + x;
      }
      g.input_row.push_back(offset == Correlation::kOutside ? Correlation::kOutside
                                                            : offset * g.width);
    }
  }
}

}  // namespace

Correlation correlation_of(const ops::Windows& windows, int64_t groups, const Shape& in,
                           const Shape& out) {
  Axes a{in.slice(2, in.rank()).dims(),
         out.slice(2, out.rank()).dims(),
         windows.kernel,
         windows.stride,
         windows.pad,
         windows.dilation};
  if (a.in.empty()) a = {{1}, {1}, {1}, {1}, {0}, {1}};
  Correlation g{};
  g.batch = in[0], g.in_channels = in[1], g.out_channels = out[1], g.groups = groups;
  g.in_plane = in.count(2), g.out_plane = out.count(2);
  g.out_width = a.out.back(), g.kernel_width = a.kernel.back();
  g.width = a.in.back(), g.stride = a.stride.back();
  g.pad = a.pad.back(), g.dilation = a.dilation.back();
  const Shape places(a.out), kernel(a.kernel);
  g.out_rows = places.count(0, places.rank() - 1);
  g.kernel_rows = kernel.count(0, kernel.rank() - 1);
  fill_row_table(g, a);
  return g;
}

}  // namespace crema::reference
