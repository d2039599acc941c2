#include "base/machine.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "base/clock.hpp"
#include "base/parallel.hpp"

namespace crema {

namespace {

constexpr int kTries = 5;
// Independent chains: a multiply-add takes 4 cycles, and 2 start in each. Few enough for 16
// registers.
constexpr int kChains = 12;
constexpr int64_t kTurns = 1 << 20;

typedef float Floats16 __attribute__((vector_size(64)));
typedef float Floats8 __attribute__((vector_size(32)));
typedef float Floats4 __attribute__((vector_size(16)));

// kTurns multiply-adds in each chain; the result is of use only in that it must be computed.
template <class Floats>
[[gnu::always_inline]] inline float run_chains(float factor, float summand) {
  Floats chain[kChains];
  const Floats a = Floats{} + factor, b = Floats{} + summand;
  for (int c = 0; c < kChains; ++c) chain[c] = b + static_cast<float>(c);
  for (int64_t turn = 0; turn < kTurns; ++turn)
    for (Floats& x : chain) x = x * a + b;
  Floats sum{};
  for (const Floats& x : chain) sum += x;
  return sum[0];
}

float run_baseline(float factor, float summand) {
  return run_chains<Floats4>(factor, summand);
}
#if defined(__x86_64__)
[[gnu::target("fma,avx2")]] float run_fma(float factor, float summand) {
  return run_chains<Floats8>(factor, summand);
}
[[gnu::target("avx512f")]] float run_avx512(float factor, float summand) {
  return run_chains<Floats16>(factor, summand);
}
#endif

struct Probe {
  float (*run)(float, float);
  int lanes;
  const char* name;
};

Probe widest_probe() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {run_avx512, 16, "avx512f"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {run_fma, 8, "fma"};
#endif
  return {run_baseline, 4, "baseline"};
}

double measure_gflops(const Probe& probe) {
  const int threads = compute_threads();
  const double work = 2.0 * kChains * kTurns * probe.lanes * threads * 1e-9;
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    float sum = 0;
    const Stopwatch watch;
    // The factors come from memory, so that nothing is known of them before.
    volatile float factor = 0.999f, summand = 0.001f;
#pragma omp parallel reduction(+ : sum) num_threads(threads)
    sum += probe.run(factor, summand);
    volatile float keep = sum;
    (void)keep;
    best = std::max(best, work / watch.seconds());
  }
  return best;
}

// Floats per array, three of which are four times the largest cache: 32 to 128 MiB each.
size_t triad_length() {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const size_t bytes = std::clamp<size_t>(4 * static_cast<size_t>(std::max(0L, cache)) / 3,
                                          size_t{32} << 20, size_t{128} << 20);
  return bytes / sizeof(float);
}

double measure_gbytes() {
  const auto n = static_cast<int64_t>(triad_length());
  const auto memory = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(3 * n));
  float *to = memory.get(), *x = to + n, *y = x + n;
  parallel_for(n, 1 << 16, [&](int64_t begin, int64_t end) {
    std::fill(to + begin, to + end, 0.0f);
    std::fill(x + begin, x + end, 1.0f);
    std::fill(y + begin, y + end, 2.0f);
  });
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    const Stopwatch watch;
    parallel_for(n, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) to[k] = x[k] + 0.5f * y[k];
    });
    best = std::max(best, 3.0 * sizeof(float) * static_cast<double>(n) * 1e-9 / watch.seconds());
  }
  return best;
}

}  // namespace

MachineLimits measure_limits() {
  const Probe probe = widest_probe();
  return {measure_gflops(probe), measure_gbytes(), probe.name};
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

size_t peak_memory() {
  // Not getrusage: that counts what the process was before exec() too.
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

}  // namespace crema
