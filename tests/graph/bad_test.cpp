// Every net in bad/ is refused with exactly the report beside it.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "graph/graph.hpp"

namespace crema::graph {
namespace {

namespace fs = std::filesystem;

const std::string kBad = CREMA_TEST_DIR "/graph/bad";

std::vector<std::string> bad_files() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(kBad))
    if (entry.path().extension() == ".prototxt") out.push_back(entry.path().stem().string());
  std::sort(out.begin(), out.end());
  return out;
}

// The report on a net as it would be trained, "" if it is accepted; files relative to the folder.
std::string report_on(const std::string& file) {
  try {
    build(config::with_state(config::read_net(file), caffe::TRAIN, 0, {}), {});
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kConfig);
    return error.report();
  } catch (const ErrorList& list) {
    EXPECT_EQ(list.code(), ErrorCode::kConfig);
    return list.what();
  }
  return "";
}

class BadNet : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    fs::current_path(kBad);
  }
  void TearDown() override { fs::current_path(before_); }

 private:
  fs::path before_;
};

TEST_P(BadNet, IsReported) {
  const std::string expected = read_file(GetParam() + ".expected", ErrorCode::kConfig);
  EXPECT_EQ(report_on(GetParam() + ".prototxt") + "\n", expected);
}

INSTANTIATE_TEST_SUITE_P(Files, BadNet, testing::ValuesIn(bad_files()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace crema::graph
