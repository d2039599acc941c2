#include "base/error.hpp"

#include <gtest/gtest.h>

namespace crema {
namespace {

Location place(std::string text, int line, int column) {
  return {std::make_shared<SourceText>(SourceText{"net.prototxt", std::move(text)}), line, column};
}

TEST(error, a_report_has_place_caret_notes_and_hint) {
  Error error(ErrorCode::kConfig, "no such thing");
  error.at(place("one\n\ttwo three\n", 2, 6)).note("first here", place("one\n", 1, 1));
  error.advise("write another");
  EXPECT_EQ(error.report(),
            "net.prototxt:2:6: error: no such thing\n    \ttwo three\n    \t    ^\n"
            "net.prototxt:1:1: note: first here\n    one\n    ^\n  hint: write another");
}

TEST(error, excerpts_of_odd_places) {
  EXPECT_EQ(Location{}.text(), "");
  EXPECT_FALSE(Location{}.known());
  EXPECT_EQ(place("text", 0, 0).text(), "net.prototxt");
  EXPECT_EQ(place("text", 0, 0).excerpt(), "");
  EXPECT_EQ(place("one\ntwo", 7, 1).excerpt(), "");
  EXPECT_EQ(place("one\ntwo", 2, 1).excerpt(), "    two\n    ^");
  EXPECT_EQ(place("one\ntwo", 2, 90).excerpt(), "    two\n       ^");
  EXPECT_EQ(Error(ErrorCode::kData, "nowhere").report(), "error: nowhere");
}

TEST(error, one_mistake_is_thrown_as_itself) {
  Diagnostics diagnostics;
  EXPECT_TRUE(diagnostics.guard([] {}));
  EXPECT_TRUE(diagnostics.empty());
  EXPECT_FALSE(diagnostics.guard([] { throw Error(ErrorCode::kWeights, "alone"); }));
  EXPECT_THROW(diagnostics.throw_if_any(), Error);
}

TEST(error, lists_are_taken_apart_and_other_exceptions_pass) {
  Diagnostics diagnostics;
  diagnostics.add(Error(ErrorCode::kConfig, "one")).note("beside it");
  diagnostics.guard([] {
    throw ErrorList({Error(ErrorCode::kConfig, "two"), Error(ErrorCode::kConfig, "three")});
  });
  EXPECT_EQ(diagnostics.errors().size(), 3u);
  EXPECT_EQ(diagnostics.errors()[0].report(), "error: one\nnote: beside it");
  EXPECT_THROW(diagnostics.guard([] { throw LogicError("ours"); }), LogicError);
  try {
    diagnostics.throw_if_any();
    FAIL();
  } catch (const ErrorList& list) {
    EXPECT_STREQ(list.what(), "error: one\nnote: beside it\nerror: two\nerror: three");
  }
}

TEST(error, diagnostics_sort_by_place_and_throw_together) {
  Diagnostics diagnostics;
  diagnostics.throw_if_any();
  const Location first = place("a\nb\nc\n", 1, 1);
  Location third = first;
  third.line = 3;
  diagnostics.guard([&] { throw Error(ErrorCode::kConfig, "late").at(third); });
  diagnostics.guard([&] { throw Error(ErrorCode::kConfig, "early").at(first); });
  try {
    diagnostics.throw_if_any();
    FAIL();
  } catch (const ErrorList& list) {
    ASSERT_EQ(list.errors().size(), 2u);
    EXPECT_EQ(list.errors()[0].message, "early");
    EXPECT_EQ(list.code(), ErrorCode::kConfig);
  }
}

TEST(error, a_broken_promise_is_a_logic_error) {
  EXPECT_THROW(CREMA_CHECK(1 == 2, "arithmetic"), LogicError);
}

}  // namespace
}  // namespace crema
