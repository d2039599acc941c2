// The oneDNN engine: jitted kernels with layouts of their own, single precision and bf16.
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
  ops::Bf16Support bf16() override;

 private:
  std::unique_ptr<onednn::Context> context_;
  std::optional<ops::Bf16Support> bf16_;  // measured once
};

}  // namespace crema
