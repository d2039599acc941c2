#include "train/rules.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/text.hpp"
#include "train/weights.hpp"

namespace crema::train {

std::vector<std::string> weights_paths(const std::vector<std::string>& given,
                                       const config::SolverConfig& solver) {
  std::vector<std::string> out = given;
  if (out.empty())
    for (const std::string& entry : solver.param.weights())
      for (std::string& file : split(entry, ',')) out.push_back(std::move(file));
  return out;
}

namespace {

// True if the rule names layers of its own accord, rather than sifting all of them.
bool names_layers(const caffe::ParamRule& rule) {
  for (const std::string& pattern : rule.match())
    if (!pattern.starts_with('*')) return true;
  return rule.match_re_size() > 0 || rule.has_from() || rule.has_to();
}

// Per parameter: whether a rule that names its layer counts on its being loaded.
std::vector<bool> counted_on(const graph::Graph& graph, const config::SolverConfig& solver) {
  config::SolverConfig claims;  // its rules one by one, as far as they claim anything
  claims.places = solver.places;
  for (const caffe::ParamRule& rule : solver.param.param_rule()) {
    caffe::ParamRule& claim = *claims.param.add_param_rule();
    claim.set_optional(true);
    claim.set_lr_mult(1);
    if (!rule.loaded() || !names_layers(rule)) {
      claim.add_match("");  // for nothing
      continue;
    }
    *claim.mutable_match() = rule.match();
    *claim.mutable_match_re() = rule.match_re();
    *claim.mutable_type() = rule.type();
    *claim.mutable_blob() = rule.blob();
    if (rule.has_from()) claim.set_from(rule.from());
    if (rule.has_to()) claim.set_to(rule.to());
  }
  optim::NetFacts facts = facts_of(graph, {});
  for (optim::ParamFacts& param : facts.params) param.spec.Clear();
  const auto settings = optim::resolve_rules(claims, facts, {});
  std::vector<bool> out(graph.params.size(), false);
  for (size_t i = 0; i < out.size(); ++i) out[i] = !settings[i].rules.empty();
  return out;
}

}  // namespace

Loaded loaded_from(std::span<const snapshot::WeightsFile> files, const graph::Graph& graph,
                   const config::SolverConfig& solver) {
  const WeightsPlan plan(files, graph, WeightsRules(solver), true);
  plan.require(counted_on(graph, solver));
  Loaded out;
  out.given = true;
  for (size_t p = 0; p < graph.params.size(); ++p)
    if (plan.loaded(p)) out.names.insert(graph.params[p].name);
  return out;
}

optim::RunLength run_length(config::SolverConfig& solver, double batches_per_epoch) {
  const double per_epoch = batches_per_epoch / solver.param.iter_size();
  if (solver.param.has_max_epoch()) {
    const Location place = solver.places.at("max_epoch");
    if (per_epoch <= 0)
      throw Error(ErrorCode::kConfig,
                  "max_epoch needs a data source whose length is known, and there is none")
          .at(place)
          .advise("write max_iter: N instead, the number of updates");
    const double updates = std::ceil(solver.param.max_epoch() * per_epoch - 1e-6);
    if (updates > std::numeric_limits<int32_t>::max())
      throw Error(ErrorCode::kConfig, fmt::format("{} epochs are {:.0f} updates, more than crema "
                                                  "counts",
                                                  solver.param.max_epoch(), updates))
          .at(place);
    solver.param.set_max_iter(static_cast<int32_t>(updates));
  }
  return {solver.param.max_iter(), per_epoch};
}

optim::NetFacts facts_of(const graph::Graph& graph, const Loaded& loaded) {
  optim::NetFacts out;
  out.weights_given = loaded.given;
  for (const graph::LayerInfo& layer : graph.layers) out.layers.push_back(layer.name);
  for (const graph::ParamInfo& param : graph.params) {
    const graph::LayerInfo& layer = graph.layers[static_cast<size_t>(param.layer)];
    optim::ParamFacts facts;
    facts.layer = layer.name;
    facts.type = layer.type;
    facts.blob = layer.decls[static_cast<size_t>(param.blob)].name;
    facts.position = param.blob;
    facts.depth = param.layer;
    facts.state = param.state;
    facts.loaded = loaded.names.contains(param.name);
    facts.lr_mult = param.lr_mult;
    facts.decay_mult = param.decay_mult;
    facts.lr_mult_place = param.lr_mult_place;
    facts.decay_mult_place = param.decay_mult_place;
    facts.spec = param.spec;
    facts.places = param.spec_places;
    out.params.push_back(std::move(facts));
  }
  return out;
}

std::map<std::string, graph::ParamChoice> choices_at(
    int64_t t, const graph::Graph& graph, std::span<const optim::ParamSettings> settings) {
  std::map<std::string, graph::ParamChoice> out;
  for (size_t i = 0; i < settings.size(); ++i) {
    const optim::ParamSettings& param = settings[i];
    out[graph.params[i].name] = {!param.lr_mult.always(0), param.freeze.at(t),
                                 param.live_statistics, param.freeze.for_good()};
  }
  return out;
}

}  // namespace crema::train
