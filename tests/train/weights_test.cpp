// Loading weights for fine-tuning: names, terms, what is refused and what is reported.
#include "train/weights.hpp"

#include <gmock/gmock.h>

#include <numeric>

#include "engines/reference/engine.hpp"

namespace crema::train {
namespace {

using snapshot::Blob;
using snapshot::LayerBlobs;
using snapshot::WeightsFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kFolder = CREMA_TEST_DIR "/train/";

Blob blob(Shape shape, float first = 1) {
  Blob out;
  out.values.resize(static_cast<size_t>(shape.count()));
  std::iota(out.values.begin(), out.values.end(), first);
  out.shape = std::move(shape);
  return out;
}

LayerBlobs layer(std::string name, std::vector<Blob> blobs) {
  return {std::move(name), "Any", std::move(blobs)};
}

WeightsFile file(std::string path, std::vector<LayerBlobs> layers) {
  return {std::move(path), "net", false, std::move(layers), 0};
}

// What a run of weights_net leaves behind, but under the names of another net.
WeightsFile old_file() {
  return file("old.caffemodel", {layer("old/conv1", {blob({2, 3, 3, 3}), blob({2}, 100)}),
                                 layer("old/bn1", {blob({2}), blob({2}, 5), blob({1}, 9)}),
                                 layer("fc8", {blob({5, 8}), blob({5}, 200)})});
}

class WeightsTest : public ::testing::Test {
 protected:
  WeightsTest() {
    context_.engines = {&engine_};
    context_.reporter = &reporter_;
    net_ = std::make_unique<Net>(
        config::with_state(config::read_net(kFolder + "weights_net.prototxt"), caffe::TRAIN, 0, {}),
        NetOptions{}, context_);
    net_->initialise(1);
  }

  WeightsRules rules(const std::vector<std::string>& overrides) {
    return WeightsRules(config::read_solver(kFolder + "weights_solver.prototxt", overrides));
  }
  report::WeightsLoaded load(const std::vector<WeightsFile>& files, const WeightsRules& rules) {
    return WeightsPlan(files, net_->graph(), rules, true).apply(*net_);
  }
  // Reports of all mistakes, one after another.
  std::string complaint(const std::vector<WeightsFile>& files, const WeightsRules& rules,
                        ErrorCode code = ErrorCode::kWeights) {
    try {
      WeightsPlan(files, net_->graph(), rules, true);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, code);
      return error.report();
    } catch (const ErrorList& list) {
      EXPECT_EQ(list.code(), code);
      std::string out;
      for (const Error& error : list.errors()) out += error.report() + "\n";
      return out;
    }
  }
  std::vector<float> value(const std::string& name) {
    return net_->params().value(static_cast<size_t>(net_->params().find(name)));
  }
  std::string how(const report::WeightsLoaded& loaded, const std::string& name) {
    for (const auto& each : loaded.blobs)
      if (each.name == name) return each.how;
    return "no such blob";
  }

  ReferenceEngine engine_;
  report::Reporter reporter_;
  Context context_;
  std::unique_ptr<Net> net_;
};

TEST(Stars, stand_for_any_text_and_are_filled_in_order) {
  EXPECT_THAT(*match_stars("old/*", "old/conv1/a"), ElementsAre("conv1/a"));
  EXPECT_THAT(*match_stars("*/b*", "a/b/bc"), ElementsAre("a", "/bc"));
  EXPECT_THAT(*match_stars("conv1", "conv1"), ElementsAre());
  EXPECT_THAT(*match_stars("*", ""), ElementsAre(""));
  EXPECT_FALSE(match_stars("conv1", "conv10"));
  EXPECT_FALSE(match_stars("ab*ba", "aba")) << "the ends must not overlap";
  EXPECT_FALSE(match_stars("a*b*c", "acb"));
  EXPECT_EQ(fill_stars("x_*_*", {"1", "2"}), "x_1_2");
}

TEST_F(WeightsTest, names_are_mapped_and_the_rest_is_reported) {
  const auto loaded = load({old_file()}, rules({"weights_map=[{ from: \"old/*\" to: \"new/*\" }, "
                                                "{ to: \"fc8\" skip: true }]"}));
  EXPECT_EQ(value("new/conv1/weight"), blob({54}).values);
  EXPECT_THAT(value("new/conv1/bias"), ElementsAre(100, 101));
  EXPECT_THAT(value("new/bn1/variance"), ElementsAre(5, 6));
  EXPECT_THAT(value("fc8/bias"), ElementsAre(-4, -4, -4));
  EXPECT_THAT(loaded.files.at(0).loaded, ElementsAre("new/conv1", "new/bn1"));
  EXPECT_THAT(loaded.files[0].unused, ElementsAre());
  EXPECT_THAT(loaded.at_filler, ElementsAre("fc8", "twin"));
  ASSERT_EQ(loaded.blobs.size(), 9u);
  EXPECT_EQ(loaded.blobs[1].name, "new/conv1/bias");
  EXPECT_EQ(loaded.blobs[1].from, "old/conv1/1");
  EXPECT_EQ(loaded.blobs[1].file, "old.caffemodel");
  EXPECT_DOUBLE_EQ(loaded.blobs[1].norm, std::sqrt(100. * 100 + 101 * 101));
  EXPECT_EQ(how(loaded, "fc8/weight"), "filler");
}

TEST_F(WeightsTest, the_last_map_that_names_a_layer_counts) {
  const auto loaded =
      load({old_file()}, rules({"weights_map=[{ to: \"*\" on_mismatch: SKIP }, { from: \"*/conv1\" "
                                "to: \"*/conv1\" optional: true }, { from: \"old/*1\" to: "
                                "\"new/*1\" on_mismatch: ERROR }]"}));
  EXPECT_EQ(how(loaded, "new/conv1/weight"), "loaded");
  EXPECT_EQ(how(loaded, "fc8/weight"), "skipped");
  EXPECT_THAT(value("fc8/bias"), ElementsAre(-4, -4, -4)) << "the whole layer is skipped";
}

TEST_F(WeightsTest, several_files_come_one_after_another_and_maps_may_be_for_one_of_them) {
  WeightsFile second =
      file("stage2.caffemodel", {layer("new/conv1", {blob({2, 3, 3, 3}, 7), blob({2})}),
                                 layer("head", {blob({3, 8}, 50), blob({3}, 60)})});
  const auto loaded = load(
      {old_file(), second},
      rules({"weights_map=[{ from: \"old/*\" to: \"new/*\" file: \"old*\" }, { to: \"fc8\" skip: "
             "true }, { from: \"head\" to: \"fc8\" file: \"stage2*\" }]"}));
  EXPECT_EQ(value("new/conv1/weight").front(), 7) << "the later file wins";
  EXPECT_EQ(value("new/bn1/variance").front(), 5);
  EXPECT_EQ(value("fc8/bias").front(), 60);
  EXPECT_THAT(loaded.files.at(0).loaded, ElementsAre("new/bn1"));
  EXPECT_THAT(loaded.files.at(1).loaded, ElementsAre("new/conv1", "fc8"));
}

TEST_F(WeightsTest, one_layer_of_the_file_may_fill_several_of_the_net) {
  WeightsFile source = file("a", {layer("fc", {blob({3, 8}), blob({3})})});
  const auto loaded = load({source}, rules({"weights_map=[{ from: \"fc\" to: \"fc8\" }, { from: "
                                            "\"fc\" to: \"twin\" }]"}));
  EXPECT_EQ(how(loaded, "fc8/weight"), "loaded");
  EXPECT_EQ(value("twin/weight"), value("fc8/weight"));
}

TEST_F(WeightsTest, other_shapes_are_sliced_padded_or_reshaped_as_the_terms_say) {
  Blob old_bias = blob({1, 1, 1, 2}, 30);
  old_bias.legacy_shape = true;
  const WeightsFile source = file("a", {layer("new/conv1", {blob({2, 27}), old_bias}),
                                        layer("new/bn1", {blob({3}), blob({3}), blob({1})}),
                                        layer("fc8", {blob({2, 6}), blob({2}, 90)})});
  const auto loaded = load({source}, rules({"weights_on_mismatch=PAD",
                                            "weights_map={ to: \"*bn*\" "
                                            "on_mismatch: SLICE }"}));
  EXPECT_EQ(how(loaded, "new/conv1/weight"), "reshaped");
  EXPECT_EQ(how(loaded, "new/conv1/bias"), "loaded") << "an old 4-D shape";
  EXPECT_EQ(how(loaded, "new/bn1/mean"), "sliced");
  EXPECT_EQ(how(loaded, "fc8/weight"), "padded");
  EXPECT_EQ(value("new/conv1/weight"), blob({54}).values);
  EXPECT_THAT(value("new/bn1/mean"), ElementsAre(1, 2));
  EXPECT_THAT(value("fc8/weight"), ElementsAre(1, 2, 3, 4, 5, 6, -3, -3, 7, 8, 9, 10, 11, 12, -3,
                                               -3, -3, -3, -3, -3, -3, -3, -3, -3));
  EXPECT_THAT(value("fc8/bias"), ElementsAre(90, 91, -4));
}

TEST_F(WeightsTest, slicing_takes_the_first_part_along_every_axis) {
  const WeightsFile source = file("a", {layer("fc8", {blob({1, 1, 4, 9}), blob({4})})});
  load({source}, rules({"weights_on_mismatch=SLICE"}));
  EXPECT_THAT(value("fc8/weight"), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16,
                                               17, 19, 20, 21, 22, 23, 24, 25, 26));
}

TEST_F(WeightsTest, a_surplus_or_missing_blob_is_a_mismatch_too) {
  const WeightsFile more = file("a", {layer("fc8", {blob({3, 8}), blob({3}), blob({1})})});
  const WeightsFile less = file("a", {layer("fc8", {blob({3, 8})})});
  EXPECT_THAT(complaint({more}, rules({})), HasSubstr("has 3 blobs in a, the net's has 2"));
  EXPECT_THAT(complaint({less}, rules({})), HasSubstr("PAD leaves only what the file lacks"));
  EXPECT_EQ(how(load({more}, rules({"weights_on_mismatch=SLICE"})), "fc8/bias"), "loaded");
  EXPECT_EQ(how(load({less}, rules({"weights_on_mismatch=PAD"})), "fc8/bias"), "filler");
  EXPECT_EQ(how(load({less}, rules({"weights_on_mismatch=SKIP"})), "fc8/weight"), "skipped");
}

TEST_F(WeightsTest, all_mismatches_of_all_files_are_one_error_with_a_way_out) {
  const WeightsFile first =
      file("one.caffemodel", {layer("new/conv1", {blob({4, 3, 3, 3}), blob({4})})});
  const WeightsFile second = file("two.caffemodel", {layer("fc8", {blob({3, 7}), blob({3})})});
  const std::string said = complaint({first, second}, rules({}));
  EXPECT_THAT(said, HasSubstr("weights_net.prototxt:4"));
  EXPECT_THAT(said, HasSubstr("blob 0 (weight) of layer 'new/conv1' is 4x3x3x3 in one.caffemodel, "
                              "the net wants 2x3x3x3"));
  EXPECT_THAT(said, HasSubstr("blob 1 (bias) of layer 'new/conv1' is 4"));
  EXPECT_THAT(said, HasSubstr("'fc8' is 3x7 in two.caffemodel, the net wants 3x8"));
  EXPECT_THAT(said, HasSubstr("weights_map { to: \"new/conv1\" on_mismatch: SKIP }"));
  EXPECT_THAT(said, HasSubstr("SLICE takes the first part"));
  EXPECT_EQ(value("new/conv1/bias").front(), -2) << "nothing was copied";
  EXPECT_THAT(complaint({second}, WeightsRules()),
              HasSubstr("these weights belong to another net"));
}

TEST_F(WeightsTest, a_transposed_matrix_does_not_pass_for_a_reshaped_one) {
  const WeightsFile source = file("a", {layer("fc8", {blob({8, 3}), blob({3})})});
  for (const char* terms : {"ERROR", "SLICE", "PAD"})
    EXPECT_THAT(complaint({source}, rules({std::string("weights_on_mismatch=") + terms})),
                HasSubstr("is 8x3 in a, the net wants 3x8"));
}

TEST_F(WeightsTest, a_file_with_nothing_for_the_net_is_refused) {
  const WeightsFile other = file("other.caffemodel", {layer("c1", {blob({1})})});
  EXPECT_THAT(complaint({other}, rules({})), HasSubstr("which has values for: c1"));
  EXPECT_THAT(complaint({file("empty", {layer("fc9", {})})}, rules({})),
              HasSubstr("holds nothing"));
  EXPECT_EQ(complaint({other}, rules({"weights_strict=false"})), "");
}

TEST_F(WeightsTest, a_map_that_finds_nothing_is_an_error_with_the_nearest_names) {
  const auto said = [&](const std::string& map) {
    return complaint({old_file()}, rules({"weights_on_mismatch=SKIP", "weights_map=" + map}),
                     ErrorCode::kUnmatchedRule);
  };
  EXPECT_THAT(said("{ to: \"fc9\" skip: true }"), HasSubstr("did you mean 'fc8'?"));
  EXPECT_THAT(said("{ from: \"odl/conv1\" to: \"new/conv1\" }"),
              HasSubstr("no weights file has a layer \"odl/conv1\""));
  EXPECT_THAT(said("{ from: \"odl/conv1\" to: \"new/conv1\" }"), HasSubstr("'old/conv1'"));
  EXPECT_THAT(said("{ from: \"old/*\" to: \"new/*\" file: \"x*\" }"),
              HasSubstr("no weights file is named \"x*\""));
  EXPECT_EQ(said("{ to: \"fc9\" skip: true optional: true }"), "");
}

TEST_F(WeightsTest, maps_that_contradict_themselves_are_refused_together) {
  try {
    rules(
        {"weights_map=[{ from: \"a*\" to: \"b\" }, { from: \"a\" }, { to: \"b\" skip: true "
         "on_mismatch: PAD }, { to: \"b\" from: \"\" }]"});
    FAIL() << "accepted";
  } catch (const ErrorList& list) {
    ASSERT_EQ(list.errors().size(), 4u);
    EXPECT_EQ(list.code(), ErrorCode::kConfig);
    EXPECT_THAT(list.errors()[0].message, HasSubstr("\"a*\" has 1 *, but \"b\" has 0"));
    EXPECT_THAT(list.errors()[1].message, HasSubstr("for which layers"));
    EXPECT_THAT(list.errors()[2].message, HasSubstr("skip: true loads nothing"));
    EXPECT_THAT(list.errors()[3].message, HasSubstr("is empty"));
  }
}

TEST_F(WeightsTest, strict_wants_every_layer_or_a_word_about_it) {
  const std::vector<WeightsFile> files{old_file()};
  const auto missing = [&](const std::vector<std::string>& overrides, bool wanted) {
    const WeightsPlan plan(files, net_->graph(), rules(overrides), true);
    try {
      plan.require(std::vector<bool>(net_->graph().params.size(), wanted));
      return std::string();
    } catch (const Error& error) {
      return error.report();
    } catch (const ErrorList& list) {
      return std::string(list.what());
    }
  };
  const std::string terms = "weights_on_mismatch=SKIP";
  const std::string map = "weights_map={ from: \"old/*\" to: \"new/*\" }";
  EXPECT_EQ(missing({terms, map}, false), "");
  EXPECT_THAT(missing({terms, map, "weights_strict=true"}, false),
              HasSubstr("'fc8/weight' was to be loaded, but its shape differs"));
  EXPECT_THAT(missing({terms, map}, true), HasSubstr("loaded: true"));
  EXPECT_THAT(missing({terms, "weights_strict=true"}, false),
              HasSubstr("'new/conv1/weight' was to be loaded, but no weights file has it"));
  EXPECT_EQ(missing({terms, "weights_strict=false"}, true), "");
  EXPECT_EQ(missing({"weights_strict=true",
                     "weights_map=[{ from: \"old/*\" to: \"new/*\" }, { to: \"fc8\" skip: true }, "
                     "{ to: \"twin\" skip: true }]"},
                    true),
            "");
}

TEST_F(WeightsTest, a_test_net_takes_what_it_has_and_complains_about_nothing_else) {
  const std::vector<WeightsFile> files{old_file(), file("other", {layer("c1", {blob({1})})})};
  const WeightsPlan plan(
      files, net_->graph(),
      rules({"weights_map=[{ from: \"x\" to: \"y\" }, { to: \"fc8\" skip: true }]"}), false);
  EXPECT_FALSE(plan.loaded(0));
}

TEST_F(WeightsTest, files_of_every_age_fill_the_same_net) {
  const std::string nets = CREMA_TEST_DIR "/goldens/nets/v1_train.prototxt";
  const std::string fixtures = CREMA_TEST_DIR "/snapshot/fixtures/";
  std::vector<std::vector<std::vector<float>>> values;
  for (const char* name : {"v1_train.caffemodel", "v1_train.v1.caffemodel"}) {
    Net net(config::with_state(config::read_net(nets), caffe::TRAIN, 0, {}), NetOptions{},
            context_);
    net.initialise(1);
    const auto loaded = load_weights(std::vector{snapshot::read_weights(fixtures + name)}, net);
    EXPECT_THAT(loaded.at_filler, ElementsAre()) << name;
    values.emplace_back();
    for (size_t p = 0; p < net.params().size(); ++p) values.back().push_back(net.params().value(p));
  }
  EXPECT_GT(values[0].size(), 0u);
  EXPECT_EQ(values[0], values[1]);
}

}  // namespace
}  // namespace crema::train
