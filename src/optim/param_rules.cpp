#include "optim/param_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "optim/selector.hpp"

namespace crema::optim {

namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// One block of settings - a rule's or a param block's - on the parameters that it is for.
class Block {
 public:
  Block(const caffe::ParamRule& rule, config::Places places, const RunLength& run,
        Diagnostics& found)
      : rule_(rule), places_(std::move(places)), run_(run), found_(found) {
    read();
  }

  // `rank`: how many of the selected layers lie above the parameter's.
  void apply(ParamSettings& to, int rank) const {
    if (lr_mult_) set(to.lr_mult, to.lr_mult_place, *lr_mult_, "lr_mult");
    if (decay_mult_) set(to.decay_mult, to.decay_mult_place, *decay_mult_, "decay_mult");
    if (grad_mult_) set(to.grad_mult, to.grad_mult_place, *grad_mult_, "grad_mult");
    if (rule_.has_grad_mult_at())
      to.grad_mult_before_clip = rule_.grad_mult_at() == caffe::ParamRule::BEFORE_CLIP;
    if (until_) to.freeze.until = later(*until_, rank);
    if (from_) to.freeze.from = *from_ == kForever ? std::nullopt : from_;
    if (until_ || from_) to.freeze_place = places_.at(freeze_field());
    if (rule_.has_bn_stats()) to.live_statistics = rule_.bn_stats() == caffe::ParamRule::LIVE;
    if (rule_.has_frozen_slots()) to.hold_slots = rule_.frozen_slots() == caffe::ParamRule::HOLD;
  }

  bool says_something() const {
    return lr_mult_ || decay_mult_ || grad_mult_ || until_ || from_ || rule_.has_grad_mult_at() ||
           rule_.has_bn_stats() || rule_.has_frozen_slots() || rule_.has_optimizer();
  }

 private:
  Error& fail(const std::string& field, std::string message) {
    return found_.add(Error(ErrorCode::kConfig, std::move(message)).at(places_.at(field)));
  }

  void read() {
    lr_mult_ = number("lr_mult", rule_.has_lr_mult(), rule_.lr_mult(), rule_.has_lr_mult_schedule(),
                      rule_.lr_mult_schedule());
    decay_mult_ = number("decay_mult", rule_.has_decay_mult(), rule_.decay_mult(),
                         rule_.has_decay_mult_schedule(), rule_.decay_mult_schedule());
    grad_mult_ = number("grad_mult", rule_.has_grad_mult(), rule_.grad_mult(),
                        rule_.has_grad_mult_schedule(), rule_.grad_mult_schedule());
    read_freeze();
  }

  std::optional<Schedule> number(const std::string& field, bool has, double value,
                                 bool has_schedule, const caffe::Schedule& schedule) {
    const std::string other = field + "_schedule";
    if (has && has_schedule)
      fail(other, fmt::format("both {} and {} are given", field, other))
          .note("the number", places_.at(field))
          .advise("keep one of them");
    if (has && !std::isfinite(value))
      fail(field, fmt::format("{} must be a finite number, not {}", field, value));
    if (has) return Schedule(value);
    std::optional<Schedule> out;
    if (has_schedule)
      found_.guard([&] { out = Schedule::read(schedule, places_.inside(other), run_); });
    return out;
  }

  void read_freeze() {
    if (rule_.has_freeze()) {
      until_ = rule_.freeze() == caffe::ParamRule::ALWAYS ? kForever : 0;
      if (rule_.freeze() == caffe::ParamRule::NEVER) from_ = kForever;
      for (const char* field : {"freeze_until", "freeze_from"})
        if (std::string(field) == "freeze_until" ? rule_.has_freeze_until()
                                                 : rule_.has_freeze_from())
          fail(field, fmt::format("both freeze and {} are given", field))
              .advise("keep one of them");
      return;
    }
    if (rule_.has_freeze_until()) until_ = time("freeze_until", rule_.freeze_until());
    if (rule_.has_freeze_from()) from_ = time("freeze_from", rule_.freeze_from());
    if (!rule_.has_unfreeze_interval()) return;
    if (!rule_.has_freeze_until())
      fail("unfreeze_interval", "unfreeze_interval needs freeze_until")
          .advise("write freeze_until: T, when the topmost of these layers begins to learn");
    interval_ = time("unfreeze_interval", rule_.unfreeze_interval());
  }

  int64_t time(const std::string& field, double value) {
    if (!std::isfinite(value) || value < 0) {
      fail(field, fmt::format("{} must be a time >= 0, not {}", field, value));
      return 0;
    }
    int64_t out = 0;
    found_.guard([&] {
      const double t = to_iterations(value, rule_.freeze_unit(), run_, places_.at(field));
      out = static_cast<int64_t>(std::ceil(std::min(t, 1e18)));
    });
    return out;
  }

  int64_t later(int64_t until, int rank) const {
    return until == kForever ? until : until + rank * interval_;
  }

  void set(Schedule& to, Location& place, const Schedule& value, const std::string& field) const {
    to = value;
    place = places_.at(value.constant() ? field : field + "_schedule");
  }

  const char* freeze_field() const {
    return rule_.has_freeze() ? "freeze" : until_ ? "freeze_until" : "freeze_from";
  }

  const caffe::ParamRule& rule_;
  const config::Places places_;
  const RunLength& run_;
  Diagnostics& found_;
  std::optional<Schedule> lr_mult_, decay_mult_, grad_mult_;
  std::optional<int64_t> until_, from_;
  int64_t interval_ = 0;
};

// The fields of a net's param block that a rule could hold too, but for the two that the net's own
// sharing rules have merged already.
caffe::ParamRule as_rule(const caffe::ParamSpec& spec) {
  caffe::ParamRule out;
  if (spec.has_lr_mult_schedule()) *out.mutable_lr_mult_schedule() = spec.lr_mult_schedule();
  if (spec.has_decay_mult_schedule())
    *out.mutable_decay_mult_schedule() = spec.decay_mult_schedule();
  if (spec.has_grad_mult()) out.set_grad_mult(spec.grad_mult());
  if (spec.has_grad_mult_schedule()) *out.mutable_grad_mult_schedule() = spec.grad_mult_schedule();
  if (spec.has_grad_mult_at()) out.set_grad_mult_at(spec.grad_mult_at());
  if (spec.has_freeze()) out.set_freeze(spec.freeze());
  if (spec.has_freeze_until()) out.set_freeze_until(spec.freeze_until());
  if (spec.has_freeze_from()) out.set_freeze_from(spec.freeze_from());
  if (spec.has_freeze_unit()) out.set_freeze_unit(spec.freeze_unit());
  if (spec.has_bn_stats()) out.set_bn_stats(spec.bn_stats());
  if (spec.has_frozen_slots()) out.set_frozen_slots(spec.frozen_slots());
  return out;
}

class Resolver {
 public:
  Resolver(const config::SolverConfig& solver, const NetFacts& net, const RunLength& run)
      : solver_(solver), net_(net), run_(run), settings_(net.params.size()) {}

  std::vector<ParamSettings> run() {
    for (size_t i = 0; i < settings_.size(); ++i) from_net(i);
    short_forms();
    for (int r = 0; r < solver_.param.param_rule_size(); ++r) found_.guard([&] { rule(r); });
    found_.throw_if_any();
    for (size_t i = 0; i < settings_.size(); ++i)
      if (net_.params[i].state) settings_[i].lr_mult = settings_[i].decay_mult = 0;
    return std::move(settings_);
  }

 private:
  void from_net(size_t i) {
    const ParamFacts& facts = net_.params[i];
    ParamSettings& to = settings_[i];
    to.lr_mult = facts.lr_mult;
    to.decay_mult = facts.decay_mult;
    to.lr_mult_place = facts.lr_mult_place;
    to.decay_mult_place = facts.decay_mult_place;
    for (const auto& [has, has_schedule, field] :
         {std::tuple(facts.spec.has_lr_mult(), facts.spec.has_lr_mult_schedule(), "lr_mult"),
          std::tuple(facts.spec.has_decay_mult(), facts.spec.has_decay_mult_schedule(),
                     "decay_mult")})
      if (has && has_schedule)
        found_
            .add(Error(ErrorCode::kConfig,
                       fmt::format("both {} and {}_schedule are given", field, field)))
            .at(facts.places.at(field))
            .advise("keep one of them");
    const caffe::ParamRule rule = as_rule(facts.spec);
    Block(rule, facts.places, run_, found_).apply(to, 0);
  }

  void short_forms() {
    const caffe::SolverParameter& s = solver_.param;
    for (const char* field :
         {"bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "layer_decay"}) {
      const auto* d = caffe::SolverParameter::descriptor()->FindFieldByName(field);
      const float value = s.GetReflection()->GetFloat(s, d);
      if (s.GetReflection()->HasField(s, d) && !std::isfinite(value))
        found_.add(Error(ErrorCode::kConfig,
                         fmt::format("{} must be a finite number, not {}", field, value))
                       .at(solver_.places.at(field)));
    }
    for (size_t i = 0; i < settings_.size(); ++i) {
      const ParamFacts& facts = net_.params[i];
      ParamSettings& to = settings_[i];
      const bool norm = facts.type == "Scale" || facts.type == "Bias";
      if (s.has_norm_decay_mult() && norm) set_decay(to, s.norm_decay_mult(), "norm_decay_mult");
      if (facts.blob != "bias") continue;
      if (s.has_bias_decay_mult() && !(norm && s.has_norm_decay_mult()))
        set_decay(to, s.bias_decay_mult(), "bias_decay_mult");
      if (!s.has_bias_lr_mult()) continue;
      to.lr_mult = s.bias_lr_mult();
      to.lr_mult_place = solver_.places.at("bias_lr_mult");
    }
    if (s.has_layer_decay()) layer_decay(s.layer_decay());
  }

  void set_decay(ParamSettings& to, double value, const char* field) const {
    to.decay_mult = value;
    to.decay_mult_place = solver_.places.at(field);
  }

  void layer_decay(double factor) {
    if (!(factor > 0 && factor <= 1)) {
      found_
          .add(Error(ErrorCode::kConfig,
                     fmt::format("layer_decay must be in (0, 1], not {}", factor)))
          .at(solver_.places.at("layer_decay"))
          .advise("0.75, for example: each layer learns at 3/4 of the rate of the one above it");
      return;
    }
    std::set<int, std::greater<>> depths;  // topmost first
    for (size_t i = 0; i < settings_.size(); ++i)
      if (!net_.params[i].state && !settings_[i].lr_mult.always(0))
        depths.insert(net_.params[i].depth);
    for (size_t i = 0; i < settings_.size(); ++i) {
      const auto it = depths.find(net_.params[i].depth);
      if (it == depths.end()) continue;
      const auto rank = std::distance(depths.begin(), it);
      settings_[i].lr_mult =
          settings_[i].lr_mult.scaled(std::pow(factor, static_cast<double>(rank)));
      settings_[i].lr_mult_place = solver_.places.at("layer_decay");
    }
  }

  void rule(int index) {
    const caffe::ParamRule& rule = solver_.param.param_rule(index);
    const config::Places places = solver_.places.inside(fmt::format("param_rule[{}]", index));
    const Block block(rule, places, run_, found_);
    if (!block.says_something())
      found_.add(Error(ErrorCode::kConfig, "this rule sets nothing"))
          .at(places.at())
          .advise("write lr_mult, decay_mult, freeze or another setting into it");
    const Selector selector(rule, places, net_);
    std::set<int, std::greater<>> depths;
    std::vector<size_t> selected;
    for (size_t i = 0; i < settings_.size(); ++i) {
      if (!selector.selects(net_.params[i])) continue;
      selected.push_back(i);
      depths.insert(net_.params[i].depth);
    }
    if (selected.empty() && !rule.optional()) selector.fail_unmatched();
    for (const size_t i : selected) {
      const auto rank = std::distance(depths.begin(), depths.find(net_.params[i].depth));
      block.apply(settings_[i], static_cast<int>(rank));
      settings_[i].rules.push_back(index);
      if (rule.has_optimizer()) settings_[i].optimizer_rule = index;
    }
  }

  const config::SolverConfig& solver_;
  const NetFacts& net_;
  const RunLength& run_;
  std::vector<ParamSettings> settings_;
  Diagnostics found_;
};

}  // namespace

std::vector<ParamSettings> resolve_rules(const config::SolverConfig& solver, const NetFacts& net,
                                         const RunLength& run) {
  return Resolver(solver, net, run).run();
}

std::vector<int64_t> freeze_boundaries(std::span<const ParamSettings> settings, int64_t max_iter) {
  std::set<int64_t> times;
  for (const ParamSettings& param : settings) {
    times.insert(param.freeze.until);
    if (param.freeze.from) times.insert(*param.freeze.from);
  }
  const auto changes = [&](int64_t t) {
    return t > 0 && t < max_iter &&
           std::any_of(settings.begin(), settings.end(), [&](const ParamSettings& param) {
             return param.freeze.at(t) != param.freeze.at(t - 1);
           });
  };
  std::vector<int64_t> out;
  for (const int64_t t : times)
    if (changes(t)) out.push_back(t);
  return out;
}

}  // namespace crema::optim
