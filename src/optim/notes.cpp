#include "optim/notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace crema::optim {

namespace {

class Notes {
 public:
  Notes(const Optimizer& optimizer, const config::SolverConfig& solver)
      : optimizer_(optimizer), solver_(solver) {}

  std::vector<ParamNote> collect() {
    for (const auto& group : optimizer_.groups()) of_group(*group);
    for (size_t p = 0; p < optimizer_.params().size(); ++p) {
      const ParamSettings& settings = optimizer_.params()[p].settings;
      if (settings.lr_mult.always(0) || settings.freeze.until == kForever) continue;
      if (!settings.grad_mult.always(1)) of_grad_mult(p, settings);
      of_lr_mult(p, settings);
      of_decay(p);
    }
    return std::move(notes_);
  }

 private:
  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

  void add(int param, Location place, std::string text, bool warning) {
    notes_.push_back({param, std::move(text), std::move(place), warning});
  }

  Location place(const Group& group, const std::string& field) const {
    return group.rule < 0
               ? solver_.places.at(field)
               : solver_.places.at(fmt::format("param_rule[{}].optimizer.{}", group.rule, field));
  }

  void of_group(const Group& group) {
    if (group.type == "Adam" && group.momentum.always(0))
      add(-1, place(group, "type"),
          "Adam without its first average: momentum is 0 (as in Caffe if it is not set); 0.9 is "
          "the usual value",
          false);
  }

  void of_grad_mult(size_t p, const ParamSettings& settings) {
    const Group& group = optimizer_.group(p);
    const auto say = [&](std::string text) {
      add(static_cast<int>(p), settings.grad_mult_place, std::move(text), true);
    };
    if (group.update->normalises_gradient()) {
      say(
          fmt::format("grad_mult has no {}effect under {}, which divides the gradient by its own "
                      "size; lr_mult scales the step",
                      settings.grad_mult.constant() ? "" : "lasting ", group.type));
      return;
    }
    if (settings.grad_mult_before_clip && optimizer_.clipper().by_norm()) {
      if (alone_in_scope(p))
        say("grad_mult is erased whenever clip_gradients acts: all gradients of that norm are "
            "multiplied by it");
      else
        say("grad_mult counts in the norm of clip_gradients: it changes the steps of other "
            "parameters too");
    }
    if (optimizer_.weight_decay(p, 0) != 0)
      say("grad_mult does not scale the weight decay; lr_mult does");
  }

  // The parameters that are clipped together with p have the same factor, so that it cancels.
  bool alone_in_scope(size_t p) const {
    const ParamSettings& mine = optimizer_.params()[p].settings;
    for (size_t q = 0; q < optimizer_.params().size(); ++q) {
      if (optimizer_.clipper().scope(q) != optimizer_.clipper().scope(p)) continue;
      const ParamSettings& other = optimizer_.params()[q].settings;
      if (!other.grad_mult_before_clip || other.grad_mult != mine.grad_mult) return false;
    }
    return true;
  }

  void of_lr_mult(size_t p, const ParamSettings& settings) {
    const Group& group = optimizer_.group(p);
    const auto say = [&](std::string text) {
      add(static_cast<int>(p), settings.lr_mult_place, std::move(text), true);
    };
    const bool coasts = group.update->rate_in_velocity() && !group.momentum.always(0);
    for (const int64_t t : settings.lr_mult.boundaries())
      if (coasts && settings.lr_mult.at(t) == 0 && settings.lr_mult.at(t - 1) != 0) {
        say(
            fmt::format("lr_mult is 0 from iteration {} on, but the velocity runs on until it has "
                        "died away (momentum_form: LR_INSIDE); freeze_from stops at once",
                        t));
        break;
      }
    constexpr int64_t kLate = std::numeric_limits<int32_t>::max() - 1;
    const double m = settings.lr_mult.at(kLate), rate = group.policy->rate(kLate);
    const double difference = group.policy->rate_of(kLate, m) - m * rate;
    if (std::abs(difference) > 1e-9 * std::abs(m * rate))
      say("min_lr_mode: ABSOLUTE is a floor for all parameters alike: towards the end lr_mult "
          "loses its effect");
  }

  void of_decay(size_t p) {
    const Group& group = optimizer_.group(p);
    const std::string& type = group.type;
    if (group.update->decouples_decay() || !group.update->normalises_gradient() || group.l1 ||
        type == "LARS" || type == "SGD" || optimizer_.weight_decay(p, 0) == 0)
      return;
    add(static_cast<int>(p), place(group, "weight_decay"),
        fmt::format("weight decay goes through the averages of {} (L2), so that its strength "
                    "depends on the gradients; AdamW decouples it",
                    type),
        false);
  }

  const Optimizer& optimizer_;
  const config::SolverConfig& solver_;
  std::vector<ParamNote> notes_;
};

}  // namespace

std::vector<ParamNote> notes(const Optimizer& optimizer, const config::SolverConfig& solver) {
  return Notes(optimizer, solver).collect();
}

std::vector<std::string> note_lines(const std::vector<ParamNote>& notes,
                                    const Optimizer& optimizer) {
  std::vector<std::string> texts;
  std::vector<std::vector<const ParamNote*>> about;
  for (const ParamNote& note : notes) {
    const std::string place = note.place.text();
    const std::string text = place.empty() ? "{}" + note.text : place + ": {}" + note.text;
    const auto at = std::find(texts.begin(), texts.end(), text);
    if (at == texts.end()) {
      texts.push_back(text);
      about.push_back({&note});
    } else {
      about[static_cast<size_t>(at - texts.begin())].push_back(&note);
    }
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string whom;
    if (const int first = about[i][0]->param; first >= 0) {
      whom = fmt::format("'{}'", optimizer.params()[static_cast<size_t>(first)].name);
      if (about[i].size() > 1)
        whom += fmt::format(" and {} other{}", about[i].size() - 1, about[i].size() > 2 ? "s" : "");
      whom += ": ";
    }
    std::string line = texts[i];
    out.push_back(line.replace(line.find("{}"), 2, whom));
  }
  return out;
}

}  // namespace crema::optim
