// What this machine is and can do, measured: the yardstick of `crema time`.
#pragma once

#include <cstddef>
#include <string>

namespace crema {

struct MachineLimits {
  double gflops = 0;   // f32 multiply-adds x 2, all compute threads, registers only
  double gbytes = 0;   // GB/s of a triad (2 reads, 1 write) over arrays that no cache holds
  std::string vector;  // the instructions used: "avx512f", "fma", "baseline"
};

// Takes about a quarter of a second and 128 MB or more. The best of several tries, since a busy
// neighbour only ever slows one down.
MachineLimits measure_limits();

// "AMD EPYC 9554"; "unknown processor" where the system does not say.
std::string processor_name();

// The most memory this process has had resident so far, in bytes; 0 where the system does not say.
size_t peak_memory();

}  // namespace crema
