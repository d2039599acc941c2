#include "data/located.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "base/files.hpp"
#include "base/text.hpp"

namespace crema::data {

namespace {

Error located(ErrorCode code, const config::LayerConfig& layer, std::string_view field,
              const std::string& message) {
  Error error(code, fmt::format("layer '{}': {}", layer.param.name(), message));
  error.at(layer.places.at(field));
  return error;
}

std::string within(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).string();
}

}  // namespace

Error config_error(const config::LayerConfig& layer, std::string_view field,
                   const std::string& message) {
  return located(ErrorCode::kConfig, layer, field, message);
}

Error data_error(const config::LayerConfig& layer, std::string_view field,
                 const std::string& message) {
  return located(ErrorCode::kData, layer, field, message);
}

std::string existing_path(const config::LayerConfig& layer, std::string_view field,
                          const std::string& written, const std::string& also_in) {
  if (written.empty()) throw config_error(layer, field, fmt::format("{} is not set", field));
  if (written.find('\0') != std::string::npos)
    throw config_error(layer, field, fmt::format("{} holds a zero byte", field));
  std::vector<std::string> candidates{written};
  if (std::filesystem::path(written).is_relative()) {
    // The layer's own file, not the field's: a field may come from a command-line overlay.
    const Location layer_place = layer.places.at();
    const std::string folder =
        layer_place.known() ? std::filesystem::path(layer_place.source->name).parent_path().string()
                            : std::string();
    for (const std::string& place : {folder, also_in})
      if (!place.empty() && within(place, written) != candidates.back())
        candidates.push_back(within(place, written));
  }
  for (const std::string& candidate : candidates)
    if (file_exists(candidate)) return candidate;
  Error error = data_error(layer, field, fmt::format("there is no '{}'", written));
  if (file_exists(candidates.back() + ".gz"))
    throw error.advise(fmt::format("there is '{}.gz': name that", written));
  std::error_code ignored;
  throw error.advise(fmt::format("looked for {} from the working directory {}",
                                 join(candidates, ", then "),
                                 std::filesystem::current_path(ignored).string()));
}

}  // namespace crema::data
