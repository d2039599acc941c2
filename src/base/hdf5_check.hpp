// Checks an HDF5 file before the library opens it.
#pragma once

#include <string>

#include "base/error.hpp"

namespace crema {

// The library trusts what it reads: a damaged file can make it loop forever. This walks all the
// groups and datasets of a file in the plain form that Caffe and h5py write (superblock 0 or 1,
// symbol tables, contiguous or compact datasets of integers, floats and fixed-length strings) and
// holds every address, size and name against the file. Superblocks 2 and 3 are left to the library,
// which checks their checksums.
// Error{code} if anything does not fit, or if the file uses another form, which the hint says how
// to put right.
void check_hdf5_file(const std::string& path, ErrorCode code);

}  // namespace crema
