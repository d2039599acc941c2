// A whole definition in its present form, as text again.
#include <fmt/format.h>

#include <algorithm>

#include "config/legacy.hpp"
#include "config/net.hpp"
#include "config/parse.hpp"

namespace crema::config {

namespace {

namespace pb = google::protobuf;

// Whether the text's fields are more of a solver's than of a net's.
bool is_solver_text(const Outline& outline) {
  const auto known = [&](const pb::Descriptor* type) {
    return std::count_if(outline.fields.begin(), outline.fields.end(), [&](const auto& field) {
      return type->FindFieldByName(field.name) != nullptr;
    });
  };
  return known(caffe::SolverParameter::descriptor()) > known(caffe::NetParameter::descriptor());
}

// Parses a definition or throws all its mistakes. Returns where its fields are.
Places::Index read(const std::shared_ptr<const SourceText>& source, pb::Message& message) {
  const Parsed parsed = parse_text(source, source->text, message);
  Diagnostics diagnostics;
  for (const Error& mistake : parsed.mistakes) diagnostics.add(mistake);
  diagnostics.throw_if_any();
  Places::Index index;
  index.root = parsed.outline.file();
  index_fields(parsed.outline, parsed.outline.fields, message.GetDescriptor(), {}, index);
  return index;
}

// Upgrades a net that stands at `index`'s root.
void upgrade_net(const std::string& file, caffe::NetParameter& net, Places::Index index,
                 std::vector<Note>& notes, Diagnostics& diagnostics) {
  const NetConfig present = make_net(file, net, std::move(index), diagnostics);
  net = whole_net(present);
  notes.insert(notes.end(), present.notes.begin(), present.notes.end());
}

void upgrade_solver(const std::string& file, caffe::SolverParameter& solver, Places::Index& index,
                    std::vector<Note>& notes, Diagnostics& diagnostics) {
  upgrade_solver_type(solver, index, diagnostics);
  const auto inner = [&](caffe::NetParameter* net, const std::string& field) {
    upgrade_net(file, *net, index.subtree(field), notes, diagnostics);
  };
  if (solver.has_net_param()) inner(solver.mutable_net_param(), "net_param");
  if (solver.has_train_net_param()) inner(solver.mutable_train_net_param(), "train_net_param");
  for (int i = 0; i < solver.test_net_param_size(); ++i)
    inner(solver.mutable_test_net_param(i), element_path("test_net_param", i));
}

}  // namespace

Upgraded upgrade_text(std::string name, std::string text) {
  const auto source = std::make_shared<const SourceText>(SourceText{name, std::move(text)});
  caffe::NetParameter net;
  caffe::SolverParameter solver;
  Upgraded out;
  out.is_solver = is_solver_text(Outline(source, source->text, caffe::NetParameter::descriptor()));
  pb::Message& message =
      out.is_solver ? static_cast<pb::Message&>(solver) : static_cast<pb::Message&>(net);
  Places::Index index = read(source, message);
  const std::string before = message.SerializeAsString();
  if (before.empty()) throw Error(ErrorCode::kConfig, "the definition is empty").at(index.root);
  Diagnostics diagnostics;
  if (out.is_solver)
    upgrade_solver(name, solver, index, out.notes, diagnostics);
  else
    upgrade_net(name, net, std::move(index), out.notes, diagnostics);
  diagnostics.throw_if_any();
  out.changed = message.SerializeAsString() != before;
  out.text = print_text(message);
  return out;
}

}  // namespace crema::config
