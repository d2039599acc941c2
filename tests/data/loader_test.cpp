// Order, batches and prefetching, on sources made for the purpose.
#include "data/loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <set>
#include <thread>

#include "base/random.hpp"
#include "data/source.hpp"
#include "data/support.hpp"

namespace crema::data {
namespace {

// glyphs_param.count samples, sample i a 1x6x6 picture of bytes i with label i. With seed s >= 2,
// sample s − 2 cannot be read. Reading takes a while that differs between samples.
std::atomic<int> readers{0};

class CountingSource final : public Source {
 public:
  explicit CountingSource(const caffe::GlyphsParameter& param)
      : count_(param.count()), bad_(static_cast<int64_t>(param.seed()) - 2) {
    ++readers;
  }
  ~CountingSource() override { --readers; }
  int64_t size() const override { return count_; }
  std::string describe(int64_t index) const override { return fmt::format("number {}", index); }
  void read(int64_t index, Sample& out) const override {
    if (index == bad_) throw Error(ErrorCode::kData, describe(index) + " is bad");
    std::this_thread::sleep_for(std::chrono::microseconds(hash64(std::to_string(index)) % 60));
    out.resize(2);
    out[0].shape = Shape{1, 6, 6};
    out[0].bytes.resize(36);
    for (size_t i = 0; i < 36; ++i)
      out[0].bytes[i] = static_cast<uint8_t>(index + static_cast<int64_t>(i));
    out[1].values.assign(1, static_cast<float>(index));
  }

 private:
  int64_t count_, bad_;
};
CREMA_REGISTER(SourceTag, "Counting",
               SourceType{[](const config::LayerConfig& layer, caffe::Phase) {
                            return std::make_unique<CountingSource>(layer.param.glyphs_param());
                          },
                          [](const caffe::LayerParameter& p) -> int64_t {
                            return p.glyphs_param().batch_size();
                          },
                          [](const caffe::LayerParameter& p) { return p.glyphs_param().shuffle(); },
                          "glyphs_param"});

// The type is put in afterwards: a net definition names only types that crema has.
config::LayerConfig counting(const std::string& options, const std::string& more = "") {
  config::LayerConfig layer =
      layer_of("type: \"Glyphs\" top: \"d\" top: \"l\" glyphs_param { " + options + " } " + more);
  layer.param.set_type("Counting");
  return layer;
}

std::vector<float> labels(const std::vector<Tops>& batches) {
  std::vector<float> out;
  for (const Tops& batch : batches) out.insert(out.end(), batch[1].begin(), batch[1].end());
  return out;
}
std::vector<float> count_up(size_t n) {
  std::vector<float> out(n);
  std::iota(out.begin(), out.end(), 0.0f);
  return out;
}

TEST(Loader, SequentialOrderWrapsAndBatchesAreFull) {
  const auto loader = open_test(counting("count: 5 batch_size: 3"));
  EXPECT_EQ(loader->samples(), 5);
  EXPECT_EQ(loader->batch_size(), 3);
  EXPECT_EQ(loader->position(), 0);
  EXPECT_EQ(labels(take(*loader, 4)), (std::vector<float>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1}));
  EXPECT_EQ(loader->position(), 4);
}

TEST(Loader, ABatchMayBeLargerThanTheEpoch) {
  const auto loader = open_test(counting("count: 2 batch_size: 5"));
  EXPECT_EQ(labels(take(*loader, 2)), (std::vector<float>{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}));
}

TEST(Loader, EachShuffledEpochIsAPermutationOfItsOwn) {
  const auto loader = open_test(counting("count: 60 batch_size: 20 shuffle: true"));
  std::set<std::vector<float>> orders;
  for (int epoch = 0; epoch < 4; ++epoch) {
    std::vector<float> order = labels(take(*loader, 3));
    orders.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, count_up(60));
  }
  EXPECT_EQ(orders.size(), 4u);
  EXPECT_EQ(orders.count(count_up(60)), 0u);
}

TEST(Loader, TheSeedDecidesTheOrder) {
  const config::LayerConfig layer = counting("count: 60 batch_size: 60 shuffle: true");
  const auto order = [&](uint64_t seed) {
    return labels(take(*open_test(layer, caffe::TRAIN, {.seed = seed}), 2));
  };
  EXPECT_EQ(order(3), order(3));
  EXPECT_NE(order(3), order(4));
}

TEST(Loader, BatchesAreTheSameForAnyNumberOfThreads) {
  const config::LayerConfig layer = counting("count: 37 batch_size: 8 shuffle: true",
                                             "transform_param { crop_size: 3 mirror: true }");
  const auto batches = [&](int threads, int prefetch) {
    return take(
        *open_test(layer, caffe::TRAIN, {.seed = 5, .threads = threads, .prefetch = prefetch}), 25);
  };
  const std::vector<Tops> one = batches(1, 1);
  EXPECT_EQ(batches(4, 4), one);
  EXPECT_EQ(batches(3, 16), one);
  EXPECT_EQ(batches(8, 2), one);
}

TEST(Loader, SeekGoesToAnyBatchAtOnce) {
  const config::LayerConfig layer = counting("count: 23 batch_size: 4 shuffle: true",
                                             "transform_param { crop_size: 3 mirror: true }");
  const std::vector<Tops> all = take(*open_test(layer, caffe::TRAIN), 40);
  const auto loader = open_test(layer, caffe::TRAIN, {.threads = 4, .first_batch = 11});
  EXPECT_EQ(loader->position(), 11);
  EXPECT_EQ(take(*loader, 1)[0], all[11]);
  for (const int batch : {30, 0, 12, 13, 5, 5, 39, 1, 38}) {
    loader->seek(batch);
    EXPECT_EQ(loader->position(), batch);
    ASSERT_EQ(take(*loader, 1)[0], all[static_cast<size_t>(batch)]) << batch;
  }
}

TEST(Loader, AugmentationDiffersBetweenEpochs) {
  const auto loader = open_test(
      counting("count: 8 batch_size: 8", "transform_param { crop_size: 2 }"), caffe::TRAIN);
  const std::vector<Tops> epochs = take(*loader, 2);
  EXPECT_EQ(epochs[0][1], epochs[1][1]);
  EXPECT_NE(epochs[0][0], epochs[1][0]);
}

TEST(Loader, SpansStayValidWhileOthersAreFetched) {
  const auto loader =
      open_test(counting("count: 50 batch_size: 2"), caffe::TEST, {.threads = 2, .prefetch = 2});
  for (int k = 0; k < 20; ++k) {
    const auto& tops = loader->next();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_EQ(tops[1][1], static_cast<float>((2 * k + 1) % 50));
  }
}

TEST(Loader, AnErrorBelongsToItsBatch) {
  // Sample 7 cannot be read: batches 0 to 2 are whole, 3 fails as often as it is asked for.
  const auto loader =
      open_test(counting("count: 10 batch_size: 2 seed: 9"), caffe::TEST, {.threads = 4});
  EXPECT_EQ(labels(take(*loader, 3)), count_up(6));
  for (int again = 0; again < 3; ++again) {
    const Error error = expect_error(ErrorCode::kData, "number 7 is bad", [&] { loader->next(); });
    EXPECT_TRUE(error.location.known());
    EXPECT_EQ(loader->position(), 3);
  }
  loader->seek(4);
  EXPECT_EQ(labels(take(*loader, 2)), (std::vector<float>{8, 9, 0, 1}));
}

TEST(Loader, AFirstSampleThatCannotBeReadIsFoundAtOpening) {
  expect_refused(ErrorCode::kData, "number 0 is bad", counting("count: 4 batch_size: 1 seed: 2"));
  EXPECT_EQ(readers, 0);
}

TEST(Loader, ClosesAtAnyMoment) {
  for (int batches = 0; batches < 12; ++batches) {
    const auto loader =
        open_test(counting("count: 10 batch_size: 3 seed: 7"), caffe::TEST, {.threads = 3});
    try {
      take(*loader, batches);
    } catch (const Error&) {  // sample 5 cannot be read
    }
    if (batches % 3 == 0) loader->seek(100);
  }
  EXPECT_EQ(readers, 0);
}

TEST(Loader, KnowsItsSources) {
  for (const char* type : {"Data", "HDF5Data", "MnistData", "Cifar10Data", "Glyphs"}) {
    EXPECT_TRUE(is_source(type)) << type;
    EXPECT_THAT(source_types(), testing::Contains(type));
  }
  EXPECT_FALSE(is_source("ReLU"));
  config::LayerConfig layer = counting("");
  layer.param.set_type("MnistDat");
  expect_refused(ErrorCode::kConfig, "did you mean 'MnistData'", layer);
}

// The working directory comes first, as in Caffe; then the folder of the net definition.
TEST(Loader, PathsAreFoundBesideTheNet) {
  const TemporaryFolder folder;
  const std::string source = interop("mnist100_lmdb");
  std::filesystem::create_directory(folder / "net");
  std::filesystem::copy(source, folder / "net/db");
  write_file_atomically(folder / "net/net.prototxt",
                        "layer { name: \"l\" type: \"Data\" top: \"d\"\n"
                        "  data_param { source: \"db\" batch_size: 1 backend: LMDB } }");
  const config::LayerConfig layer = layer_of_file(folder / "net/net.prototxt");
  EXPECT_EQ(open_test(layer)->samples(), 100);
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::create_directory(folder / "cwd");
  std::filesystem::copy(interop("float6_lmdb"), folder / "cwd/db");
  std::filesystem::current_path(folder / "cwd");
  EXPECT_EQ(open_test(layer)->samples(), 6);
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder / "net/db");
  const Error error = expect_refused(ErrorCode::kData, "there is no 'db'", layer);
  EXPECT_EQ(error.location.line, 2);
  EXPECT_THAT(error.hint, testing::HasSubstr(folder / "net/db"));
}

}  // namespace
}  // namespace crema::data
