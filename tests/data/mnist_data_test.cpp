// The MnistData source.
#include <fmt/format.h>
#include <zlib.h>

#include "data/support.hpp"

namespace crema::data {
namespace {

std::string word(uint32_t x) {
  return {static_cast<char>(x >> 24), static_cast<char>(x >> 16), static_cast<char>(x >> 8),
          static_cast<char>(x)};
}
std::string images(uint32_t count, uint32_t rows, uint32_t columns) {
  std::string out = word(2051) + word(count) + word(rows) + word(columns);
  for (uint32_t i = 0; i < count * rows * columns; ++i) out += static_cast<char>(i * 7);
  return out;
}
std::string labels(uint32_t count) {
  std::string out = word(2049) + word(count);
  for (uint32_t i = 0; i < count; ++i) out += static_cast<char>(i % 10);
  return out;
}
void write_gz(const std::string& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  gzclose(file);
}
config::LayerConfig mnist_layer(const std::string& image_file, const std::string& label_file,
                                int batch, const std::string& tops = "top: \"d\" top: \"l\"") {
  return layer_of(fmt::format(
      "type: \"MnistData\" {} mnist_data_param {{ images: \"{}\" labels: \"{}\" batch_size: {} }}",
      tops, image_file, label_file, batch));
}

TEST(MnistData, PlainAndPackedFilesAreTheSame) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "i", images(5, 3, 4));
  write_file_atomically(folder / "l", labels(5));
  write_gz(folder / "i.gz", images(5, 3, 4));
  write_gz(folder / "l.gz", labels(5));
  const auto plain = open_test(mnist_layer(folder / "i", folder / "l", 3));
  const auto packed = open_test(mnist_layer(folder / "i.gz", folder / "l.gz", 3));
  EXPECT_EQ(plain->samples(), 5);
  EXPECT_EQ(plain->shapes()[0].text(), "3x1x3x4");
  EXPECT_EQ(plain->shapes()[1].text(), "3");
  const auto batches = take(*plain, 2);
  EXPECT_EQ(batches, take(*packed, 2));
  EXPECT_EQ(batches[0][0][13], 7.0f * 13);
  EXPECT_EQ(batches[1][1], (std::vector<float>{3, 4, 0}));
}

// The same 100 records as IDX files and as a database by Caffe's converter.
TEST(MnistData, EqualsTheDatabaseOfTheSameRecords) {
  const auto idx = open_test(mnist_layer(interop("mnist100-images-idx3-ubyte"),
                                         interop("mnist100-labels-idx1-ubyte"), 100));
  const auto lmdb = open_test(
      layer_of("type: \"Data\" top: \"d\" top: \"l\" data_param { batch_size: 100 backend: LMDB "
               "source: \"" +
               interop("mnist100_lmdb") + "\" }"));
  ASSERT_EQ(idx->samples(), 100);
  EXPECT_EQ(take(*idx, 1), take(*lmdb, 1));
}

TEST(MnistData, LabelsMayBeLeftOutWithTheirTop) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "i", images(2, 2, 2));
  const auto loader = open_test(mnist_layer(folder / "i", "", 1, "top: \"d\""));
  EXPECT_EQ(loader->next().size(), 1u);
  expect_refused(ErrorCode::kConfig, "mnist_data_param.labels is not set",
                 mnist_layer(folder / "i", "", 1));
}

TEST(MnistData, WrongFiles) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "i", images(5, 3, 4));
  write_file_atomically(folder / "l", labels(5));
  write_file_atomically(folder / "l4", labels(4));
  expect_refused(ErrorCode::kData, "5 images but", mnist_layer(folder / "i", folder / "l4", 1));
  expect_refused(ErrorCode::kData, "are interchanged", mnist_layer(folder / "l", folder / "i", 1));
  expect_refused(ErrorCode::kData, "there is no", mnist_layer(folder / "none", folder / "l", 1));
  expect_refused(ErrorCode::kConfig, "batch_size must be > 0",
                 mnist_layer(folder / "i", folder / "l", 0));
  write_gz(folder / "only.gz", images(1, 1, 1));
  const Error error = expect_refused(ErrorCode::kData, "there is no",
                                     mnist_layer(folder / "only", folder / "l", 1));
  EXPECT_THAT(error.hint, testing::HasSubstr("only.gz"));
}

TEST(MnistData, DamagedImages) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "l", labels(5));
  const std::string good = images(5, 3, 4);
  std::string lies = good;
  lies.replace(4, 12, word(0xFFFFFFFF) + word(0xFFFFFFFF) + word(0xFFFFFFFF));
  const std::pair<std::string, const char*> cases[] = {
      {"", "cut short"},
      {good.substr(0, 3), "cut short"},
      {good.substr(0, 10), "cut short"},
      {good.substr(0, good.size() - 1), "59 bytes of 60"},
      {good + "x", "longer than"},
      {lies, "smaller than its header says"},
      {images(0, 3, 4), "size 0 on axis 0"},
      {images(5, 0, 4), "size 0 on axis 1"},
      {"some other file", "is not an IDX file of images"},
  };
  for (const auto& [bytes, message] : cases) {
    write_file_atomically(folder / "i", bytes);
    expect_refused(ErrorCode::kData, message, mnist_layer(folder / "i", folder / "l", 1));
  }
}

TEST(MnistData, DamagedArchives) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "l", labels(50));
  write_gz(folder / "i.gz", images(50, 28, 28));
  const std::string good = read_file(folder / "i.gz", ErrorCode::kData);
  write_file_atomically(folder / "i.gz", good.substr(0, good.size() / 2));
  expect_refused(ErrorCode::kData, "i.gz'", mnist_layer(folder / "i.gz", folder / "l", 1));
  std::string flipped = good;
  for (size_t i = good.size() / 2; i < good.size() / 2 + 8; ++i) flipped[i] ^= 0x5A;
  write_file_atomically(folder / "i.gz", flipped);
  expect_refused(ErrorCode::kData, "i.gz'", mnist_layer(folder / "i.gz", folder / "l", 1));
}

TEST(MnistData, TheRealFiles) {
  const std::string folder = CREMA_SOURCE_DIR "/../shared/data/mnist/";
  if (!is_directory(folder)) GTEST_SKIP() << "skipped: no ../shared/data";
  const auto loader = open_test(mnist_layer(folder + "train-images-idx3-ubyte.gz",
                                            folder + "train-labels-idx1-ubyte.gz", 10));
  EXPECT_EQ(loader->samples(), 60000);
  EXPECT_EQ(loader->shapes()[0].text(), "10x1x28x28");
  EXPECT_EQ(take(*loader, 1)[0][1], (std::vector<float>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}));
}

}  // namespace
}  // namespace crema::data
