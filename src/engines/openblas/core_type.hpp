// Which kernels OpenBLAS chose for this processor, and whether it could do better.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace crema {

// OpenBLAS picks its kernels by the processor's model number when it is loaded; one that is newer
// than the library, or disguised by a virtual machine, gets the oldest (measured: "Prescott" on an
// AVX-512 processor, 3 to 8 times slower). The value the environment variable OPENBLAS_CORETYPE
// should have instead, or nothing if the choice is good. The variable is read only while the
// library is loaded, so the program must start anew with it; not if it is set already and this
// persists.
std::optional<std::string> better_core_type();

// The same rule for a given core name and processor.
std::optional<std::string> better_core_type(std::string_view core_name, bool avx2_and_fma,
                                            bool avx512);

}  // namespace crema
