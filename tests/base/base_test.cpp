// text, stop, parallel, registry
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/parallel.hpp"
#include "base/registry.hpp"
#include "base/stop.hpp"
#include "base/text.hpp"

namespace crema {
namespace {

TEST(text, nearest_name_finds_misspellings_only) {
  const std::vector<std::string> names{"Convolution", "Pooling", "ReLU"};
  EXPECT_EQ(nearest_name("Convolutoin", names), "Convolution");
  EXPECT_EQ(nearest_name("relu", names), "ReLU");
  EXPECT_EQ(nearest_name("Deconstruction", names), "");
  EXPECT_EQ(suggestion("xyz", names, 2), "known: Convolution, Pooling, ...");
}

TEST(text, suggestions_at_the_edges) {
  EXPECT_EQ(suggestion("x", {}), "");
  EXPECT_EQ(suggestion("xyz", {"Convolution"}, 5), "known: Convolution");
  EXPECT_EQ(suggestion("Poolin", {"Pooling", "Power"}), "did you mean 'Pooling'?");
  EXPECT_EQ(nearest_name("", {"a", "b"}), "");
  EXPECT_EQ(nearest_name("ip1", {"ip2", "ip1"}), "ip1");
}

TEST(text, split_trims_and_drops_empties) {
  EXPECT_EQ(split(" a, b c ,,d", ','), (std::vector<std::string>{"a", "b c", "d"}));
  EXPECT_TRUE(split("", ',').empty());
  EXPECT_TRUE(split(" , ,", ',').empty());
  EXPECT_EQ(split("one", ','), std::vector<std::string>{"one"});
  EXPECT_EQ(join({"a", "b"}, "; "), "a; b");
  EXPECT_EQ(join({}, "; "), "");
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

TEST(stop, a_request_is_taken_once_and_old_handlers_come_back) {
  static volatile sig_atomic_t others = 0;
  struct sigaction mine {
  }, before{};
  mine.sa_handler = [](int) { others = others + 1; };
  ::sigaction(SIGHUP, &mine, &before);
  {
    SignalActions actions(Action::kNone, Action::kStop);
    ::raise(SIGHUP);
    ::raise(SIGHUP);
    EXPECT_EQ(actions.poll(), Action::kStop);
    EXPECT_EQ(actions.poll(), Action::kNone);
    EXPECT_THROW(SignalActions(Action::kStop, Action::kStop), LogicError);
    ::raise(SIGHUP);  // left pending: of no concern to the next one
  }
  EXPECT_EQ(others, 0);
  ::raise(SIGHUP);
  EXPECT_EQ(others, 1);
  ::sigaction(SIGHUP, &before, nullptr);
  SignalActions next(Action::kStop, Action::kStop);
  EXPECT_EQ(next.poll(), Action::kNone);
}

class ParallelTest : public ::testing::TestWithParam<int> {
 protected:
  ParallelTest() { start_compute_threads(GetParam()); }
  ~ParallelTest() override { start_compute_threads(before_); }
  const int before_ = compute_threads();
};

TEST_P(ParallelTest, every_index_is_visited_once_in_ranges_of_a_grain) {
  EXPECT_EQ(compute_threads(), GetParam());
  for (const int64_t n : {0, 1, 2, 3, 7, 1000}) {
    for (const int64_t grain : {0, 1, 3, 5000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(n));
      std::mutex mutex;
      std::vector<int64_t> sizes;
      parallel_for(n, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
        const std::lock_guard lock(mutex);
        sizes.push_back(end - begin);
      });
      for (const auto& v : visits) EXPECT_EQ(v, 1);
      EXPECT_LE(sizes.size(), static_cast<size_t>(GetParam()));
      EXPECT_EQ(sizes.empty(), n == 0);
      if (sizes.size() > 1) {
        EXPECT_GE(*std::min_element(sizes.begin(), sizes.end()), std::max<int64_t>(grain, 1));
      }
    }
  }
}

TEST_P(ParallelTest, denormals_are_zero_on_every_thread) {
  std::vector<float> tiny(64, 1e-40f), product(64, 1);
  parallel_for(64, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      volatile float factor = 1;  // not folded at compile time
      product[static_cast<size_t>(i)] = tiny[static_cast<size_t>(i)] * factor;
    }
  });
  for (const float p : product) EXPECT_EQ(p, 0.0f);
}

INSTANTIATE_TEST_SUITE_P(threads, ParallelTest, ::testing::Values(1, 2, 5));

struct ToyTag {
  using Entry = int;
  static constexpr const char* kTable = "toy";
};

TEST(registry, names_are_found_sorted_and_registered_once) {
  auto& toys = Registry<ToyTag>::instance();
  EXPECT_TRUE(toys.names().empty());
  const size_t before = all_registered().size();
  toys.add("b", 2, "toys/b.cpp");
  toys.add("B", 3, "toys/b.cpp");
  toys.add("a", 1, "toys/a.cpp");
  EXPECT_EQ(toys.names(), (std::vector<std::string>{"B", "a", "b"}));
  ASSERT_NE(toys.find("b"), nullptr);
  EXPECT_EQ(*toys.find("b"), 2);
  EXPECT_EQ(toys.find("c"), nullptr);
  EXPECT_THROW(toys.add("a", 9, "toys/other.cpp"), LogicError);
  EXPECT_EQ(*toys.find("a"), 1);
  ASSERT_EQ(all_registered().size(), before + 3);
  EXPECT_EQ(all_registered()[before].table, "toy");
  EXPECT_EQ(all_registered()[before].name, "b");
  EXPECT_EQ(all_registered()[before].file, "toys/b.cpp");
}

}  // namespace
}  // namespace crema
