#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <optional>

#include "base/files.hpp"
#include "config/legacy.hpp"
#include "config/net.hpp"
#include "config/overrides.hpp"
#include "config/parse.hpp"
#include "config/solver_checks.hpp"

namespace crema::config {

namespace {

namespace fs = std::filesystem;

void apply_overrides(const std::vector<std::string>& overrides, caffe::SolverParameter& solver,
                     Places::Index& index, Diagnostics& diagnostics) {
  for (const std::string& text : overrides) {
    const bool had_type = solver.has_type();
    diagnostics.guard([&] { apply_override(text, solver, index); });
    if (!solver.has_solver_type()) continue;
    // The override was of solver_type: it replaces what the file said in either form.
    if (had_type) {
      solver.clear_type();
      index.erase("type");
    }
    upgrade_solver_type(solver, index, diagnostics);
  }
}

// BVLC's rule: unset -> the solver file without its extension; a directory -> the file's stem in
// it.
void resolve_snapshot_prefix(const std::string& file, caffe::SolverParameter& solver) {
  const fs::path path(file);
  if (!solver.has_snapshot_prefix())
    solver.set_snapshot_prefix(fs::path(path).replace_extension().string());
  else if (is_directory(solver.snapshot_prefix()))
    solver.set_snapshot_prefix((fs::path(solver.snapshot_prefix()) / path.stem()).string());
}

// Reads the nets of a solver, each file once, and puts them into their states.
class Nets {
 public:
  Nets(SolverConfig& solver, const Places::Index& index, Diagnostics& diagnostics)
      : solver_(solver), index_(index), diagnostics_(diagnostics) {}

  void read() {
    const caffe::SolverParameter& param = solver_.param;
    const std::vector<std::string> train = train_net_fields(param);
    if (train.size() != 1) return;  // reported; which one is meant is not known
    if (const NetConfig* net = named(train[0])) solver_.train_net = *net;
    set_state(solver_.train_net, caffe::TRAIN,
              param.has_train_state() ? &param.train_state() : nullptr);
    check(solver_.train_net);
    for (int i = 0; i < param.test_net_param_size(); ++i) add_test("test_net_param", i);
    for (int i = 0; i < param.test_net_size(); ++i) add_test("test_net", i);
    for (int i = generic_test_nets(param); i > 0; --i) add_test(train[0]);
  }

 private:
  void add_test(const std::string& field, int element = 0) {
    const int i = tests_++;
    const NetConfig* net = named(field, element);
    if (!net) return;
    const bool has_state = i < solver_.param.test_state_size();
    NetConfig& test = solver_.test_nets.emplace_back(*net);
    set_state(test, caffe::TEST, has_state ? &solver_.param.test_state(i) : nullptr);
    check(test);
  }

  // {phase} + the net's own state + the solver's: later ones win, stages add up.
  static void set_state(NetConfig& net, caffe::Phase phase, const caffe::NetState* last) {
    caffe::NetState state;
    state.set_phase(phase);
    state.MergeFrom(net.header.state());
    if (last) state.MergeFrom(*last);
    *net.header.mutable_state() = state;
  }

  void check(const NetConfig& net) {
    guard_once(diagnostics_, [&] { filter(net); });
  }

  // The net that a field of the solver names; null if it has mistakes, which are then reported.
  const NetConfig* named(const std::string& field, int element = 0) {
    const auto [it, fresh] = read_.try_emplace(element_path(field, element));
    if (fresh) guard_once(diagnostics_, [&] { it->second = load(field, element, it->first); });
    return it->second ? &*it->second : nullptr;
  }

  NetConfig load(const std::string& field, int element, const std::string& path) {
    const caffe::SolverParameter& param = solver_.param;
    if (field == "net") return from_file(param.net(), path);
    if (field == "train_net") return from_file(param.train_net(), path);
    if (field == "test_net") return from_file(param.test_net(element), path);
    if (field == "test_net_param") return inlined(param.test_net_param(element), path);
    return inlined(field == "net_param" ? param.net_param() : param.train_net_param(), path);
  }

  NetConfig inlined(const caffe::NetParameter& net, const std::string& field) {
    Diagnostics mistakes;
    NetConfig out = make_net(solver_.file, net, index_.subtree(field), mistakes);
    mistakes.throw_if_any();
    return out;
  }

  NetConfig from_file(const std::string& path, const std::string& field) {
    const fs::path beside = fs::path(solver_.file).parent_path() / path;
    const bool here = file_exists(path) || fs::path(path).is_absolute();
    const bool there = !here && file_exists(beside.string());
    std::string text;
    const std::string found = there ? beside.string() : path;
    try {
      text = read_file(found, ErrorCode::kConfig);
    } catch (Error& error) {
      error.at(index_.find(field));
      if (!here && beside.string() != path)
        error.advise(fmt::format("looked in the working directory and for '{}'", beside.string()));
      throw;
    }
    return parse_net(found, std::move(text));
  }

  SolverConfig& solver_;
  const Places::Index& index_;
  Diagnostics& diagnostics_;
  std::map<std::string, std::optional<NetConfig>> read_;  // by the place that names them
  int tests_ = 0;
};

void drop_inline_nets(caffe::SolverParameter& solver) {
  solver.clear_net_param();
  solver.clear_train_net_param();
  solver.clear_test_net_param();
}

}  // namespace

SolverConfig parse_solver(std::string name, std::string text,
                          const std::vector<std::string>& overrides) {
  const auto source = std::make_shared<const SourceText>(SourceText{name, text});
  Diagnostics diagnostics;
  SolverConfig out;
  out.file = std::move(name);
  const Parsed parsed = parse_text(source, std::move(text), out.param);
  for (const Error& mistake : parsed.mistakes) diagnostics.add(mistake);
  diagnostics.throw_if_any();
  if (parsed.outline.fields.empty() && overrides.empty())
    throw Error(ErrorCode::kConfig, "the solver definition is empty").at(parsed.outline.file());
  Places::Index index;
  index.root = parsed.outline.file();
  index_fields(parsed.outline, parsed.outline.fields, out.param.GetDescriptor(), {}, index);
  upgrade_solver_type(out.param, index, diagnostics);
  diagnostics.throw_if_any();
  apply_overrides(overrides, out.param, index, diagnostics);
  diagnostics.throw_if_any();
  resolve_snapshot_prefix(out.file, out.param);
  out.places = Places(std::make_shared<const Places::Index>(index));
  check_solver(out.param, out.places, diagnostics);
  Nets(out, index, diagnostics).read();
  diagnostics.throw_if_any();
  drop_inline_nets(out.param);
  return out;
}

SolverConfig read_solver(const std::string& path, const std::vector<std::string>& overrides) {
  return parse_solver(path, read_file(path, ErrorCode::kConfig), overrides);
}

std::string to_text(const SolverConfig& solver) {
  caffe::SolverParameter out = solver.param;
  for (const char* field : {"net", "train_net", "test_net", "train_state", "test_state"})
    out.GetReflection()->ClearField(&out, out.GetDescriptor()->FindFieldByName(field));
  *out.mutable_train_net_param() = whole_net(solver.train_net);
  for (const NetConfig& net : solver.test_nets) *out.add_test_net_param() = whole_net(net);
  return print_text(out);
}

}  // namespace crema::config
