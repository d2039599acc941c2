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
      of_decay(p, settings);
    }
    return std::move(notes_);
  }

 private:
  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

  void add(int param, Location place, std::string text) {
    notes_.push_back({param, std::move(text), std::move(place)});
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
          "the usual value");
  }

  void of_grad_mult(size_t p, const ParamSettings& settings) {
    const Group& group = optimizer_.group(p);
    const auto say = [&](std::string text) {
      add(static_cast<int>(p), settings.grad_mult_place, std::move(text));
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
      add(static_cast<int>(p), settings.lr_mult_place, std::move(text));
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

  void of_decay(size_t p, const ParamSettings& settings) {
    const Group& group = optimizer_.group(p);
    const std::string& type = group.type;
    if (group.update->decouples_decay() || !group.update->normalises_gradient() || group.l1 ||
        type == "LARS" || type == "SGD" || optimizer_.weight_decay(p, 0) == 0)
      return;
    add(static_cast<int>(p), settings.decay_mult_place,
        fmt::format("weight decay goes through the averages of {} (L2), so that its strength "
                    "depends on the gradients; AdamW decouples it",
                    type));
  }

  const Optimizer& optimizer_;
  const config::SolverConfig& solver_;
  std::vector<ParamNote> notes_;
};

}  // namespace

std::vector<ParamNote> notes(const Optimizer& optimizer, const config::SolverConfig& solver) {
  return Notes(optimizer, solver).collect();
}

}  // namespace crema::optim
