#include "snapshot/state.hpp"

#include <gmock/gmock.h>

#include <random>

#include "proto/snapshot.pb.h"
#include "snapshot/files.hpp"

namespace crema::snapshot {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

State small_state() {
  State s;
  s.iter = 300;
  s.learned_net = "snap_iter_300.caffemodel";
  s.current_step = 2;
  s.history = {{{2}, false, {1, 2}}, {{}, false, {3}}, {{2}, false, {4, -0.0f}}, {{}, false, {6}}};
  s.seed = 0xfedcba9876543210;
  s.solver_type = "Adam";
  s.batches_read = 1200;
  s.param_names = {"ip/0", "ip/1"};
  s.step_counts = {300, int64_t{1} << 40};
  s.loss_window = {0.5f, 0.25f};
  s.carried = {{0, "lstm/h", {{1, 2, 1}, false, {0.5f, -0.0f}}},
               {2, "lstm/c", {{1, 1}, false, {7}}}};
  s.learned_net_crc32 = 0xdeadbeef;
  return s;
}

// Of a run whose parameters have different optimizers.
State mixed_state() {
  State s = small_state();
  s.history.clear();
  s.slots = {{"ip/0", "m", {{2}, false, {1, 2}}},
             {"ip/0", "v", {{2}, false, {3, 4}}},
             {"ip/1", "momentum", {{}, false, {5}}}};
  s.param_types = {"Adam", "SGD"};
  s.averages = {{{2}, false, {6, 7}}, {{}, false, {8}}};
  s.average_updates = 299;
  s.followers = {{-1, true, 0.1, 2, 1, 3, 250, 299, 0.3, 4}, {5}};
  return s;
}

TEST(State, RoundTripOfSeveralOptimizers) {
  const Folder folder;
  write_state(folder / "s", mixed_state());
  const State back = read_state(folder / "s");
  EXPECT_THAT(back.history, IsEmpty());
  ASSERT_EQ(back.slots.size(), 3u);
  EXPECT_EQ(back.slots[1].param, "ip/0");
  EXPECT_EQ(back.slots[1].name, "v");
  EXPECT_THAT(back.slots[1].blob.values, ElementsAre(3, 4));
  EXPECT_EQ(back.slots[2].name, "momentum");
  EXPECT_THAT(back.param_types, ElementsAre("Adam", "SGD"));
  ASSERT_EQ(back.averages.size(), 2u);
  EXPECT_THAT(back.averages[0].values, ElementsAre(6, 7));
  EXPECT_EQ(back.average_updates, 299);
  ASSERT_EQ(back.followers.size(), 2u);
  const Follower& f = back.followers[0];
  EXPECT_TRUE(f.rule == -1 && f.started && f.best == 0.1 && f.waited == 2 && f.cooldown == 1 &&
              f.drops == 3 && f.last_event == 250 && f.last_iteration == 299 && f.sum == 0.3 &&
              f.count == 4);
  EXPECT_EQ(back.followers[1].rule, 5);
  EXPECT_EQ(back.followers[1].last_iteration, -1);
}

TEST(State, RoundTrip) {
  const Folder folder;
  const State s = small_state();
  write_state(folder / "s", s);
  const State back = read_state(folder / "s");
  EXPECT_TRUE(back.by_crema);
  EXPECT_EQ(back.iter, s.iter);
  EXPECT_EQ(back.learned_net, s.learned_net);
  EXPECT_EQ(back.current_step, s.current_step);
  EXPECT_EQ(back.seed, s.seed);
  EXPECT_EQ(back.solver_type, s.solver_type);
  EXPECT_EQ(back.batches_read, s.batches_read);
  EXPECT_EQ(back.param_names, s.param_names);
  EXPECT_EQ(back.step_counts, s.step_counts);
  EXPECT_EQ(back.loss_window, s.loss_window);
  EXPECT_EQ(back.learned_net_crc32, s.learned_net_crc32);
  ASSERT_EQ(back.carried.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back.carried[i].net, s.carried[i].net);
    EXPECT_EQ(back.carried[i].name, s.carried[i].name);
    EXPECT_EQ(back.carried[i].value.shape, s.carried[i].value.shape);
    EXPECT_EQ(back.carried[i].value.values, s.carried[i].value.values);
  }
  EXPECT_TRUE(std::signbit(back.carried[0].value.values[1]));
  ASSERT_EQ(back.history.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(back.history[i].shape, s.history[i].shape);
    EXPECT_EQ(back.history[i].values, s.history[i].values);
  }
  EXPECT_TRUE(std::signbit(back.history[2].values[1]));
}

TEST(State, AtTheVeryStart) {
  const Folder folder;
  write_state(folder / "s", State{});
  const State back = read_state(folder / "s");
  EXPECT_EQ(back.iter, 0);
  EXPECT_TRUE(back.by_crema);
  EXPECT_THAT(back.history, IsEmpty());
  EXPECT_EQ(back.learned_net_crc32, std::nullopt);
}

// What BVLC's own reader, a plain protobuf parser, makes of it.
TEST(State, IsReadByAnyProtobufReader) {
  const Folder folder;
  write_state(folder / "s", small_state());
  caffe::SolverState proto;
  ASSERT_TRUE(proto.ParseFromString(read_file(folder / "s", ErrorCode::kWeights)));
  EXPECT_EQ(proto.iter(), 300);
  EXPECT_EQ(proto.current_step(), 2);
  EXPECT_EQ(proto.learned_net(), "snap_iter_300.caffemodel");
  ASSERT_EQ(proto.history_size(), 4);
  EXPECT_THAT(proto.history(0).shape().dim(), ElementsAre(2));
  EXPECT_THAT(proto.history(0).data(), ElementsAre(1, 2));
}

TEST(State, OfBvlc) {
  const State s = read_state(fixture("snap_iter_7.solverstate"));
  EXPECT_FALSE(s.by_crema);
  EXPECT_EQ(s.iter, 7);
  EXPECT_EQ(s.learned_net, "snap_iter_7.caffemodel");
  EXPECT_EQ(s.current_step, 0);
  EXPECT_EQ(s.batches_read, std::nullopt);
  ASSERT_EQ(s.history.size(), 16u);
  EXPECT_EQ(s.history[0].shape, Shape({3, 1, 3, 3}));
  EXPECT_NEAR(s.history[0].values[0], 0.00968241, 1e-7);
  EXPECT_NEAR(s.history[0].values[18], 0.0243133, 1e-7);
  EXPECT_EQ(s.history[15].shape, Shape({4}));
}

// --- the weights that belong to a state

TEST(StateWeights, AreFoundBesideTheState) {
  const std::string path = fixture("snap_iter_7.solverstate");
  const WeightsFile found = read_weights_of(read_state(path), path);
  EXPECT_EQ(found.path, fixture("snap_iter_7.caffemodel"));
  EXPECT_EQ(found.net_name, "convnet");
}

std::vector<LayerRecord> net(float value) {
  std::vector<LayerRecord> out(1);
  out[0].definition.set_name("l");
  out[0].blobs = {{{1}, false, {value}}};
  return out;
}

TEST(StateWeights, AsWrittenComesFirst) {
  const Folder folder;
  State s;
  s.learned_net = folder / "a/x.caffemodel";
  write_weights(folder / "a/x.caffemodel", "as written", net(1));
  write_weights(folder / "b/x.caffemodel", "beside", net(2));
  EXPECT_EQ(read_weights_of(s, folder / "b/x.solverstate").net_name, "as written");
  std::filesystem::remove(folder / "a/x.caffemodel");
  EXPECT_EQ(read_weights_of(s, folder / "b/x.solverstate").net_name, "beside");
}

TEST(StateWeights, TheChecksumDecides) {
  const Folder folder;
  State s;
  s.learned_net = folder / "a/x.caffemodel";
  const std::string state = folder / "b/x.solverstate";
  const uint32_t other = write_weights(folder / "a/x.caffemodel", "another run", net(1));
  s.learned_net_crc32 = write_weights(folder / "b/x.caffemodel", "beside", net(2));
  ASSERT_NE(other, *s.learned_net_crc32);
  EXPECT_EQ(read_weights_of(s, state).net_name, "beside");
  std::filesystem::remove(folder / "b/x.caffemodel");
  EXPECT_THAT(complaint([&] { read_weights_of(s, state); }),
              AllOf(HasSubstr("a/x.caffemodel' is not the weights file"), HasSubstr("checksum")));
  std::filesystem::remove(folder / "a/x.caffemodel");
  EXPECT_THAT(complaint([&] { read_weights_of(s, state); }),
              AllOf(HasSubstr("are missing"), HasSubstr(folder / "b/x.caffemodel")));
  s.learned_net.clear();
  EXPECT_THAT(complaint([&] { read_weights_of(s, state); }), HasSubstr("names no weights file"));
}

// --- wrong files

TEST(StateErrors, OtherKindsAreNamed) {
  const Folder folder;
  EXPECT_THAT(wrong_state(folder / "no"), HasSubstr("No such file"));
  EXPECT_THAT(wrong_state(fixture("snap_iter_7.caffemodel")),
              AllOf(HasSubstr("holds weights"), HasSubstr("snap_iter_7.solverstate")));
  EXPECT_THAT(wrong_state(fixture("double_data.caffemodel")), HasSubstr("--weights"));
  EXPECT_THAT(wrong_state(fixture("v1_train.v1.caffemodel")), HasSubstr("holds weights"));
  EXPECT_THAT(wrong_state(folder.put("a", "")), HasSubstr("is empty"));
  EXPECT_THAT(wrong_state(folder.put("b", "base_lr: 0.1\n")), HasSubstr("is text"));
  EXPECT_THAT(wrong_state(folder.put("c", std::string(9, '\xff'))), HasSubstr("damaged"));
}

TEST(StateErrors, ContradictionsAreNamed) {
  const Folder folder;
  const auto broken = [&](auto&& change) {
    caffe::SolverState s;
    s.set_iter(3);
    for (int i = 0; i < 4; ++i) s.add_history()->add_data(1);
    s.add_param_name("a");
    s.add_param_name("b");
    s.add_step_count(3);
    s.add_step_count(3);
    change(s);
    return wrong_state(folder.put("s", s.SerializeAsString()));
  };
  using S = caffe::SolverState;
  EXPECT_EQ(broken([](S&) {}), "");
  EXPECT_THAT(broken([](S& s) { s.set_iter(-1); }), HasSubstr("below 0"));
  EXPECT_THAT(broken([](S& s) { s.set_current_step(-1); }), HasSubstr("below 0"));
  EXPECT_THAT(broken([](S& s) { s.set_batches_read(-1); }), HasSubstr("below 0"));
  EXPECT_THAT(broken([](S& s) { s.set_step_count(1, -1); }), HasSubstr("below 0"));
  EXPECT_THAT(broken([](S& s) { s.add_step_count(1); }), HasSubstr("names 2 parameters"));
  EXPECT_THAT(broken([](S& s) { s.clear_param_name(); }), HasSubstr("names 0 parameters"));
  EXPECT_THAT(broken([](S& s) { s.add_history()->add_data(1); }), HasSubstr("5 history blobs"));
  EXPECT_THAT(broken([](S& s) { s.mutable_history(2)->add_data(1); }),
              HasSubstr("history 2: the shape scalar needs 1 values, there are 2"));
  EXPECT_THAT(broken([](S& s) { s.clear_iter(); }), HasSubstr("does not say its iteration"));
  EXPECT_THAT(broken([](S& s) { s.add_history_slot("m"); }),
              HasSubstr("holds 4 history blobs, not 1 for each of its 2 parameters"));
  EXPECT_THAT(broken([](S& s) {
                s.clear_param_name();
                s.clear_step_count();
                s.add_history_slot("m");
              }),
              HasSubstr("not 1 for each of its 0 parameters"));
  EXPECT_THAT(broken([](S& s) { s.add_slot()->add_data(1); }),
              HasSubstr("names 0 parameters and 0 arrays for 1 arrays"));
  EXPECT_THAT(broken([](S& s) { s.add_slot_name("m"); }), HasSubstr("1 arrays for 0 arrays"));
  EXPECT_THAT(broken([](S& s) { s.add_param_type("SGD"); }), HasSubstr("optimizers of 1"));
  EXPECT_THAT(broken([](S& s) { s.add_average()->add_data(1); }), HasSubstr("averages of 1"));
  EXPECT_THAT(broken([](S& s) { s.add_follower()->set_drops(-1); }),
              HasSubstr("counts observations below 0"));
}

TEST(StateDamage, EveryTruncationIsNoticed) {
  const Folder folder;
  for (const State& state : {small_state(), mixed_state()}) {
    write_state(folder / "whole", state);
    const std::string bytes = read_file(folder / "whole", ErrorCode::kWeights);
    for (size_t n = 0; n < bytes.size(); ++n)
      EXPECT_NE(wrong_state(folder.put("cut", bytes.substr(0, n))), "")
          << n << " of " << bytes.size();
    EXPECT_EQ(wrong_state(folder.put("cut", bytes)), "");
  }
}

TEST(StateDamage, FlippedBytesNeverCrash) {
  const Folder folder;
  write_state(folder / "whole", small_state());
  write_state(folder / "mixed", mixed_state());
  std::mt19937 random(3);
  for (const std::string& path :
       {folder / "whole", folder / "mixed", fixture("snap_iter_7.solverstate")}) {
    const std::string bytes = read_file(path, ErrorCode::kWeights);
    int noticed = 0;
    for (int round = 0; round < 1500; ++round) {
      std::string bad = bytes;
      for (int k = 0; k <= round % 4; ++k) bad[random() % bad.size()] ^= 1 << random() % 8;
      noticed += !wrong_state(folder.put("bad", bad)).empty();
    }
    EXPECT_GT(noticed, 0);
  }
}

TEST(StateWriting, AFullDiskLeavesTheEarlierFile) {
  const Folder folder;
  write_state(folder / "s", small_state());
  State large = small_state();
  large.iter = 400;
  large.history[0] = {{100000}, false, std::vector<float>(100000, 1)};
  for (const rlim_t room : {0, 50, 399999}) {
    const FullDisk full(room);
    EXPECT_THAT(complaint([&] { write_state(folder / "s", large); }, ErrorCode::kOutput),
                HasSubstr("File too large"));
  }
  EXPECT_EQ(read_state(folder / "s").iter, 300);
  EXPECT_THAT(folder.names(), ElementsAre("s"));
}

TEST(StateWriting, NonsenseIsABug) {
  const Folder folder;
  State s = small_state();
  s.iter = -1;
  EXPECT_THROW(write_state(folder / "s", s), LogicError);
  s.iter = int64_t{1} << 31;
  EXPECT_THROW(write_state(folder / "s", s), LogicError);
  s = small_state();
  s.history.pop_back();
  EXPECT_THROW(write_state(folder / "s", s), LogicError);
  s = mixed_state();
  s.param_types.pop_back();
  EXPECT_THROW(write_state(folder / "s", s), LogicError);
  EXPECT_THAT(folder.names(), IsEmpty());
}

// --- files that people have

TEST(StateOfOthers, LeNet) {
  const std::string path = shared("data/weights/bvlc_lenet_iter_5000.solverstate");
  if (!file_exists(path)) GTEST_SKIP() << "skipped: no ../shared/data";
  const State s = read_state(path);
  EXPECT_EQ(s.iter, 5000);
  EXPECT_EQ(s.history.size(), 8u);
  State moved = s;  // wherever it was written
  moved.learned_net = "bvlc_lenet_iter_5000.caffemodel";
  EXPECT_EQ(read_weights_of(moved, path).path,
            shared("data/weights/bvlc_lenet_iter_5000.caffemodel"));
}

TEST(StateOfOthers, RecordedRuns) {
  const std::string folder = shared("goldens/solvers");
  if (!is_directory(folder)) GTEST_SKIP() << "skipped: no ../shared/goldens";
  int seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".solverstate") {
      const State s = read_state(entry.path());
      EXPECT_GT(s.iter, 0) << entry.path();
      EXPECT_FALSE(s.history.empty()) << entry.path();
      ++seen;
    } else if (entry.path().extension() == ".caffemodel") {
      EXPECT_FALSE(read_weights(entry.path()).layers.empty());
    }
  }
  EXPECT_GT(seen, 20);
}

}  // namespace
}  // namespace crema::snapshot
