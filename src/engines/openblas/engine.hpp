// The OpenBLAS engine: convolution (through im2col) and inner product as matrix products, single
// precision, plain layouts.
#pragma once

#include <optional>
#include <string>

#include "engines/openblas/core_type.hpp"
#include "ops/engine.hpp"

namespace crema {

class OpenBlasEngine final : public ops::Engine {
 public:
  // better_core: what OpenBLAS should have chosen if it is running on its slow kernels; the engine
  // then refuses everything.
  explicit OpenBlasEngine(std::optional<std::string> better_core = better_core_type());
  const char* name() const override { return "openblas"; }
  ops::Answer offer(const ops::KernelRequest& request) override;

 private:
  std::optional<std::string> better_core_;
};

}  // namespace crema
