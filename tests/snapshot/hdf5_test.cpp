// The HDF5 form of weights and states.
#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <random>

#include "snapshot/files.hpp"
#include "snapshot/hdf5_file.hpp"
#include "snapshot/state.hpp"

namespace crema::snapshot {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<LayerRecord> odd_net() {
  std::vector<LayerRecord> out(4);
  out[0].definition.set_name("data");
  out[1].definition.set_name("ip 1");
  out[1].blobs = {{{2, 3}, false, {1, -0.0f, NAN, INFINITY, 1e-45f, 3.4e38f}},
                  {{2}, false, {0.1f, -7}}};
  out[2].definition.set_name("scale");
  out[2].blobs = {{{}, false, {4}}, {{0, 5}, false, {}}};
  out[3].definition.set_name("sharer");
  out[3].blobs = {out[1].blobs[0], {{1}, false, {9}}, out[1].blobs[1]};
  out[3].blobs[0].shared = out[3].blobs[2].shared = true;
  return out;
}

State odd_state() {
  State s;
  s.iter = 300;
  s.learned_net = "snap_iter_300.caffemodel.h5";
  s.current_step = 2;
  for (int h = 0; h < 12; ++h)  // more than ten: "10" comes before "2"
    s.history.push_back({{2}, false, {static_cast<float>(h), -0.0f}});
  s.seed = 0xfedcba9876543210;
  s.solver_type = "Adam";
  s.batches_read = 1200;
  for (int p = 0; p < 6; ++p) {
    s.param_names.push_back("ip/" + std::to_string(p));
    s.step_counts.push_back(int64_t{p} << 35);
  }
  s.loss_window = {0.5f, 0.25f};
  s.learned_net_crc32 = 0xdeadbeef;
  return s;
}

TEST(Hdf5Weights, RoundTripIsBitExact) {
  const Folder folder;
  const auto net = odd_net();
  const uint32_t crc = write_hdf5_weights(folder / "a.h5", net);
  EXPECT_EQ(crc, crc32_of(read_file(folder / "a.h5", ErrorCode::kWeights)));
  const WeightsFile back = read_weights(folder / "a.h5");
  EXPECT_TRUE(back.hdf5);
  EXPECT_EQ(back.crc32, crc);
  ASSERT_EQ(back.layers.size(), net.size());
  for (size_t i = 0; i < 3; ++i) {  // the names are in byte order
    EXPECT_EQ(back.layers[i].layer, net[i].definition.name());
    ASSERT_EQ(back.layers[i].blobs.size(), net[i].blobs.size());
    for (size_t b = 0; b < net[i].blobs.size(); ++b) {
      EXPECT_EQ(back.layers[i].blobs[b].shape, net[i].blobs[b].shape);
      EXPECT_EQ(bits(back.layers[i].blobs[b].values), bits(net[i].blobs[b].values));
    }
  }
  EXPECT_THAT(folder.names(), ElementsAre("a.h5")) << "no temporary file";
}

TEST(Hdf5Weights, SharedBlobsAreLeftOut) {
  const Folder folder;
  write_hdf5_weights(folder / "a.h5", odd_net());
  const WeightsFile back = read_weights(folder / "a.h5");
  const LayerBlobs& sharer = back.layers.at(3);
  ASSERT_EQ(sharer.blobs.size(), 2u) << "the last one is not in the file";
  EXPECT_TRUE(sharer.blobs[0].shared);
  EXPECT_FALSE(sharer.blobs[1].shared);
  EXPECT_THAT(sharer.blobs[1].values, ElementsAre(9));
}

TEST(Hdf5Weights, EqualNetsGiveEqualBytes) {
  const Folder folder;
  write_hdf5_weights(folder / "a", odd_net());
  const std::string first = read_file(folder / "a", ErrorCode::kWeights);
  ::sleep(1);  // a time in the file would differ now
  write_hdf5_weights(folder / "a", odd_net());
  EXPECT_EQ(read_file(folder / "a", ErrorCode::kWeights), first);
}

TEST(Hdf5Weights, DiffsAreWrittenOfEveryBlob) {
  const Folder folder;
  auto net = odd_net();
  for (LayerRecord& layer : net)
    for (Blob& blob : layer.blobs) blob.diff.assign(blob.values.size(), 0.5f);
  write_hdf5_weights(folder / "a", net);
  const Hdf5Reader file(folder / "a");
  EXPECT_THAT(file.links("diff/sharer"), ElementsAre("0", "1", "2"));
  EXPECT_THAT(file.links("data/sharer"), ElementsAre("1"));
  EXPECT_THAT(file.blob("diff/ip 1/1").values, ElementsAre(0.5f, 0.5f));
  EXPECT_EQ(read_weights(folder / "a").layers.size(), 4u) << "and are passed over in reading";
}

TEST(Hdf5Weights, OfBvlc) {
  const WeightsFile file = read_weights(fixture("snap_iter_7.caffemodel.h5"));
  const WeightsFile binary = read_weights(fixture("snap_iter_7.caffemodel"));
  EXPECT_EQ(file.layers.size(), 10u);
  int blobs = 0;
  for (const LayerBlobs& layer : file.layers)
    for (const LayerBlobs& other : binary.layers) {
      if (layer.layer != other.layer) continue;
      ASSERT_EQ(layer.blobs.size(), other.blobs.size());
      for (size_t b = 0; b < layer.blobs.size(); ++b, ++blobs) {
        EXPECT_EQ(layer.blobs[b].shape, other.blobs[b].shape);
        EXPECT_EQ(bits(layer.blobs[b].values), bits(other.blobs[b].values));
      }
    }
  EXPECT_EQ(blobs, 8);
}

// Files that other programs wrote: whole numbers, doubles, inner groups, what is no blob.
TEST(Hdf5Weights, OfOthers) {
  const Folder folder;
  Hdf5Writer file;
  file.group("data");
  file.group("data/a");
  file.integer("data/a/0", 3);
  file.group("data/a/b");
  file.blob("data/a/b/1", {2}, {1, 2});
  file.commit(folder / "nested");
  const WeightsFile nested = read_weights(folder / "nested");
  ASSERT_EQ(nested.layers.size(), 2u);
  EXPECT_THAT(nested.layers[0].blobs.at(0).values, ElementsAre(3));
  EXPECT_EQ(nested.layers[1].layer, "a/b");
  EXPECT_TRUE(nested.layers[1].blobs.at(0).shared);

  const auto with = [&](const std::string& name, auto&& add) {
    Hdf5Writer other;
    other.group("data");
    other.group("data/a");
    add(other);
    other.commit(folder / name);
    return wrong_weights(folder / name);
  };
  EXPECT_THAT(with("x", [](Hdf5Writer& f) { f.integer("data/a/weight", 1); }),
              HasSubstr("'data/a/weight' is no blob: those are called 0, 1, ..."));
  EXPECT_THAT(with("y", [](Hdf5Writer& f) { f.text("data/a/0", "x"); }),
              HasSubstr("holds no numbers"));
  EXPECT_THAT(with("z", [](Hdf5Writer& f) { f.integer("data/b", 1); }),
              HasSubstr("is a dataset where a layer's group should be"));
}

TEST(Hdf5Weights, NamesThatNoFileCanHold) {
  EXPECT_EQ(hdf5_name_flaw("conv1.2"), "");
  for (const char* name : {"", "a/b", "/", "."}) EXPECT_NE(hdf5_name_flaw(name), "") << name;
}

TEST(Hdf5State, RoundTrip) {
  const Folder folder;
  const State s = odd_state();
  write_hdf5_state(folder / "s", s);
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
  ASSERT_EQ(back.history.size(), s.history.size());
  for (size_t i = 0; i < s.history.size(); ++i) {
    EXPECT_EQ(back.history[i].shape, s.history[i].shape);
    EXPECT_EQ(bits(back.history[i].values), bits(s.history[i].values));
  }
}

TEST(Hdf5State, OfBvlc) {
  const State s = read_state(fixture("snap_iter_7.solverstate.h5"));
  const State binary = read_state(fixture("snap_iter_7.solverstate"));
  EXPECT_FALSE(s.by_crema);
  EXPECT_EQ(s.iter, 7);
  EXPECT_EQ(s.learned_net, "snap_iter_7.caffemodel.h5");
  EXPECT_EQ(s.current_step, 0);
  ASSERT_EQ(s.history.size(), binary.history.size());
  for (size_t i = 0; i < s.history.size(); ++i) {
    EXPECT_EQ(s.history[i].shape, binary.history[i].shape);
    EXPECT_EQ(bits(s.history[i].values), bits(binary.history[i].values));
  }
}

TEST(Hdf5Errors, OtherKindsAreNamed) {
  EXPECT_THAT(wrong_state(fixture("snap_iter_7.caffemodel.h5")),
              AllOf(HasSubstr("holds weights"), HasSubstr("snap_iter_7.solverstate")));
  EXPECT_THAT(wrong_weights(fixture("snap_iter_7.solverstate.h5")),
              AllOf(HasSubstr("no weights file"), HasSubstr("--snapshot")));
  const Folder folder;
  Hdf5Writer empty;
  empty.commit(folder / "empty");
  EXPECT_THAT(wrong_weights(folder / "empty"), HasSubstr("has no group 'data'"));
  EXPECT_THAT(wrong_state(folder / "empty"), HasSubstr("'iter' is missing"));
}

TEST(Hdf5Errors, ContradictionsAreNamed) {
  const Folder folder;
  const auto state = [&](int iter, const std::string& own, bool history) {
    Hdf5Writer file;
    file.integer("iter", iter);
    file.integer("current_step", 0);
    if (history) file.group("history");
    if (!own.empty()) file.bytes("crema_state", own);
    file.commit(folder / "s");
    return wrong_state(folder / "s");
  };
  const std::string says_five = "\x08\x05";  // iter: 5
  EXPECT_EQ(state(5, "", true), "");
  EXPECT_EQ(state(5, says_five, true), "");
  EXPECT_THAT(state(6, says_five, true), HasSubstr("its parts disagree"));
  EXPECT_THAT(state(6, "\xff\xff", true), HasSubstr("its parts disagree"));
  EXPECT_THAT(state(-1, "", true), HasSubstr("below 0"));
  EXPECT_THAT(state(5, "", false), HasSubstr("'history' is damaged, or no group"));
}

TEST(Hdf5Damage, EveryTruncationIsNoticed) {
  const Folder folder;
  write_hdf5_state(folder / "whole", odd_state());
  const std::string bytes = read_file(folder / "whole", ErrorCode::kWeights);
  for (size_t n = 0; n < bytes.size(); n += n < 200 ? 1 : 37)
    EXPECT_NE(wrong_state(folder.put("cut", bytes.substr(0, n))), "") << n;
}

// The library itself loops forever on some of these.
TEST(Hdf5Damage, FlippedBytesNeverCrashOrHang) {
  const Folder folder;
  write_hdf5_state(folder / "state", odd_state());
  write_hdf5_weights(folder / "weights", odd_net());
  std::mt19937 random(3);
  const char* asked = std::getenv("CREMA_FUZZ_ROUNDS");
  const int rounds = asked ? std::atoi(asked) : 1000;
  for (const std::string& path : {folder / "state", fixture("snap_iter_7.solverstate.h5"),
                                  folder / "weights", fixture("snap_iter_7.caffemodel.h5")}) {
    const std::string bytes = read_file(path, ErrorCode::kWeights);
    const bool state = path.find("state") != std::string::npos;
    int noticed = 0;
    for (int round = 0; round < rounds; ++round) {
      std::string bad = bytes;
      for (int k = 0; k <= round % 4; ++k) {
        char& byte = bad[random() % bad.size()];
        const char values[] = {static_cast<char>(byte ^ 1 << random() % 8),
                               static_cast<char>(random()), '\xff'};
        byte = values[random() % 3];
      }
      folder.put("bad", bad);
      noticed += !(state ? wrong_state(folder / "bad") : wrong_weights(folder / "bad")).empty();
    }
    EXPECT_GT(noticed, rounds / 20) << path;
  }
}

TEST(Hdf5Writing, AFullDiskLeavesTheEarlierFile) {
  const Folder folder;
  write_hdf5_state(folder / "s", odd_state());
  State large = odd_state();
  large.iter = 400;
  large.history[0] = {{100000}, false, std::vector<float>(100000, 1)};
  for (const rlim_t room : {0, 50, 399999}) {
    const FullDisk full(room);
    EXPECT_THAT(complaint([&] { write_hdf5_state(folder / "s", large); }, ErrorCode::kOutput),
                HasSubstr("File too large"));
  }
  EXPECT_EQ(read_state(folder / "s").iter, 300);
  EXPECT_THAT(folder.names(), ElementsAre("s"));
}

}  // namespace
}  // namespace crema::snapshot
