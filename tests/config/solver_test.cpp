#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.hpp"
#include "config/config.hpp"
#include "config/good.hpp"

namespace crema::config {
namespace {

namespace fs = std::filesystem;
using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::HasSubstr;

const char* const kInline = "net_param { layer { name: 'data' type: 'Input' top: 'data' } } ";

std::string report_on(const std::string& text) {
  try {
    parse_solver("s", text);
  } catch (const Error& error) {
    return error.report();
  } catch (const ErrorList& list) {
    return list.what();
  }
  return "";
}

TEST(Solver, NetsAreReadInBvlcsOrder) {
  const SolverConfig solver = read_solver(kGood + "solver_all_nets.prototxt");
  EXPECT_EQ(solver.train_net.header.name(), "train_val");
  ASSERT_EQ(solver.test_nets.size(), 4u);
  EXPECT_EQ(solver.test_nets[0].header.name(), "first");
  EXPECT_EQ(solver.test_nets[1].header.name(), "second");
  EXPECT_EQ(solver.test_nets[2].header.name(), "other");
  EXPECT_EQ(solver.test_nets[3].header.name(), "train_val");
  EXPECT_EQ(solver.test_nets[2].file, kGood + "other.prototxt");
  EXPECT_FALSE(solver.param.has_net_param());
  EXPECT_EQ(solver.param.test_net_param_size(), 0);
}

TEST(Solver, StatesAreMerged) {
  const SolverConfig solver = read_solver(kGood + "solver_all_nets.prototxt");
  const caffe::NetState& train = solver.train_net.header.state();
  EXPECT_EQ(train.phase(), caffe::TRAIN);
  EXPECT_EQ(train.level(), 1);
  EXPECT_THAT(train.stage(), ElementsAre("own", "added"));
  const auto state = [&](int i) { return solver.test_nets[i].header.state(); };
  EXPECT_EQ(state(0).phase(), caffe::TRAIN);  // the net's own phase beats the solver's default
  EXPECT_EQ(state(0).level(), 7);
  EXPECT_EQ(state(1).phase(), caffe::TEST);
  EXPECT_EQ(state(1).level(), 2);
  EXPECT_EQ(state(2).phase(), caffe::TRAIN);
  EXPECT_EQ(state(3).phase(), caffe::TEST);
  EXPECT_THAT(state(3).stage(), ElementsAre("own", "t"));
  EXPECT_EQ(filter(solver.train_net).layers.size(), 3u);
  EXPECT_EQ(filter(solver.test_nets[3]).layers.size(), 2u);
}

TEST(Solver, TypeIsUpgradedWithItsPlace) {
  const SolverConfig solver = read_solver(kGood + "solver_all_nets.prototxt");
  EXPECT_EQ(solver.param.type(), "RMSProp");
  EXPECT_FALSE(solver.param.has_solver_type());
  EXPECT_EQ(solver.places.at("type").line, 14);
  EXPECT_EQ(solver.places.at("stepvalue[1]").line, 18);
  EXPECT_EQ(solver.places.at("test_iter[2]").line, 7);
  EXPECT_EQ(solver.places.at("test_iter[3]").line, 8);
}

TEST(Solver, EverySolverTypeHasItsName) {
  const std::pair<const char*, const char*> types[] = {
      {"SGD", "SGD"},         {"NESTEROV", "Nesterov"}, {"ADAGRAD", "AdaGrad"},
      {"RMSPROP", "RMSProp"}, {"ADADELTA", "AdaDelta"}, {"ADAM", "Adam"}};
  for (const auto& [old, type] : types)
    EXPECT_EQ(parse_solver("s", std::string(kInline) + "solver_type: " + old).param.type(), type);
}

TEST(Solver, PlacesOfAnInlineNetAreInTheSolver) {
  const SolverConfig solver = parse_solver("s", std::string("base_lr: 1\n") + kInline);
  EXPECT_EQ(solver.train_net.layers[0].places.at("type").text(), "s:2:34");
  EXPECT_EQ(solver.train_net.places.at().text(), "s:2:1");
}

TEST(Solver, ResolvedTextStandsAlone) {
  const SolverConfig solver = read_solver(kGood + "solver_all_nets.prototxt");
  const SolverConfig again = parse_solver("elsewhere", to_text(solver));
  EXPECT_TRUE(MessageDifferencer::Equals(solver.train_net.header, again.train_net.header));
  EXPECT_EQ(to_text(solver.train_net), to_text(again.train_net));
  ASSERT_EQ(again.test_nets.size(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(to_text(solver.test_nets[i]), to_text(again.test_nets[i])) << i;
  EXPECT_EQ(again.param.type(), "RMSProp");
  EXPECT_EQ(again.param.snapshot_prefix(), solver.param.snapshot_prefix());
  EXPECT_EQ(to_text(again), to_text(solver));
}

TEST(Solver, SnapshotPrefixFollowsTheFile) {
  const std::string solver = kGood + "solver_all_nets.prototxt";
  EXPECT_EQ(read_solver(solver).param.snapshot_prefix(), kGood + "solver_all_nets");
  EXPECT_EQ(read_solver(solver, {"snapshot_prefix=" + kGood}).param.snapshot_prefix(),
            kGood + "solver_all_nets");
  EXPECT_EQ(read_solver(solver, {"snapshot_prefix=no/such/"}).param.snapshot_prefix(), "no/such/");
}

TEST(Solver, NetIsLookedForInTheWorkingDirectoryFirst) {
  const fs::path before = fs::current_path();
  const fs::path folder =
      fs::temp_directory_path() / ("crema_solver_test_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  write_file_atomically((folder / "other.prototxt").string(),
                        "name: 'here' layer { type: 'Input' }");
  fs::current_path(folder);
  const SolverConfig solver = read_solver(kGood + "solver_all_nets.prototxt");
  fs::current_path(before);
  fs::remove_all(folder);
  EXPECT_EQ(solver.test_nets[2].header.name(), "here");
  EXPECT_EQ(solver.train_net.header.name(), "train_val");  // only beside the solver
}

TEST(Solver, AMissingNetIsReportedWhereItIsNamed) {
  const fs::path folder = fs::temp_directory_path();
  const std::string report = [&] {
    try {
      parse_solver((folder / "s").string(), "base_lr: 1\ntrain_net: 'no.prototxt'");
    } catch (const Error& error) {
      return error.report();
    }
    return std::string("accepted");
  }();
  EXPECT_THAT(report, HasSubstr(":2:1: error: cannot open 'no.prototxt': No such file"));
  EXPECT_THAT(report, HasSubstr("hint: looked in the working directory and for"));
}

TEST(Solver, WhatBvlcAcceptsIsAccepted) {
  // An interval without test nets, test nets of no batches, a GPU: for the caller to judge.
  EXPECT_EQ(report_on(std::string(kInline) + "test_interval: 5"), "");
  EXPECT_EQ(report_on(std::string(kInline) + "test_interval: 5 test_iter: 0"), "");
  EXPECT_EQ(report_on(std::string(kInline) + "solver_mode: GPU random_seed: -7"), "");
  EXPECT_EQ(report_on("train_" + std::string(kInline)), "");
}

TEST(Solver, MistakesOfTheSolverAndItsNetsComeTogether) {
  const std::string report = report_on(
      "average_loss: 0\nnet_param { layer { name: 'a' } layer { name: 'b' type: 'B' "
      "include { } exclude { } } }\nmax_iter: -1");
  EXPECT_THAT(report, HasSubstr("average_loss"));
  EXPECT_THAT(report, HasSubstr("both include and exclude"));
  EXPECT_THAT(report, HasSubstr("max_iter"));
}

}  // namespace
}  // namespace crema::config
