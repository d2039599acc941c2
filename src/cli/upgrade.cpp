// crema upgrade: an old net (text or binary) or solver, written in its present form.
#include <fmt/format.h>

#include <algorithm>

#include "base/files.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "snapshot/weights.hpp"

namespace crema::cli {

namespace {

// Every binary net begins with a control character, and has more of them.
bool is_text(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](char c) {
    return (c >= 0 && c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != '\v') ||
           c == 0x7f;
  });
}

struct Result {
  std::string bytes, kind;
  std::vector<std::string> notes;
  bool changed = false;
};

Result upgrade_text(const std::string& path, std::string text) {
  const config::Upgraded upgraded = config::upgrade_text(path, std::move(text));
  Result out{upgraded.text,
             upgraded.is_solver ? "solver definition" : "net definition",
             {},
             upgraded.changed};
  for (const Note& note : upgraded.notes)
    out.notes.push_back(fmt::format("{}: {}", note.location.text(), note.message));
  return out;
}

Result upgrade_binary(const std::string& path, const std::string& bytes) {
  caffe::NetParameter net;
  if (!net.ParseFromString(bytes))
    throw Error(ErrorCode::kWeights,
                fmt::format("'{}' is damaged, or neither a net nor a solver", path));
  if (net.layer_size() == 0 && net.layers_size() == 0)
    throw Error(ErrorCode::kWeights, fmt::format("'{}' holds no layers", path))
        .advise("a .solverstate needs no upgrade");
  // crema's own record of the number of layers, which will be another one.
  net.mutable_unknown_fields()->DeleteByNumber(snapshot::kLayerCountField);
  const std::string before = net.SerializeAsString();
  Result out{{}, "binary net", {}, false};
  try {
    for (const std::string& note : config::upgrade(net))
      out.notes.push_back(fmt::format("{}: {}", path, note));
  } catch (Error& error) {
    error.message = fmt::format("'{}': {}", path, error.message);
    throw;
  }
  out.bytes = net.SerializeAsString();
  out.changed = out.bytes != before;
  return out;
}

std::string operand(const Session& session, size_t i, const std::string& flag) {
  if (!flag.empty() && session.operands.size() > i)
    throw Error(ErrorCode::kUsage, "a file is given both as a word and as a flag");
  const std::string& file = session.operands.size() > i ? session.operands[i] : flag;
  if (file.empty())
    throw Error(ErrorCode::kUsage, "crema upgrade needs a file to read and one to write")
        .advise("crema upgrade OLD NEW, or --in=OLD --out=NEW");
  return file;
}

}  // namespace

int upgrade(Session& session) {
  const std::string in = operand(session, 0, FLAGS_in), out = operand(session, 1, FLAGS_out);
  std::string bytes = read_file(in, ErrorCode::kConfig);
  if (is_hdf5_file(in))
    throw Error(ErrorCode::kWeights, fmt::format("'{}' is an HDF5 file", in))
        .advise("those hold no definitions: there is nothing to upgrade");
  const Result result =
      is_text(bytes) ? upgrade_text(in, std::move(bytes)) : upgrade_binary(in, bytes);
  write_file_atomically(out, result.bytes);
  for (const std::string& note : result.notes) session.reporter.warn(note);
  session.reporter.info(
      result.changed
          ? fmt::format("the {} of '{}' is in its present form in '{}'", result.kind, in, out)
          : fmt::format("the {} '{}' was in its present form; '{}' says the same", result.kind, in,
                        out));
  // Something was left out: a script should know.
  return result.notes.empty() ? 0 : static_cast<int>(ErrorCode::kConfig);
}

}  // namespace crema::cli
