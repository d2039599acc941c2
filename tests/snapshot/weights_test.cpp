#include "snapshot/weights.hpp"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <sys/stat.h>

#include <bit>
#include <cmath>
#include <random>

#include "snapshot/files.hpp"
#include "snapshot/records.hpp"

namespace crema::snapshot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const LayerBlobs& layer(const WeightsFile& file, const std::string& name) {
  for (const LayerBlobs& l : file.layers)
    if (l.layer == name) return l;
  throw LogicError("no layer " + name);
}

std::vector<LayerRecord> small_net() {
  std::vector<LayerRecord> out(3);
  out[0].definition.set_name("data");
  out[0].definition.set_type("Input");
  out[1].definition.set_name("ip");
  out[1].definition.set_type("InnerProduct");
  out[1].definition.add_bottom("data");
  out[1].definition.mutable_inner_product_param()->set_num_output(2);
  out[1].blobs = {{{2, 3}, false, {1, -0.0f, NAN, INFINITY, 1e-45f, 3.4e38f}},
                  {{2}, false, {0.1f, -7}}};
  out[2].definition.set_name("scale");
  out[2].blobs = {{{}, false, {4}}, {{0, 5}, false, {}}};
  return out;
}

// --- round trip

TEST(Weights, RoundTripIsBitExact) {
  const Folder folder;
  const auto net = small_net();
  const uint32_t crc = write_weights(folder / "a.caffemodel", "small", net);
  EXPECT_EQ(crc, crc32_of(read_file(folder / "a.caffemodel", ErrorCode::kWeights)));
  const WeightsFile back = read_weights(folder / "a.caffemodel");
  EXPECT_EQ(back.crc32, crc);
  EXPECT_EQ(back.net_name, "small");
  EXPECT_EQ(back.path, folder / "a.caffemodel");
  ASSERT_EQ(back.layers.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.layers[i].layer, net[i].definition.name());
    EXPECT_EQ(back.layers[i].type, net[i].definition.type());
    ASSERT_EQ(back.layers[i].blobs.size(), net[i].blobs.size());
    for (size_t b = 0; b < net[i].blobs.size(); ++b) {
      EXPECT_EQ(back.layers[i].blobs[b].shape, net[i].blobs[b].shape);
      EXPECT_FALSE(back.layers[i].blobs[b].legacy_shape);
      EXPECT_EQ(bits(back.layers[i].blobs[b].values), bits(net[i].blobs[b].values));
    }
  }
  EXPECT_THAT(folder.names(), ElementsAre("a.caffemodel")) << "no temporary file";
}

// What BVLC's own reader, a plain protobuf parser, makes of it.
TEST(Weights, AreReadByAnyProtobufReader) {
  const Folder folder;
  write_weights(folder / "a.caffemodel", "small", small_net());
  caffe::NetParameter net;
  ASSERT_TRUE(net.ParseFromString(read_file(folder / "a.caffemodel", ErrorCode::kWeights)));
  EXPECT_EQ(net.name(), "small");
  ASSERT_EQ(net.layer_size(), 3);
  EXPECT_EQ(net.layer(1).inner_product_param().num_output(), 2u);
  ASSERT_EQ(net.layer(1).blobs_size(), 2);
  EXPECT_THAT(net.layer(1).blobs(1).data(), ElementsAre(0.1f, -7));
  EXPECT_THAT(net.layer(1).blobs(0).shape().dim(), ElementsAre(2, 3));
  EXPECT_FALSE(net.layer(1).blobs(0).has_num());
}

// Several buffers' worth, so that pieces are handed on in every size.
TEST(Weights, LargeBlobsSurvive) {
  const Folder folder;
  std::vector<LayerRecord> net(40);
  for (size_t i = 0; i < net.size(); ++i) {
    net[i].definition.set_name("layer" + std::to_string(i));
    const auto n = static_cast<int64_t>(i * i * 700);
    net[i].blobs = {{{n}, false, std::vector<float>(static_cast<size_t>(n))}};
    for (size_t k = 0; k < net[i].blobs[0].values.size(); ++k)
      net[i].blobs[0].values[k] = static_cast<float>(k + i);
  }
  const uint32_t crc = write_weights(folder / "a.caffemodel", "", net);
  const WeightsFile back = read_weights(folder / "a.caffemodel");
  EXPECT_EQ(back.crc32, crc);
  ASSERT_EQ(back.layers.size(), net.size());
  for (size_t i = 0; i < net.size(); ++i)
    EXPECT_EQ(back.layers[i].blobs[0].values, net[i].blobs[0].values) << i;
}

// --- files of BVLC Caffe

TEST(Weights, OfBvlc) {
  const WeightsFile file = read_weights(fixture("snap_iter_7.caffemodel"));
  EXPECT_EQ(file.net_name, "convnet");
  const LayerBlobs& conv = layer(file, "conv1");
  EXPECT_EQ(conv.type, "Convolution");
  ASSERT_EQ(conv.blobs.size(), 2u);
  EXPECT_EQ(conv.blobs[0].shape, Shape({3, 1, 3, 3}));
  EXPECT_EQ(conv.blobs[1].shape, Shape({3}));
  EXPECT_THAT(layer(file, "relu1").blobs, IsEmpty());
}

void expect_same_values(const WeightsFile& a, const WeightsFile& b) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t i = 0; i < a.layers.size(); ++i) {
    EXPECT_EQ(a.layers[i].layer, b.layers[i].layer);
    ASSERT_EQ(a.layers[i].blobs.size(), b.layers[i].blobs.size());
    for (size_t k = 0; k < a.layers[i].blobs.size(); ++k)
      EXPECT_EQ(a.layers[i].blobs[k].values, b.layers[i].blobs[k].values);
  }
}

TEST(Weights, DoubleDataHoldsTheSame) {
  const WeightsFile want = read_weights(fixture("snap_iter_7.caffemodel"));
  expect_same_values(read_weights(fixture("double_data.caffemodel")), want);
}

TEST(Weights, LegacyShapesFitBlobsOfFewerAxes) {
  const WeightsFile want = read_weights(fixture("snap_iter_7.caffemodel"));
  const WeightsFile old = read_weights(fixture("legacy_shape.caffemodel"));
  expect_same_values(old, want);
  for (size_t i = 0; i < old.layers.size(); ++i)
    for (size_t k = 0; k < old.layers[i].blobs.size(); ++k) {
      EXPECT_TRUE(old.layers[i].blobs[k].legacy_shape);
      EXPECT_TRUE(old.layers[i].blobs[k].fits(want.layers[i].blobs[k].shape));
      EXPECT_TRUE(want.layers[i].blobs[k].fits(want.layers[i].blobs[k].shape));
    }
}

TEST(Weights, V1FileHoldsTheSame) {
  const WeightsFile want = read_weights(fixture("v1_train.caffemodel"));
  const WeightsFile old = read_weights(fixture("v1_train.v1.caffemodel"));
  EXPECT_EQ(layer(old, "conv1").type, "CONVOLUTION");
  for (const char* name : {"conv1", "ip1", "ip2"})
    for (size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(layer(old, name).blobs.at(k).values, layer(want, name).blobs.at(k).values);
      EXPECT_TRUE(layer(old, name).blobs[k].fits(layer(want, name).blobs[k].shape));
    }
}

TEST(Weights, V0File) {
  const Folder folder;
  caffe::NetParameter net;
  auto* pad = net.add_layers()->mutable_layer();
  pad->set_name("pad1");
  pad->set_type("padding");
  auto* conv = net.add_layers()->mutable_layer();
  conv->set_name("conv1");
  conv->set_type("conv");
  auto* blob = conv->add_blobs();
  blob->set_num(1);
  blob->set_channels(1);
  blob->set_height(1);
  blob->set_width(2);
  blob->add_data(5);
  blob->add_data(6);
  const WeightsFile file = read_weights(folder.put("v0", net.SerializeAsString()));
  ASSERT_EQ(file.layers.size(), 1u);
  EXPECT_EQ(file.layers[0].layer, "conv1");
  EXPECT_EQ(file.layers[0].type, "conv");
  EXPECT_THAT(file.layers[0].blobs.at(0).values, ElementsAre(5, 6));
  EXPECT_TRUE(file.layers[0].blobs[0].fits(Shape({2})));
}

TEST(Weights, FitsIsExactForPresentShapes) {
  const Blob blob{{2, 3}, false, {}};
  EXPECT_TRUE(blob.fits(Shape({2, 3})));
  EXPECT_FALSE(blob.fits(Shape({3, 2})));
  EXPECT_FALSE(blob.fits(Shape({1, 2, 3})));
  const Blob old{{1, 1, 2, 3}, true, {}};
  EXPECT_TRUE(old.fits(Shape({2, 3})));
  EXPECT_TRUE(old.fits(Shape({1, 1, 2, 3})));
  EXPECT_FALSE(old.fits(Shape({6})));
  EXPECT_FALSE(old.fits(Shape({1, 1, 1, 2, 3})));
  EXPECT_TRUE((Blob{{1, 1, 1, 1}, true, {}}.fits(Shape{})));
  EXPECT_FALSE((Blob{{1}, false, {}}.fits(Shape{})));
}

// --- wrong files

TEST(WeightsErrors, MissingOrNoFile) {
  const Folder folder;
  EXPECT_THAT(wrong_weights(folder / "no"), HasSubstr("No such file"));
  EXPECT_THAT(wrong_weights(folder / ""), HasSubstr("is a directory"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(wrong_weights(folder / "pipe"), HasSubstr("device or pipe"));
}

TEST(WeightsErrors, OtherKindsAreNamed) {
  const Folder folder;
  EXPECT_THAT(wrong_weights(fixture("snap_iter_7.solverstate")),
              testing::AllOf(HasSubstr("is a solver state"), HasSubstr("--snapshot")));
  EXPECT_THAT(wrong_weights(folder.put("a", "")), HasSubstr("is empty"));
  EXPECT_THAT(wrong_weights(folder.put("b", "name: \"net\"\nlayer { }\n")), HasSubstr("is text"));
  EXPECT_THAT(wrong_weights(folder.put("c", "version https://git-lfs.github.com/spec/v1\n")),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(wrong_weights(folder.put("d", "<!DOCTYPE html>\n<html>")),
              HasSubstr("is a web page"));
  EXPECT_THAT(wrong_weights(folder.put("e", std::string(100, '\0'))),
              HasSubstr("damaged or of another"));
  EXPECT_THAT(wrong_weights(folder.put("f", "\x0a\x01x")), HasSubstr("holds no layers"));
  EXPECT_THAT(wrong_weights(folder.put("g", "PK\x03\x04 and more")), HasSubstr("is a zip archive"));
  EXPECT_THAT(wrong_weights(folder.put("h", std::string("\x40\0\0\0\0\0\0\0", 8) + "{\"w\": {}}")),
              HasSubstr("is a safetensors file"));
  EXPECT_THAT(wrong_weights(folder.put("i", std::string(16, '\0') + "\xde\xc0\xef\xbe")),
              HasSubstr("is an LMDB database"));
  EXPECT_THAT(wrong_weights(folder.put(
                  "j", std::string("\x08\x01\x10\x01\x18\x01\x20\x01\x2a\x04\0\0\0\0", 14))),
              testing::AllOf(HasSubstr("is a mean file"), HasSubstr("transform_param")));
  EXPECT_THAT(wrong_weights(folder.put("k", "\x08\x07\x12\x01x\x3a\x02\x12\x01")),
              HasSubstr("ONNX"));
}

// A net with one layer "l" whose only blob is this.
std::string with_blob(const std::string& blob) {
  caffe::NetParameter net;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "layer { name: 'l' blobs { " + blob + " } }", &net));
  return net.SerializeAsString();
}

struct Case {
  const char* blob;
  const char* says;
};
class BlobMistake : public testing::TestWithParam<Case> {};
TEST_P(BlobMistake, IsExplained) {
  const Folder folder;
  const std::string report = wrong_weights(folder.put("x", with_blob(GetParam().blob)));
  EXPECT_THAT(report, HasSubstr("layer 'l', blob 0"));
  EXPECT_THAT(report, HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(
    All, BlobMistake,
    testing::Values(
        Case{"shape { dim: 3 } data: [1, 2]", "the shape 3 needs 3 values, there are 2"},
        Case{"shape { dim: 1 } data: [1, 2]", "needs 1 values, there are 2"},
        Case{"shape { dim: 2 dim: 0 } data: 1", "needs 0 values"},
        Case{"shape { dim: 2 } data: [1, 2] double_data: 1", "needs 2 values, there are 1"},
        Case{"", "the shape scalar needs 1 values, there are 0"},
        Case{"shape { dim: -1 } data: 1", "negative size"},
        Case{"shape { dim: -1 dim: -1 } data: 1", "negative size"},
        Case{"num: 1 data: 1", "the shape 1x0x0x0 needs 0 values"},
        Case{"num: -1 channels: -1 height: 1 width: 1 data: 1", "negative size"},
        Case{"shape { dim: 4294967296 dim: 4294967296 }", "too large"},
        Case{"shape { dim: 9223372036854775807 dim: 3 } data: 1", "too large"},
        Case{"shape { dim: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] } "
             "data: 1",
             "33 axes"}));

TEST(WeightsErrors, AZeroAmongHugeSizesIsAnEmptyBlob) {
  const Folder folder;
  const std::string path = folder.put(
      "x", with_blob("shape { dim: 9223372036854775807 dim: 9223372036854775807 dim: 0 }"));
  EXPECT_THAT(read_weights(path).layers.at(0).blobs.at(0).values, IsEmpty());
}

TEST(WeightsErrors, BothKindsOfLayers) {
  const Folder folder;
  caffe::NetParameter net;
  net.add_layer()->set_name("new");
  net.add_layers()->set_name("old");
  EXPECT_THAT(wrong_weights(folder.put("x", net.SerializeAsString())), HasSubstr("both"));
}

TEST(WeightsErrors, LengthsAreNotBelieved) {
  const Folder folder;
  std::string huge = "\x0a\x01x";
  append_key(huge, 100, Wire::kBytes);
  append_varint(huge, ~uint64_t{0});
  EXPECT_THAT(wrong_weights(folder.put("x", huge)), HasSubstr("it is cut off"));
}

// --- damage

TEST(WeightsDamage, EveryTruncationIsNoticed) {
  const Folder folder;
  write_weights(folder / "whole", "small", small_net());
  const std::string bytes = read_file(folder / "whole", ErrorCode::kWeights);
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(wrong_weights(folder.put("cut", bytes.substr(0, n))), "")
        << n << " of " << bytes.size();
  EXPECT_EQ(wrong_weights(folder.put("cut", bytes)), "");
}

// Files of others can end between two records; anywhere else the cut is noticed.
TEST(WeightsDamage, TruncatedBvlcFilesNeverCrash) {
  const Folder folder;
  for (const char* name : {"snap_iter_7.caffemodel", "v1_train.v1.caffemodel"}) {
    const std::string bytes = read_file(fixture(name), ErrorCode::kWeights);
    const size_t layers = read_weights(fixture(name)).layers.size();
    size_t unnoticed = 0;
    for (size_t n = 0; n < bytes.size(); ++n)
      unnoticed += wrong_weights(folder.put("cut", bytes.substr(0, n))).empty();
    EXPECT_LT(unnoticed, layers) << name;
  }
}

TEST(WeightsDamage, FlippedBytesNeverCrash) {
  const Folder folder;
  write_weights(folder / "whole", "small", small_net());
  std::mt19937 random(1);
  for (const std::string& path :
       {folder / "whole", fixture("legacy_shape.caffemodel"), fixture("double_data.caffemodel")}) {
    const std::string bytes = read_file(path, ErrorCode::kWeights);
    const uint32_t crc = read_weights(path).crc32;
    for (int round = 0; round < 1500; ++round) {
      std::string bad = bytes;
      for (int k = 0; k <= round % 4; ++k) bad[random() % bad.size()] ^= 1 << random() % 8;
      if (bad == bytes) continue;
      const std::string damaged = folder.put("bad", bad);
      // Either an error, or a file that says it is another one.
      const std::string report =
          complaint([&] { EXPECT_NE(read_weights(damaged).crc32, crc) << round; });
      EXPECT_TRUE(report.empty() || report.find(damaged) != std::string::npos) << report;
    }
  }
}

TEST(WeightsDamage, RandomBytesNeverCrash) {
  const Folder folder;
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (round % 2 == 0) bytes.insert(0, "\xa2\x06");  // the key of a layer
    wrong_weights(folder.put("noise", bytes));
  }
}

// --- writing that fails

TEST(WeightsWriting, AFullDiskLeavesTheEarlierFile) {
  const Folder folder;
  write_weights(folder / "a.caffemodel", "first", small_net());
  std::vector<LayerRecord> large(1);
  large[0].definition.set_name("l");
  large[0].blobs = {{{100000}, false, std::vector<float>(100000, 1)}};
  const auto write = [&] { write_weights(folder / "a.caffemodel", "second", large); };
  for (const rlim_t room : {0, 10, 70000, 399999}) {
    const FullDisk full(room);
    EXPECT_THAT(complaint(write, ErrorCode::kOutput), HasSubstr("File too large")) << room;
  }
  EXPECT_EQ(read_weights(folder / "a.caffemodel").net_name, "first");
  EXPECT_THAT(folder.names(), ElementsAre("a.caffemodel"));
  write();
  EXPECT_EQ(read_weights(folder / "a.caffemodel").net_name, "second");
}

TEST(WeightsWriting, PathsThatCannotBe) {
  const Folder folder;
  folder.put("file", "x");
  const auto write = [&](const std::string& path) {
    return complaint([&] { write_weights(path, "n", small_net()); }, ErrorCode::kOutput);
  };
  EXPECT_THAT(write(folder / "file/a.caffemodel"), HasSubstr("cannot create the directory"));
  EXPECT_NE(write("/proc/no/a.caffemodel"), "");
  std::filesystem::create_directory(folder / "dir");
  EXPECT_THAT(write(folder / "dir"), HasSubstr("directory"));
  EXPECT_THAT(folder.names(), testing::UnorderedElementsAre("file", "dir"));
  EXPECT_EQ(read_file(folder / "file", ErrorCode::kWeights), "x");
}

TEST(WeightsWriting, MoreThanTheFormatHoldsIsRefusedBeforeWriting) {
  const Folder folder;
  EXPECT_EQ(kMaxFileBytes, (int64_t{1} << 31) - 1);
  write_weights(folder / "a", "n", small_net());
  const auto size = static_cast<int64_t>(std::filesystem::file_size(folder / "a"));
  write_weights(folder / "a", "n", small_net(), size);
  const auto over = [&] { write_weights(folder / "b", "n", small_net(), size - 1); };
  EXPECT_THAT(complaint(over, ErrorCode::kOutput), HasSubstr("can hold at most"));
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WeightsWriting, BlobsMustFillTheirShape) {
  const Folder folder;
  std::vector<LayerRecord> net(1);
  net[0].blobs = {{{3}, false, {1, 2}}};
  EXPECT_THROW(write_weights(folder / "a", "n", net), LogicError);
  EXPECT_THAT(folder.names(), IsEmpty());
}

// --- files that people have

TEST(WeightsOfOthers, AreRead) {
  const std::string folder = shared("data/weights/");
  if (!is_directory(folder)) GTEST_SKIP() << "skipped: no ../shared/data";
  const WeightsFile lenet = read_weights(folder + "bvlc_lenet_iter_5000.caffemodel");
  EXPECT_EQ(layer(lenet, "conv1").blobs.at(0).shape.count(), 20 * 25);
  EXPECT_EQ(layer(lenet, "ip1").blobs.at(0).shape.count(), 500 * 800);
  const WeightsFile other = read_weights(folder + "lenet_mnist_iter_10000.caffemodel");
  EXPECT_TRUE(layer(other, "ip2").blobs.at(0).fits(Shape({10, 500})));
  for (const char* name : {"mtcnn_det1.caffemodel", "mtcnn_det2.caffemodel"})
    EXPECT_GT(read_weights(folder + name).layers.size(), 5u) << name;
  EXPECT_THAT(wrong_weights(folder + "bvlc_lenet_iter_5000.solverstate"),
              HasSubstr("is a solver state"));
}

}  // namespace
}  // namespace crema::snapshot
