#include "base/registry.hpp"

namespace crema {

std::vector<Registered>& all_registered() {
  static std::vector<Registered> list;
  return list;
}

}  // namespace crema
