// Upgrades of older definitions: what becomes of every field, and that its place is kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.hpp"
#include "config/good.hpp"

namespace crema::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

NetConfig good(const std::string& name) {
  return read_net(kGood + name + ".prototxt");
}

int line(const NetConfig& net, const std::string& name, const std::string& field = "") {
  return layer(net, name).places.at(field).line;
}

int column(const NetConfig& net, const std::string& name, const std::string& field) {
  return layer(net, name).places.at(field).column;
}

TEST(V0, DataLayers) {
  const NetConfig net = good("v0_every_field");
  const auto& data = layer(net, "data").param;
  EXPECT_EQ(data.type(), "Data");
  EXPECT_EQ(data.data_param().source(), "db");
  EXPECT_EQ(data.data_param().batch_size(), 5u);
  EXPECT_EQ(data.data_param().rand_skip(), 3u);
  EXPECT_EQ(data.transform_param().scale(), 0.5f);
  EXPECT_EQ(data.transform_param().mean_file(), "m");
  EXPECT_EQ(data.transform_param().crop_size(), 7u);
  EXPECT_TRUE(data.transform_param().mirror());
  const auto& images = layer(net, "images").param.image_data_param();
  EXPECT_EQ(images.source(), "list");
  EXPECT_EQ(images.batch_size(), 6u);
  EXPECT_EQ(images.rand_skip(), 4u);
  EXPECT_TRUE(images.shuffle());
  EXPECT_EQ(images.new_height(), 9u);
  EXPECT_EQ(images.new_width(), 10u);
  const auto& window = layer(net, "window").param.window_data_param();
  EXPECT_EQ(window.source(), "win");
  EXPECT_EQ(window.batch_size(), 2u);
  EXPECT_EQ(window.fg_threshold(), 0.1f);
  EXPECT_EQ(window.bg_threshold(), 0.2f);
  EXPECT_EQ(window.fg_fraction(), 0.3f);
  EXPECT_EQ(window.context_pad(), 4u);
  EXPECT_EQ(window.crop_mode(), "square");
  EXPECT_EQ(layer(net, "h5").param.hdf5_data_param().source(), "h5");
  EXPECT_EQ(layer(net, "h5").param.hdf5_data_param().batch_size(), 8u);
  EXPECT_EQ(layer(net, "out").param.hdf5_output_param().file_name(), "out.h5");
}

TEST(V0, OtherLayers) {
  const NetConfig net = good("v0_every_field");
  const auto& conv = layer(net, "conv").param;
  EXPECT_THAT(conv.bottom(), ElementsAre("images"));
  EXPECT_EQ(conv.convolution_param().num_output(), 4u);
  EXPECT_FALSE(conv.convolution_param().bias_term());
  EXPECT_EQ(conv.convolution_param().weight_filler().type(), "xavier");
  EXPECT_EQ(conv.convolution_param().bias_filler().value(), 1);
  EXPECT_THAT(conv.convolution_param().kernel_size(), ElementsAre(3));
  EXPECT_THAT(conv.convolution_param().stride(), ElementsAre(2));
  EXPECT_THAT(conv.convolution_param().pad(), ElementsAre(2));
  EXPECT_EQ(conv.convolution_param().group(), 2u);
  ASSERT_EQ(conv.param_size(), 2);
  EXPECT_EQ(conv.param(1).lr_mult(), 2);
  EXPECT_EQ(conv.param(0).decay_mult(), 3);
  EXPECT_EQ(conv.param(1).decay_mult(), 0);
  const auto& pool = layer(net, "pool").param.pooling_param();
  EXPECT_EQ(pool.pool(), caffe::PoolingParameter::STOCHASTIC);
  EXPECT_EQ(pool.kernel_size(), 3u);
  EXPECT_EQ(pool.stride(), 2u);
  EXPECT_EQ(pool.pad(), 1u);
  const auto& lrn = layer(net, "lrn").param.lrn_param();
  EXPECT_EQ(lrn.local_size(), 3u);
  EXPECT_EQ(lrn.alpha(), 0.1f);
  EXPECT_EQ(lrn.beta(), 0.2f);
  EXPECT_EQ(lrn.k(), 0.3f);
  EXPECT_EQ(layer(net, "cat").param.concat_param().concat_dim(), 2u);
  EXPECT_EQ(layer(net, "ip").param.inner_product_param().num_output(), 6u);
  EXPECT_TRUE(layer(net, "ip").param.inner_product_param().bias_term());
  EXPECT_EQ(layer(net, "drop").param.dropout_param().dropout_ratio(), 0.4f);
  EXPECT_EQ(layer(net, "info").param.infogain_loss_param().source(), "matrix");
}

TEST(V0, PlacesFollowFieldsThroughAllSteps) {
  const NetConfig net = good("v0_every_field");
  EXPECT_EQ(line(net, "input"), 2);
  EXPECT_EQ(line(net, "data"), 5);
  EXPECT_EQ(line(net, "conv"), 10);
  EXPECT_EQ(line(net, "conv", "type"), 10);
  EXPECT_EQ(line(net, "conv", "convolution_param.pad"), 9);  // it stood in the padding layer
  EXPECT_EQ(column(net, "conv", "convolution_param.kernel_size"), 132);
  EXPECT_EQ(column(net, "conv", "param[1].lr_mult"), 177);
  EXPECT_EQ(column(net, "conv", "param[1].decay_mult"), 205);
  EXPECT_EQ(column(net, "data", "transform_param.scale"), 70);
  EXPECT_EQ(line(net, "out"), 17);
}

TEST(V0, WhatCannotBeCarriedOverIsNoted) {
  const NetConfig net = good("v0_every_field");
  ASSERT_EQ(net.notes.size(), 3u);
  EXPECT_THAT(net.notes[0].message, HasSubstr("'state' has no effect"));
  EXPECT_EQ(net.notes[0].location.line, 4);
  EXPECT_THAT(net.notes[1].message, HasSubstr("'new_num'"));
  EXPECT_EQ(net.notes[1].location.line, 12);
  EXPECT_THAT(net.notes[2].message, HasSubstr("'dropout_ratio' has no meaning"));
  EXPECT_EQ(net.notes[2].location.line, 14);
  EXPECT_TRUE(net.header.force_backward());
  EXPECT_FALSE(net.header.has_state());
}

TEST(V1, ParametersAndTransformations) {
  const NetConfig net = good("v1_every_kind");
  const auto& data = layer(net, "data").param;
  EXPECT_EQ(data.transform_param().scale(), 0.25f);
  EXPECT_EQ(data.transform_param().mean_file(), "mean");
  EXPECT_EQ(data.transform_param().crop_size(), 8u);
  EXPECT_TRUE(data.transform_param().mirror());
  EXPECT_FALSE(data.data_param().has_scale());
  EXPECT_EQ(data.data_param().source(), "db");
  EXPECT_EQ(data.include(0).phase(), caffe::TRAIN);
  EXPECT_EQ(layer(net, "images").param.transform_param().crop_size(), 3u);
  EXPECT_TRUE(layer(net, "images").param.transform_param().mirror());
  const auto& a = layer(net, "a").param;
  ASSERT_EQ(a.param_size(), 2);
  EXPECT_EQ(a.param(0).name(), "w");
  EXPECT_EQ(a.param(1).name(), "b");
  EXPECT_EQ(a.param(1).share_mode(), caffe::ParamSpec::PERMISSIVE);
  EXPECT_EQ(a.param(1).lr_mult(), 2);
  EXPECT_EQ(a.param(0).decay_mult(), 0.5f);
  EXPECT_FALSE(a.param(1).has_decay_mult());
  const auto& loss = layer(net, "l").param;
  EXPECT_EQ(loss.type(), "SoftmaxWithLoss");
  EXPECT_THAT(loss.loss_weight(), ElementsAre(0.5f));
  EXPECT_EQ(loss.loss_param().ignore_label(), 7);
  EXPECT_EQ(loss.exclude(0).stage(0), "deploy");
}

TEST(V1, Places) {
  const NetConfig net = good("v1_every_kind");
  EXPECT_EQ(line(net, "data"), 2);
  EXPECT_EQ(line(net, "data", "transform_param.crop_size"), 4);
  EXPECT_EQ(column(net, "data", "transform_param.crop_size"), 87);
  EXPECT_EQ(line(net, "a", "param[0].lr_mult"), 12);
  EXPECT_EQ(line(net, "a", "param[1].lr_mult"), 13);
  EXPECT_EQ(line(net, "a", "param[0].decay_mult"), 14);
  EXPECT_EQ(line(net, "a", "param[1].decay_mult"),
            11);  // not given: the parameter, which has a name
  EXPECT_EQ(column(net, "a", "param[1].share_mode"), 51);
  EXPECT_EQ(line(net, "a", "inner_product_param.num_output"), 10);
}

// Every type of the second format has a name, and only NONE is empty.
TEST(V1, EveryTypeHasAName) {
  const auto* types = caffe::V1LayerParameter::LayerType_descriptor();
  for (int i = 0; i < types->value_count(); ++i) {
    caffe::NetParameter net;
    net.add_layers()->set_type(
        static_cast<caffe::V1LayerParameter::LayerType>(types->value(i)->number()));
    upgrade(net);
    EXPECT_EQ(net.layer(0).type().empty(), types->value(i)->name() == "NONE")
        << types->value(i)->name();
  }
}

TEST(Legacy, InputShapesAndBatchNorm) {
  const NetConfig net = good("batch_norm_old");
  const auto& input = net.layers[0].param;
  EXPECT_EQ(input.type(), "Input");
  EXPECT_THAT(input.top(), ElementsAre("data"));
  EXPECT_THAT(input.input_param().shape(0).dim(), ElementsAre(2, 3, 4));
  EXPECT_EQ(net.header.input_size() + net.header.input_shape_size(), 0);
  EXPECT_EQ(net.layers[0].places.at("input_param.shape.dim[1]").line, 2);
  EXPECT_EQ(layer(net, "two").param.param(1).lr_mult(), 1);
  for (const caffe::ParamSpec& param : layer(net, "three").param.param()) {
    EXPECT_EQ(param.lr_mult(), 0);
    EXPECT_EQ(param.decay_mult(), 0);
  }
}

TEST(Legacy, InputsKeepTheirPlaces) {
  const NetConfig net = good("legacy_input_two");
  EXPECT_THAT(net.layers[0].param.top(), ElementsAre("data", "gate"));
  EXPECT_EQ(net.layers[0].places.at("top[1]").line, 3);
  EXPECT_EQ(net.layers[0].places.at("input_param.shape[1].dim[2]").line, 5);
  EXPECT_EQ(net.layers[1].places.at("name").line, 7);
}

TEST(Legacy, NamesWithoutSizesAreDropped) {
  caffe::NetParameter net;
  net.add_input("data");
  net.add_layer()->set_name("a");
  EXPECT_TRUE(upgrade(net).empty());
  EXPECT_EQ(net.layer_size(), 1);
  EXPECT_EQ(net.input_size(), 0);
}

TEST(Legacy, UpgradeOfABinaryNetReportsErrors) {
  caffe::NetParameter net;
  net.add_layer();
  net.add_layers();
  EXPECT_THROW(upgrade(net), Error);
}

TEST(Legacy, BlobsOfOldFilesAreKept) {
  caffe::NetParameter net;
  auto* v0 = net.add_layers()->mutable_layer();
  v0->set_type("conv");
  v0->add_blobs()->add_data(1.5f);
  v0->set_local_size(3);
  EXPECT_THAT(upgrade(net), ElementsAre(HasSubstr("layers.layer.local_size")));
  EXPECT_EQ(net.layer(0).blobs(0).data(0), 1.5f);
}

}  // namespace
}  // namespace crema::config
