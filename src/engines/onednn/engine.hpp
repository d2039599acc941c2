// The oneDNN engine: jitted kernels with layouts of their own, single precision.
#pragma once

#include <memory>

#include "ops/engine.hpp"

namespace crema {
namespace onednn {
struct Context;
}

class OneDnnEngine final : public ops::Engine {
 public:
  OneDnnEngine();
  ~OneDnnEngine() override;
  const char* name() const override { return "onednn"; }
  ops::Answer offer(const ops::KernelRequest& request) override;

 private:
  std::unique_ptr<onednn::Context> context_;
};

}  // namespace crema
