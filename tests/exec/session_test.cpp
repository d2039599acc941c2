// Nets whose shapes change from pass to pass, and what passes leave to each other.
#include "exec/session.hpp"

#include <gmock/gmock.h>

#include "base/random.hpp"
#include "engines/reference/engine.hpp"

namespace crema::exec {
namespace {

using Inputs = std::map<std::string, std::vector<float>>;

std::vector<float> numbers(const std::string& name, int64_t count) {
  const RandomStream stream(7, name);
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(stream.normal(static_cast<uint64_t>(i)));
  return out;
}

class SessionTest : public ::testing::Test {
 protected:
  std::unique_ptr<Session> open(const std::string& net, size_t most_plans = 16,
                                std::map<std::string, Shape> shapes = {}) {
    const config::NetConfig config = config::with_state(
        config::read_net(CREMA_TEST_DIR "/exec/nets/" + net + ".prototxt"), caffe::TRAIN, 0, {});
    Session::Options options;
    options.most_plans = most_plans;
    options.planning.keep_blobs = true;
    auto session = std::make_unique<Session>(
        [config, shapes](const NetShapes& wanted) {
          graph::BuildOptions build;
          build.input_shapes = shapes;
          for (const auto& [name, shape] : wanted.inputs) build.input_shapes[name] = shape;
          build.rows = wanted.rows;
          return std::make_shared<const graph::Graph>(graph::build(config, build));
        },
        plan::Engines{&engine_}, options);
    for (size_t p = 0; p < session->params().size(); ++p)
      session->params().set_value(p, graph::initial_values(session->graph().params[p], 1));
    return session;
  }

  // A pass on `given`; inputs that it lacks are made up.
  double pass(Session& session, const Inputs& given = {}) {
    data_.clear();
    for (const graph::InputInfo& input : session.graph().inputs) {
      const auto it = given.find(input.name);
      data_.push_back(it != given.end()
                          ? it->second
                          : numbers(input.name, session.graph().values[input.value].shape.count()));
    }
    for (size_t i = 0; i < data_.size(); ++i) session.set_input(i, data_[i]);
    const double loss = session.forward({1, 0, 0});
    session.backward({1, 0, 0});
    return loss;
  }

  static std::vector<float> blob(const Session& session, const std::string& name) {
    return session.read(session.graph().find_blob(name));
  }
  static std::vector<std::vector<float>> gradients(Session& session) {
    std::vector<std::vector<float>> out;
    for (size_t p = 0; p < session.params().size(); ++p)
      out.push_back(session.params().to_plain(p, session.params()[p].gradient()));
    return out;
  }

  ReferenceEngine engine_;
  std::vector<std::vector<float>> data_;
};

TEST_F(SessionTest, every_size_gives_what_a_net_of_that_size_gives) {
  const auto session = open("fully_convolutional");
  for (const Shape& shape : {Shape{2, 3, 6, 6}, Shape{1, 3, 9, 5}, Shape{2, 3, 6, 6},
                             Shape{3, 3, 4, 4}, Shape{1, 3, 9, 5}}) {
    session->reshape({{"x", shape}});
    const double loss = pass(*session);
    const auto alone = open("fully_convolutional", 16, {{"x", shape}});
    EXPECT_EQ(loss, pass(*alone)) << shape.text();
    EXPECT_EQ(gradients(*session), gradients(*alone)) << shape.text();
    EXPECT_EQ(session->graph().values[session->graph().find_blob("fc")].shape,
              (Shape{shape[0], 2}));
  }
  EXPECT_EQ(session->plans_made(), 3u) << "a size that comes again has its plan";
}

TEST_F(SessionTest, the_plan_that_was_unused_longest_goes) {
  const auto session = open("fully_convolutional", 2);
  const auto run = [&](int64_t side) {
    session->reshape({{"x", Shape{1, 3, side, side}}});
    pass(*session);
    return session->plans_made();
  };
  EXPECT_EQ(run(4), 2u);
  EXPECT_EQ(run(5), 3u);  // 4 goes: the net's own size stays
  EXPECT_EQ(run(5), 3u);
  EXPECT_EQ(run(4), 4u);
  session->reshape({{"x", Shape{2, 3, 6, 6}}});
  pass(*session);
  EXPECT_EQ(session->plans_made(), 4u);
}

TEST_F(SessionTest, a_size_that_does_not_fit_the_weights_is_the_datas_fault) {
  const auto session = open("fixed_size");
  try {
    session->reshape({{"x", Shape{2, 3, 7, 6}}});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kData);
    EXPECT_THAT(error.report(), testing::HasSubstr("fixed_size.prototxt:5:"));
    EXPECT_THAT(error.message,
                testing::HasSubstr("'fc/weight' would have to be 2x160, but it is 2x128"));
    EXPECT_THAT(error.report(), testing::HasSubstr("'x' of 2x3x7x6"));
  }
  session->reshape({{"x", Shape{5, 3, 6, 6}}});  // more images are no matter
  pass(*session);
  EXPECT_EQ(blob(*session, "fc").size(), 10u);
}

TEST_F(SessionTest, an_image_too_small_for_a_window_is_the_datas_fault) {
  const auto session = open("fully_convolutional");
  EXPECT_THROW(session->reshape({{"x", Shape{2, 3, 2, 2}}}), Error);
  pass(*session);
  EXPECT_EQ(session->graph().values[session->graph().inputs[0].value].shape, (Shape{2, 3, 6, 6}));
}

// The rows that count, given as the whole batch, must give the same loss and gradients.
TEST_F(SessionTest, filtered_rows_give_what_a_batch_of_those_rows_gives) {
  const auto session = open("filtered");
  const std::vector<float> x = numbers("x", 24), target = numbers("target", 18);
  const std::vector<std::vector<float>> selectors{
      {1, 0, 0, 2, 0, -1}, {0, 0, 1, 0, 0, 0}, {1, 1, 1, 1, 1, 1}, {0, 1, 0, 1, 0, 0.5f}};
  for (const std::vector<float>& selector : selectors) {
    pass(*session, {{"x", x}, {"target", target}, {"selector", selector}});
    const int64_t rows = std::ssize(selector) - std::count(selector.begin(), selector.end(), 0.0f);
    const graph::Graph& graph = session->graph();
    EXPECT_EQ(graph.values[graph.find_blob("kept")].shape, (Shape{rows, 5}));
    Inputs chosen{{"selector", std::vector<float>(static_cast<size_t>(rows), 1.0f)}};
    for (size_t i = 0; i < 6; ++i)
      if (selector[i] != 0) {
        chosen["x"].insert(chosen["x"].end(), &x[4 * i], &x[4 * i] + 4);
        chosen["target"].insert(chosen["target"].end(), &target[3 * i], &target[3 * i] + 3);
      }
    const auto alone =
        open("filtered", 16,
             {{"x", Shape{rows, 4}}, {"target", Shape{rows, 3}}, {"selector", Shape{rows}}});
    pass(*alone, chosen);
    EXPECT_EQ(blob(*session, "loss"), blob(*alone, "loss"));
    EXPECT_EQ(blob(*session, "fc2"), blob(*alone, "fc2"));
    const auto got = gradients(*session), wanted = gradients(*alone);
    EXPECT_EQ(got[2], wanted[2]) << "fc2's weight learns from the selected rows alone";
    EXPECT_EQ(got[3], wanted[3]);
  }
  EXPECT_EQ(session->plans_made(), 2u + 2u) << "3, 1 and 6 rows; 3 again";
}

TEST_F(SessionTest, no_row_at_all_costs_nothing_and_teaches_nothing) {
  const auto session = open("filtered");
  pass(*session, {{"selector", {1, 0, 1, 0, 1, 0}}});
  const double below = pass(*session, {{"selector", std::vector<float>(6, 0.0f)}});
  const graph::Graph& graph = session->graph();
  EXPECT_EQ(graph.values[graph.find_blob("kept")].shape, (Shape{0, 5}));
  EXPECT_EQ(blob(*session, "loss"), std::vector<float>{0});
  double all = 0;
  for (const float v : blob(*session, "size")) all += 0.1f * v;
  EXPECT_NEAR(below, all, 1e-5) << "the loss below the filter counts as ever";
  const auto got = gradients(*session);
  EXPECT_THAT(got[2], testing::Each(0.0f));
  EXPECT_THAT(got[0], testing::Contains(testing::Ne(0.0f)));
}

TEST_F(SessionTest, a_sequence_cut_in_two_is_the_whole_sequence) {
  const std::vector<float> x = numbers("x", 24);
  const std::vector<float> cont{0, 0, 1, 1, 1, 0, 1, 1};
  const auto whole = open("recurrent");
  pass(*whole, {{"x", x}, {"cont", cont}});
  const auto halves = open("recurrent");
  halves->reshape({{"x", Shape{2, 2, 3}}, {"cont", Shape{2, 2}}});
  std::vector<float> joined;
  for (int half = 0; half < 2; ++half) {
    pass(*halves, {{"x", {x.begin() + 12 * half, x.begin() + 12 * half + 12}},
                   {"cont", {cont.begin() + 4 * half, cont.begin() + 4 * half + 4}}});
    for (const float v : blob(*halves, "rnn")) joined.push_back(v);
  }
  EXPECT_THAT(joined, testing::Pointwise(testing::FloatNear(1e-6f), blob(*whole, "rnn")));
  ASSERT_EQ(halves->carried()->size(), 3u);
  EXPECT_EQ((*halves->carried())[0].name, "lstm/h");
  EXPECT_EQ((*halves->carried())[1].name, "lstm/c");
  EXPECT_EQ((*halves->carried())[2].name, "rnn/h");
}

TEST_F(SessionTest, streams_keep_their_state_when_others_come_and_go) {
  const auto session = open("recurrent");
  const Inputs begin{{"cont", std::vector<float>(8, 1.0f)}};
  pass(*session, begin);
  const std::vector<float> h = (*session->carried())[0].values;
  session->reshape({{"x", Shape{1, 3, 3}}, {"cont", Shape{1, 3}}});
  std::vector<float> grown;
  reshape_state((*session->carried())[0], Shape{1, 3, 3}, grown);
  EXPECT_EQ(std::vector<float>(grown.begin(), grown.begin() + 6), h);
  EXPECT_EQ(std::vector<float>(grown.begin() + 6, grown.end()), std::vector<float>(3, 0.0f));
  std::vector<float> shrunk;
  reshape_state((*session->carried())[0], Shape{1, 1, 3}, shrunk);
  EXPECT_EQ(shrunk, std::vector<float>(h.begin(), h.begin() + 3));
  pass(*session, {{"cont", {1, 1, 1}}});
  EXPECT_EQ((*session->carried())[0].shape, (Shape{1, 3, 3}));
}

TEST_F(SessionTest, the_gradient_ends_at_exposed_states_and_the_user_is_told) {
  const auto session = open("encoder_decoder");
  EXPECT_THAT(session->graph().notes,
              testing::ElementsAre(testing::HasSubstr(
                  "encoder_decoder.prototxt:22:3: no gradient flows from layer 'decoder' (RNN) "
                  "into its bottom 'code'")));
  const graph::LayerInfo& encoder =
      session->graph().layers[static_cast<size_t>(session->graph().find_layer("encoder"))];
  EXPECT_FALSE(encoder.backward);
  pass(*session);
  const auto got = gradients(*session);
  ASSERT_EQ(got.size(), 10u);
  for (size_t p = 0; p < 5; ++p) EXPECT_THAT(got[p], testing::Each(0.0f));
  EXPECT_THAT(got[5], testing::Contains(testing::Ne(0.0f)));
}

}  // namespace
}  // namespace crema::exec
