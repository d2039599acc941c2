// Runs the crema program as a user would: in a folder of its own, from the command line.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/files.hpp"

namespace crema::whole {

struct Outcome {
  int code = -1;
  std::string out, err;
  bool says(const std::string& text) const { return (out + err).find(text) != std::string::npos; }
};

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::path(::testing::TempDir()) / "crema_whole" /
             (info->name() + std::string("_") + std::to_string(getpid()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  ~ProgramTest() override { std::filesystem::remove_all(folder); }

  // A shell command line in the test's folder; "crema" is the program that was built.
  Outcome shell(const std::string& line) const {
    const std::string out = (folder / "stdout").string(), err = (folder / "stderr").string();
    const std::string whole = "cd '" + folder.string() + "' && PATH='" +
                              std::filesystem::path(CREMA_BINARY).parent_path().string() +
                              "':\"$PATH\" && { " + line + " ; } >'" + out + "' 2>'" + err +
                              "' </dev/null";
    const int status = std::system(whole.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            read_file(out, ErrorCode::kData), read_file(err, ErrorCode::kData)};
  }
  Outcome crema(const std::string& arguments) const { return shell("crema " + arguments); }

  std::string bytes(const std::string& file) const {
    return read_file((folder / file).string(), ErrorCode::kData);
  }
  void write(const std::string& file, const std::string& text) const {
    write_file_atomically((folder / file).string(), text);
  }

  std::filesystem::path folder;
  const std::string fixtures = CREMA_TEST_DIR "/whole/";
};

}  // namespace crema::whole
