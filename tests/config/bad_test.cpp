// Every definition in bad/ is refused with exactly the report beside it.
#include "config/config.hpp"
#include "support/bad_files.hpp"

namespace crema::config {
namespace {

const std::string kBad = CREMA_TEST_DIR "/config/bad";

class Bad : public test::BadFile {
 protected:
  Bad() : BadFile(kBad) {}
};

TEST_P(Bad, IsReported) {
  const auto read = [&] {
    if (file().starts_with("solver_"))
      read_solver(file());
    else
      filter(read_net(file()));
  };
  EXPECT_EQ(test::report_of(read) + "\n", expected());
}

INSTANTIATE_TEST_SUITE_P(Files, Bad, testing::ValuesIn(test::names_in(kBad)),
                         [](const auto& one) { return one.param; });

TEST(BadFiles, AreThereAndThreeMistakesAreThreeErrors) {
  EXPECT_GE(test::names_in(kBad).size(), 38u);
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
