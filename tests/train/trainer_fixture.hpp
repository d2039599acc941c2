// A trainer without files of its own: what the tests of this room run.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "engines/reference/engine.hpp"
#include "train/trainer.hpp"

namespace crema::train {

inline const std::string kHere = CREMA_TEST_DIR "/train/";

// Events are counted, nothing is printed.
class Quiet final : public report::Sink {
 public:
  explicit Quiet(std::vector<report::Event>& events) : events_(events) {}
  void on(const report::Event& event) override { events_.push_back(event); }

 private:
  std::vector<report::Event>& events_;
};

class TrainerFixture : public ::testing::Test {
 protected:
  TrainerFixture() {
    reporter_.add(std::make_unique<Quiet>(events_));
    context_.engines = {&engine_};
    context_.reporter = &reporter_;
    folder_ = std::filesystem::path(::testing::TempDir()) /
              fmt::format("{}_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name(),
                          getpid());
    std::filesystem::remove_all(folder_);
  }
  ~TrainerFixture() override { std::filesystem::remove_all(folder_); }

  std::string prefix() const { return (folder_ / "run").string(); }
  config::SolverConfig solver(const std::string& file, std::vector<std::string> overrides = {}) {
    overrides.push_back("snapshot_prefix=\"" + prefix() + "\"");
    return config::read_solver(kHere + file, overrides);
  }
  template <class Kind>
  int count() const {
    int n = 0;
    for (const report::Event& event : events_) n += std::holds_alternative<Kind>(event);
    return n;
  }

  ReferenceEngine engine_;
  report::Reporter reporter_;
  Context context_;
  std::vector<report::Event> events_;
  std::filesystem::path folder_;
};

}  // namespace crema::train
