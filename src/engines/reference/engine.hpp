// The reference engine: plain layouts, f32 and f64, every op. Simple enough to be believed; the
// others are held against it, and it computes what nobody else offers.
#pragma once

#include "ops/engine.hpp"

namespace crema {

class ReferenceEngine final : public ops::Engine {
 public:
  const char* name() const override { return "reference"; }
  // Refuses bf16, a Reorder from or to an opaque layout, and a Custom without the function asked.
  ops::Answer offer(const ops::KernelRequest& request) override;
};

}  // namespace crema
