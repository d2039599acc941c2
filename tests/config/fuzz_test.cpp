// Damaged definitions end in an Error, never in a crash, and in the same verdict as protobuf's.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "base/random.hpp"
#include "config/config.hpp"
#include "config/good.hpp"

namespace crema::config {
namespace {

struct Silent : google::protobuf::io::ErrorCollector {
  void AddError(int, int, const std::string&) override {}
};

template <class Message>
bool protobuf_accepts(const std::string& text) {
  Silent silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  Message message;
  return parser.ParseFromString(text, &message);
}

// Reads the text; true if it was refused, which must be with a located report.
bool refused(const std::string& text, bool solver) {
  const auto check = [](const Error& error) {
    EXPECT_TRUE(error.location.known()) << error.report();
    EXPECT_FALSE(error.message.empty());
  };
  try {
    if (solver)
      parse_solver(kGood + "damaged", text);
    else
      filter(parse_net("damaged", text));
    return false;
  } catch (const Error& error) {
    check(error);
  } catch (const ErrorList& list) {
    for (const Error& error : list.errors()) check(error);
  }
  return true;
}

void try_text(const std::string& text, bool solver) {
  const bool good = solver ? protobuf_accepts<caffe::SolverParameter>(text)
                           : protobuf_accepts<caffe::NetParameter>(text);
  const bool no = refused(text, solver);
  // What protobuf refuses is refused; what it accepts may still be refused for its meaning.
  EXPECT_TRUE(good || no) << text;
}

TEST(Fuzz, TruncatedAndChangedTexts) {
  const std::string odd = "{}<>[]:;,\"'#\\-.0x \n\t\0\xff=aE";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGood)) {
    if (entry.path().extension() != ".prototxt") continue;
    const std::string text = read_file(entry.path().string(), ErrorCode::kConfig);
    const bool solver = entry.path().filename().string().starts_with("solver_");
    const RandomStream random(1, "fuzz", files++);
    for (uint64_t i = 0; i < 120; ++i) {
      try_text(text.substr(0, random.below(8 * i, text.size())), solver);
      std::string changed = text;
      for (uint64_t k = 0; k <= i % 3; ++k)
        changed[random.below(8 * i + 2 * k + 1, text.size())] =
            odd[random.below(8 * i + 2 * k + 2, odd.size())];
      try_text(changed, solver);
      changed = text;
      changed.erase(random.below(8 * i + 7, text.size()), 1 + i % 5);
      try_text(changed, solver);
    }
  }
  EXPECT_GE(files, 15);
}

TEST(Fuzz, DeepNesting) {
  for (const char* open : {"{", "layer {", "x {", "layer { x {", "[", "layer: [", "<", "x <"}) {
    std::string deep;
    for (int i = 0; i < 50000; ++i) deep += open;
    EXPECT_TRUE(refused(deep, false)) << open;
  }
}

TEST(Fuzz, LongLinesAndTabs) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "layer {\ttype: 'A' }";
  EXPECT_FALSE(refused(text, false));
  EXPECT_TRUE(refused(text + "layer { typ: 'A' }", false));
  EXPECT_TRUE(refused(std::string(1 << 20, '\t') + "?", false));
}

}  // namespace
}  // namespace crema::config
