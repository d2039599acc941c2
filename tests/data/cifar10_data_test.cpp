// The Cifar10Data source.
#include <fmt/format.h>

#include "data/support.hpp"

namespace crema::data {
namespace {

std::string records(int count, int first_label) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out += static_cast<char>((first_label + i) % 10);
    for (const char plane : {'R', 'G', 'B'}) out += std::string(1023, plane) + static_cast<char>(i);
  }
  return out;
}
config::LayerConfig cifar_layer(const std::vector<std::string>& files, int batch) {
  std::string sources;
  for (const std::string& file : files) sources += "source: \"" + file + "\" ";
  return layer_of(fmt::format(
      "type: \"Cifar10Data\" top: \"d\" top: \"l\" cifar10_data_param {{ {} batch_size: {} }}",
      sources, batch));
}

TEST(Cifar10Data, FilesFollowEachOther) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a.bin", records(2, 3));
  write_file_atomically(folder / "b.bin", records(3, 7));
  const auto loader = open_test(cifar_layer({folder / "a.bin", folder / "b.bin"}, 4));
  EXPECT_EQ(loader->samples(), 5);
  EXPECT_EQ(loader->shapes()[0].text(), "4x3x32x32");
  const auto batches = take(*loader, 2);
  EXPECT_EQ(batches[0][1], (std::vector<float>{3, 4, 7, 8}));
  EXPECT_EQ(batches[1][1], (std::vector<float>{9, 3, 4, 7}));
  EXPECT_EQ(batches[0][0][3072], 'R');
  EXPECT_EQ(batches[0][0][3072 + 1023], 1);
  EXPECT_EQ(batches[0][0][3072 + 1024], 'G');
  EXPECT_EQ(batches[0][0][3072 + 2048], 'B');
  EXPECT_EQ(batches[1][0][1023], 2);
}

TEST(Cifar10Data, WrongFiles) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "good.bin", records(2, 0));
  write_file_atomically(folder / "cut.bin", records(2, 0).substr(0, 6000));
  write_file_atomically(folder / "empty.bin", "");
  std::string odd = records(2, 0);
  odd[3073] = 10;
  write_file_atomically(folder / "odd.bin", odd);
  expect_refused(ErrorCode::kData, "6000 bytes", cifar_layer({folder / "cut.bin"}, 1));
  expect_refused(ErrorCode::kData, "0 bytes",
                 cifar_layer({folder / "good.bin", folder / "empty.bin"}, 1));
  expect_refused(ErrorCode::kData, "is not a file", cifar_layer({folder.path()}, 1));
  expect_refused(ErrorCode::kData, "there is no", cifar_layer({folder / "none.bin"}, 1));
  expect_refused(ErrorCode::kConfig, "source is not set", cifar_layer({}, 1));
  expect_refused(ErrorCode::kConfig, "batch_size must be > 0",
                 cifar_layer({folder / "good.bin"}, 0));
  const auto loader = open_test(cifar_layer({folder / "good.bin", folder / "odd.bin"}, 4));
  expect_error(ErrorCode::kData, "record 1 of '" + (folder / "odd.bin") + "' has the label 10",
               [&] { loader->next(); });
}

}  // namespace
}  // namespace crema::data
