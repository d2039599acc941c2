// What the processor makes of bf16.
#pragma once

#include <cstdint>

#include "engines/onednn/kernel.hpp"

namespace crema::onednn {

// What CPUID says about matrix tiles.
struct CpuId {
  uint32_t most_leaf = 0;     // leaf 0, EAX
  uint32_t features_edx = 0;  // leaf 7.0, EDX: bit 24 AMX-TILE
  uint32_t palettes_eax = 0;  // leaf 0x1D.0, EAX: the number of the last palette
};
// This processor's; zeros where there is no CPUID.
CpuId cpu_id();

// Some virtual machines announce AMX but hide its palette table (leaf 0x1D); oneDNN would then load
// palette 0 and die of SIGILL at the first tile instruction.
bool amx_is_broken(const CpuId& id);

// Measured on a small convolution.
ops::Bf16Support bf16_support(const Context& context);

}  // namespace crema::onednn
