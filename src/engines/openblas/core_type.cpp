#include "engines/openblas/core_type.hpp"

#include <cblas.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace crema {
namespace {

// Cores without 256-bit multiply-add: what a processor with AVX2 must not be taken for.
constexpr std::array<std::string_view, 21> kSlowCores = {
    "generic",   "katmai", "coppermine", "northwood",   "prescott", "banias",  "atom",
    "core2",     "penryn", "dunnington", "nehalem",     "athlon",   "opteron", "opteron_sse3",
    "barcelona", "bobcat", "bulldozer",  "sandybridge", "nano",     "viac3",   "unknown"};

bool has_avx2_and_fma() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd");
#else
  return false;
#endif
}

}  // namespace

std::optional<std::string> better_core_type(std::string_view core_name, bool avx2_and_fma,
                                            bool avx512) {
  std::string core(core_name);
  std::transform(core.begin(), core.end(), core.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::find(kSlowCores.begin(), kSlowCores.end(), core) == kSlowCores.end())
    return std::nullopt;
  if (avx512) return "SkylakeX";
  if (avx2_and_fma) return "Haswell";
  return std::nullopt;
}

std::optional<std::string> better_core_type() {
  return better_core_type(openblas_get_corename(), has_avx2_and_fma(), has_avx512());
}

}  // namespace crema
