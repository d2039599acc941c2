#include "train/histograms.hpp"

namespace crema::train {

void HistogramTaker::before(const exec::ParamStore& params, size_t p) {
  values_[p] = params.value(p);
}

void HistogramTaker::after(const exec::ParamStore& params, size_t p, const void* gradient,
                           int passes) {
  report::Histograms& event = events_[p];
  const std::vector<float> values = params.value(p);
  event.weights = report::histogram_of(values);
  std::vector<float> update = std::move(values_.at(p));
  values_.erase(p);
  for (size_t k = 0; k < values.size(); ++k) update[k] = values[k] - update[k];
  event.update = report::histogram_of(update);
  if (gradient == nullptr) return;
  std::vector<float> mean = params.to_plain(p, gradient);
  for (float& g : mean) g /= static_cast<float>(passes);
  event.gradient = report::histogram_of(mean);
}

void HistogramTaker::emit(int64_t t, const graph::Graph& graph, report::Reporter& reporter) {
  for (auto& [p, event] : events_) {
    event.iteration = t + 1;
    event.param = graph.params[p].name;
    reporter.emit(event);
  }
  events_.clear();
}

}  // namespace crema::train
