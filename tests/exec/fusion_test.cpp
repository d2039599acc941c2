// Passes of the plan that fuse: the same numbers, gradients included, with each of them on and off.
#include <gtest/gtest.h>

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
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 2e-4;  // of the largest value of the tensor

std::vector<std::unique_ptr<ops::Engine>> make_engines() {
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
         bool keep_blobs = false)
      : engines_(make_engines()) {
    for (const auto& engine : engines_) list_.push_back(engine.get());
    const auto net = config::with_state(config::read_net(file.string()), phase, 0, {});
    Session::Options options;
    options.planning.training = phase == caffe::TRAIN;
    options.planning.skip = skip;
    options.planning.keep_blobs = keep_blobs;
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

  ParamStore& params() { return run_->params(); }
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

void expect_near(const Result& got, const Result& expected, double tolerance = kTolerance) {
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

std::vector<fs::path> nets() {
  std::vector<fs::path> out;
  for (const char* folder : {"/exec/nets", "/exec/gradients"})
    for (const auto& entry : fs::directory_iterator(std::string(CREMA_TEST_DIR) + folder))
      out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

const std::set<std::string> kAll = {"copies", "fold", "batch_norm", "post", "recompute"};

class Fusion : public ::testing::TestWithParam<fs::path> {};

TEST_P(Fusion, on_and_off_agree) {
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST}) {
    SCOPED_TRACE(phase == caffe::TRAIN ? "TRAIN" : "TEST");
    NetRun plain(GetParam(), phase, kAll), fused(GetParam(), phase, {});
    for (int64_t i = 0; i < 2; ++i) expect_near(fused.pass(i), plain.pass(i));
  }
}

TEST_P(Fusion, the_same_bits_twice) {
  NetRun a(GetParam(), caffe::TRAIN, {}), b(GetParam(), caffe::TRAIN, {});
  EXPECT_EQ(a.pass().tensors, b.pass().tensors);
}

INSTANTIATE_TEST_SUITE_P(Nets, Fusion, ::testing::ValuesIn(nets()),
                         [](const auto& test) { return test.param.stem().string(); });

// Some of the nets, each pass alone.
TEST(FusionPasses, each_alone_agrees) {
  for (const char* net : {"residual", "residual_plain", "frozen_statistics", "inception"})
    for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST}) {
      const fs::path file = std::string(CREMA_TEST_DIR "/exec/nets/") + net + ".prototxt";
      const Result expected = NetRun(file, phase, kAll).pass();
      for (const std::string& skipped : kAll) {
        SCOPED_TRACE(std::string(net) + " without " + skipped);
        expect_near(NetRun(file, phase, {skipped}).pass(), expected);
        std::set<std::string> others = kAll;
        others.erase(skipped);
        expect_near(NetRun(file, phase, others).pass(), expected);
      }
    }
}

fs::path net_file(const std::string& name) {
  return std::string(CREMA_TEST_DIR "/exec/nets/") + name + ".prototxt";
}

TEST(FusionPasses, blobs_that_are_kept_are_not_fused_away) {
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST}) {
    NetRun plain(net_file("frozen_statistics"), phase, kAll, true);
    NetRun fused(net_file("frozen_statistics"), phase, {}, true);
    plain.pass();
    fused.pass();
    for (const char* blob : {"conv1", "bn1", "scale1", "relu1", "bn2", "scale2", "both", "bn3"}) {
      const auto expected = plain.read(blob), got = fused.read(blob);
      ASSERT_EQ(got.size(), expected.size()) << blob;
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-3) << blob;
    }
  }
}

#ifdef CREMA_ONEDNN

int count(const Result& result, const std::string& kind) {
  return static_cast<int>(std::count(result.kinds.begin(), result.kinds.end(), kind));
}

TEST(FusionPasses, a_residual_net_trains_with_one_kernel_per_normalisation) {
  const Result fused = NetRun(net_file("residual"), caffe::TRAIN, {"recompute"}).pass();
  EXPECT_EQ(count(fused, "fused_batch_norm"), 2 * 5);
  for (const char* gone : {"batch_norm", "scale", "unary"})
    EXPECT_EQ(count(fused, gone), 0) << gone;
}

TEST(FusionPasses, what_is_computed_again_has_the_same_bits_and_less_memory) {
  for (const char* net : {"residual", "inception", "frozen_statistics"}) {
    NetRun kept(net_file(net), caffe::TRAIN, {"recompute"}), again(net_file(net), caffe::TRAIN, {});
    for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(again.pass(i).tensors, kept.pass(i).tensors) << net;
    const auto& steps = again.plan().steps;
    EXPECT_GT(steps.size(), kept.plan().steps.size()) << net;
    const auto repeats = std::count_if(steps.begin(), steps.end(), [](const plan::Step& step) {
      return step.part == ops::kAgain;
    });
    EXPECT_EQ(repeats > 0, std::string(net) != "inception") << net;
  }
  EXPECT_LT(NetRun(net_file("residual"), caffe::TRAIN, {}).plan().arena_bytes,
            NetRun(net_file("residual"), caffe::TRAIN, {"recompute"}).plan().arena_bytes);
}

TEST(FusionPasses, a_test_net_has_no_normalisation_left) {
  const Result fused = NetRun(net_file("residual"), caffe::TEST, {}).pass();
  for (const char* gone : {"fused_batch_norm", "batch_norm", "scale", "unary", "eltwise"})
    EXPECT_EQ(count(fused, gone), 0) << gone;
  EXPECT_EQ(count(fused, "fused_convolution"), 4);
  EXPECT_EQ(count(fused, "fold_batch_norm"), 5);
}

TEST(FusionPasses, folded_weights_follow_the_parameters) {
  NetRun net(net_file("residual"), caffe::TEST, {}), fresh(net_file("residual"), caffe::TEST, {});
  NetRun plain(net_file("residual"), caffe::TEST, kAll);
  net.pass();
  EXPECT_GT(net.plan().derived_steps, 0);
  for (NetRun* run : {&net, &fresh, &plain}) {
    std::vector<float> scale = run->params().value(1);
    for (float& v : scale) v *= 1.5f;
    run->params().set_value(1, scale);
  }
  const Result after = net.pass();
  EXPECT_EQ(after.tensors, fresh.pass().tensors);
  expect_near(after, plain.pass());
}

TEST(FusionPasses, weights_written_by_pointer_count_once_they_are_said_to_have_changed) {
  NetRun net(net_file("residual"), caffe::TEST, {});
  const double before = net.pass().loss;
  float* weights = static_cast<float*>(net.params()[0].value());
  weights[0] += 10;
  EXPECT_EQ(net.pass().loss, before);
  net.params().changed();
  EXPECT_NE(net.pass().loss, before);
}

#endif

}  // namespace
}  // namespace crema::exec
