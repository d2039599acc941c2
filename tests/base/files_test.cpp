#include "base/files.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "support/temporary_folder.hpp"

namespace crema {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  const TemporaryFolder folder;
  const std::string path = folder / "deep/file";
};

TEST_F(FilesTest, a_committed_file_is_whole_and_folders_are_made) {
  write_file_atomically(path, "one");
  EXPECT_EQ(read_file(path, ErrorCode::kData), "one");
  write_file_atomically(path, "two");
  EXPECT_EQ(read_file(path, ErrorCode::kData), "two");
}

TEST_F(FilesTest, without_commit_nothing_happened) {
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write("new, but never finished");
  }
  EXPECT_EQ(read_file(path, ErrorCode::kData), "old");
  EXPECT_EQ(folder.entries(), 2);  // deep, file
}

TEST_F(FilesTest, a_failing_write_leaves_the_old_file) {
  write_file_atomically(path, "old");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{}, small{1000, RLIM_INFINITY};
  ::getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  ::setrlimit(RLIMIT_FSIZE, &small);
  try {
    write_file_atomically(path, std::string(100000, 'x'));
    ADD_FAILURE() << "wrote beyond the limit";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutput);
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(read_file(path, ErrorCode::kData), "old");
  EXPECT_EQ(folder.entries(), 2);  // deep, file
}

TEST_F(FilesTest, many_writes_of_which_a_late_one_fails) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  AtomicFile file(path);
  ::setrlimit(RLIMIT_FSIZE, &small);
  file.write(std::string(900, 'x'));
  EXPECT_THROW(file.write(std::string(900, 'y')), Error);
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(folder.entries(), 1);  // deep
}

TEST_F(FilesTest, a_folder_is_never_replaced) {
  std::filesystem::create_directories(path + "/inside");
  try {
    write_file_atomically(path, "new");
    ADD_FAILURE() << "replaced a folder";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutput);
    EXPECT_NE(error.message.find(path), std::string::npos) << error.message;
  }
  EXPECT_EQ(folder.entries(), 3);  // deep, file, inside
}

TEST_F(FilesTest, bytes_of_any_value_and_no_bytes) {
  const std::string bytes("a\0\r\n\xff", 5);
  write_file_atomically(path, bytes);
  EXPECT_EQ(read_file(path, ErrorCode::kData), bytes);
  write_file_atomically(path, "");
  EXPECT_EQ(read_file(path, ErrorCode::kData), "");
  EXPECT_TRUE(file_exists(path));
  EXPECT_FALSE(is_directory(path));
  EXPECT_TRUE(is_directory(folder.path()));
}

TEST_F(FilesTest, what_cannot_be_read_is_said) {
  EXPECT_THROW(read_file(path, ErrorCode::kWeights), Error);
  EXPECT_THROW(read_file(::testing::TempDir(), ErrorCode::kWeights), Error);
  EXPECT_THROW(AtomicFile("/proc/nowhere/file"), Error);
}

TEST(files, crc32_is_zlibs) {
  EXPECT_EQ(crc32_of("123456789"), 0xCBF43926u);
}

}  // namespace
}  // namespace crema
