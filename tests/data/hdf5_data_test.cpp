// The HDF5Data source.
#include <fmt/format.h>

#include <numeric>
#include <set>

#include "data/support.hpp"

namespace crema::data {
namespace {

template <class T>
hid_t native();
template <>
hid_t native<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t native<int64_t>() {
  return H5T_NATIVE_INT64;
}

struct Out {
  explicit Out(const std::string& path)
      : file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose) {}
  // chunk 0: stored plainly.
  template <class T>
  void write(const char* name, const std::vector<hsize_t>& dims, const std::vector<T>& values,
             hsize_t chunk = 0) {
    const int rank = static_cast<int>(dims.size());
    const Hdf5Handle space(H5Screate_simple(rank, dims.data(), nullptr), H5Sclose);
    const Hdf5Handle plist(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    if (chunk) {
      std::vector<hsize_t> sizes = dims;
      sizes[0] = chunk;
      H5Pset_chunk(plist.id(), rank, sizes.data());
      H5Pset_deflate(plist.id(), 4);
    }
    const Hdf5Handle set(
        H5Dcreate2(file.id(), name, native<T>(), space.id(), H5P_DEFAULT, plist.id(), H5P_DEFAULT),
        H5Dclose);
    ASSERT_GE(H5Dwrite(set.id(), native<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
  }
  Hdf5Handle file;
};

std::vector<float> count_from(int first, size_t n) {
  std::vector<float> out(n);
  std::iota(out.begin(), out.end(), static_cast<float>(first));
  return out;
}

config::LayerConfig list_layer(const std::string& list, int batch, const std::string& more = "",
                               const std::string& tops = "top: \"x\"") {
  return layer_of(
      fmt::format("type: \"HDF5Data\" {} hdf5_data_param {{ source: \"{}\" batch_size: "
                  "{} {} }}",
                  tops, list, batch, more));
}

TEST(HDF5Data, GoldenCases) {
  for (const char* name : {"batch_gt_file", "one_file", "two_files"})
    GoldenCase(golden("HDF5Data/") + name).expect_same();
}

TEST(HDF5Data, RowsRunAcrossFilesOfAnyNumberType) {
  const TemporaryFolder folder;
  Out(folder / "a.h5").write<float>("x", {3, 2}, {0, 1, 2, 3, 4, 5});
  Out(folder / "none.h5").write<float>("x", {0, 2}, {});
  Out(folder / "b.h5").write<int64_t>("x", {1, 2}, {6, -7});
  Out(folder / "c.h5").write<double>("x", {2, 2}, {8, 9, 10, 0.5});
  write_file_atomically(folder / "list.txt", "a.h5 none.h5\n\t b.h5\r\nc.h5");
  const auto loader = open_test(list_layer(folder / "list.txt", 4));
  EXPECT_EQ(loader->samples(), 6);
  EXPECT_EQ(loader->shapes()[0].text(), "4x2");
  const auto batches = take(*loader, 3);
  EXPECT_EQ(batches[0][0], (std::vector<float>{0, 1, 2, 3, 4, 5, 6, -7}));
  EXPECT_EQ(batches[1][0], (std::vector<float>{8, 9, 10, 0.5, 0, 1, 2, 3}));
  EXPECT_EQ(batches[2][0], (std::vector<float>{4, 5, 6, -7, 8, 9, 10, 0.5}));
}

// Several blocks of rows, plain and packed in chunks that are no divisor of anything.
TEST(HDF5Data, LargeFilesAreReadInBlocks) {
  const TemporaryFolder folder;
  constexpr size_t kRows = 5000, kRow = 300;
  Out file(folder / "a.h5");
  file.write<float>("x", {kRows, kRow}, count_from(0, kRows * kRow));
  file.write<float>("y", {kRows}, count_from(0, kRows), 777);
  write_file_atomically(folder / "list.txt", folder / "a.h5");
  file.file = Hdf5Handle();  // closed
  const auto loader = open_test(list_layer(folder / "list.txt", 1000, "", "top: \"y\" top: \"x\""),
                                caffe::TEST, {.threads = 4});
  for (int k = 0; k < 7; ++k) {
    const auto& tops = loader->next();
    for (size_t i = 0; i < 1000; ++i) {
      const float row = static_cast<float>((static_cast<size_t>(k) * 1000 + i) % kRows);
      ASSERT_EQ(tops[0][i], row);
      ASSERT_EQ(tops[1][i * kRow], row * kRow);
      ASSERT_EQ(tops[1][i * kRow + kRow - 1], row * kRow + kRow - 1);
    }
  }
}

TEST(HDF5Data, ShuffleIsAnotherPermutationInEachEpoch) {
  const TemporaryFolder folder;
  Out(folder / "a.h5").write<float>("x", {12}, count_from(0, 12));
  Out(folder / "b.h5").write<float>("x", {8}, count_from(12, 8));
  write_file_atomically(folder / "list.txt", "a.h5 b.h5");
  const auto loader = open_test(list_layer(folder / "list.txt", 20, "shuffle: true"));
  const auto epochs = take(*loader, 3);
  for (const Tops& epoch : epochs)
    EXPECT_EQ(std::set<float>(epoch[0].begin(), epoch[0].end()).size(), 20u);
  EXPECT_NE(epochs[0][0], count_from(0, 20));
  EXPECT_NE(epochs[0][0], epochs[1][0]);
  EXPECT_NE(epochs[1][0], epochs[2][0]);
}

TEST(HDF5Data, TransformIsRefusedAtItsPlace) {
  const std::string list = golden("HDF5Data/one_file.list.txt");
  const config::LayerConfig layer =
      config::parse_net(
          "net.prototxt",
          "layer { name: \"l\" type: \"HDF5Data\" top: \"data\"\n hdf5_data_param { source: \"" +
              list + "\" batch_size: 2 }\n transform_param { scale: 2 } }")
          .layers[0];
  const Error error = expect_refused(ErrorCode::kConfig, "does not transform", layer);
  EXPECT_EQ(error.location.line, 3);
}

TEST(HDF5Data, ListMistakes) {
  const TemporaryFolder folder;
  expect_refused(ErrorCode::kData, "there is no", list_layer(folder / "none.txt", 1));
  expect_refused(ErrorCode::kConfig, "hdf5_data_param.source is not set", list_layer("", 1));
  write_file_atomically(folder / "blank.txt", " \n");
  expect_refused(ErrorCode::kData, "names no HDF5 files", list_layer(folder / "blank.txt", 1));
  write_file_atomically(folder / "list.txt", "missing.h5");
  const Error error = expect_refused(ErrorCode::kData, "there is no 'missing.h5'",
                                     list_layer(folder / "list.txt", 1));
  ASSERT_EQ(error.notes.size(), 1u);
  EXPECT_THAT(error.notes[0].message, testing::HasSubstr("list.txt"));
  expect_refused(ErrorCode::kData, "is an HDF5 file, not a list",
                 list_layer(golden("HDF5Data/one_file.part0.h5"), 1));
  expect_refused(ErrorCode::kData, "is a directory", list_layer(folder.path(), 1));
  expect_refused(ErrorCode::kConfig, "batch_size must be > 0", list_layer("x", 0));
  expect_refused(ErrorCode::kConfig, "one top or more", list_layer("x", 1, "", ""));
}

TEST(HDF5Data, FileMistakes) {
  const TemporaryFolder folder;
  const auto expect_list = [&](const std::string& names, const std::string& message,
                               const std::string& tops = "top: \"x\"") {
    write_file_atomically(folder / "list.txt", names);
    return expect_refused(ErrorCode::kData, message, list_layer(folder / "list.txt", 1, "", tops));
  };
  {
    Out file(folder / "good.h5");
    file.write<float>("x", {3, 2}, count_from(0, 6));
    file.write<float>("y", {4}, count_from(0, 4));
    const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const Hdf5Handle scalar(H5Dcreate2(file.file.id(), "scalar", H5T_NATIVE_FLOAT, space.id(),
                                       H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                            H5Dclose);
    const Hdf5Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
    const hsize_t three = 3;
    const Hdf5Handle line(H5Screate_simple(1, &three, nullptr), H5Sclose);
    const Hdf5Handle words(H5Dcreate2(file.file.id(), "text", text.id(), line.id(), H5P_DEFAULT,
                                      H5P_DEFAULT, H5P_DEFAULT),
                           H5Dclose);
  }
  Out(folder / "wide.h5").write<float>("x", {3, 3}, count_from(0, 9));
  Out(folder / "empty.h5").write<float>("x", {0, 3}, {});
  const std::string bytes = read_file(folder / "good.h5", ErrorCode::kData);
  write_file_atomically(folder / "cut.h5", bytes.substr(0, bytes.size() / 2));
  write_file_atomically(folder / "text.h5", "not HDF5");
  const Error error = expect_list("good.h5", "has no dataset 'z'", "top: \"z\"");
  EXPECT_THAT(error.hint, testing::HasSubstr("scalar, text, x, y"));
  expect_list("good.h5", "3 rows of 'x' but 4 of 'y'", "top: \"x\" top: \"y\"");
  expect_list("good.h5", "has no axes", "top: \"scalar\"");
  expect_list("good.h5", "neither integers nor", "top: \"text\"");
  expect_list("good.h5 wide.h5", "rows of 'x' are 2 in");
  expect_list("empty.h5", "hold no rows");
  expect_list("cut.h5", "cannot be opened as an HDF5 file");
  expect_list("text.h5", "cannot be opened as an HDF5 file");
}

// The data themselves damaged: the headers are read at opening, the rows later.
TEST(HDF5Data, DamagedRowsAreAnErrorOfTheirBatch) {
  const TemporaryFolder folder;
  constexpr size_t kRows = 3000, kRow = 200;
  std::vector<float> noise(kRows * kRow);
  for (size_t i = 0; i < noise.size(); ++i)
    noise[i] = static_cast<float>((i * 2654435761u) % 65537);
  Out(folder / "a.h5").write<float>("x", {kRows, kRow}, noise, 1000);
  std::string bytes = read_file(folder / "a.h5", ErrorCode::kData);
  ASSERT_GT(bytes.size(), 200000u);
  const size_t hit = bytes.size() * 7 / 10;
  for (size_t i = 0; i < 5000; ++i) bytes[hit + i] = static_cast<char>(0xFF);
  write_file_atomically(folder / "a.h5", bytes);
  write_file_atomically(folder / "list.txt", "a.h5");
  const auto loader = open_test(list_layer(folder / "list.txt", 1000));
  bool failed = false;
  for (int k = 0; k < 3 && !failed; ++k) {
    try {
      loader->next();
    } catch (const Error& error) {
      failed = true;
      EXPECT_EQ(static_cast<int>(error.code), static_cast<int>(ErrorCode::kData));
      EXPECT_THAT(error.report(), testing::HasSubstr("cannot be read at rows"));
      EXPECT_TRUE(error.location.known());
    }
  }
  EXPECT_TRUE(failed);
}

}  // namespace
}  // namespace crema::data
