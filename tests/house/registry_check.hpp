#pragma once

#include <string>
#include <vector>

#include "base/registry.hpp"

namespace crema::house {

// What is registered where, and the trees to hold it against.
struct Registry {
  std::vector<Registered> entries;
  std::string source_folder;
  std::string test_folder;
  std::vector<std::string> rooms;  // those of this build, e.g. "engines/reference"
};

// One sentence per thing that is missing; empty if nothing is.
//   sources   every entry comes from a file under source_folder; every file that calls a
//             registering macro registered something; in a folder with such a file, a .cpp that
//             registers nothing has a header of its own name, or it is of no use to anybody
//   tests     a layer type has a finite-difference net exec/gradients/<Type>.prototxt, and either
//             a recording goldens/layers/<Type>/ or a test in layers/ that carries its name;
//             anything else has <its file>_test.cpp, or a test in its room's folder that carries
//             its name: in TEST(Suite, name), word for word in any spelling (InnerProduct,
//             inner_product), or as {"name", first in a row of a table of cases
std::vector<std::string> check_registry(const Registry& registry);

// "InnerProduct", "inner_product" -> inner, product; "HDF5Data" -> hdf5, data.
std::vector<std::string> words_of_name(const std::string& name);

}  // namespace crema::house
