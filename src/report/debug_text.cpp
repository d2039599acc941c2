#include <fmt/format.h>

#include "report/sinks.hpp"

namespace crema::report {

std::string debug_text(const DebugValue& e) {
  static constexpr const char* kPass[] = {"Forward", "Forward", "Backward", "Backward"};
  static constexpr const char* kBlob[] = {"top", "param", "bottom", "param"};
  static constexpr const char* kWhat[] = {"data", "data", "diff", "diff"};
  return fmt::format("    [{}] Layer {}, {} blob {} {}: {:g}", kPass[e.kind], e.layer,
                     kBlob[e.kind], e.blob, kWhat[e.kind], e.value);
}

std::string debug_text(const DebugNorms& e) {
  return fmt::format(
      "    [Backward] All net params (data, diff): L1 norm = ({:g}, {:g}); L2 norm = ({:g}, {:g})",
      e.data_l1, e.diff_l1, e.data_l2, e.diff_l2);
}

}  // namespace crema::report
