// Every definition in bad/ is refused with exactly the report beside it.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "config/config.hpp"

namespace crema::config {
namespace {

namespace fs = std::filesystem;

const std::string kBad = CREMA_TEST_DIR "/config/bad";

std::vector<std::string> bad_files() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(kBad))
    if (entry.path().extension() == ".prototxt") out.push_back(entry.path().stem().string());
  std::sort(out.begin(), out.end());
  return out;
}

// The report on a file, "" if it is accepted. Reports name files relative to the folder.
std::string report_on(const std::string& file) {
  try {
    if (file.starts_with("solver_"))
      read_solver(file);
    else
      filter(read_net(file));
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kConfig);
    return error.report();
  } catch (const ErrorList& list) {
    EXPECT_EQ(list.code(), ErrorCode::kConfig);
    return list.what();
  }
  return "";
}

class Bad : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    fs::current_path(kBad);
  }
  void TearDown() override { fs::current_path(before_); }

 private:
  fs::path before_;
};

TEST_P(Bad, IsReported) {
  const std::string expected = read_file(GetParam() + ".expected", ErrorCode::kConfig);
  EXPECT_EQ(report_on(GetParam() + ".prototxt") + "\n", expected);
}

INSTANTIATE_TEST_SUITE_P(Files, Bad, testing::ValuesIn(bad_files()),
                         [](const auto& test) { return test.param; });

TEST(BadFiles, AreThereAndThreeMistakesAreThreeErrors) {
  EXPECT_GE(bad_files().size(), 38u);
  try {
    read_net(kBad + "/net_three_mistakes.prototxt");
    FAIL() << "accepted";
  } catch (const ErrorList& list) {
    EXPECT_EQ(list.errors().size(), 3u);
  }
}

TEST(BadFiles, NoFileAtAll) {
  EXPECT_THROW(read_net("/no/such/net.prototxt"), Error);
  EXPECT_THROW(read_solver("/no/such/solver.prototxt"), Error);
  try {
    read_net(kBad);
    FAIL() << "a directory was read";
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("is a directory"), std::string::npos);
  }
}

}  // namespace
}  // namespace crema::config
