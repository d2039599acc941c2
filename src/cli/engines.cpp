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

void correct_openblas([[maybe_unused]] char** argv) {
#ifdef CREMA_OPENBLAS
  const auto better = better_core_type();
  if (!better || std::getenv("OPENBLAS_CORETYPE") != nullptr) return;
  std::fprintf(stderr,
               "note: OpenBLAS does not know this processor and took its slowest kernels; "
               "restarting with OPENBLAS_CORETYPE=%s\n",
               better->c_str());
  std::fflush(stderr);
  ::setenv("OPENBLAS_CORETYPE", better->c_str(), 1);
  ::execv("/proc/self/exe", argv);
  // If it cannot be restarted, the OpenBLAS engine refuses its work and others do it.
#endif
}

}  // namespace crema::cli
