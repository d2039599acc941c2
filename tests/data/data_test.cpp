// The Data source: LMDB databases of Datums, encoded images. (leveldb_test.cpp has the others.)
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "base/random.hpp"
#include "data/datum.hpp"
#include "data/lmdb.hpp"
#include "data/mean_file.hpp"
#include "data/support.hpp"
#include "proto/blob.pb.h"
#include "support/lmdb.hpp"

namespace crema::data {
namespace {

using test::write_lmdb;

config::LayerConfig lmdb_layer(const std::string& folder, int batch, const std::string& more = "") {
  return layer_of(
      fmt::format("type: \"Data\" top: \"data\" top: \"label\" data_param {{ source: "
                  "\"{}\" batch_size: {} backend: LMDB }} {}",
                  folder, batch, more));
}

std::string datum(int channels, int height, int width, int label, size_t bytes) {
  caffe::Datum out;
  out.set_channels(channels);
  out.set_height(height);
  out.set_width(width);
  out.set_label(label);
  out.set_data(std::string(bytes, static_cast<char>(label)));
  return out.SerializeAsString();
}

struct Row {
  std::string key;
  float label = 0;
  std::string shape;
};
std::vector<Row> read_tsv(const std::string& path) {
  std::ifstream file(path);
  std::vector<Row> rows;
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    Row row;
    std::string c, h, w;
    std::getline(words, row.key, '\t');
    words >> row.label >> c >> h >> w;
    row.shape = c + "x" + h + "x" + w;
    rows.push_back(row);
  }
  return rows;
}

class DataEpoch : public testing::TestWithParam<const char*> {};
TEST_P(DataEpoch, LabelsAndShapesOfEveryRecordInKeyOrder) {
  const std::string name = GetParam();
  const std::vector<Row> rows = read_tsv(interop(name.substr(0, name.rfind('_')) + ".tsv"));
  const auto loader = open_test(lmdb_layer(interop(name), 1));
  ASSERT_GT(rows.size(), 5u);
  ASSERT_EQ(loader->samples(), static_cast<int64_t>(rows.size()));
  EXPECT_EQ(loader->shapes()[0].text(), "1x" + rows[0].shape);
  EXPECT_EQ(loader->shapes()[1].text(), "1");
  for (const Row& row : rows) ASSERT_EQ(loader->next()[1][0], row.label) << row.key;
  EXPECT_EQ(loader->next()[1][0], rows[0].label);
}
INSTANTIATE_TEST_SUITE_P(Interop, DataEpoch,
                         testing::Values("mnist100_lmdb", "cifar40_raw_lmdb", "float6_lmdb"));

// The mean over an epoch is what compute_image_mean found: every pixel of every record counts.
TEST(Data, MeanOverAnEpochIsThatOfCaffesTool) {
  for (const char* name : {"mnist100", "cifar40", "float6"}) {
    const std::string folder =
        interop(name + std::string(name == std::string("cifar40") ? "_raw_lmdb" : "_lmdb"));
    const auto loader = open_test(lmdb_layer(folder, 1));
    const MeanImage expected = read_mean_file(interop(name + std::string("_mean.binaryproto")));
    std::vector<double> sum(expected.values.size());
    for (int64_t i = 0; i < loader->samples(); ++i) {
      const std::span<const float> image = loader->next()[0];
      ASSERT_EQ(image.size(), sum.size());
      for (size_t k = 0; k < sum.size(); ++k) sum[k] += image[k];
    }
    for (size_t k = 0; k < sum.size(); ++k)
      ASSERT_NEAR(sum[k] / static_cast<double>(loader->samples()), expected.values[k], 1e-3)
          << name;
  }
}

TEST(Data, LeavesTheFolderAsItWas) {
  const TemporaryFolder folder;
  std::filesystem::copy(interop("float6_lmdb"), folder / "db");
  { open_test(lmdb_layer(folder / "db", 2))->next(); }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "db")) {
    EXPECT_EQ(entry.path().filename(), "data.mdb");
    ++files;
  }
  EXPECT_EQ(files, 1);
}

TEST(Data, ReadsLargeRecordsAndTheSameFolderTwice) {
  const TemporaryFolder folder;
  std::vector<std::pair<std::string, std::string>> records;
  for (int i = 0; i < 30; ++i)
    records.emplace_back(fmt::format("{:08}", i), datum(3, 70, 70, i, 3 * 70 * 70));
  write_lmdb(folder / "db", records);
  const auto one = open_test(lmdb_layer(folder / "db", 4));
  const auto two = open_test(lmdb_layer(folder / "db", 7));
  EXPECT_EQ(one->samples(), 30);
  EXPECT_EQ(one->next()[0][3 * 3 * 70 * 70], 3.0f);
  EXPECT_EQ(two->next()[1][6], 6.0f);
}

// Every record against the sizes that Caffe's tool saw; the pixels are compared by the conformance
// suite.
TEST(Data, EncodedRecordsAreDecoded) {
  for (const char* name : {"cifar40_jpg", "png8"}) {
    const std::vector<Row> rows = read_tsv(interop(name + std::string(".tsv")));
    const Lmdb database(interop(name + std::string("_lmdb")));
    ASSERT_EQ(database.size(), static_cast<int64_t>(rows.size()));
    std::string scratch;
    for (size_t i = 0; i < rows.size(); ++i) {
      Sample sample(2);
      parse_datum(database.value(static_cast<int64_t>(i), scratch), Colour::kAsStored, "", sample);
      EXPECT_EQ(sample[0].shape.text(), rows[i].shape) << rows[i].key;
      EXPECT_EQ(sample[0].bytes.size(), static_cast<size_t>(sample[0].shape.count()));
      EXPECT_EQ(sample[1].values.at(0), rows[i].label);
    }
  }
}

TEST(Data, ForcedColoursApplyToEncodedRecordsOnly) {
  const auto channels = [](const std::string& database, const std::string& force) {
    const std::string more = "transform_param { crop_size: 12 " + force + " }";
    return open_test(lmdb_layer(interop(database), 2, more))->shapes()[0][1];
  };
  EXPECT_EQ(channels("cifar40_jpg_lmdb", ""), 3);
  EXPECT_EQ(channels("cifar40_jpg_lmdb", "force_gray: true"), 1);
  EXPECT_EQ(channels("cifar40_jpg_lmdb", "force_color: true"), 3);
  EXPECT_EQ(channels("cifar40_raw_lmdb", "force_gray: true"), 3);
  EXPECT_EQ(channels("mnist100_lmdb", "force_color: true"), 1);
}

// The record of a database with other bytes as its image.
std::string encoded(const std::string& file) {
  caffe::Datum out;
  out.set_encoded(true);
  out.set_data(file);
  return out.SerializeAsString();
}

TEST(Data, BrokenImagesAreNamed) {
  const std::string png = read_file(interop("png8/im 0.png"), ErrorCode::kData);
  for (const std::string& file : {std::string(), std::string("no image"), png.substr(0, 30)}) {
    const TemporaryFolder folder;
    write_lmdb(folder / "db", {{"k", encoded(file)}});
    const Error error =
        expect_refused(ErrorCode::kData, "image file", lmdb_layer(folder / "db", 1));
    EXPECT_THAT(error.message, testing::HasSubstr("record 0 (key 'k')"));
  }
}

// A damaged image is an error, or decoded as far as it goes; never a signal.
TEST(Data, DamagedImagesNeverCrash) {
  for (const char* name : {"png8/im 1.png", "cifar40/cat_03.jpg"}) {
    const std::string good = read_file(interop(name), ErrorCode::kData);
    int refused = 0;
    for (uint64_t i = 0; i < 300; ++i) {
      const RandomStream random(i, "damage");
      std::string bytes = good;
      for (uint64_t k = 0; k <= i % 4; ++k)
        bytes[random.below(2 * k, good.size())] = static_cast<char>(random.bits(500 + k));
      Field out;
      try {
        decode_image(bytes, Colour::kAsStored, name, out);
        EXPECT_EQ(out.bytes.size(), static_cast<size_t>(out.shape.count()));
      } catch (const Error& error) {
        ASSERT_EQ(static_cast<int>(error.code), static_cast<int>(ErrorCode::kData));
        ++refused;
      }
    }
    EXPECT_GT(refused, 0) << name;
  }
}

TEST(Data, BrokenDatumsAreNamed) {
  const std::pair<std::string, const char*> cases[] = {
      {"\xff\xff\xff", "is not a Datum"},
      {datum(1, 4, 4, 0, 15), "15 values where its size 1x4x4 asks for 16"},
      {datum(1, 4, 4, 0, 0), "0 values where its size 1x4x4 asks for 16"},
      {datum(0, 4, 4, 0, 16), "impossible size 0x4x4"},
      {datum(-1, -4, 4, 0, 16), "impossible size -1x-4x4"},
      {datum(65536, 65536, 65536, 0, 16), "impossible size"},
      {"", "impossible size 0x0x0"},
  };
  for (const auto& [record, message] : cases) {
    const TemporaryFolder folder;
    write_lmdb(folder / "db", {{std::string("k\x01", 2), record}});
    const Error error = expect_refused(ErrorCode::kData, message, lmdb_layer(folder / "db", 1));
    EXPECT_THAT(error.message, testing::HasSubstr("record 0 (key 'k\\x01')"));
  }
}

TEST(Data, ARecordOfAnotherSizeIsNamedByTheBatchConcerned) {
  const TemporaryFolder folder;
  write_lmdb(folder / "db", {{"a", datum(1, 4, 4, 0, 16)},
                             {"b", datum(1, 4, 4, 1, 16)},
                             {"c", datum(1, 4, 5, 2, 20)},
                             {"d", datum(1, 4, 4, 3, 16)}});
  const auto loader = open_test(lmdb_layer(folder / "db", 2));
  EXPECT_EQ(loader->next()[1][1], 1.0f);
  for (int again = 0; again < 2; ++again) {
    const Error error =
        expect_error(ErrorCode::kData, "is 1x4x4 but the first one of its batch is 1x4x5",
                     [&] { loader->next(); });
    EXPECT_THAT(error.message, testing::HasSubstr("record 3 (key 'd')"));
    EXPECT_TRUE(error.location.known());
    EXPECT_EQ(loader->position(), 1);
  }
  loader->seek(2);
  EXPECT_EQ(loader->next()[1][1], 1.0f);
  // Cropped to one size they go together.
  const auto cropped = open_test(lmdb_layer(folder / "db", 4, "transform_param { crop_size: 4 }"));
  EXPECT_EQ(cropped->next()[1][2], 2.0f);
  const auto small = open_test(lmdb_layer(folder / "db", 4, "transform_param { crop_size: 3 }"));
  EXPECT_EQ(small->shapes()[0].text(), "4x1x3x3");
}

TEST(Data, BatchesOfOneHaveTheSizeOfTheirRecord) {
  const TemporaryFolder folder;
  write_lmdb(
      folder / "db",
      {{"a", datum(1, 4, 4, 0, 16)}, {"b", datum(1, 2, 7, 1, 14)}, {"c", datum(1, 5, 5, 2, 25)}});
  const auto loader = open_test(lmdb_layer(folder / "db", 1));
  EXPECT_EQ(loader->shapes()[0].text(), "1x1x4x4") << "before the first batch: the first record's";
  const char* const kShapes[] = {"1x1x4x4", "1x1x2x7", "1x1x5x5"};
  for (int64_t k = 0; k < 7; ++k) {
    const auto& tops = loader->next();
    EXPECT_EQ(loader->shapes()[0].text(), kShapes[k % 3]);
    EXPECT_EQ(static_cast<int64_t>(tops[0].size()), loader->shapes()[0].count());
    EXPECT_EQ(tops[1][0], static_cast<float>(k % 3));
  }
  loader->seek(1);
  EXPECT_EQ(loader->next()[0].size(), 14u);
}

TEST(Data, ASampleTooSmallForTheCropIsTheDatasFault) {
  const TemporaryFolder folder;
  write_lmdb(folder / "db", {{"a", datum(1, 4, 4, 0, 16)}, {"b", datum(1, 3, 4, 1, 12)}});
  const auto loader = open_test(lmdb_layer(folder / "db", 2, "transform_param { crop_size: 4 }"));
  expect_error(ErrorCode::kData, "record 1 (key 'b')", [&] { loader->next(); });
}

TEST(Data, MissingEmptyAndForeignDatabases) {
  const TemporaryFolder folder;
  Error error = expect_refused(ErrorCode::kData, "there is no", lmdb_layer(folder / "none", 1));
  EXPECT_THAT(error.hint, testing::HasSubstr(folder / "none"));
  std::filesystem::create_directory(folder / "empty");
  expect_refused(ErrorCode::kData, "no data.mdb", lmdb_layer(folder / "empty", 1));
  write_lmdb(folder / "no_records", {});
  expect_refused(ErrorCode::kData, "holds no records", lmdb_layer(folder / "no_records", 1));
  std::filesystem::create_directory(folder / "zero");
  write_file_atomically(folder / "zero/data.mdb", "");
  expect_refused(ErrorCode::kData, "0 bytes", lmdb_layer(folder / "zero", 1));
  std::filesystem::create_directory(folder / "text");
  write_file_atomically(folder / "text/data.mdb", std::string(9000, 'x'));
  expect_refused(ErrorCode::kData, "is no LMDB database", lmdb_layer(folder / "text", 1));
  expect_refused(ErrorCode::kConfig, "data_param.source is not set", lmdb_layer("", 1));
}

// At every page boundary and between: an error, never a signal.
TEST(Data, ADatabaseCutShortIsAnError) {
  const std::string whole = read_file(interop("mnist100_lmdb/data.mdb"), ErrorCode::kData);
  for (size_t keep = 1; keep < whole.size(); keep += 4096 / 2 + 1) {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "db");
    write_file_atomically(folder / "db/data.mdb", whole.substr(0, keep));
    expect_refused(ErrorCode::kData, "LMDB database", lmdb_layer(folder / "db", 1));
  }
}

TEST(Data, ADamagedHeaderIsAnError) {
  std::string bytes = read_file(interop("float6_lmdb/data.mdb"), ErrorCode::kData);
  for (const char page_size : {'\x00', '\x03'}) {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "db");
    bytes[41] = page_size;
    write_file_atomically(folder / "db/data.mdb", bytes);
    expect_refused(ErrorCode::kData, "pages of", lmdb_layer(folder / "db", 1));
  }
}

// Whatever a damaged file holds: read, or an error, never a signal.
TEST(Data, DamagedPagesAreAnErrorOrReadable) {
  const std::string good = read_file(interop("mnist100_lmdb/data.mdb"), ErrorCode::kData);
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "db");
  int refused = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    const RandomStream random(i, "damage");
    std::string bytes = good;
    for (uint64_t k = 0; k < 40; ++k)
      // Every second hit goes to the first 64 bytes of a page, where its structure is.
      bytes[k % 2 ? random.below(2 * k, good.size())
                  : random.below(2 * k, good.size() / 4096) * 4096 + random.bits(999 + k) % 64] =
          static_cast<char>(random.bits(500 + k));
    write_file_atomically(folder / "db/data.mdb", bytes);
    try {
      const auto loader = open_test(lmdb_layer(folder / "db", 10));
      for (int k = 0; k < 10; ++k) loader->next();
    } catch (const Error& error) {
      ASSERT_EQ(static_cast<int>(error.code), static_cast<int>(ErrorCode::kData));
      ++refused;
    }
  }
  EXPECT_GT(refused, 200);
}

// Trees of several levels, small and large values.
TEST(Data, DatabasesOfManyPagesAreInOrder) {
  const TemporaryFolder folder;
  std::vector<std::pair<std::string, std::string>> records;
  for (int i = 0; i < 3000; ++i)
    records.emplace_back(fmt::format("{:08}_{}", i, std::string(static_cast<size_t>(i % 200), 'k')),
                         datum(1, 1, i % 7 == 0 ? 5000 : 40, i % 100, i % 7 == 0 ? 5000 : 40));
  write_lmdb(folder / "db", records, 64 << 20);
  const Lmdb database(folder / "db");
  ASSERT_EQ(database.size(), 3000);
  std::string scratch;
  for (int64_t i = 0; i < 3000; ++i) {
    ASSERT_EQ(database.key(i), records[static_cast<size_t>(i)].first);
    ASSERT_EQ(database.value(i, scratch), records[static_cast<size_t>(i)].second);
  }
}

TEST(Data, TheOtherBackendIsNamed) {
  const auto layer = [](const std::string& backend, const std::string& database) {
    return layer_of("type: \"Data\" top: \"d\" data_param { batch_size: 1 " + backend +
                    " source: \"" + interop(database) + "\" }");
  };
  Error error = expect_refused(ErrorCode::kConfig, "is an LMDB database, but no backend is given",
                               layer("", "mnist100_lmdb"));
  EXPECT_EQ(error.hint, "write backend: LMDB");
  error = expect_refused(ErrorCode::kConfig, "is an LMDB database, but the backend is LEVELDB",
                         layer("backend: LEVELDB", "mnist100_lmdb"));
  EXPECT_EQ(error.hint, "write backend: LMDB");
  error = expect_refused(ErrorCode::kConfig, "is a LevelDB database, but the backend is LMDB",
                         layer("backend: LMDB", "mnist100_leveldb"));
  EXPECT_EQ(error.hint, "write backend: LEVELDB");
}

TEST(Data, WrongUseOfTheLayer) {
  const std::string source =
      "data_param { backend: LMDB source: \"" + interop("float6_lmdb") + "\"";
  Error error = expect_refused(ErrorCode::kConfig, "batch_size must be > 0",
                               layer_of("type: \"Data\" top: \"d\" " + source + " }"));
  EXPECT_EQ(error.location.line, 1);
  expect_refused(ErrorCode::kConfig, "batch_size must be > 0",
                 layer_of("type: \"Data\" top: \"d\" " + source + " batch_size: 0 }"));
  expect_refused(ErrorCode::kConfig, "more than 2^31 elements",
                 layer_of("type: \"Data\" top: \"d\" " + source + " batch_size: 4000000000 }"));
  expect_refused(
      ErrorCode::kConfig, "this layer has 3",
      layer_of("type: \"Data\" top: \"a\" top: \"b\" top: \"c\" " + source + " batch_size: 1 }"));
  expect_refused(ErrorCode::kConfig, "this layer has 0",
                 layer_of("type: \"Data\" " + source + " batch_size: 1 }"));
  expect_refused(
      ErrorCode::kConfig, "takes no bottoms",
      layer_of("type: \"Data\" bottom: \"x\" top: \"d\" " + source + " batch_size: 1 }"));
  expect_refused(ErrorCode::kConfig, "prefetch must be",
                 layer_of("type: \"Data\" top: \"d\" " + source + " batch_size: 1 prefetch: 0 }"));
}

}  // namespace
}  // namespace crema::data
