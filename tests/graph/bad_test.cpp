// Every net in bad/ is refused with exactly the report beside it.
#include "graph/graph.hpp"
#include "support/bad_files.hpp"

namespace crema::graph {
namespace {

const std::string kBad = CREMA_TEST_DIR "/graph/bad";

class BadNet : public test::BadFile {
 protected:
  BadNet() : BadFile(kBad) {}
};

// As it would be trained.
TEST_P(BadNet, IsReported) {
  const auto read = [&] {
    build(config::with_state(config::read_net(file()), caffe::TRAIN, 0, {}), {});
  };
  EXPECT_EQ(test::report_of(read) + "\n", expected());
}

INSTANTIATE_TEST_SUITE_P(Files, BadNet, testing::ValuesIn(test::names_in(kBad)),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace crema::graph
