#include "suite.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "data/loader.hpp"

namespace crema::conformance {

namespace fs = std::filesystem;

bool Check::within(double got, double expected, double* excess) const {
  if (std::isnan(expected) || std::isnan(got)) {
    *excess = 1e300;
    return std::isnan(expected) && std::isnan(got);
  }
  if (got == expected) return true;
  *excess = std::abs(got - expected) - (atol_ + rtol_ * std::abs(expected));
  return *excess <= 0;
}

void Check::equal(const std::string& what, const std::vector<float>& got, const Array& expected) {
  if (got.size() != expected.values.size())
    return fail(fmt::format("{}: {} elements, expected {} ({})", what, got.size(),
                            expected.values.size(), expected.shape.text()));
  size_t out = 0;
  bool reported = false;
  for (size_t i = 0; i < got.size(); ++i) {
    double excess = 0;
    if (within(got[i], expected.values[i], &excess)) continue;
    ++out;
    if (excess <= worst_ && !failure_.empty()) continue;
    worst_ = excess;
    reported = true;
    failure_ = fmt::format("{}[{}] of {} = {:.9g}, expected {:.9g}", what, i, expected.shape.text(),
                           got[i], expected.values[i]);
  }
  if (out > 1 && reported) failure_ += fmt::format(" ({} elements out)", out);
}

void Check::equal(const std::string& what, const Shape& got, const Shape& expected) {
  if (got != expected)
    fail(fmt::format("{} has shape {}, expected {}", what, got.text(), expected.text()));
}

void Check::equal(const std::string& what, double got, double expected) {
  double excess = 0;
  if (!within(got, expected, &excess))
    fail(fmt::format("{} = {:.9g}, expected {:.9g}", what, got, expected));
}

void Check::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
}

void Check::complete(const CaseFile& file) {
  for (const std::string& path : file.unread()) fail("recorded, but not compared: " + path);
}

Workplace::Workplace(const fs::path& folder)
    : home_(fs::current_path()),
      path_(fs::temp_directory_path() / fmt::format("crema_conformance_{}", ::getpid())) {
  fs::remove_all(path_);
  fs::copy(folder, path_, fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(path_))
    fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
  fs::permissions(path_, fs::perms::owner_all, fs::perm_options::add);
  fs::current_path(path_);
}

Workplace::~Workplace() {
  fs::current_path(home_);
  fs::remove_all(path_);
}

void skip_unknown_types(const config::NetConfig& net) {
  for (const config::LayerConfig& layer : net.layers) {
    const std::string& type = layer.param.type();
    if (!data::is_source(type) && !Registry<layers::LayerTag>::instance().find(type))
      throw Skip{"layer type " + type};
  }
}

std::vector<float> gradient_of(const exec::Session& subject, size_t param) {
  exec::ParamStore& params = subject.params();
  if (!params[param].has_gradient())
    return std::vector<float>(static_cast<size_t>(params[param].desc().shape.count()), 0.0f);
  return params.to_plain(param, params[param].gradient());
}

std::unique_ptr<exec::Session> build_subject(const config::NetConfig& net,
                                             const graph::BuildOptions& options, bool keep_blobs,
                                             const Mix& mix) {
  exec::Session::Options session;
  session.planning.training = options.backward;
  session.planning.separate_gradients = true;
  session.planning.keep_blobs = keep_blobs;
  session.planning.skip = mix.plan_skip;
  session.planning.recompute_from = 1;  // the nets are small
  auto subject = std::make_unique<exec::Session>(
      [&net, options](const exec::NetShapes& shapes) {
        graph::BuildOptions build = options;
        for (const auto& [name, shape] : shapes.inputs) build.input_shapes[name] = shape;
        build.rows = shapes.rows;
        return std::make_shared<const graph::Graph>(graph::build(net, build));
      },
      mix.engines, std::move(session));
  for (size_t p = 0; p < subject->params().size(); ++p)
    subject->params().set_value(p, graph::initial_values(subject->graph().params[p], 1));
  return subject;
}

std::vector<fs::path> Suite::files(const fs::path& folder, const std::string& ending) const {
  std::vector<fs::path> out;
  if (!fs::is_directory(folder)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().filename().string().ends_with(ending)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

void Suite::one(const std::string& name, const std::function<std::string()>& body) {
  if (name.find(filter_) == std::string::npos) return;
  std::string wrong;
  try {
    wrong = body();
  } catch (const Skip& skip) {
    ++skipped_[skip.reason];
    return;
  } catch (const std::exception& error) {
    wrong = error.what();
  }
  if (wrong.empty()) {
    ++passed_;
    return;
  }
  ++failed_;
  fmt::print("FAIL {}: {}\n", name, wrong);
}

void Suite::run(const fs::path& cases) {
  const fs::path home = fs::current_path(), root = fs::absolute(cases);
  const auto in_folder = [&](const fs::path& folder, auto&& body) {
    fs::current_path(folder);
    struct Back {
      const fs::path& path;
      ~Back() { fs::current_path(path); }
    } back{home};
    return body();
  };
  const auto name_of = [&](const fs::path& path) {
    return fs::relative(path, root).replace_extension("").string();
  };
  for (const auto& file : files(root / "layers", ".prototxt"))
    one(name_of(file),
        [&] { return in_folder(file.parent_path(), [&] { return run_layer_case(file, mix_); }); });
  for (const auto& file : files(root / "nets", ".prototxt"))
    one(name_of(file),
        [&] { return in_folder(file.parent_path(), [&] { return run_net_case(file, mix_); }); });
  for (const auto& file : files(root / "solvers", "expected.h5"))
    one(name_of(file.parent_path()), [&] { return run_solver_case(file.parent_path(), mix_); });
  // Data layers alone, with paths relative to the folder above.
  for (const auto& file : files(root / "interop" / "transform", ".prototxt"))
    one(name_of(file),
        [&] { return in_folder(root / "interop", [&] { return run_layer_case(file, mix_); }); });
  for (const auto& file : files(root / "interop" / "snapshots", ".prototxt"))
    if (file.filename().string().starts_with("solver"))
      one(name_of(file), [&] { return run_snapshot_case(file, mix_); });
  std::ifstream table(root / "rejects" / "rejects.tsv");
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string name, kind;
    fields >> name >> kind;
    one("rejects/" + name, [&] {
      return in_folder(root / "rejects", [&] {
        return run_reject_case(root / "rejects" / (name + ".prototxt"), kind, mix_);
      });
    });
  }
}

bool Suite::summary() const {
  int skipped = 0;
  for (const auto& [reason, count] : skipped_) {
    fmt::print("skipped {}: {}\n", count, reason);
    skipped += count;
  }
  fmt::print("{} passed, {} failed, {} skipped\n", passed_, failed_, skipped);
  return failed_ == 0 && passed_ > 0;
}

}  // namespace crema::conformance
