// Every net of models/: the same loss, outputs, statistics and gradients with fusion on and off.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/files.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "engines/reference/engine.hpp"
#include "train/net.hpp"
#ifdef CREMA_ONEDNN
#include "engines/onednn/engine.hpp"
#endif

namespace crema::train {
namespace {

namespace fs = std::filesystem;

// Of the largest value of a tensor. What is zero but for rounding (the gradient of a bias before a
// normalisation) has no scale of its own: then of the largest value among its kind.
constexpr double kOutput = 1e-3, kGradient = 1e-2, kNoScale = 1e-4;

struct Row {
  std::string solver;
  InputOptions inputs;
};

// From the table by which the nets are trained in small.
std::vector<Row> rows() {
  std::istringstream table(read_file(CREMA_TEST_DIR "/whole/models.tsv", ErrorCode::kData));
  std::vector<Row> out;
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream text(line);
    Row row;
    std::string shapes;
    text >> row.solver >> shapes >> row.inputs.batch;
    row.inputs.synthetic = row.inputs.fill = true;
    for (const std::string& entry : split(shapes == "-" ? "" : shapes, ',')) {
      if (entry.empty()) continue;
      Shape& shape = row.inputs.shapes[entry.substr(0, entry.find(':'))];
      for (const std::string& dim : split(entry.substr(entry.find(':') + 1), 'x'))
        shape.append(std::stoll(dim));
    }
    out.push_back(row);
  }
  return out;
}

using Tensors = std::map<std::string, std::vector<float>>;

struct Result {
  double loss = 0;
  Tensors outputs, gradients;
  size_t steps = 0, arena = 0, repeated = 0;
};

class ZooFusion : public ::testing::Test {
 protected:
  ZooFusion() : home_(fs::current_path()) {
    fs::current_path(CREMA_SOURCE_DIR);
#ifdef CREMA_ONEDNN
    context_.engines = {&onednn_, &reference_};
#else
    context_.engines = {&reference_};
#endif
    context_.reporter = &reporter_;
  }
  ~ZooFusion() override {
    fs::current_path(home_);
  }

  Result run(const config::NetConfig& config, const InputOptions& inputs, bool training,
             const std::set<std::string>& skip, const plan::RecomputeOptions& recompute = {}) {
    context_.plan_skip = skip;
    NetOptions options;
    options.training = training;
    options.inputs = inputs;
    options.recompute = recompute;
    Net net(config, options, context_);
    net.initialise(1);
    if (!training) collect_statistics(net);
    net.feed_synthetic(1);
    const ops::StepInfo step{1, 0, 0};
    Result out;
    out.loss = training ? net.pass(step) : net.forward(step);
    for (const report::Output& output : net.outputs())
      out.outputs[output.name].assign(output.values.begin(), output.values.end());
    for (size_t p = 0; p < net.params().size(); ++p) {
      exec::Parameter& param = net.params()[p];
      if (net.graph().params[p].state) out.outputs[param.name()] = net.params().value(p);
      if (net.graph().params[p].gradient != graph::kNone)
        out.gradients[param.name()] = net.params().to_plain(p, param.gradient());
    }
    for (const plan::Plan* plan : net.session().plans()) {
      out.steps += plan->steps.size();
      out.arena = std::max(out.arena, plan->arena_bytes);
      out.repeated += plan->recomputed.results;
    }
    return out;
  }

  // Something to normalise by, which the net would have learned.
  static void collect_statistics(Net& net) {
    for (size_t p = 0; p < net.params().size(); ++p) {
      const graph::ParamInfo& info = net.graph().params[p];
      if (!info.state) continue;
      std::vector<float> values(static_cast<size_t>(info.shape.count()), 1);
      const RandomStream random(1, info.name);
      for (size_t i = 0; values.size() > 1 && i < values.size(); ++i)
        values[i] = 0.5f + random.uniform(i);
      net.params().set_value(p, values);
    }
  }

  static double largest(const std::vector<float>& values) {
    double out = 0;
    for (const float v : values) out = std::max(out, std::abs(double{v}));
    return out;
  }

  static void expect_near(const Tensors& got, const Tensors& expected, double tolerance) {
    double all = 0;
    for (const auto& [name, values] : expected) all = std::max(all, largest(values));
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [name, values] : expected) {
      const std::vector<float>& other = got.at(name);
      ASSERT_EQ(other.size(), values.size()) << name;
      double worst = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(std::isfinite(other[i])) << name;
        worst = std::max(worst, std::abs(double{values[i]} - double{other[i]}));
      }
      EXPECT_LE(worst, tolerance * std::max(largest(values), kNoScale * all)) << name;
    }
  }

  // On and off agree, and something was fused in nets that have what can be.
  void compare(const config::NetConfig& config, const InputOptions& inputs, bool training) {
    const Result plain = run(config, inputs, training, {"fuse", "recompute"});
    const Result fused = run(config, inputs, training, {});
    EXPECT_NEAR(fused.loss, plain.loss, kOutput * std::max(1.0, std::abs(plain.loss)));
    expect_near(fused.outputs, plain.outputs, kOutput);
    expect_near(fused.gradients, plain.gradients, kGradient);
    fewer_steps_ += fused.steps < plain.steps;
  }

  int fewer_steps_ = 0;  // nets in which fusion left fewer steps

 private:
  fs::path home_;
#ifdef CREMA_ONEDNN
  OneDnnEngine onednn_;
#endif
  ReferenceEngine reference_;
  report::Reporter reporter_;
  Context context_;
};

TEST_F(ZooFusion, training_nets_agree) {
  std::set<std::string> seen;
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.solver);
    const auto solver = config::read_solver("configs/" + row.solver + "/solver.prototxt", {});
    compare(solver.train_net, row.inputs, true);
    seen.insert(solver.train_net.file);
  }
  EXPECT_GE(seen.size(), 10u);
#ifdef CREMA_ONEDNN
  EXPECT_GE(fewer_steps_, 8);
#endif
}

// The same bits, whatever is computed again.
TEST_F(ZooFusion, training_nets_keep_a_budget) {
  int repeating = 0;
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.solver);
    const auto solver = config::read_solver("configs/" + row.solver + "/solver.prototxt", {});
    plan::RecomputeOptions recompute;
    recompute.mode = plan::Recompute::kNone;
    const Result kept = run(solver.train_net, row.inputs, true, {}, recompute);
    recompute.mode = plan::Recompute::kAuto;
    for (const double part : {0.9, 0.75, 0.6}) {
      recompute.budget = static_cast<size_t>(part * static_cast<double>(kept.arena));
      try {
        const Result again = run(solver.train_net, row.inputs, true, {}, recompute);
        EXPECT_LE(again.arena, recompute.budget);
        EXPECT_GT(again.repeated, 0u);
        EXPECT_EQ(again.loss, kept.loss);
        EXPECT_TRUE(again.outputs == kept.outputs);
        EXPECT_TRUE(again.gradients == kept.gradients);
        ++repeating;
      } catch (const Error& error) {
        EXPECT_NE(error.message.find("cannot be kept"), std::string::npos) << error.message;
        break;
      }
    }
  }
  EXPECT_GE(repeating, 8);
}

TEST_F(ZooFusion, deployed_nets_agree) {
  for (const auto& entry : fs::directory_iterator("models")) {
    SCOPED_TRACE(entry.path());
    const auto config = config::with_state(
        config::read_net((entry.path() / "deploy.prototxt").string()), caffe::TEST, 0, {});
    InputOptions inputs;
    inputs.synthetic = inputs.fill = true;
    inputs.batch = 2;
    compare(config, inputs, false);
  }
#ifdef CREMA_ONEDNN
  EXPECT_GE(fewer_steps_, 8);
#endif
}

}  // namespace
}  // namespace crema::train
