// conformance --cases=DIR [--filter=TEXT] [--engines=onednn,openblas,reference | default]
//             [--plan_skip=fuse,...]
#include <fmt/format.h>

#include "base/parallel.hpp"
#include "base/text.hpp"
#include "cli/engines.hpp"
#include "suite.hpp"

int main(int argc, char** argv) {
  crema::cli::settle_environment(argv);
  std::string cases, filter, engines, skip;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto take = [&](const std::string& flag, std::string& value) {
      if (!argument.starts_with("--" + flag + "=")) return false;
      value = argument.substr(flag.size() + 3);
      return true;
    };
    if (!take("cases", cases) && !take("filter", filter) && !take("engines", engines) &&
        !take("plan_skip", skip)) {
      fmt::print(stderr, "unknown argument {}\n", argument);
      return 1;
    }
  }
  if (engines == "default") engines.clear();
  if (cases.empty()) {
    fmt::print(stderr,
               "conformance --cases=DIR [--filter=TEXT] [--engines=A,B|default] "
               "[--plan_skip=PASS]\n");
    return 1;
  }
  crema::start_compute_threads(0);
  try {
    const auto owned = crema::cli::make_engines(engines);
    crema::conformance::Mix mix;
    for (const auto& engine : owned) mix.engines.push_back(engine.get());
    if (!skip.empty())
      for (const std::string& pass : crema::split(skip, ',')) mix.plan_skip.insert(pass);
    crema::conformance::Suite suite(mix, filter);
    suite.run(cases);
    return suite.summary() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
