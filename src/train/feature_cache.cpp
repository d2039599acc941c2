#include "train/feature_cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"

namespace crema::train {

using exec::Executor;

namespace {

Error refusal(const Location& place, std::string why) {
  return Error(ErrorCode::kConfig, "cache_features: " + std::move(why)).at(place);
}

double megabytes(int64_t numbers) {
  return static_cast<double>(numbers) * sizeof(float) / 1e6;
}

}  // namespace

FeatureCache::FeatureCache(Net& net, const config::SolverConfig& solver)
    : net_(net), loader_(net.only_loader()), place_(solver.places.at("cache_features")) {
  check_source(solver);
  if (net.graph().segments() > 1)
    throw refusal(place_, "a Filter decides how many rows there are")
        .advise("remove cache_features");
  plan_ = net.session().plans().front();
  trunk_ = plan::find_trunk(*plan_, loader_->batch_size());
  if (empty()) return;
  int64_t record = 0;
  for (const plan::Feature& feature : trunk_.features) {
    batch_.emplace_back(static_cast<size_t>(feature.row * loader_->batch_size()));
    record += feature.row;
  }
  record_.resize(static_cast<size_t>(record));
  check_size(solver);
  const caffe::FeatureCache& settings = solver.param.cache_features();
  store_ = settings.storage() == caffe::FeatureCache::DISK
               ? make_disk_store(loader_->samples(), record, settings.folder())
               : make_memory_store(loader_->samples(), record);
}

void FeatureCache::refuse_empty() const {
  Error error = refusal(place_, "there is nothing to keep");
  if (trunk_.end_layer != plan::kNone) {
    const graph::LayerInfo& layer = net_.graph().layers[static_cast<size_t>(trunk_.end_layer)];
    error.note(fmt::format("layer '{}', the first above the data, is in the way: {}", layer.name,
                           trunk_.end_reason),
               layer.places.at());
  }
  throw error.advise("freeze the lower layers with a param_rule, or remove cache_features");
}

void FeatureCache::check_source(const config::SolverConfig& solver) const {
  if (loader_ == nullptr)
    throw refusal(place_, "the training net must have exactly one data layer")
        .advise("remove cache_features");
  const graph::LayerInfo& source = net_.source_layer();
  const std::string random = loader_->random_field();
  if (!random.empty())
    throw refusal(place_,
                  fmt::format("the samples of layer '{}' differ from epoch to epoch", source.name))
        .note(fmt::format("{} draws anew", random), source.places.at(random))
        .advise("remove that line (crop and mirror the images beforehand), or cache_features");
  if (solver.param.cache_features().limit_mb() == 0)
    throw refusal(solver.places.at("cache_features.limit_mb"), "limit_mb must be > 0");
}

void FeatureCache::check_size(const config::SolverConfig& solver) const {
  const auto limit = static_cast<double>(solver.param.cache_features().limit_mb());
  const double needed = megabytes(static_cast<int64_t>(record_.size()) * loader_->samples());
  if (needed <= limit) return;
  throw refusal(
      solver.places.at("cache_features.limit_mb"),
      fmt::format("the features take {:.0f} MB ({}), the limit is {:.0f}", needed, text(), limit))
      .advise("raise limit_mb, write storage: DISK, or freeze up to a layer with a smaller output");
}

std::string FeatureCache::text() const {
  std::vector<std::string> names;
  for (const plan::Feature& feature : trunk_.features)
    names.push_back(
        plan_->graph
            ->values[static_cast<size_t>(plan_->tensors[static_cast<size_t>(feature.tensor)].value)]
            .name);
  return fmt::format("{}: {} numbers for each of {} samples", join(names, ", "), record_.size(),
                     loader_->samples());
}

std::span<float> FeatureCache::row(size_t feature, int64_t item) {
  const auto size = static_cast<size_t>(trunk_.features[feature].row);
  return std::span(batch_[feature]).subspan(static_cast<size_t>(item) * size, size);
}

double FeatureCache::forward(int64_t batch, const ops::StepInfo& step) {
  const std::vector<int64_t> samples = loader_->samples_of(batch);
  const bool known = std::all_of(samples.begin(), samples.end(),
                                 [&](int64_t sample) { return store_->has(sample); });
  return known ? recall(samples, step) : compute(batch, samples, step);
}

double FeatureCache::recall(const std::vector<int64_t>& samples, const ops::StepInfo& step) {
  for (size_t item = 0; item < samples.size(); ++item) {
    store_->get(samples[item], record_);
    auto from = record_.begin();
    for (size_t f = 0; f < batch_.size(); ++f) {
      const std::span<float> to = row(f, static_cast<int64_t>(item));
      std::copy_n(from, to.size(), to.begin());
      from += static_cast<ptrdiff_t>(to.size());
    }
  }
  exec::Session& run = net_.session();
  for (size_t f = 0; f < batch_.size(); ++f)
    if (trunk_.features[f].step == plan::kNone)
      run.set_input(static_cast<size_t>(trunk_.features[f].input), batch_[f]);
  return run.forward(step, trunk_, Executor::TrunkMode::kRecall, [&](size_t f, void* data) {
    run.from_plain(trunk_.features[f].tensor, batch_[f].data(), data);
  });
}

double FeatureCache::compute(int64_t batch, const std::vector<int64_t>& samples,
                             const ops::StepInfo& step) {
  net_.feed(batch);
  if (net_.session().plans().front() != plan_)
    throw refusal(place_, "the samples differ in size").advise("remove cache_features");
  if (!checked_) check_rows(step);
  exec::Session& run = net_.session();
  const double loss =
      run.forward(step, trunk_, Executor::TrunkMode::kAll, [&](size_t f, void* data) {
        run.to_plain(trunk_.features[f].tensor, data, batch_[f].data());
      });
  for (size_t item = 0; item < samples.size(); ++item) {
    if (store_->has(samples[item])) continue;
    auto to = record_.begin();
    for (size_t f = 0; f < batch_.size(); ++f) {
      const std::span<float> from = row(f, static_cast<int64_t>(item));
      to = std::copy(from.begin(), from.end(), to);
    }
    store_->put(samples[item], record_);
  }
  return loss;
}

// The batch, and the batch with its samples moved on by one: the same bits for each sample?
void FeatureCache::check_rows(const ops::StepInfo& step) {
  checked_ = true;
  exec::Session& run = net_.session();
  const int64_t n = loader_->batch_size();
  const auto features = [&](const std::vector<std::vector<float>>& inputs) {
    for (size_t i = 0; i < inputs.size(); ++i) run.set_input(i, inputs[i]);
    std::vector<std::vector<float>> out(batch_.size());
    run.forward(step, trunk_, Executor::TrunkMode::kTrunk, [&](size_t f, void* data) {
      out[f].resize(batch_[f].size());
      run.to_plain(trunk_.features[f].tensor, data, out[f].data());
    });
    return out;
  };
  std::vector<std::vector<float>> inputs = net_.inputs();
  const auto straight = features(inputs);
  for (std::vector<float>& input : inputs)
    std::rotate(input.begin(), input.begin() + static_cast<ptrdiff_t>(input.size()) / n,
                input.end());
  auto moved = features(inputs);
  for (size_t f = 0; f < moved.size(); ++f) {
    std::rotate(moved[f].begin(), moved[f].end() - static_cast<ptrdiff_t>(moved[f].size()) / n,
                moved[f].end());
    if (std::memcmp(moved[f].data(), straight[f].data(), moved[f].size() * sizeof(float)) != 0)
      throw refusal(place_,
                    "a kernel of the frozen layers gives a sample other bits at another "
                    "place in the batch, so that what is kept would differ")
          .advise("remove cache_features, or try other --engines");
  }
  net_.refeed();
}

}  // namespace crema::train
