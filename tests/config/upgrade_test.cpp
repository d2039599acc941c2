// crema upgrade: old definitions as text in their present form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "config/config.hpp"
#include "config/good.hpp"

namespace crema::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Upgraded upgraded(const std::string& name) {
  return upgrade_text(name, read_file(kGood + name, ErrorCode::kConfig));
}

// The new text says to the reader what the old one says, and needs no upgrade any more.
TEST(Upgrade, EveryNetMeansTheSameAfterwards) {
  int nets = 0, changed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGood)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".prototxt") || name.starts_with("solver")) continue;
    SCOPED_TRACE(name);
    const Upgraded once = upgraded(name);
    EXPECT_FALSE(once.is_solver);
    EXPECT_EQ(to_text(parse_net("new", once.text)), to_text(read_net(entry.path())));
    const Upgraded twice = upgrade_text("new", once.text);
    EXPECT_FALSE(twice.changed);
    EXPECT_EQ(twice.text, once.text);
    EXPECT_THAT(twice.notes, IsEmpty());
    ++nets;
    changed += once.changed;
  }
  EXPECT_GE(nets, 12);
  EXPECT_GE(changed, 6);
}

TEST(Upgrade, WhatIsLeftOutIsSaidWithItsPlace) {
  const Upgraded net = upgraded("v0_every_field.prototxt");
  ASSERT_FALSE(net.notes.empty());
  for (const Note& note : net.notes) EXPECT_GT(note.location.line, 0) << note.message;
}

TEST(Upgrade, SolversAndTheirInnerNets) {
  const Upgraded solver = upgrade_text(
      "old", read_file(CREMA_TEST_DIR "/config/old_solver.prototxt", ErrorCode::kConfig));
  EXPECT_TRUE(solver.is_solver);
  EXPECT_TRUE(solver.changed);
  EXPECT_THAT(solver.text, HasSubstr("type: \"AdaGrad\""));
  EXPECT_THAT(solver.text, Not(HasSubstr("solver_type")));
  EXPECT_THAT(solver.text, HasSubstr("type: \"InnerProduct\""));
  EXPECT_THAT(solver.text, Not(HasSubstr("layers {")));
  EXPECT_THAT(solver.text, HasSubstr("test_net: \"nowhere.prototxt\""))
      << "files are not looked for";
  EXPECT_FALSE(upgrade_text("new", solver.text).changed);
}

TEST(Upgrade, MistakesAreLocated) {
  const auto report = [](const std::string& text) {
    try {
      upgrade_text("old.prototxt", text);
      return std::string();
    } catch (const Error& error) {
      return error.report();
    } catch (const ErrorList& list) {
      return std::string(list.what());
    }
  };
  EXPECT_THAT(report("layers { layer { type: \"convv\" } }"), HasSubstr("old.prototxt:1:"));
  EXPECT_THAT(report("nme: \"x\"\nlayer { }"), HasSubstr("old.prototxt:1:1: error: unknown field"));
  EXPECT_THAT(report("type: \"SGD\" solver_type: ADAM base_lr: 1"), HasSubstr("both type"));
  EXPECT_THAT(report("# nothing"), HasSubstr("the definition is empty"));
}

}  // namespace
}  // namespace crema::config
