// A trainer's part in freezing: plan and memory follow the set of frozen parameters.
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"
#include "train/trainer.hpp"

namespace crema::train {

namespace {

bool all_zero(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
}

}  // namespace

// Every parameter that may move has a gradient, if only one of zeros that decay is added to. Those
// that are handed out during the pass come with it.
void Trainer::bind_gradients() {
  for (size_t i = 0; i < net_->params().size(); ++i) {
    const graph::ParamInfo& info = net_->graph().params[i];
    const bool none =
        info.state || handed_out(i) || (info.choice.frozen && info.gradient == graph::kNone);
    exec::Parameter& memory = net_->params()[i];
    std::span<const float> gradient;
    if (!none) gradient = {static_cast<const float*>(memory.gradient()), memory.physical_count()};
    optimizer_->set_gradient(i, gradient);
  }
}

// Normalising by statistics that were never collected divides by almost nothing.
void Trainer::check_frozen_statistics() const {
  Diagnostics found;
  for (const graph::LayerInfo& layer : net_->graph().layers) {
    const Location* place = nullptr;
    bool collected = false;
    for (const int p : layer.params) {
      const graph::ParamInfo& info = net_->graph().params[static_cast<size_t>(p)];
      if (!info.state || !info.choice.frozen || info.choice.live_statistics) continue;
      place = &settings_[static_cast<size_t>(p)].freeze_place;
      collected |= !all_zero(net_->params().value(static_cast<size_t>(p)));
    }
    if (place == nullptr || collected) continue;
    found
        .add(Error(ErrorCode::kConfig,
                   fmt::format("layer '{}' is frozen, but its running statistics were never "
                               "collected",
                               layer.name)))
        .at(*place)
        .note("the layer", layer.places.at())
        .advise("start from weights that hold them, or write bn_stats: LIVE");
  }
  found.throw_if_any();
}

// With --plan_skip=freeze the backward pass is whole at all times, and only the layers change that
// use other statistics now.
bool Trainer::must_replan(const std::map<std::string, graph::ParamChoice>& choices) const {
  const bool whole = context_.plan_skip.contains("freeze");
  for (const graph::ParamInfo& param : net_->graph().params)
    if (param.choice != choices.at(param.name) && (param.state || !whole)) return true;
  return false;
}

// Where more layers learn later on, their gradients need memory too: whether that keeps a budget is
// told before the run.
void Trainer::check_later_plans() const {
  for (const int64_t t : boundaries_) {
    if (t <= iteration_) continue;
    try {
      net_->try_replan(choices_at(t, net_->graph(), settings_));
    } catch (Error& error) {
      throw error.note(
          fmt::format("so it will be from iteration {} on, where the parameters that "
                      "learn change",
                      t));
    }
  }
}

void Trainer::follow_freeze_times() {
  if (!std::binary_search(boundaries_.begin(), boundaries_.end(), iteration_)) return;
  optimizer_->prepare(iteration_);
  const auto choices = choices_at(iteration_, net_->graph(), settings_);
  if (!must_replan(choices)) return;
  const Stopwatch watch;
  report::Replanned event;
  event.iteration = iteration_;
  event.arena_bytes_before = net_->session().arena_bytes();
  features_.reset();
  net_->replan(choices);
  bind_gradients();
  check_frozen_statistics();
  for (const graph::ParamInfo& param : net_->graph().params) {
    if (param.state) continue;
    ++(param.choice.frozen ? event.frozen : event.learning);
  }
  event.arena_bytes = net_->session().arena_bytes();
  event.state_bytes = optimizer_->state_bytes();
  event.seconds = watch.seconds();
  result_.replans.push_back(event);
  reporter_.emit(event);
  cache_features(false);
}

// What cannot be done is refused before the run; when the freeze line has moved, the run goes on
// without.
void Trainer::cache_features(bool at_start) {
  if (!param_.has_cache_features()) return;
  if (context_.plan_skip.contains("freeze"))
    throw Error(ErrorCode::kConfig, "cache_features and --plan_skip=freeze exclude each other")
        .at(solver_.places.at("cache_features"))
        .advise("leave one of them out");
  if (param_.debug_info())
    throw Error(ErrorCode::kConfig, "cache_features and debug_info exclude each other")
        .at(solver_.places.at("debug_info"))
        .note("what is kept is not computed again", solver_.places.at("cache_features"))
        .advise("leave one of them out");
  try {
    auto cache = std::make_unique<FeatureCache>(*net_, solver_);
    if (cache->empty() && at_start && boundaries_.empty()) cache->refuse_empty();
    reporter_.info("cache_features: " +
                   (cache->empty() ? std::string("nothing to keep for now") : cache->text()));
    if (!cache->empty()) features_ = std::move(cache);
  } catch (const Error& error) {
    if (at_start) throw;
    reporter_.warn(error.message + "; the run goes on without");
  }
}

}  // namespace crema::train
