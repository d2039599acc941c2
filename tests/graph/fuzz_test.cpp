// Nets with small changes: built, or refused with a located error; never a broken promise.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "graph/graph.hpp"

namespace crema::graph {
namespace {

// One word or line of the text becomes another.
std::string changed(const std::string& text, const RandomStream& random) {
  static const std::vector<std::string> kWords{"0",
                                               "1",
                                               "2",
                                               "-1",
                                               "3",
                                               "7",
                                               "100000",
                                               "4294967295",
                                               "1e30",
                                               "-0.5",
                                               "nan",
                                               "true",
                                               "MAX",
                                               "AVE",
                                               "\"x\"",
                                               "\"y\"",
                                               "\"ReLU\"",
                                               "\"Slice\"",
                                               "\"\"",
                                               "\"Convolution\"",
                                               "\"SoftmaxWithLoss\"",
                                               "\"Filter\"",
                                               "\"LSTM\"",
                                               "\"Reshape\""};
  std::vector<std::string> lines = split(text, '\n');
  std::string& line = lines[random.below(0, lines.size())];
  if (random.below(1, 6) == 0) {
    line = random.below(2, 2) == 0 ? "" : line + "\n" + line;
  } else {
    std::vector<std::string> words = split(line, ' ');
    if (!words.empty()) {
      std::string& word = words[random.below(2, words.size())];
      if (word != "{" && word != "}" && !word.ends_with(":"))
        word = kWords[random.below(3, kWords.size())];
      line = join(words, " ");
    }
  }
  return join(lines, "\n");
}

TEST(Fuzz, ChangedNetsAreBuiltOrRefused) {
  int built = 0, refused = 0;
  std::vector<std::string> files;
  for (const char* folder : {"/exec/gradients", "/goldens/nets"})
    for (const auto& entry :
         std::filesystem::directory_iterator(CREMA_TEST_DIR + std::string(folder)))
      if (entry.path().extension() == ".prototxt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_GT(files.size(), 100u);
  const char* asked = std::getenv("CREMA_FUZZ_ROUNDS");
  const uint64_t rounds = asked ? std::strtoull(asked, nullptr, 10) : 40;
  for (const std::string& file : files) {
    const std::string good = read_file(file, ErrorCode::kConfig);
    for (uint64_t round = 0; round < rounds; ++round) {
      std::string text = good;
      for (uint64_t k = 0; k <= round % 3; ++k) text = changed(text, RandomStream(round, file, k));
      try {
        build(config::with_state(config::parse_net("net", text),
                                 round % 4 == 0 ? caffe::TEST : caffe::TRAIN, 0, {}),
              {});
        ++built;
      } catch (const Error& error) {
        EXPECT_TRUE(error.location.known()) << error.what() << "\n" << text;
        ++refused;
      } catch (const ErrorList&) {
        ++refused;
      } catch (const std::exception& bug) {
        FAIL() << bug.what() << "\nin " << file << ", changed:\n" << text;
      }
    }
  }
  EXPECT_GT(built, 500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace crema::graph
