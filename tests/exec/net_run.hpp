// A small net, run pass by pass from weights and inputs that depend on names only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <list>

#include "base/random.hpp"
#include "engines/reference/engine.hpp"
#include "exec/session.hpp"
#ifdef CREMA_ONEDNN
#include "engines/onednn/engine.hpp"
#endif

namespace crema::exec {

namespace fs = std::filesystem;

inline std::vector<std::unique_ptr<ops::Engine>> make_engines() {
  std::vector<std::unique_ptr<ops::Engine>> out;
#ifdef CREMA_ONEDNN
  out.push_back(std::make_unique<OneDnnEngine>());
#endif
  out.push_back(std::make_unique<ReferenceEngine>());
  return out;
}

struct Result {
  double loss = 0;
  std::map<std::string, std::vector<float>> tensors;
  std::vector<std::string> kinds;  // of the steps
};

// A net with weights and inputs that depend on names only.
class NetRun {
 public:
  NetRun(const fs::path& file, caffe::Phase phase, const std::set<std::string>& skip,
         bool keep_blobs = false, ops::Precision precision = ops::Precision::kF32,
         const plan::RecomputeOptions& recompute = {}, bool reference_only = false)
      : engines_(make_engines()) {
    if (reference_only) engines_.erase(engines_.begin(), engines_.end() - 1);
    for (const auto& engine : engines_) list_.push_back(engine.get());
    const auto net = config::with_state(config::read_net(file.string()), phase, 0, {});
    Session::Options options;
    options.planning.training = phase == caffe::TRAIN;
    options.planning.skip = skip;
    options.planning.precision = precision;
    options.planning.keep_blobs = keep_blobs;
    options.planning.recompute = recompute;
    options.planning.recompute_from = 1;  // the nets are small
    run_ = std::make_unique<Session>(
        [net, training = phase == caffe::TRAIN](const NetShapes& shapes) {
          graph::BuildOptions build;
          build.backward = training;
          for (const auto& [name, shape] : shapes.inputs) build.input_shapes[name] = shape;
          build.rows = shapes.rows;
          return std::make_shared<const graph::Graph>(graph::build(net, build));
        },
        list_, std::move(options));
    for (size_t p = 0; p < params().size(); ++p) fill(p);
    for (size_t i = 0; i < graph().inputs.size(); ++i) feed(i);
  }

  Result pass(int64_t number = 0) {
    Result out;
    const ops::StepInfo step{7, number, number};
    out.loss = run_->forward(step);
    for (const auto& output : graph().outputs) out.tensors[output.name] = run_->read(output.value);
    if (graph().forward_nodes < static_cast<int>(graph().nodes.size())) run_->backward(step);
    for (size_t p = 0; p < params().size(); ++p) {
      const std::string& name = graph().params[p].name;
      if (graph().params[p].state) out.tensors[name] = params().value(p);
      if (graph().params[p].gradient != graph::kNone)
        out.tensors["d " + name] = params().to_plain(p, params()[p].gradient());
    }
    for (const plan::Plan* plan : run_->plans())
      for (const plan::Step& made : plan->steps) out.kinds.push_back(made.op->kind());
    return out;
  }

  // Inputs of other sizes, fed anew.
  void reshape(const std::map<std::string, Shape>& shapes) {
    run_->reshape(shapes);
    for (size_t i = 0; i < graph().inputs.size(); ++i) feed(i);
  }

  ParamStore& params() { return run_->params(); }
  std::vector<const plan::Plan*> plans() const { return run_->plans(); }
  const plan::Plan& plan() const { return *run_->plans().front(); }
  const graph::Graph& graph() const { return run_->graph(); }
  int find(const std::string& blob) const { return graph().find_blob(blob); }
  std::vector<float> read(const std::string& blob) const { return run_->read(find(blob)); }

 private:
  void fill(size_t p) {
    const graph::ParamInfo& info = graph().params[p];
    std::vector<float> values = graph::initial_values(info, 1);
    const RandomStream random(1, "statistics/" + info.name);
    for (size_t i = 0; info.state && i < values.size(); ++i)
      values[i] = info.name.ends_with("factor") ? 2.0f : 0.5f + random.uniform(i);
    params().set_value(p, values);
  }

  void feed(size_t i) {
    const graph::InputInfo& input = graph().inputs[i];
    const Shape& shape = graph().values[static_cast<size_t>(input.value)].shape;
    auto& values = inputs_.emplace_back(static_cast<size_t>(shape.count()));
    const RandomStream random(2, input.name);
    for (size_t k = 0; k < values.size(); ++k)
      values[k] = input.name.starts_with("label") ? static_cast<float>(k % 3) : random.normal(k);
    run_->set_input(i, values);
  }

  std::vector<std::unique_ptr<ops::Engine>> engines_;
  plan::Engines list_;
  std::unique_ptr<Session> run_;
  std::list<std::vector<float>> inputs_;
};

// Every tensor within `tolerance` of its largest value.
inline void expect_near(const Result& got, const Result& expected, double tolerance) {
  EXPECT_NEAR(got.loss, expected.loss, tolerance * std::max(1.0, std::abs(expected.loss)));
  ASSERT_EQ(got.tensors.size(), expected.tensors.size());
  for (const auto& [name, values] : expected.tensors) {
    const std::vector<float>& other = got.tensors.at(name);
    ASSERT_EQ(other.size(), values.size()) << name;
    double scale = 0, worst = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      scale = std::max(scale, std::abs(double{values[i]}));
      worst = std::max(worst, std::abs(double{values[i]} - double{other[i]}));
      ASSERT_TRUE(std::isfinite(other[i])) << name;
    }
    // A gradient that is zero but for rounding (a bias before a normalisation) has no scale.
    EXPECT_LE(worst, tolerance * std::max(scale, 1e-2)) << name;
  }
}

inline std::vector<fs::path> nets() {
  std::vector<fs::path> out;
  for (const char* folder : {"/exec/nets", "/exec/gradients"})
    for (const auto& entry : fs::directory_iterator(std::string(CREMA_TEST_DIR) + folder))
      out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

inline fs::path net_file(const std::string& name) {
  return std::string(CREMA_TEST_DIR "/exec/nets/") + name + ".prototxt";
}

}  // namespace crema::exec
