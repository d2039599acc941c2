#include "layers/broadcast.hpp"

#include <fmt/format.h>

#include "layers/check.hpp"

namespace crema::layers {

Shape learned_operand(const Inference& in, std::string_view param, int axis, int num_axes) {
  const Shape& x = in.bottom(0);
  const int begin = in.axis(fmt::format("{}.axis", param), axis, x.rank());
  if (num_axes < -1 || num_axes > x.rank() - begin)
    in.fail(fmt::format("{}.num_axes", param),
            fmt::format("num_axes is {} from axis {} on, but the bottom ({}) has {}", num_axes,
                        begin, x.text(), axes_text(x.rank())),
            fmt::format("write a number from 0 to {}, or -1 for all the rest", x.rank() - begin));
  return x.slice(begin, num_axes == -1 ? x.rank() : begin + num_axes);
}

void check_operand_bottom(const Inference& in, std::string_view param, int axis) {
  const Shape &x = in.bottom(0), &operand = in.bottom(1);
  if (operand.rank() == 0) return;
  const std::string field = fmt::format("{}.axis", param);
  const int begin = in.axis(field, axis, x.rank());
  const int end = begin + operand.rank();
  if (end > x.rank() || x.slice(begin, end) != operand)
    in.fail(field,
            fmt::format("bottom 1 is {}, but bottom 0 ({}) has {} from axis {} on", operand.text(),
                        x.text(), x.slice(begin, x.rank()).text(), begin),
            "bottom 1 must have the sizes of bottom 0 from there on");
}

int operand_axis(int axis, int bottom_rank, const Shape& operand) {
  return operand.rank() == 0 ? 0 : from_front(axis, bottom_rank);
}

}  // namespace crema::layers
