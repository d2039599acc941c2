// LevelDB databases of the Data source.
#include "data/leveldb.hpp"

#include <fmt/format.h>
#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "base/random.hpp"
#include "data/lmdb.hpp"
#include "data/support.hpp"

namespace crema::data {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

config::LayerConfig leveldb_layer(const std::string& folder) {
  return layer_of(
      "type: \"Data\" top: \"data\" top: \"label\" data_param { batch_size: 2 source: \"" + folder +
      "\" }");
}

// Writes a database, leaving the last records in the log.
void write_leveldb(const std::string& folder, const Records& records, size_t buffer = 1 << 16) {
  leveldb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = buffer;
  leveldb::DB* db = nullptr;
  ASSERT_TRUE(leveldb::DB::Open(options, folder, &db).ok());
  for (const auto& [key, value] : records)
    ASSERT_TRUE(db->Put(leveldb::WriteOptions(), key, value).ok());
  delete db;
}

Records records_of(const Database& database) {
  Records out;
  std::string scratch;
  for (int64_t i = 0; i < database.size(); ++i)
    out.emplace_back(database.key(i), database.value(i, scratch));
  return out;
}

// Name, bytes and time of every file.
std::map<std::string, std::pair<std::string, std::filesystem::file_time_type>> files_of(
    const std::string& folder) {
  std::map<std::string, std::pair<std::string, std::filesystem::file_time_type>> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    out[entry.path().filename()] = {read_file(entry.path(), ErrorCode::kData),
                                    entry.last_write_time()};
  return out;
}

// Caffe wrote the same records thrice: as LMDB, into LevelDB's log, into a compressed table.
TEST(LevelDb, HoldsWhatTheLmdbOfTheSameImagesHolds) {
  const Records expected = records_of(Lmdb(interop("mnist100_lmdb")));
  ASSERT_EQ(expected.size(), 100u);
  EXPECT_EQ(records_of(LevelDb(interop("mnist100_leveldb"))), expected);
  EXPECT_EQ(records_of(LevelDb(interop("mnist100_leveldb_sst"))), expected);
  EXPECT_EQ(records_of(LevelDb(interop("png8_resize20x24_leveldb"))),
            records_of(Lmdb(interop("png8_resize20x24_lmdb"))));
}

// The library would take a lock, rewrite the log and begin a new manifest.
TEST(LevelDb, LeavesTheFolderAsItWas) {
  for (const char* name : {"mnist100_leveldb", "mnist100_leveldb_sst"}) {
    const TemporaryFolder folder;
    std::filesystem::copy(interop(name), folder / "db");
    const auto before = files_of(folder / "db");
    {
      const auto one = open_test(leveldb_layer(folder / "db"));
      const auto two = open_test(leveldb_layer(folder / "db"));  // nobody holds a lock
      for (int i = 0; i < 60; ++i) one->next();
      two->next();
    }
    EXPECT_EQ(files_of(folder / "db"), before);
  }
}

TEST(LevelDb, ManyTablesAreInOrder) {
  Records records;
  for (int i = 0; i < 4000; ++i) {
    const RandomStream random(static_cast<uint64_t>(i), "record");
    std::string value;
    for (uint64_t k = 0; k < 40 + random.below(0, 400); ++k)
      value += static_cast<char>(random.bits(k));
    records.emplace_back(fmt::format("{:08}", i * 7919 % 4000), value);
  }
  const TemporaryFolder folder;
  write_leveldb(folder / "db", records);
  int tables = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "db"))
    tables += entry.path().extension() == ".ldb";
  EXPECT_GT(tables, 1);  // how many, its background thread decides
  const auto before = files_of(folder / "db");
  std::sort(records.begin(), records.end());
  EXPECT_EQ(records_of(LevelDb(folder / "db")), records);
  EXPECT_EQ(files_of(folder / "db"), before);
}

TEST(LevelDb, MissingEmptyAndForeignFolders) {
  const TemporaryFolder folder;
  expect_refused(ErrorCode::kData, "there is no", leveldb_layer(folder / "none"));
  std::filesystem::create_directory(folder / "empty");
  expect_refused(ErrorCode::kData, "no file CURRENT", leveldb_layer(folder / "empty"));
  write_leveldb(folder / "no_records", {});
  expect_refused(ErrorCode::kData, "holds no records", leveldb_layer(folder / "no_records"));
  write_leveldb(folder / "foreign", {{"a", "b"}});
  expect_refused(ErrorCode::kData, "record 0 (key 'a')", leveldb_layer(folder / "foreign"));
}

TEST(LevelDb, EveryMissingFileIsAnError) {
  for (const auto& entry : std::filesystem::directory_iterator(interop("mnist100_leveldb_sst"))) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".log")) continue;  // empty there: its loss loses nothing
    const TemporaryFolder folder;
    std::filesystem::copy(interop("mnist100_leveldb_sst"), folder / "db");
    std::filesystem::remove(folder / ("db/" + name));
    expect_refused(ErrorCode::kData, "LevelDB database", leveldb_layer(folder / "db"));
  }
}

// Checksums: what is not whole is an error, never a signal and never another record.
TEST(LevelDb, DamageIsAnErrorOrWithoutEffect) {
  for (const char* name : {"mnist100_leveldb", "mnist100_leveldb_sst"}) {
    const Records expected = records_of(LevelDb(interop(name)));
    int refused = 0;
    for (uint64_t i = 0; i < 200; ++i) {
      const RandomStream random(i, name);
      const TemporaryFolder folder;
      std::filesystem::copy(interop(name), folder / "db");
      std::vector<std::string> files;
      for (const auto& entry : std::filesystem::directory_iterator(folder / "db"))
        if (entry.file_size() > 0) files.push_back(entry.path());
      std::sort(files.begin(), files.end());
      const std::string& file = files[random.below(0, files.size())];
      std::string bytes = read_file(file, ErrorCode::kData);
      if (i % 3 == 0)
        bytes.resize(random.below(1, bytes.size()));
      else
        bytes[random.below(1, bytes.size())] ^= static_cast<char>(1 + random.below(2, 255));
      std::ofstream(file, std::ios::binary) << bytes;
      try {
        const Records got = records_of(LevelDb(folder / "db"));
        // A log cut short is one whose writer was stopped: what is whole counts.
        ASSERT_LE(got.size(), expected.size());
        EXPECT_TRUE(std::equal(got.begin(), got.end(), expected.begin())) << name << " " << i;
      } catch (const Error& error) {
        ASSERT_EQ(static_cast<int>(error.code), static_cast<int>(ErrorCode::kData));
        ++refused;
      }
    }
    EXPECT_GT(refused, 100) << name;
  }
}

}  // namespace
}  // namespace crema::data
