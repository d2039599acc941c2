#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "base/stop.hpp"
#include "base/text.hpp"

namespace crema {
namespace {

// Known answers of the Random123 distribution.
TEST(random, philox_gives_the_published_numbers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, 0), (Philox4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, ~uint64_t{0}),
            (Philox4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Philox4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(random, streams_are_named_and_indexed) {
  const RandomStream a(1, "fill/conv1/weight"), b(1, "fill/conv2/weight"),
      c(2, "fill/conv1/weight");
  EXPECT_NE(a.bits(0), b.bits(0));
  EXPECT_NE(a.bits(0), c.bits(0));
  EXPECT_NE(a.bits(0), a.at(1).bits(0));
  EXPECT_EQ(a.bits(17), RandomStream(1, "fill/conv1/weight").bits(17));
}

TEST(random, distributions_have_their_moments) {
  const RandomStream stream(3, "moments");
  constexpr int kCount = 200000;
  double uniform = 0, normal = 0, square = 0;
  for (int i = 0; i < kCount; ++i) {
    const float u = stream.uniform(i), n = stream.normal(i);
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    uniform += u;
    normal += n;
    square += static_cast<double>(n) * n;
    ASSERT_LT(stream.below(i, 7), 7u);
  }
  EXPECT_NEAR(uniform / kCount, 0.5, 0.003);
  EXPECT_NEAR(normal / kCount, 0.0, 0.01);
  EXPECT_NEAR(square / kCount, 1.0, 0.015);
}

TEST(random, a_permutation_visits_everything_once) {
  for (const uint64_t n : {1u, 2u, 3u, 10u, 64u, 65u, 1000u, 4097u}) {
    const Permutation order(RandomStream(5, "order", n), n);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < n; ++i) {
      ASSERT_LT(order(i), n);
      seen.insert(order(i));
    }
    EXPECT_EQ(seen.size(), n);
  }
}

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() { std::filesystem::remove_all(folder); }
  ~FilesTest() override { std::filesystem::remove_all(folder); }
  int entries() const {
    int n = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(folder)) ++n;
    return n;
  }
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "crema_files";
  const std::string path = (folder / "deep" / "file").string();
};

TEST_F(FilesTest, a_committed_file_is_whole_and_folders_are_made) {
  write_file_atomically(path, "one");
  EXPECT_EQ(read_file(path, ErrorCode::kData), "one");
  write_file_atomically(path, "two");
  EXPECT_EQ(read_file(path, ErrorCode::kData), "two");
}

TEST_F(FilesTest, without_commit_nothing_happened) {
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write("new, but never finished");
  }
  EXPECT_EQ(read_file(path, ErrorCode::kData), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "deep"), {}), 1);
}

TEST_F(FilesTest, a_failing_write_leaves_the_old_file) {
  write_file_atomically(path, "old");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{}, small{1000, RLIM_INFINITY};
  ::getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  ::setrlimit(RLIMIT_FSIZE, &small);
  try {
    write_file_atomically(path, std::string(100000, 'x'));
    ADD_FAILURE() << "wrote beyond the limit";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutput);
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(read_file(path, ErrorCode::kData), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "deep"), {}), 1);
}

TEST_F(FilesTest, what_cannot_be_read_is_said) {
  EXPECT_THROW(read_file(path, ErrorCode::kWeights), Error);
  EXPECT_THROW(read_file(::testing::TempDir(), ErrorCode::kWeights), Error);
  EXPECT_THROW(AtomicFile("/proc/nowhere/file"), Error);
}

TEST(files, crc32_is_zlibs) {
  EXPECT_EQ(crc32_of("123456789"), 0xCBF43926u);
}

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

TEST(text, nearest_name_finds_misspellings_only) {
  const std::vector<std::string> names{"Convolution", "Pooling", "ReLU"};
  EXPECT_EQ(nearest_name("Convolutoin", names), "Convolution");
  EXPECT_EQ(nearest_name("relu", names), "ReLU");
  EXPECT_EQ(nearest_name("Deconstruction", names), "");
  EXPECT_EQ(suggestion("xyz", names, 2), "known: Convolution, Pooling, ...");
}

TEST(text, split_trims_and_drops_empties) {
  EXPECT_EQ(split(" a, b c ,,d", ','), (std::vector<std::string>{"a", "b c", "d"}));
  EXPECT_EQ(join({"a", "b"}, "; "), "a; b");
}

TEST(stop, signals_are_polled_in_order_of_urgency) {
  SignalActions actions(Action::kStop, Action::kSnapshot);
  EXPECT_EQ(actions.poll(), Action::kNone);
  ::raise(SIGINT);
  ::raise(SIGHUP);
  ::raise(SIGTERM);
  EXPECT_EQ(actions.poll(), Action::kSnapshotAndRequeue);
  EXPECT_EQ(actions.poll(), Action::kSnapshot);
  EXPECT_EQ(actions.poll(), Action::kStop);
  EXPECT_EQ(actions.poll(), Action::kNone);
}

TEST(parallel, every_index_is_visited_once) {
  for (const int64_t n : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<size_t>(n));
    parallel_for(n, 3, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
    });
    for (const auto& v : visits) EXPECT_EQ(v, 1);
  }
}

}  // namespace
}  // namespace crema
