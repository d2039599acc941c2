#include "train/histograms.hpp"

namespace crema::train {

void HistogramTaker::before(const exec::ParamStore& params) {
  values_.resize(params.size());
  for (size_t i = 0; i < params.size(); ++i) values_[i] = params.value(i);
}

void HistogramTaker::after(int64_t t, const exec::ParamStore& params, const graph::Graph& graph,
                           int passes, report::Reporter& reporter) {
  for (size_t i = 0; i < params.size(); ++i) {
    if (graph.params[i].state) continue;
    report::Histograms event;
    event.iteration = t + 1;
    event.param = graph.params[i].name;
    const std::vector<float> values = params.value(i);
    event.weights = report::histogram_of(values);
    std::vector<float>& update = values_[i];
    for (size_t k = 0; k < values.size(); ++k) update[k] = values[k] - update[k];
    event.update = report::histogram_of(update);
    if (graph.params[i].gradient != graph::kNone) {
      std::vector<float> gradient = params.to_plain(i, params[i].gradient());
      for (float& g : gradient) g /= static_cast<float>(passes);
      event.gradient = report::histogram_of(gradient);
    }
    reporter.emit(event);
  }
  values_.clear();
}

}  // namespace crema::train
