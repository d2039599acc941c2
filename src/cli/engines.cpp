#include "cli/engines.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "engines/reference/engine.hpp"
#ifdef CREMA_ONEDNN
#include "engines/onednn/engine.hpp"
#endif
#ifdef CREMA_OPENBLAS
#include "engines/openblas/core_type.hpp"
#include "engines/openblas/engine.hpp"
#endif

namespace crema::cli {

namespace {

// Turns of the loop in which an idle thread waits for work before it sleeps.
constexpr const char* kSpinCount = "5000";

using Maker = std::function<std::unique_ptr<ops::Engine>()>;

const std::vector<std::pair<std::string, Maker>>& makers() {
  static const std::vector<std::pair<std::string, Maker>> list{
#ifdef CREMA_ONEDNN
      {"onednn", [] { return std::make_unique<OneDnnEngine>(); }},
#endif
#ifdef CREMA_OPENBLAS
      {"openblas", [] { return std::make_unique<OpenBlasEngine>(); }},
#endif
      {"reference", [] { return std::make_unique<ReferenceEngine>(); }},
  };
  return list;
}

}  // namespace

std::vector<std::unique_ptr<ops::Engine>> make_engines(const std::string& names) {
  std::vector<std::string> known, wanted = split(names, ',');
  for (const auto& [name, make] : makers()) known.push_back(name);
  if (wanted.empty()) wanted = known;
  if (std::find(wanted.begin(), wanted.end(), "reference") == wanted.end())
    wanted.push_back("reference");
  std::vector<std::unique_ptr<ops::Engine>> out;
  for (const std::string& name : wanted) {
    const auto it = std::find_if(makers().begin(), makers().end(),
                                 [&](const auto& maker) { return maker.first == name; });
    if (it == makers().end())
      throw Error(ErrorCode::kUsage, fmt::format("this build has no engine '{}'", name))
          .advise(suggestion(name, known));
    out.push_back(it->second());
  }
  return out;
}

void settle_environment(char** argv) {
  bool changed = false;
  const auto set = [&](const char* name, const char* value) {
    if (std::getenv(name) == nullptr) changed |= ::setenv(name, value, 1) == 0;
  };
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) set("GOMP_SPINCOUNT", kSpinCount);
#ifdef CREMA_OPENBLAS
  if (const auto better = better_core_type();
      better && std::getenv("OPENBLAS_CORETYPE") == nullptr) {
    std::fprintf(stderr,
                 "note: OpenBLAS does not know this processor and took its slowest kernels; "
                 "restarting with OPENBLAS_CORETYPE=%s\n",
                 better->c_str());
    std::fflush(stderr);
    set("OPENBLAS_CORETYPE", better->c_str());
  }
#endif
  // If it cannot be restarted it runs as it is: the OpenBLAS engine refuses its work where it is
  // slow, and others do it.
  if (changed) ::execv("/proc/self/exe", argv);
}

}  // namespace crema::cli
