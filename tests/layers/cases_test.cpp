// Every layer type against tables of definitions.
//   good/X.prototxt  each layer is accepted; good/X.expected says what it makes:
//                    "name: top shapes | blobs | ops"
//   bad/X.prototxt   each layer but the inputs is refused; bad/X.expected: "name: field: message"
//                    (the message may go on)
#include <map>

#include "base/files.hpp"
#include "base/text.hpp"
#include "support/fake_layer.hpp"

namespace crema {
namespace {

using test::FakeLayer;

const std::string kFolder = std::string(CREMA_TEST_DIR) + "/layers/";

// Name -> rest of the line, from "name: rest" lines.
std::map<std::string, std::string> read_expected(const std::string& path) {
  std::map<std::string, std::string> out;
  for (const std::string& line : split(read_file(path, ErrorCode::kData), '\n')) {
    const size_t colon = line.find(": ");
    CREMA_CHECK(colon != std::string::npos, path + ": " + line);
    CREMA_CHECK(out.emplace(line.substr(0, colon), line.substr(colon + 2)).second, line);
  }
  return out;
}

using Blobs = std::map<std::string, Shape>;

std::vector<Shape> bottoms_of(const caffe::LayerParameter& layer, const Blobs& blobs) {
  std::vector<Shape> out;
  for (const std::string& bottom : layer.bottom()) out.push_back(blobs.at(bottom));
  return out;
}

void add_tops(const FakeLayer& layer, Blobs& blobs) {
  const auto& tops = layer.in.param().top();
  for (int i = 0; i < tops.size(); ++i)
    blobs[tops[i]] = layer.in.top_shapes()[static_cast<size_t>(i)];
}

void accepts(const std::string& name) {
  auto expected = read_expected(kFolder + "good/" + name + ".expected");
  Blobs blobs;
  const caffe::NetParameter net = test::read_net(kFolder + "good/" + name + ".prototxt");
  for (const auto& layer : net.layer()) {
    SCOPED_TRACE(layer.name());
    ASSERT_EQ(test::complaint(layer, bottoms_of(layer, blobs)), "");
    const FakeLayer made(layer, bottoms_of(layer, blobs));
    add_tops(made, blobs);
    const auto line = expected.extract(layer.name());
    if (layer.type() == "Input" && line.empty()) continue;
    EXPECT_EQ(layer.name() + ": " + made.text(), layer.name() + ": " + (line ? line.mapped() : ""));
  }
  for (const auto& [missing, text] : expected) ADD_FAILURE() << "no layer " << missing;
}

void refuses(const std::string& name) {
  auto expected = read_expected(kFolder + "bad/" + name + ".expected");
  Blobs blobs;
  const caffe::NetParameter net = test::read_net(kFolder + "bad/" + name + ".prototxt");
  for (const auto& layer : net.layer()) {
    SCOPED_TRACE(layer.name());
    const auto line = expected.extract(layer.name());
    if (layer.type() == "Input" && line.empty()) {
      add_tops(FakeLayer(layer, {}), blobs);
      continue;
    }
    const std::string start = line ? line.mapped() : "(nothing is expected)";
    const std::string said = test::complaint(layer, bottoms_of(layer, blobs));
    EXPECT_EQ(layer.name() + ": " + said.substr(0, start.size()), layer.name() + ": " + start)
        << "in full: " << said;
  }
  for (const auto& [missing, text] : expected) ADD_FAILURE() << "no layer " << missing;
}

TEST(Cases, Convolution) {
  accepts("convolution");
  refuses("convolution");
}
TEST(Cases, Pooling) {
  accepts("pooling");
  refuses("pooling");
}
TEST(Cases, InnerProduct) {
  accepts("inner_product");
  refuses("inner_product");
}
TEST(Cases, ReLU_Sigmoid_TanH_Power_LRN_Dropout_Softmax_BatchNorm_Scale_Bias_Exp_Log_Clip_ELU) {
  accepts("same_shape");
  refuses("same_shape");
}
TEST(Cases, Eltwise_Concat_Split_Flatten_Reshape_Slice_Silence) {
  accepts("shapes");
  refuses("shapes");
}
TEST(Cases, Deconvolution_Im2col) {
  accepts("deconvolution");
  refuses("deconvolution");
}
TEST(Cases, Embed_BatchReindex_Reduction_ArgMax_Tile_Crop_MVN_PReLU_SPP) {
  accepts("rows");
  refuses("rows");
}
TEST(Cases, SoftmaxWithLoss_EuclideanLoss_SigmoidCrossEntropyLoss_Accuracy_HingeLoss_Infogain) {
  accepts("losses");
  refuses("losses");
}
TEST(Cases, Input_Parameter_DummyData) {
  accepts("sources");
  refuses("sources");
}

TEST(Cases, Filter) {
  accepts("filter");
  refuses("filter");
}
TEST(Cases, LSTM_RNN_LSTMUnit) {
  accepts("recurrent");
  refuses("recurrent");
}

}  // namespace
}  // namespace crema
