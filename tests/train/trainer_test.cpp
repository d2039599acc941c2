#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "base/files.hpp"
#include "data/hdf5_file.hpp"
#include "report/sinks.hpp"
#include "snapshot/hdf5_file.hpp"
#include "train/trainer_fixture.hpp"

namespace crema::train {
namespace {

class TrainerTest : public TrainerFixture {};

// The question that crema comes from: two parameters, one of them at twice the rate.
TEST_F(TrainerTest, toy_problem_moves_each_parameter_at_its_own_rate) {
  const std::vector<double> x{0.8, 0.72, 0.688, 0.6752, 0.67008};
  const std::vector<double> y{0.4, 0.56, 0.624, 0.6496, 0.65984};
  Trainer* running = nullptr;
  int updates = 0;
  TrainOptions options;
  options.after_update = [&](int64_t iteration, double, double rate) {
    const size_t k = static_cast<size_t>(iteration) - 1;
    EXPECT_DOUBLE_EQ(rate, 0.1f);
    EXPECT_NEAR(running->net().params().value(0)[0], x.at(k), 1e-6);
    EXPECT_NEAR(running->net().params().value(1)[0], y.at(k), 1e-6);
    ++updates;
  };
  Trainer trainer(solver("toy_solver.prototxt"), options, context_);
  running = &trainer;
  EXPECT_EQ(trainer.net().params()[0].name(), "x/value");
  trainer.run();
  EXPECT_EQ(updates, 5);
}

// The same problem with multipliers that rules give: gradients are 2 (x - y) and -2 (x - y).
TEST_F(TrainerTest, rules_and_schedules_decide_the_rates) {
  double x = 1, y = 0;
  Trainer* running = nullptr;
  TrainOptions options;
  options.after_update = [&](int64_t iteration, double, double) {
    const double step = 0.1 * 2 * (x - y);
    x -= step * (iteration <= 2 ? 1 : 0.5);
    y += iteration <= 2 ? 0 : step * 2;
    EXPECT_NEAR(running->net().params().value(0)[0], x, 1e-6) << iteration;
    EXPECT_NEAR(running->net().params().value(1)[0], y, 1e-6) << iteration;
  };
  Trainer trainer(solver("toy_rules_solver.prototxt"), options, context_);
  running = &trainer;
  trainer.run();
}

TEST_F(TrainerTest, a_rule_for_nothing_has_a_place_and_an_exit_code_of_its_own) {
  try {
    Trainer(solver("toy_unmatched_solver.prototxt"), {}, context_);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kUnmatchedRule);
    EXPECT_NE(error.report().find("toy_unmatched_solver.prototxt:4:14"), std::string::npos)
        << error.report();
  }
}

TEST_F(TrainerTest, loss_is_reported_and_smoothed_over_average_loss) {
  std::vector<double> losses;
  TrainOptions options;
  options.after_update = [&](int64_t, double loss, double) { losses.push_back(loss); };
  Trainer trainer(solver("toy_solver.prototxt", {"average_loss=2", "display=1"}), options,
                  context_);
  const TrainResult result = trainer.run();
  ASSERT_EQ(losses.size(), 5u);
  EXPECT_NEAR(losses[0], 1.0, 1e-6);   // (1 - 0)^2
  EXPECT_NEAR(losses[1], 0.16, 1e-6);  // (0.8 - 0.4)^2
  EXPECT_EQ(count<report::Displayed>(), 5);
  EXPECT_EQ(count<report::RateSet>(), 5);
  EXPECT_EQ(count<report::FinalLoss>(), 1);  // one more forward pass after the last update
  const double last = (0.67008 - 0.65984) * (0.67008 - 0.65984);
  EXPECT_NEAR(result.loss, (losses[4] + last) / 2, 1e-7);
}

// loss = 2 * 1/2 (x - y)^2 with x = 1, y = 0.
TEST_F(TrainerTest, debug_info_says_what_every_layer_computed) {
  Trainer trainer(solver("toy_solver.prototxt", {"debug_info=true", "display=5"}), {}, context_);
  trainer.run();
  std::vector<std::string> lines;
  for (const report::Event& event : events_) {
    if (const auto* value = std::get_if<report::DebugValue>(&event))
      lines.push_back(report::debug_text(*value));
    if (const auto* norms = std::get_if<report::DebugNorms>(&event))
      lines.push_back(report::debug_text(*norms));
  }
  const std::vector<std::string> expected{
      "    [Forward] Layer x, top blob x data: 1",
      "    [Forward] Layer x, param blob 0 data: 1",
      "    [Forward] Layer y, top blob y data: 0",
      "    [Forward] Layer y, param blob 0 data: 0",
      "    [Forward] Layer loss, top blob loss data: 0.5",
      "    [Backward] Layer loss, bottom blob x diff: 2",
      "    [Backward] Layer loss, bottom blob y diff: 2",
      "    [Backward] Layer y, param blob 0 diff: 2",
      "    [Backward] Layer x, param blob 0 diff: 2",
      "    [Backward] All net params (data, diff): L1 norm = (1, 4); L2 norm = (1, 2.82843)"};
  EXPECT_EQ(lines, expected) << "of iteration 0 only: 5 is the next to be displayed";
}

// The same numbers as a net gives that keeps all its blobs.
TEST_F(TrainerTest, debug_info_reads_values_before_their_memory_is_used_again) {
  Trainer trainer(solver("debug_solver.prototxt", {"max_iter=1"}), {}, context_);
  NetOptions options;
  options.training = options.separate_gradients = options.keep_blobs = true;
  Net kept(solver("debug_solver.prototxt").train_net, options, context_);
  kept.initialise(5);
  const auto mean = [](const std::vector<float>& values) {
    double sum = 0;
    for (const float v : values) sum += std::abs(v);
    return sum / static_cast<double>(values.size());
  };
  std::map<std::string, double> forward;  // of the first of the two passes
  kept.pass({5, 0, 0});
  for (const auto& [blob, value] : kept.graph().blobs)
    forward[blob] = mean(kept.session().read(value));
  std::vector<double> w;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass > 0) kept.pass({5, 0, pass});
    w.push_back(mean(kept.params().to_plain(0, kept.params()[0].gradient())));
  }
  trainer.run();
  std::vector<report::DebugValue> tops, params;
  for (const report::Event& event : events_)
    if (const auto* value = std::get_if<report::DebugValue>(&event)) {
      if (value->kind == report::DebugValue::kTopData) tops.push_back(*value);
      if (value->kind == report::DebugValue::kParamDiff && value->layer == "fc1" &&
          value->blob == "0")
        params.push_back(*value);
    }
  std::set<std::string> seen;
  for (size_t i = 0; i < tops.size() / 2; ++i) {
    if (tops[i].layer == "fc1") {  // overwritten in place by relu1
      EXPECT_GT(tops[i].value, forward.at("fc1"));
      continue;
    }
    EXPECT_NEAR(tops[i].value, forward.at(tops[i].blob), 1e-6) << tops[i].blob;
    seen.insert(tops[i].blob);
  }
  EXPECT_EQ(seen.size(), forward.size());
  ASSERT_EQ(params.size(), 2u);  // both uses of the shared weights, and of both passes
  for (size_t pass = 0; pass < 2; ++pass) EXPECT_NEAR(params[pass].value, w[pass], 1e-6);
}

TEST_F(TrainerTest, resume_needs_the_optimizer_that_wrote_the_state) {
  {
    Trainer trainer(solver("toy_solver.prototxt"), {}, context_);
    trainer.run();
    trainer.snapshot();
  }
  TrainOptions options;
  options.snapshot = prefix() + "_iter_5.solverstate";
  try {
    Trainer(solver("toy_solver.prototxt", {"type=Adam"}), options, context_);
    FAIL() << "Adam took SGD's history";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kWeights);
    EXPECT_NE(error.message.find("SGD"), std::string::npos);
  }
  Trainer again(solver("toy_solver.prototxt", {"max_iter=6"}), options, context_);
  EXPECT_EQ(again.iteration(), 5);
  EXPECT_NEAR(again.net().params().value(0)[0], 0.67008, 1e-6);
}

TEST_F(TrainerTest, newest_snapshot_skips_what_is_damaged) {
  EXPECT_EQ(newest_snapshot(prefix()), "");
  {
    Trainer trainer(solver("toy_solver.prototxt", {"snapshot=2"}), {}, context_);
    trainer.run();
  }
  EXPECT_EQ(newest_snapshot(prefix()), prefix() + "_iter_4.solverstate");
  std::filesystem::resize_file(prefix() + "_iter_4.caffemodel", 20);
  EXPECT_EQ(newest_snapshot(prefix()), prefix() + "_iter_2.solverstate");
}

// BVLC's rule: the diff of a snapshot is what its last update took off the weights.
TEST_F(TrainerTest, snapshot_diff_writes_the_last_step_in_both_formats) {
  for (const std::string format : {"BINARYPROTO", "HDF5"}) {
    std::vector<float> before, after;
    Trainer* running = nullptr;
    TrainOptions options;
    options.after_update = [&](int64_t, double, double) {
      before = std::exchange(
          after, {running->net().params().value(0)[0], running->net().params().value(1)[0]});
    };
    Trainer trainer(solver("toy_solver.prototxt",
                           {"snapshot_diff=true", "type=Adam", "snapshot_format=" + format}),
                    options, context_);
    running = &trainer;
    trainer.run();
    trainer.snapshot();
    std::vector<float> diffs;
    if (format == "HDF5") {
      const snapshot::Hdf5Reader file(prefix() + "_iter_5.caffemodel.h5");
      for (const char* layer : {"x", "y"})
        diffs.push_back(file.blob(std::string("diff/") + layer + "/0").values.at(0));
      EXPECT_EQ(file.links("diff").size(), 3u) << "a group for every layer";
    } else {
      caffe::NetParameter net;
      ASSERT_TRUE(
          net.ParseFromString(read_file(prefix() + "_iter_5.caffemodel", ErrorCode::kWeights)));
      for (int l = 0; l < 2; ++l) {
        ASSERT_EQ(net.layer(l).blobs(0).diff_size(), 1);
        diffs.push_back(net.layer(l).blobs(0).diff(0));
      }
    }
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_NE(diffs[i], 0);
      EXPECT_EQ(before[i] - diffs[i], after[i]) << format;
    }
  }
}

TEST_F(TrainerTest, hdf5_snapshots_leave_shared_weights_out_and_resume) {
  const auto trained = [&](std::vector<std::string> more, const TrainOptions& options) {
    Trainer trainer(solver("shared_solver.prototxt", std::move(more)), options, context_);
    trainer.run();
    return trainer.net().params().value(0);
  };
  const std::vector<float> whole = trained({"snapshot=3"}, {});
  const std::string weights = prefix() + "_iter_3.caffemodel.h5";
  const snapshot::Hdf5Reader file(weights);
  EXPECT_EQ(file.links("data/left").size(), 2u);
  EXPECT_EQ(file.links("data/right").size(), 1u) << "its weight is the left one's";
  TrainOptions options;
  options.snapshot = prefix() + "_iter_3.solverstate.h5";
  EXPECT_EQ(trained({}, options), whole);
  EXPECT_EQ(newest_snapshot(prefix()), prefix() + "_iter_6.solverstate.h5");

  // A net that does not share lacks the right one's weight.
  TrainOptions start;
  start.weights = {weights};
  try {
    Trainer(solver("shared_solver.prototxt", {"net=unshared_net.prototxt"}), start, context_);
    FAIL() << "a blob is missing";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kWeights);
    EXPECT_NE(error.report().find("blob 0 (weight) of layer 'right' is missing"), std::string::npos)
        << error.report();
  }
}

TEST_F(TrainerTest, layer_names_that_hdf5_cannot_hold_are_refused_before_training) {
  try {
    Trainer(solver("names_solver.prototxt"), {}, context_);
    FAIL() << "accepted";
  } catch (const ErrorList& list) {
    ASSERT_EQ(list.errors().size(), 2u);
    EXPECT_EQ(list.errors()[0].location.line, 10) << list.what();
    EXPECT_EQ(list.errors()[1].location.line, 17) << list.what();
    EXPECT_NE(list.errors()[1].hint.find("BINARYPROTO"), std::string::npos);
  }
}

TEST_F(TrainerTest, hdf5_output_gets_the_rows_of_every_pass) {
  config::NetConfig net = config::read_net(kHere + "output_net.prototxt");
  const std::string path = (folder_ / "deep/out.h5").string();
  net.layers.back().param.mutable_hdf5_output_param()->set_file_name(path);
  for (int again = 0; again < 2; ++again) {  // a further net begins the file anew
    Net running(net, NetOptions{}, context_);
    EXPECT_EQ(std::filesystem::exists(path), again == 1) << "building a net writes nothing";
    std::vector<float> expected;
    for (int pass = 0; pass < 3; ++pass) {
      running.forward({5, pass, pass});
      for (const report::Output& output : running.outputs())
        if (output.name == "c")
          for (const double c : output.values) expected.push_back(static_cast<float>(c / 3));
    }
    const Hdf5Handle file = open_hdf5(path, ErrorCode::kData);
    const data::Hdf5Dataset data(file.id(), path, "data"), label(file.id(), path, "label");
    EXPECT_EQ(data.rows(), 9);
    EXPECT_EQ(data.row(), Shape({2, 1, 1}));
    EXPECT_EQ(label.rows(), 9);
    EXPECT_EQ(label.row(), Shape({1, 1, 1}));
    std::vector<float> got(18);
    data.read(0, 9, got.data());
    ASSERT_EQ(expected.size(), got.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_FLOAT_EQ(got[i], expected[i]);
  }
}

TEST_F(TrainerTest, hdf5_output_that_cannot_be_written_is_an_error) {
  config::NetConfig net = config::read_net(kHere + "output_net.prototxt");
  net.layers.back().param.mutable_hdf5_output_param()->set_file_name("/proc/nowhere/out.h5");
  Net running(net, NetOptions{}, context_);
  try {
    running.forward({5, 0, 0});
    FAIL() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutput);
    EXPECT_NE(error.message.find("/proc/nowhere/out.h5"), std::string::npos);
  }
}

TEST_F(TrainerTest, a_loss_that_is_no_number_stops_the_run_and_says_where) {
  Trainer trainer(solver("toy_solver.prototxt", {"base_lr=1e30", "max_iter=100"}), {}, context_);
  try {
    trainer.run();
    FAIL() << "the run went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kNonFinite);
    EXPECT_NE(error.report().find("base_lr"), std::string::npos);
    EXPECT_LT(trainer.iteration(), 10);
  }
}

TEST_F(TrainerTest, a_snapshot_prefix_that_cannot_be_written_is_refused_before_training) {
  try {
    Trainer(config::read_solver(kHere + "toy_solver.prototxt",
                                {"snapshot=1", "snapshot_prefix=\"/proc/nowhere/x\""}),
            {}, context_);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutput);
  }
}

TEST_F(TrainerTest, a_frozen_parameter_has_neither_gradient_nor_state_until_it_learns) {
  context_.plan_skip = {"update"};  // gradients are kept after the pass
  Trainer* running = nullptr;
  TrainOptions options;
  options.after_update = [&](int64_t iteration, double, double) {
    EXPECT_TRUE(running->net().params()[0].has_gradient());
    EXPECT_EQ(running->net().params()[1].has_gradient(), iteration > 2) << iteration;
    EXPECT_EQ(running->net().params().value(1)[0] != 0, iteration > 2) << iteration;
  };
  Trainer trainer(solver("toy_rules_solver.prototxt"), options, context_);
  running = &trainer;
  const TrainResult result = trainer.run();
  ASSERT_EQ(result.replans.size(), 1u);
  EXPECT_EQ(result.replans[0].iteration, 2);
  EXPECT_EQ(result.replans[0].learning, 2);
  EXPECT_EQ(count<report::Replanned>(), 1);
}

}  // namespace
}  // namespace crema::train
