// The table of where scaling the gradient is scaling the step, cell by cell.
#include <map>
#include <regex>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

// Verdict and number of the cells of a line: "equal (4e-08)".
std::vector<std::pair<std::string, double>> cells_of(const std::string& line) {
  static const std::regex cell(R"(([a-z][a-z ]*) \(([^)]*)\))");
  std::vector<std::pair<std::string, double>> out;
  for (std::sregex_iterator it(line.begin(), line.end(), cell), end; it != end; ++it)
    out.emplace_back((*it)[1], std::stod((*it)[2]));
  return out;
}

TEST_F(ProgramTest, mechanisms_shows_where_a_gradient_factor_is_a_rate) {
  const Outcome run = crema("mechanisms");
  ASSERT_EQ(run.code, 0) << run.err;
  // no decay and no clip, weight decay, clip after the factor, clip before it; against no factor.
  const std::vector<std::string> linear{"equal", "differs", "differs", "equal", "works"};
  const std::vector<std::string> adaptive{"differs", "differs", "differs", "differs", "no effect"};
  const std::map<std::string, const std::vector<std::string>*> table{
      {"SGD ", &linear},
      {"SGD, momentum, LR_INSIDE", &linear},
      {"SGD, momentum, LR_OUTSIDE", &linear},
      {"Nesterov", &linear},
      {"Adam ", &adaptive},
      {"AdamW", &adaptive},
      {"RMSProp", &adaptive},
      {"AdaGrad", &adaptive}};
  size_t found = 0;
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);)
    for (const auto& [name, want] : table) {
      if (!line.starts_with(name) || line.find('(') == std::string::npos) continue;
      ++found;
      const auto cells = cells_of(line.substr(26));
      ASSERT_EQ(cells.size(), want->size()) << line;
      for (size_t i = 0; i < cells.size(); ++i) {
        EXPECT_EQ(cells[i].first, (*want)[i]) << line;
        const bool same = cells[i].first == "equal" || cells[i].first == "no effect";
        EXPECT_TRUE(same ? cells[i].second < 1e-4 : cells[i].second > 0.01) << line;
      }
    }
  EXPECT_EQ(found, table.size()) << run.out;
}

}  // namespace
}  // namespace crema::whole
