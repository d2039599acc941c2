#include "engines/reference/engine.hpp"

#include <fmt/format.h>

#include "engines/reference/kernel.hpp"

namespace crema {

ops::Answer ReferenceEngine::offer(const ops::KernelRequest& request) {
  const auto* make = Registry<reference::ReferenceKernelTag>::instance().find(request.op->kind());
  if (make == nullptr)
    return ops::Refusal{fmt::format("no kernel for op kind '{}'", request.op->kind())};
  return (*make)(request);
}

}  // namespace crema
