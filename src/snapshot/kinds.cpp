#include "snapshot/kinds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "snapshot/records.hpp"

namespace crema::snapshot {

namespace {

std::string first_bytes(const std::string& path) {
  RecordReader opens(path);  // with the messages for what cannot be opened
  std::string head(512, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  return head;
}

bool is_text(const std::string& head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
  });
}

// Files of other programs that people take for weights: how they begin, and what they are.
struct Foreign {
  size_t at;
  std::string_view magic;
  const char* what;
  const char* hint;
};
using namespace std::string_view_literals;
constexpr const char* kConvert = "convert it to a .caffemodel first";
constexpr Foreign kForeign[] = {
    {0, "PK\x03\x04"sv, "is a zip archive (of PyTorch or NumPy?)", kConvert},
    {0, "\x80\x02"sv, "is a Python pickle (of PyTorch?)", kConvert},
    {0, "\x93NUMPY"sv, "is a NumPy array", kConvert},
    {8, "{\""sv, "is a safetensors file", kConvert},
    {0, "\x1f\x8b"sv, "is compressed with gzip", "unpack it with: gunzip"},
    {16, "\xde\xc0\xef\xbe"sv, "is an LMDB database", "databases belong in a Data layer"},
};

// Runs look(record) over all records; false as soon as it returns false or the file makes no sense.
template <class Look>
bool all_records(const std::string& path, Look&& look) {
  try {
    RecordReader records(path);
    while (records.next())
      if (!look(records)) return false;
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void refuse_foreign(const std::string& path, const std::string& wanted) {
  const std::string head = first_bytes(path);
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    throw Error(ErrorCode::kWeights, fmt::format("'{}' {}, not {}", path, what, wanted))
        .advise(hint);
  };
  if (head.empty()) refuse("is empty", "its download or copy may have failed");
  for (const Foreign& foreign : kForeign)
    if (std::string_view(head).substr(std::min(foreign.at, head.size())).starts_with(foreign.magic))
      refuse(foreign.what, foreign.hint);
  if (!is_text(head)) return;
  if (head.starts_with("version https://git-lfs"))
    refuse("is a Git LFS pointer", "fetch the real file with: git lfs pull");
  if (head.find("<html") != std::string::npos || head.find("<!DOCTYPE") != std::string::npos)
    refuse("is a web page", "its download has failed: fetch it again");
  refuse("is text", "a definition (.prototxt) holds no values: pass the binary file");
}

bool looks_like_state(const std::string& path) {
  bool iter = false;
  return all_records(path,
                     [&](const RecordReader& r) {
                       iter |= r.is(1, Wire::kVarint);
                       return r.is(1, Wire::kVarint) || r.is(2, Wire::kBytes) ||
                              r.is(3, Wire::kBytes) || r.is(4, Wire::kVarint) || r.field() >= 1000;
                     }) &&
         iter;
}

bool looks_like_weights(const std::string& path) {
  bool layers = false;
  return all_records(path,
                     [&](const RecordReader& r) {
                       layers |= r.is(100, Wire::kBytes) || r.is(2, Wire::kBytes);
                       return !r.is(1, Wire::kVarint);
                     }) &&
         layers;
}

bool looks_like_mean(const std::string& path) {
  bool data = false;
  return all_records(path,
                     [&](const RecordReader& r) {
                       data |= r.is(5, Wire::kBytes);
                       return (r.field() <= 4 && r.wire() == Wire::kVarint) ||
                              r.is(5, Wire::kBytes) || r.is(7, Wire::kBytes);
                     }) &&
         data;
}

bool looks_like_onnx(const std::string& path) {
  bool version = false, graph = false;
  return all_records(path,
                     [&](const RecordReader& r) {
                       version |= r.is(1, Wire::kVarint);
                       graph |= r.is(7, Wire::kBytes);
                       return !r.is(1, Wire::kBytes);
                     }) &&
         version && graph;
}

}  // namespace crema::snapshot
