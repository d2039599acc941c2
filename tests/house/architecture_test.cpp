// Holds src/ against the room table, and the checker against trees that break each rule.
#include "house/architecture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/files.hpp"
#include "base/text.hpp"
#include "house/room_table.hpp"
#include "support/temporary_folder.hpp"

namespace crema::house {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kFixtures = CREMA_TEST_DIR "/house/fixtures/architecture/";

TEST(Architecture, TheHouseIsInOrder) {
  const auto complaints = check_architecture(CREMA_SOURCE_DIR "/src");
  EXPECT_THAT(complaints, IsEmpty()) << join(complaints, "\n");
}

// What the parser reads must be what CMake built.
TEST(Architecture, TheTableIsReadAsCMakeReadsIt) {
  std::vector<std::string> names;
  for (const Room& room :
       parse_room_table(read_file(CREMA_SOURCE_DIR "/src/CMakeLists.txt", ErrorCode::kInternal)))
    names.push_back(room.name);
  std::vector<std::string> built = split(CREMA_BUILT_ROOMS, ',');
  ASSERT_GE(built.size(), 10u);
  // An engine that this build leaves out is in the table all the same.
  std::erase_if(names, [&](const std::string& name) {
    return name.starts_with("engines/") &&
           std::find(built.begin(), built.end(), name) == built.end();
  });
  EXPECT_EQ(names, built);
}

TEST(Architecture, AGoodHouse) {
  EXPECT_THAT(check_architecture(kFixtures + "good"), IsEmpty());
}

TEST(Architecture, ConditionsVariablesAndFunctionsInTheTable) {
  const auto rooms =
      parse_room_table(read_file(kFixtures + "good/CMakeLists.txt", ErrorCode::kInternal));
  ASSERT_EQ(rooms.size(), 5u);
  EXPECT_EQ(rooms[2].name, "engines/openblas");
  EXPECT_EQ(rooms[2].line, 9);
  EXPECT_THAT(rooms[2].libraries, ElementsAre("${OPENBLAS_LIBRARY}"));
  EXPECT_EQ(rooms[4].name, "cli");
  EXPECT_EQ(rooms[4].line, 13);
  EXPECT_THAT(rooms[4].may_include,
              ElementsAre("base", "proto", "engines/reference", "engines/openblas"));
}

TEST(Architecture, BadIncludes) {
  EXPECT_THAT(
      check_architecture(kFixtures + "bad_include"),
      ElementsAre(
          "base/a.cpp:3: base may not include 'tensor/b.hpp': its row does not list tensor",
          "base/a.cpp:4: base may not include 'proto/crema.pb.h': its row does not list proto",
          "base/a.cpp:5: base may not include 'google/protobuf/message.h': its row does not list "
          "proto",
          "base/a.cpp:6: only engines/openblas may include 'cblas.h'",
          "base/a.cpp:7: only engines/onednn may include 'oneapi/dnnl/dnnl.hpp'",
          "base/a.cpp:8: base may not include 'lmdb.h': no row that it reaches lists "
          "${LMDB_LIBRARY}",
          "engines/one/k.cpp:1: engines/one may not include 'engines/two/k.hpp': its row does not "
          "list engines/two",
          "engines/one/k.cpp:2: only engines/openblas may include 'cblas.h'",
          "main.cpp:2: main.cpp may not include 'base/a.hpp': its row does not list base",
          "tensor/b.hpp:3: 'b.hpp' is no file of a room (paths begin at src/)",
          "tensor/b.hpp:4: 'tensor/gone.hpp' is no file of a room (paths begin at src/)",
          "tensor/b.hpp:5: 'base/a.hpp' is ours: write it in quotes"));
}

TEST(Architecture, UnknownRooms) {
  EXPECT_THAT(
      check_architecture(kFixtures + "unknown_room"),
      ElementsAre("CMakeLists.txt:2: tensor lists 'bsae', which is no room",
                  "CMakeLists.txt:3: empty has no sources", "CMakeLists.txt:4: base is there twice",
                  "attic: a folder that is in no room",
                  "attic/old.hpp: a source file outside the rooms",
                  "loose.cpp: a source file outside the rooms"));
}

TEST(Architecture, Cycles) {
  EXPECT_THAT(check_architecture(kFixtures + "cycle"),
              ElementsAre("CMakeLists.txt:1: a lists c, which is not above it",
                          "CMakeLists.txt:5: train lists engines/x: only cli knows the engines",
                          "CMakeLists.txt:6: self lists self, which is not above it",
                          "CMakeLists.txt:1: cycle: a -> c -> b -> a",
                          "CMakeLists.txt:6: cycle: self -> self"));
}

TEST(Architecture, LongFiles) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "base");
  write_file_atomically(folder / "CMakeLists.txt", "crema_room(base)\n");
  write_file_atomically(folder / "base/long.cpp", std::string(kMostLines, '\n'));
  EXPECT_THAT(check_architecture(folder.path()), IsEmpty());
  write_file_atomically(folder / "base/long.cpp", std::string(kMostLines + 1, '\n'));
  EXPECT_THAT(check_architecture(folder.path()),
              ElementsAre("base/long.cpp: 401 lines; at most 400"));
}

TEST(Architecture, NoTable) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "CMakeLists.txt", "# crema_room(base)\n");
  EXPECT_THAT(check_architecture(folder.path()),
              ElementsAre("CMakeLists.txt: no crema_room() in it"));
  EXPECT_THROW(check_architecture(folder / "nowhere"), Error);
}

}  // namespace
}  // namespace crema::house
