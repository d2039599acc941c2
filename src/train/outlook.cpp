#include "train/outlook.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "optim/notes.hpp"
#include "train/groups.hpp"

namespace crema::train {

namespace {

std::string place_text(const Location& place) {
  return place.known() ? place.text() : "default";
}

// Named after what it holds before the first update.
std::string origin_of(const graph::ParamInfo& param, const OutlookInputs& inputs) {
  if (inputs.resumed) return "snapshot";
  if (inputs.loaded.names.contains(param.name)) return "loaded";
  const std::string filler = param.initial.empty() ? param.filler.type() : "definition";
  return inputs.loaded.given ? "new: " + filler : filler;
}

// `moved`: it may have velocity.
ParamMoment moment_of(const OutlookInputs& inputs, const graph::Graph& graph, size_t p, int64_t t,
                      bool moved) {
  const graph::ParamInfo& param = graph.params[p];
  const graph::LayerInfo& layer = graph.layers[static_cast<size_t>(param.layer)];
  const optim::ParamSettings& settings = inputs.settings[p];
  ParamMoment out;
  out.frozen = settings.freeze.at(t);
  out.reached = param.gradient != graph::kNone;
  out.why = layer.backward_reason;
  if (param.state) {
    out.does = out.frozen && !settings.live_statistics ? "kept" : "collected";
    return out;
  }
  out.rate = inputs.optimizer.rate(p, t);
  out.decay = inputs.optimizer.weight_decay(p, t);
  out.momentum = inputs.optimizer.momentum(p, t);
  out.lr_mult = settings.lr_mult.at(t);
  out.decay_mult = settings.decay_mult.at(t);
  out.grad_mult = settings.grad_mult.at(t);
  const bool coasts = moved && inputs.optimizer.group(p).update->rate_in_velocity() &&
                      out.momentum != 0 && !settings.lr_mult.always(0);
  if (out.frozen)
    out.does = "frozen";
  else if (settings.lr_mult.always(0))
    out.does = "does not move: lr_mult 0";
  else if (out.rate == 0)
    out.does = coasts ? "coasts: rate 0, old velocity runs out" : "does not move: rate 0";
  else if (out.reached)
    out.does = "learns";
  else
    out.does = out.decay != 0 ? "MOVES BY DECAY ONLY" : "does not move: no gradient";
  return out;
}

ParamOutlook describe(const OutlookInputs& inputs, const graph::Graph& graph, size_t p) {
  const graph::ParamInfo& param = graph.params[p];
  const optim::ParamSettings& settings = inputs.settings[p];
  const optim::Group& group = inputs.optimizer.group(p);
  ParamOutlook out;
  out.name = param.name;
  out.type = graph.layers[static_cast<size_t>(param.layer)].type;
  out.shape = param.shape.text();
  out.state = param.state;
  out.origin = origin_of(param, inputs);
  const config::Places& places = inputs.solver.places;
  for (const int r : settings.rules)
    out.rules.push_back(places.at(fmt::format("param_rule[{}]", r)).text());
  if (!settings.freeze.never()) out.freeze_place = place_text(settings.freeze_place);
  if (param.state) return out;
  out.optimizer = group.type;
  const std::vector<std::string> slots = group.update->slots();
  const bool outside =
      std::find(slots.begin(), slots.end(), "momentum_of_gradients") != slots.end();
  out.momentum_form = group.update->rate_in_velocity() ? "LR_INSIDE" : outside ? "LR_OUTSIDE" : "-";
  out.optimizer_place =
      place_text(group.rule < 0 ? (inputs.solver.param.has_type() ? places.at("type") : Location{})
                                : places.at(fmt::format("param_rule[{}].optimizer", group.rule)));
  out.lr_mult = settings.lr_mult.text();
  out.decay_mult = settings.decay_mult.text();
  out.grad_mult = settings.grad_mult.text();
  out.lr_mult_place = place_text(settings.lr_mult_place);
  out.decay_mult_place = place_text(settings.decay_mult_place);
  out.grad_mult_place = place_text(settings.grad_mult_place);
  return out;
}

std::vector<std::string> heading_of(const OutlookInputs& inputs) {
  const caffe::SolverParameter& p = inputs.solver.param;
  std::vector<std::string> out;
  for (const auto& group : inputs.optimizer.groups()) {
    const std::string whose =
        group->rule < 0
            ? ""
            : fmt::format(" ({})", inputs.solver.places
                                       .at(fmt::format("param_rule[{}].optimizer", group->rule))
                                       .text());
    out.push_back(fmt::format("{}{}: {}", group->type, whose, group->update->formula()));
    out.push_back(fmt::format("  learning rate: {}; weight decay: {}{}", group->policy->formula(),
                              group->weight_decay.text(), group->l1 ? " (L1)" : ""));
  }
  std::string clip = "no clipping";
  if (p.clip_gradients() > 0)
    clip = fmt::format("clip at norm {:g} ({})", p.clip_gradients(),
                       caffe::ClipScope_Name(p.clip_scope()));
  else if (p.clip_value() > 0)
    clip = fmt::format("clip each element at {:g}", p.clip_value());
  out.push_back(fmt::format("an update: {}, {}, weight decay, optimizer",
                            p.caffe_compat() ? clip + " of the sum" : "mean over iter_size",
                            p.caffe_compat() ? fmt::format("divide by iter_size {}", p.iter_size())
                                             : fmt::format("{}", clip)));
  out.emplace_back(
      "rate of a parameter = learning rate x lr_mult; it scales the step, not the gradient");
  return out;
}

std::string carried_note(const graph::CarriedInfo& state, const graph::Graph& graph,
                         bool caffe_compat) {
  return fmt::format(
      "{} ({}) goes from each batch to the next, 0 at first{}", state.name,
      graph.values[static_cast<size_t>(state.value)].shape.text(),
      caffe_compat ? " and after a resume (caffe_compat)" : "; it is saved in the .solverstate");
}

class Collector {
 public:
  Collector(const OutlookInputs& inputs) : inputs_(inputs) {
    last_ = std::max<int64_t>(inputs.first, inputs.solver.param.max_iter() - 1);
  }
  std::vector<Moment> collect() {
    add(inputs_.first, "start");
    policies();
    schedules();
    const int64_t max_iter = inputs_.solver.param.max_iter();
    add_all(optim::freeze_boundaries(inputs_.settings, max_iter), "freeze");
    beginnings();
    if (changes_between()) quarters();
    add(last_, "last");
    std::vector<Moment> out;
    for (const auto& [t, reasons] : found_) out.push_back({t, reasons});
    return out;
  }

 private:
  void add(int64_t t, const std::string& reason) {
    if (t < inputs_.first || t > last_) return;
    std::vector<std::string>& reasons = found_[t];
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end())
      reasons.push_back(reason);
  }
  void add_all(const std::vector<int64_t>& times, const std::string& reason) {
    for (const int64_t t : times) add(t, reason);
  }
  void policies() {
    for (const auto& group : inputs_.optimizer.groups()) {
      add_all(group->policy->boundaries(inputs_.solver.param.max_iter()), "lr_policy");
      add_all(group->momentum.boundaries(), "momentum");
      add_all(group->weight_decay.boundaries(), "weight_decay");
    }
  }
  void schedules() {
    for (const optim::ParamSettings& s : inputs_.settings) {
      add_all(s.lr_mult.boundaries(), "lr_mult");
      add_all(s.decay_mult.boundaries(), "decay_mult");
      add_all(s.grad_mult.boundaries(), "grad_mult");
    }
  }
  // Where a rate leaves 0 or becomes 0 on the way between two times that are known.
  void beginnings() {
    std::vector<int64_t> known;
    for (const auto& [t, reasons] : found_) known.push_back(t);
    known.push_back(last_);
    for (size_t p = 0; p < inputs_.settings.size(); ++p) {
      const auto moves = [&](int64_t t) { return inputs_.optimizer.rate(p, t) != 0; };
      for (size_t i = 1; i < known.size(); ++i) {
        int64_t from = known[i - 1], to = known[i];
        if (moves(from) == moves(to)) continue;
        while (to - from > 1) {
          const int64_t middle = from + (to - from) / 2;
          (moves(middle) == moves(known[i]) ? to : from) = middle;
        }
        if (!found_.contains(to)) add(to, "rate 0");
      }
    }
  }
  // A curve is at work where a rate differs between the beginning and the end of a span without
  // boundaries.
  bool changes_between() const {
    auto it = found_.begin();
    for (auto next = std::next(it); it != found_.end(); it = next++) {
      const int64_t from = it->first, to = next == found_.end() ? last_ : next->first - 1;
      for (size_t p = 0; p < inputs_.settings.size(); ++p)
        if (inputs_.optimizer.rate(p, from) != inputs_.optimizer.rate(p, to)) return true;
      if (next == found_.end()) break;
    }
    return false;
  }
  void quarters() {
    for (int quarter = 1; quarter < 4; ++quarter)
      add(inputs_.first + (last_ - inputs_.first) * quarter / 4, "quarter");
  }

  const OutlookInputs& inputs_;
  int64_t last_ = 0;
  std::map<int64_t, std::vector<std::string>> found_;
};

// Notes that say the same of several parameters become one warning.
void add_warning(std::vector<Warning>& out, const std::string& param, const std::string& text,
                 const std::string& place) {
  for (Warning& warning : out)
    if (warning.text == text && warning.place == place) {
      if (!param.empty()) warning.params.push_back(param);
      return;
    }
  out.push_back(
      {param.empty() ? std::vector<std::string>{} : std::vector<std::string>{param}, text, place});
}

void find_warnings(const OutlookInputs& inputs, Outlook& out) {
  for (const optim::ParamNote& note : optim::notes(inputs.optimizer, inputs.solver))
    add_warning(
        out.warnings,
        note.param < 0 ? "" : inputs.optimizer.params()[static_cast<size_t>(note.param)].name,
        note.text, note.place.known() ? note.place.text() : "");
  for (size_t p = 0; p < out.params.size(); ++p) {
    const ParamOutlook& param = out.params[p];
    const optim::ParamSettings& settings = inputs.settings[p];
    if (param.state && settings.freeze.at(inputs.first) && !settings.live_statistics &&
        param.origin != "loaded" && param.origin != "snapshot")
      add_warning(out.warnings, param.name,
                  "frozen, but the running statistics were never collected: train refuses; start "
                  "from weights that hold them, or write bn_stats: LIVE",
                  param.freeze_place);
    for (const ParamMoment& at : param.at)
      if (at.does == "MOVES BY DECAY ONLY") {
        add_warning(out.warnings, param.name,
                    fmt::format("moves by weight decay only: no gradient reaches it ({})", at.why),
                    param.decay_mult_place == "default" ? "" : param.decay_mult_place);
        break;
      }
  }
}

// When a parameter may move for the first time; in a run that goes on, before it did.
int64_t first_step(const OutlookInputs& inputs, size_t p) {
  if (inputs.resumed) return -1;
  for (const Moment& moment : find_moments(inputs))
    if (inputs.optimizer.rate(p, moment.iteration) != 0) return moment.iteration;
  return std::numeric_limits<int64_t>::max();
}

}  // namespace

std::vector<Moment> find_moments(const OutlookInputs& inputs) {
  return Collector(inputs).collect();
}

Outlook make_outlook(const OutlookInputs& inputs) {
  Outlook out;
  out.solver = inputs.solver.file;
  out.first = inputs.first;
  out.max_iter = inputs.solver.param.max_iter();
  out.heading = heading_of(inputs);
  if (inputs.at.empty())
    out.moments = find_moments(inputs);
  else
    for (const int64_t t : inputs.at) out.moments.push_back({t, {"asked"}});
  out.freezes = optim::freeze_boundaries(inputs.settings, out.max_iter);
  std::vector<int64_t> first_steps;  // per parameter: when it moves for the first time
  for (size_t p = 0; p < inputs.settings.size(); ++p) first_steps.push_back(first_step(inputs, p));
  // The graph changes only where the frozen set does.
  std::vector<bool> frozen;
  std::shared_ptr<const graph::Graph> graph;
  for (const Moment& moment : out.moments) {
    std::vector<bool> now;
    for (const optim::ParamSettings& s : inputs.settings)
      now.push_back(s.freeze.at(moment.iteration));
    if (out.params.empty() || now != frozen) graph = inputs.graph_at(moment.iteration);
    frozen = std::move(now);
    if (out.params.empty()) {
      out.net = graph->file;
      for (size_t p = 0; p < graph->params.size(); ++p)
        out.params.push_back(describe(inputs, *graph, p));
      for (const ParamGroup& group : group_parameters(*graph, inputs.settings))
        out.curves.push_back({group.described(*graph).name, group.members[0]});
      out.notes = graph->notes;
      for (const graph::CarriedInfo& state : graph->carried)
        out.notes.push_back(carried_note(state, *graph, inputs.solver.param.caffe_compat()));
    }
    for (size_t p = 0; p < out.params.size(); ++p)
      out.params[p].at.push_back(
          moment_of(inputs, *graph, p, moment.iteration, first_steps[p] < moment.iteration));
  }
  find_warnings(inputs, out);
  return out;
}

}  // namespace crema::train
