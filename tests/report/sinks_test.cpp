#include "report/sinks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "report/tfevents.hpp"
#include "report/tfrecord.hpp"
#include "support/temporary_folder.hpp"

namespace crema::report {
namespace {

TEST(Tfrecord, checksum_is_that_of_rfc_3720) {
  EXPECT_EQ(crc32c_of("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c_of(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c_of(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Tfrecord, is_length_checksum_payload_checksum) {
  const std::string record = tfrecord("abc");
  ASSERT_EQ(record.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(little_endian(record.substr(0, 8)), 3u);
  expect_masked(record.substr(0, 8), record.substr(8, 4));
  EXPECT_EQ(record.substr(12, 3), "abc");
  expect_masked("abc", record.substr(15, 4));
}

class SinksTest : public ::testing::Test {
 protected:
  // A run from `first` to `last`, two groups.
  void run(Sink& sink, int64_t first, int64_t last) {
    sink.on(Message{Message::Severity::kWarning, "said before the run"});
    RunStarted started;
    started.net = "toy";
    started.solver_type = "SGD";
    started.lr_policy = "fixed";
    started.first_iteration = first;
    started.max_iter = last;
    started.iterations_per_epoch = 4;
    started.groups = {{"a/weight +1", {"a/weight", "b/weight"}}, {"a/bias", {"a/bias"}}};
    sink.on(started);
    for (int64_t i = first + 1; i <= last; ++i) {
      Iterated e;
      e.iteration = i;
      e.loss = 2.0 / static_cast<double>(i);
      e.rate = 0.5;
      e.iteration_loss = 1.0 / static_cast<double>(i);
      e.group_rates = {0.5, 1.0};
      if (i % 2 == 0) e.gradient_norm = 3;
      sink.on(e);
    }
    Tested tested{last, 0, 0.25, {{"accuracy", {0.75}, 0}, {"pair", {1, 2}, 0}}, 0.1};
    sink.on(tested);
    sink.on(RunEnded{last, false, 1.5});
  }
  std::vector<nlohmann::json> lines(const std::string& path) const {
    std::vector<nlohmann::json> out;
    std::istringstream text(read_file(path, ErrorCode::kData));
    for (std::string line; std::getline(text, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "deep/events.jsonl";
  const std::string board_ = folder_ / "board";
};

TEST_F(SinksTest, jsonl_holds_every_event_as_one_object_per_line) {
  run(*make_jsonl(path_, {}), 0, 3);
  const auto all = lines(path_);
  ASSERT_EQ(all.size(), 7u);
  for (const auto& line : all) {
    EXPECT_EQ(line["v"], 1);
    EXPECT_GT(line["wall"].get<double>(), 1.5e9);
    EXPECT_TRUE(line["iteration"].is_number_integer());
  }
  EXPECT_EQ(all[0]["event"], "run");
  EXPECT_EQ(all[0]["groups"][0]["name"], "a/weight +1");
  EXPECT_EQ(all[0]["groups"][0]["parameters"][1], "b/weight");
  EXPECT_EQ(all[1]["event"], "message") << "said before the run, but the run is what it is part of";
  EXPECT_EQ(all[2]["event"], "train");
  EXPECT_EQ(all[2]["iteration"], 1);
  EXPECT_EQ(all[2]["epoch"], 0.25);
  EXPECT_EQ(all[2]["loss"], 1.0);
  EXPECT_EQ(all[2]["smoothed_loss"], 2.0);
  EXPECT_EQ(all[2]["lr"], 0.5);
  EXPECT_EQ(all[2]["group_lr"]["a/bias"], 1.0);
  EXPECT_FALSE(all[2].contains("gradient_norm"));
  EXPECT_EQ(all[3]["gradient_norm"], 3.0);
  EXPECT_EQ(all[5]["event"], "test");
  EXPECT_EQ(all[5]["loss"], 0.25);
  EXPECT_EQ(all[5]["outputs"]["accuracy"], 0.75);
  EXPECT_EQ(all[5]["outputs"]["pair"][1], 2.0);
  EXPECT_EQ(all[6]["event"], "end");
}

TEST_F(SinksTest, jsonl_of_a_resumed_run_is_appended_after_what_is_whole) {
  run(*make_jsonl(path_, {}), 0, 2);
  const std::string whole = read_file(path_, ErrorCode::kData);
  write_file_atomically(path_, whole + "{\"v\":1,\"event\":\"tr");  // a crash in mid-line
  run(*make_jsonl(path_, {true, 1}), 2, 4);
  const std::string both = read_file(path_, ErrorCode::kData);
  EXPECT_EQ(both.substr(0, whole.size()), whole);
  const auto all = lines(path_);
  ASSERT_EQ(all.size(), 12u);
  EXPECT_EQ(all[6]["event"], "run");
  EXPECT_EQ(all[6]["iteration"], 2);
}

TEST_F(SinksTest, jsonl_of_a_new_run_starts_the_file_anew_but_only_when_the_run_begins) {
  run(*make_jsonl(path_, {}), 0, 3);
  const std::string before = read_file(path_, ErrorCode::kData);
  {
    const auto sink = make_jsonl(path_, {});
    sink->on(Message{Message::Severity::kInfo, "the solver is wrong"});
    sink->on(Failed{2, "error"});
  }
  EXPECT_EQ(read_file(path_, ErrorCode::kData), before);
  run(*make_jsonl(path_, {}), 0, 1);
  EXPECT_EQ(lines(path_).size(), 5u);
}

TEST_F(SinksTest, jsonl_says_how_a_run_failed_and_writes_null_for_what_is_no_number) {
  const auto sink = make_jsonl(path_, {});
  sink->on(RunStarted{});
  Iterated e;
  e.iteration = 1;
  e.loss = e.iteration_loss = std::numeric_limits<double>::quiet_NaN();
  sink->on(e);
  sink->on(Failed{5, "the loss became nan in \xff iteration 1"});
  const auto all = lines(path_);
  EXPECT_TRUE(all[1]["loss"].is_null());
  EXPECT_FALSE(all[1].contains("epoch")) << "of unknown length";
  EXPECT_EQ(all[2]["event"], "failed");
  EXPECT_EQ(all[2]["exit_code"], 5);
  EXPECT_EQ(all[2]["iteration"], 1);
}

TEST_F(SinksTest, the_interval_thins_the_curves_and_nothing_else) {
  run(*make_jsonl(path_, {false, 2}), 0, 6);
  run(*make_tensorboard(board_, {false, 2}), 0, 6);
  int train = 0, others = 0;
  for (const auto& line : lines(path_)) ++(line["event"] == "train" ? train : others);
  EXPECT_EQ(train, 3);
  EXPECT_EQ(others, 4);
  EXPECT_EQ(read_tfevents(event_files(board_).at(0)).size(), 2u + 3 + 1);
}

TEST_F(SinksTest, files_that_cannot_be_written_are_an_error_at_once) {
  for (const auto& make : {&make_jsonl, &make_tensorboard}) {
    try {
      make("/proc/nowhere/x", {});
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kOutput);
      EXPECT_NE(error.message.find("/proc/nowhere"), std::string::npos) << error.message;
    }
  }
}

TEST_F(SinksTest, a_full_disk_is_an_error_and_not_a_gap) {
  const auto sink = make_jsonl("/dev/full", {});
  try {
    sink->on(RunStarted{});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutput);
  }
}

TEST_F(SinksTest, tensorboard_files_hold_version_start_and_scalars) {
  run(*make_tensorboard(board_, {}), 0, 2);
  const auto files = event_files(board_);
  ASSERT_EQ(files.size(), 1u);
  const auto events = read_tfevents(files[0]);
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  EXPECT_EQ(events[1].session_log().status(), tfevents::SessionLog::START);
  std::map<std::string, float> values;
  for (const auto& value : events[3].summary().value()) values[value.tag()] = value.simple_value();
  EXPECT_EQ(events[3].step(), 2);
  EXPECT_EQ(values.at("train/loss"), 0.5f);
  EXPECT_EQ(values.at("lr/policy"), 0.5f);
  EXPECT_EQ(values.at("lr/a/weight +1"), 0.5f);
  EXPECT_EQ(values.at("lr/a/bias"), 1.0f);
  EXPECT_EQ(values.at("train/gradient_norm"), 3.0f);
  values.clear();
  for (const auto& value : events[4].summary().value()) values[value.tag()] = value.simple_value();
  EXPECT_EQ(values.at("test/accuracy"), 0.75f);
  EXPECT_EQ(values.at("test/pair/1"), 2.0f);
}

TEST_F(SinksTest, both_hold_what_was_verified_and_distributions) {
  Verified verified;
  verified.iteration = 7;
  verified.params = {{"a/weight", "ok", 0.5, 0.5001, 4, 2, 1},
                     {"a/bias", "frozen_moved", 0, std::nullopt, 0, 0, 0.1}};
  verified.groups = {{"a/weight +1", 0.5, 0.5001}};
  const std::vector<float> numbers{-1, 0, 1, 1};
  const Histograms histograms{7, "a/weight", histogram_of(numbers), histogram_of(numbers),
                              histogram_of(std::span(numbers).first(2))};
  {
    const auto jsonl = make_jsonl(path_, {}), board = make_tensorboard(board_, {});
    RunStarted started;
    started.groups = {{"a/weight +1", {"a/weight", "b/weight"}}};
    for (Sink* sink : {jsonl.get(), board.get()}) {
      sink->on(started);
      sink->on(verified);
      sink->on(histograms);
    }
  }
  const auto told = lines(path_);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[1]["parameters"]["a/weight"]["realised_lr"], 0.5001);
  EXPECT_EQ(told[1]["parameters"]["a/weight"]["update_ratio"], 0.25);
  EXPECT_EQ(told[1]["parameters"]["a/bias"]["verdict"], "frozen_moved");
  EXPECT_FALSE(told[1]["parameters"]["a/bias"].contains("update_ratio")) << "weights of zero";
  EXPECT_EQ(told[1]["groups"]["a/weight +1"]["realised_lr"], 0.5001);
  EXPECT_EQ(told[2]["update"]["count"], 2);

  const auto events = read_tfevents(event_files(board_).at(0));
  ASSERT_EQ(events.size(), 4u);
  std::map<std::string, float> values;
  for (const auto& value : events[2].summary().value()) values[value.tag()] = value.simple_value();
  EXPECT_EQ(values.at("update_ratio/a/weight"), 0.25f);
  EXPECT_EQ(values.at("realised_lr/a/weight +1"), 0.5001f);
  EXPECT_EQ(values.at("verified/wrong"), 1);
  EXPECT_EQ(events[3].step(), 7);
  ASSERT_EQ(events[3].summary().value_size(), 3);
  const auto& weights = events[3].summary().value(0);
  EXPECT_EQ(weights.tag(), "weights/a/weight");
  EXPECT_EQ(weights.histo().num(), 4);
  EXPECT_EQ(weights.histo().sum_squares(), 3);
  double counted = 0;
  for (const double count : weights.histo().bucket()) counted += count;
  EXPECT_EQ(counted, 4);
  EXPECT_EQ(weights.histo().bucket_limit_size(), weights.histo().bucket_size());
}

TEST_F(SinksTest, tensorboard_files_of_later_runs_sort_behind_earlier_ones) {
  write_file_atomically(board_ + "/events.out.tfevents.9999999990.zzz.9", "");
  write_file_atomically(board_ + "/events.out.tfevents.odd.name", "");
  run(*make_tensorboard(board_, {}), 0, 1);
  run(*make_tensorboard(board_, {true, 1}), 1, 2);
  const auto files = event_files(board_);
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(read_tfevents(files[1])[1].step(), 0);
  EXPECT_EQ(read_tfevents(files[2])[1].step(), 2) << "the first point that a resumed run repeats";
}

}  // namespace
}  // namespace crema::report
