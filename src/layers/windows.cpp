#include "layers/windows.hpp"

#include <fmt/format.h>

#include <limits>

#include "layers/check.hpp"

namespace crema::layers {
namespace {

using List = google::protobuf::RepeatedField<uint32_t>;

constexpr uint32_t kLargest = std::numeric_limits<int32_t>::max();

// One of kernel, stride, pad, dilation as written.
struct Setting {
  const char* list_field;
  const char* pair_fields;  // "kernel_h and kernel_w"; null: there is no such form
  const char* h_field;
  const List& list;
  bool has_h, has_w;
  uint32_t h, w;
  uint32_t least;      // smallest legal value
  int64_t unset;       // value for an empty list; -1: it must be given
  bool pair_complete;  // h without w is a mistake

  bool has_pair() const { return has_h || has_w; }

  void check(const Inference& in, int spatial) const {
    if (has_pair()) {
      check_pair(in, spatial);
      return;
    }
    const int given = list.size();
    if (given == 0 && unset < 0 && spatial > 0)
      in.fail(list_field, "no kernel size is given",
              "write kernel_size once, or once per spatial axis");
    if (given > 1 && given != spatial)
      in.fail(list_field,
              fmt::format("{} values are given, but the bottom has {} to slide along", given,
                          axes_text(spatial)),
              "give one value for all of them, or one each");
    for (const uint32_t value : list) check_value(in, list_field, value);
  }

  void check_pair(const Inference& in, int spatial) const {
    if (list.size() > 0) {
      const std::string_view field = list_field;
      in.fail(list_field,
              fmt::format("{} is given together with {}", field.substr(field.find('.') + 1),
                          pair_fields),
              "use one form or the other");
    }
    if (spatial != 2)
      in.fail(h_field,
              fmt::format("{} need two spatial axes, but there are {}", pair_fields, spatial),
              fmt::format("write {}", list_field));
    if (pair_complete && has_h != has_w)
      in.fail(h_field, fmt::format("only one of {} is given", pair_fields), "give both");
    check_value(in, h_field, h);
    check_value(in, h_field, w);
  }

  static std::string_view name_of(std::string_view field) {
    return field.substr(field.find('.') + 1);
  }

  void check_value(const Inference& in, const char* field, uint32_t value) const {
    if (value < least)
      in.fail(field, fmt::format("{} is {}", name_of(field), value),
              fmt::format("it must be at least {}", least));
    if (value > kLargest)
      in.fail(field, fmt::format("{} is {}, which is out of range", name_of(field), value));
  }

  std::vector<int64_t> values(int spatial) const {
    if (has_pair()) return {h, w};
    std::vector<int64_t> out(static_cast<size_t>(spatial), unset);
    for (int i = 0; i < spatial && list.size() > 0; ++i)
      out[static_cast<size_t>(i)] = list.Get(list.size() == 1 ? 0 : i);
    return out;
  }
};

Setting kernel_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.kernel_size",
          "kernel_h and kernel_w",
          p.has_kernel_h() ? "convolution_param.kernel_h" : "convolution_param.kernel_w",
          p.kernel_size(),
          p.has_kernel_h(),
          p.has_kernel_w(),
          p.kernel_h(),
          p.kernel_w(),
          1,
          -1,
          true};
}
Setting stride_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.stride",
          "stride_h and stride_w",
          p.has_stride_h() ? "convolution_param.stride_h" : "convolution_param.stride_w",
          p.stride(),
          p.has_stride_h(),
          p.has_stride_w(),
          p.stride_h(),
          p.stride_w(),
          1,
          1,
          true};
}
Setting pad_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.pad",
          "pad_h and pad_w",
          p.has_pad_h() ? "convolution_param.pad_h" : "convolution_param.pad_w",
          p.pad(),
          p.has_pad_h(),
          p.has_pad_w(),
          p.pad_h(),
          p.pad_w(),
          0,
          0,
          false};
}
Setting dilation_of(const caffe::ConvolutionParameter& p) {
  return {"convolution_param.dilation",
          nullptr,
          nullptr,
          p.dilation(),
          false,
          false,
          0,
          0,
          1,
          1,
          false};
}

}  // namespace

ops::Windows read_windows(const caffe::ConvolutionParameter& param, int spatial) {
  return {kernel_of(param).values(spatial), stride_of(param).values(spatial),
          pad_of(param).values(spatial), dilation_of(param).values(spatial)};
}

ops::Windows check_windows(const Inference& in, int spatial) {
  const auto& param = in.param().convolution_param();
  for (const Setting& setting :
       {kernel_of(param), stride_of(param), pad_of(param), dilation_of(param)})
    setting.check(in, spatial);
  refuse_cudnn(in, "convolution_param.engine", param);
  return read_windows(param, spatial);
}

Shape window_places(const Inference& in, const ops::Windows& windows, const Shape& x, int axis) {
  Shape places;
  for (int i = axis + 1; i < x.rank(); ++i) {
    const auto s = static_cast<size_t>(i - axis - 1);
    const int64_t extent = windows.extent(s), padded = x[i] + 2 * windows.pad[s];
    if (padded < extent)
      in.fail(kernel_of(in.param().convolution_param()).has_pair()
                  ? "convolution_param.kernel_h"
                  : "convolution_param.kernel_size",
              fmt::format("the kernel covers {} cells of spatial axis {}, but with padding there "
                          "are only {} ({} + 2 x {})",
                          extent, s, padded, x[i], windows.pad[s]),
              "use a smaller kernel or more padding");
    places.append(windows.places(s, x[i]));
  }
  return places;
}

}  // namespace crema::layers
