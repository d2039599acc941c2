#include "train/weights_map.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace crema::train {

namespace {

std::vector<std::string_view> pieces_of(std::string_view pattern) {
  std::vector<std::string_view> out;
  for (size_t begin = 0;;) {
    const size_t star = pattern.find('*', begin);
    out.push_back(pattern.substr(begin, star - begin));
    if (star == std::string_view::npos) return out;
    begin = star + 1;
  }
}

size_t stars_in(std::string_view pattern) {
  return static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '*'));
}

std::string source_name(const caffe::WeightsMap& map, const std::string& layer,
                        const std::vector<std::string>& texts) {
  return map.has_from() ? fill_stars(map.from(), texts) : layer;
}

std::string map_path(int index, const char* field) {
  return fmt::format("weights_map[{}]{}{}", index, *field ? "." : "", field);
}

bool holds(const snapshot::WeightsFile& file, const std::string& layer) {
  return std::any_of(file.layers.begin(), file.layers.end(),
                     [&](const auto& source) { return source.layer == layer; });
}

}  // namespace

std::optional<std::vector<std::string>> match_stars(std::string_view pattern,
                                                    std::string_view text) {
  const std::vector<std::string_view> pieces = pieces_of(pattern);
  std::vector<std::string> out;
  if (pieces.size() == 1) return pattern == text ? std::optional(out) : std::nullopt;
  if (!text.starts_with(pieces.front())) return std::nullopt;
  size_t at = pieces.front().size();
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    const size_t found = text.find(pieces[i], at);
    if (found == std::string_view::npos) return std::nullopt;
    out.emplace_back(text.substr(at, found - at));
    at = found + pieces[i].size();
  }
  const size_t tail = pieces.back().size();
  if (text.size() < at + tail || !text.ends_with(pieces.back())) return std::nullopt;
  out.emplace_back(text.substr(at, text.size() - tail - at));
  return out;
}

std::string fill_stars(std::string_view pattern, const std::vector<std::string>& texts) {
  CREMA_CHECK(stars_in(pattern) == texts.size(), "a text for every star");
  const std::vector<std::string_view> pieces = pieces_of(pattern);
  std::string out(pieces.front());
  for (size_t i = 0; i < texts.size(); ++i) out += texts[i] + std::string(pieces[i + 1]);
  return out;
}

WeightsRules::WeightsRules(const config::SolverConfig& solver)
    : from_solver_(true), places_(solver.places) {
  *param_.mutable_weights_map() = solver.param.weights_map();
  param_.set_weights_on_mismatch(solver.param.weights_on_mismatch());
  if (solver.param.has_weights_strict()) param_.set_weights_strict(solver.param.weights_strict());
  Diagnostics found;
  for (int i = 0; i < param_.weights_map_size(); ++i) check_map(i, found);
  found.throw_if_any();
}

void WeightsRules::check_map(int index, Diagnostics& found) const {
  const caffe::WeightsMap& map = param_.weights_map(index);
  const auto fail = [&](const char* field, std::string message, std::string hint) {
    found.add(Error(ErrorCode::kConfig, std::move(message)))
        .at(places_.at(map_path(index, field)))
        .advise(std::move(hint));
  };
  if (map.to().empty())
    fail("", "this weights_map does not say for which layers of the net it is",
         "write to: \"conv1\", or to: \"*\" for every layer");
  if (map.has_from() && map.from().empty())
    fail("from", "the name in the file is empty", "leave `from` out where the names are the same");
  if (map.has_from() && stars_in(map.from()) != stars_in(map.to()))
    fail("from",
         fmt::format("\"{}\" has {} *, but \"{}\" has {}", map.from(), stars_in(map.from()),
                     map.to(), stars_in(map.to())),
         "each * of `to` stands for the same text as that of `from`");
  if (map.skip() && (map.has_from() || map.has_on_mismatch()))
    fail("skip", "skip: true loads nothing, so `from` and `on_mismatch` mean nothing beside it",
         "remove the one or the other");
}

bool WeightsRules::applies(const caffe::WeightsMap& map, const std::string& file) const {
  return !map.has_file() || match_stars(map.file(), file);
}

WeightsRules::Terms WeightsRules::terms(const std::string& layer, const std::string& file) const {
  for (int i = param_.weights_map_size() - 1; i >= 0; --i) {
    const caffe::WeightsMap& map = param_.weights_map(i);
    const auto texts = match_stars(map.to(), layer);
    if (!texts || !applies(map, file)) continue;
    return {source_name(map, layer, *texts),
            map.has_on_mismatch() ? map.on_mismatch() : param_.weights_on_mismatch(), map.skip()};
  }
  return {layer, param_.weights_on_mismatch(), false};
}

void WeightsRules::check_used(const std::vector<std::string>& layers,
                              std::span<const snapshot::WeightsFile> files) const {
  Diagnostics found;
  for (int i = 0; i < param_.weights_map_size(); ++i)
    if (!param_.weights_map(i).optional()) check_used(i, layers, files, found);
  found.throw_if_any();
}

void WeightsRules::check_used(int index, const std::vector<std::string>& layers,
                              std::span<const snapshot::WeightsFile> files,
                              Diagnostics& found) const {
  const caffe::WeightsMap& map = param_.weights_map(index);
  const auto fail = [&](const char* field, std::string message, const std::string& word,
                        const std::vector<std::string>& known) {
    found.add(Error(ErrorCode::kUnmatchedRule, std::move(message)))
        .at(places_.at(map_path(index, field)))
        .advise(suggestion(word, known) + "; optional: true accepts that");
  };
  std::vector<std::string> sources;  // names that the map looks for
  for (const std::string& layer : layers)
    if (const auto texts = match_stars(map.to(), layer))
      sources.push_back(source_name(map, layer, *texts));
  if (sources.empty())
    return fail("to", fmt::format("no layer of the net is named \"{}\"", map.to()), map.to(),
                layers);
  std::vector<std::string> paths, known;
  bool file_applies = false;
  for (const snapshot::WeightsFile& file : files) {
    paths.push_back(file.path);
    if (!applies(map, file.path)) continue;
    file_applies = true;
    if (map.skip()) return;
    for (const std::string& source : sources)
      if (holds(file, source)) return;
    for (const auto& layer : file.layers)
      if (!layer.blobs.empty()) known.push_back(layer.layer);
  }
  if (!file_applies)
    return fail("file", fmt::format("no weights file is named \"{}\"", map.file()), map.file(),
                paths);
  fail(map.has_from() ? "from" : "to",
       fmt::format("no weights file has a layer \"{}\"", map.has_from() ? map.from() : map.to()),
       sources.front(), known);
}

}  // namespace crema::train
