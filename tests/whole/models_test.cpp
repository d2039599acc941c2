// Every net of models/ trains with its solver of configs/, on random input without data.
#include <filesystem>
#include <set>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

struct Row {
  std::string solver, shape, batch, iterations, rate;
};

std::vector<Row> rows() {
  std::istringstream table(read_file(CREMA_TEST_DIR "/whole/models.tsv", ErrorCode::kData));
  std::vector<Row> out;
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream text(line);
    Row row;
    text >> row.solver >> row.shape >> row.batch >> row.iterations >> row.rate;
    EXPECT_FALSE(text.fail()) << line;
    out.push_back(row);
  }
  return out;
}

class ModelsTest : public ProgramTest {
 protected:
  ModelsTest() {
    for (const char* name : {"models", "configs"})
      std::filesystem::create_directory_symlink(std::string(CREMA_SOURCE_DIR "/") + name,
                                                folder / name);
  }
  // The losses displayed, in order.
  static std::vector<double> losses(const std::string& log) {
    std::vector<double> out;
    const std::string key = "), loss = ";
    for (size_t at = 0; (at = log.find(key, at)) != std::string::npos; at += key.size())
      out.push_back(std::atof(log.c_str() + at + key.size()));
    return out;
  }
};

TEST_F(ModelsTest, every_model_learns_a_fixed_random_batch) {
  std::set<std::string> trained;
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.solver);
    const std::string solver = "configs/" + row.solver + "/solver.prototxt";
    std::string line = "train --synthetic --log=lines --solver=" + solver +
                       " --batch=" + row.batch + " --set base_lr=" + row.rate +
                       " --set lr_policy=fixed --set max_iter=" + row.iterations +
                       " --set display=1 --set iter_size=1 --set test_iter=1"
                       " --set test_interval=1000 --set test_initialization=false"
                       " --set snapshot=0 --set snapshot_after_train=false --set weight_decay=0";
    if (row.shape != "-") line += " --shape=" + row.shape;
    const Outcome run = crema(line);
    ASSERT_EQ(run.code, 0) << run.err;
    const std::vector<double> seen = losses(run.err);
    ASSERT_EQ(std::to_string(seen.size()), row.iterations) << run.err;
    EXPECT_LT(seen.back(), seen.front()) << run.err;
    const std::string text = bytes(solver);
    const size_t at = text.find("\"models/") + 8;
    trained.insert(text.substr(at, text.find('/', at) - at));
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder / "models"))
    EXPECT_TRUE(trained.contains(entry.path().filename().string()))
        << "tests/whole/models.tsv has no row that trains " << entry.path();
}

TEST_F(ModelsTest, deploy_nets_run_in_the_test_phase) {
  for (const auto& entry : std::filesystem::directory_iterator(folder / "models")) {
    const std::string net = "models/" + entry.path().filename().string() + "/deploy.prototxt";
    const Outcome run = crema("plan --phase=TEST --batch=1 --model=" + net);
    EXPECT_EQ(run.code, 0) << net << "\n" << run.err;
  }
}

}  // namespace
}  // namespace crema::whole
