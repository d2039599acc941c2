// Everything that registers itself is there and has a test; and the check of that can fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/text.hpp"
#include "house/registry_check.hpp"

namespace crema::house {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Compilers behind a cache are given paths relative to the folder they run in.
std::vector<Registered> registered_here() {
  std::vector<Registered> out = all_registered();
  for (Registered& entry : out)
    entry.file = (std::filesystem::path(CREMA_BINARY_DIR) / entry.file).string();
  return out;
}

TEST(Registry, EverythingRegisteredIsThereAndHasATest) {
  const auto complaints = check_registry(
      {registered_here(), CREMA_SOURCE_DIR "/src", CREMA_TEST_DIR, split(CREMA_BUILT_ROOMS, ',')});
  EXPECT_THAT(complaints, IsEmpty()) << join(complaints, "\n");
}

// A table of which no object was linked would pass the check above.
TEST(Registry, EveryTableHasEntries) {
  std::map<std::string, int> entries;
  for (const Registered& entry : all_registered()) ++entries[entry.table];
  std::vector<std::string> tables{"layer type",           "filler",      "optimizer",
                                  "learning-rate policy", "data source", "step formula"};
  for (const std::string& room : split(CREMA_BUILT_ROOMS, ','))
    if (room.starts_with("engines/")) tables.push_back(room.substr(8) + " kernel");
  for (const std::string& table : tables) EXPECT_GE(entries[table], 2) << table;
  EXPECT_EQ(entries.size(), tables.size());
}

Registry fixture(const std::string& name, const std::vector<Registered>& entries) {
  const std::string root = CREMA_TEST_DIR "/house/fixtures/registry/" + name;
  Registry registry{entries, root + "/src", root + "/tests", {"layers", "optim"}};
  for (Registered& entry : registry.entries) entry.file = root + "/src/" + entry.file;
  return registry;
}

TEST(Registry, AGoodHouse) {
  EXPECT_THAT(
      check_registry(fixture("good", {{"layer type", "InnerProduct", "layers/inner_product.cpp"},
                                      {"layer type", "ReLU", "layers/relu.cpp"},
                                      {"policy", "step", "optim/lr/step.cpp"},
                                      {"policy", "poly", "optim/lr/poly.cpp"},
                                      {"optimizer", "Adam", "optim/adam.cpp"}})),
      IsEmpty());
}

TEST(Registry, WhatIsMissing) {
  EXPECT_THAT(
      check_registry(fixture("bad", {{"layer type", "ReLU", "layers/relu.cpp"},
                                     {"layer type", "ELU", "layers/elu.cpp"},
                                     {"layer type", "Gone", "layers/gone.cpp"},
                                     {"policy", "exp", "optim/exp.cpp"},
                                     {"policy", "step", "optim/step.cpp"}})),
      UnorderedElementsAre(
          "layer type 'ReLU': no gradient test: no tests/exec/gradients/ReLU.prototxt",
          "layer type 'ELU': no test: neither recordings in tests/goldens/layers/ELU nor a test "
          "with its name in tests/layers",
          testing::StartsWith("layer type 'Gone': no such file in the source folder: "),
          "policy 'exp': no test: neither exp_test.cpp nor a test with its name in tests/optim",
          "policy 'step': no test: neither step_test.cpp nor a test with its name in tests/optim",
          "layers/dropped.cpp: meant to register something, but did not",
          "layers/forgotten.cpp: registers nothing, and has no header: nobody can use it"));
}

TEST(Registry, WordsOfNames) {
  EXPECT_THAT(words_of_name("InnerProduct"), ElementsAre("inner", "product"));
  EXPECT_THAT(words_of_name("inner_product"), ElementsAre("inner", "product"));
  EXPECT_THAT(words_of_name("HDF5Data"), ElementsAre("hdf5", "data"));
  EXPECT_THAT(words_of_name("SGD"), ElementsAre("sgd"));
  EXPECT_THAT(words_of_name("ReLU_TanH"), ElementsAre("re", "lu", "tan", "h"));
  EXPECT_THAT(words_of_name("LRNWithin"), ElementsAre("lrn", "within"));
  EXPECT_THAT(words_of_name("_"), IsEmpty());
}

}  // namespace
}  // namespace crema::house
