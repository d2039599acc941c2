#include "report/texts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace crema::report {

namespace {

std::string list(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string line_of(const WeightsLoaded::Blob& blob) {
  std::string text = fmt::format("  {} {}: {}", blob.name, blob.shape, blob.how);
  if (!blob.from.empty())
    text += fmt::format(" from {} {} of {}", blob.from, blob.stored_shape, blob.file);
  return text + fmt::format(", norm {:.6g}", blob.norm);
}

}  // namespace

std::vector<std::string> lines_of(const WeightsLoaded& event) {
  std::vector<std::string> out;
  for (const WeightsLoaded::File& file : event.files)
    out.push_back(fmt::format("weights from {}: loaded {}; in the file but not in the net: {}",
                              file.path, list(file.loaded), list(file.unused)));
  out.push_back("left at their fillers: " + list(event.at_filler));
  for (const WeightsLoaded::Blob& blob : event.blobs) out.push_back(line_of(blob));
  return out;
}

std::string text_of(const Replanned& event) {
  constexpr double kMega = 1e6;
  return fmt::format(
      "Iteration {}: {} of {} parameters learn; activations and gradients {:.1f} MB (before: "
      "{:.1f} "
      "MB), optimizer {:.1f} MB",
      event.iteration, event.learning, event.learning + event.frozen,
      static_cast<double>(event.arena_bytes) / kMega,
      static_cast<double>(event.arena_bytes_before) / kMega,
      static_cast<double>(event.state_bytes) / kMega);
}

}  // namespace crema::report
