#include "optim/group.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "optim/fields.hpp"
#include "optim/overlay.hpp"

namespace crema::optim {

namespace {

class Maker {
 public:
  Maker(const config::SolverConfig& solver, const RunLength& run)
      : solver_(solver), param_(solver.param), run_(run), fields_(solver) {
    if (run_.max_iter == 0) run_.max_iter = param_.max_iter();
  }

  Group make() {
    Group out;
    out.type = param_.type();
    found_.guard([&] { out.update = make_rule(solver_); });
    found_.guard([&] { out.policy = make_policy(solver_); });
    regularization(out);
    out.weight_decay = weight_decay();
    if (out.update) out.momentum = momentum(*out.update);
    found_.guard([&] { fields_.done(); });
    found_.throw_if_any();
    return out;
  }

 private:
  void regularization(Group& out) {
    const std::string& kind = param_.regularization_type();
    out.l1 = kind == "L1";
    if (out.l1 || kind == "L2") return;
    Error& error =
        fields_.fail("regularization_type", fmt::format("unknown regularization_type '{}'", kind));
    error.advise(kind == "decoupled" ? "for decoupled weight decay write type: \"AdamW\""
                                     : suggestion(kind, {"L1", "L2"}));
  }

  // `field` as a number, a schedule or a policy, of which at most one may be given.
  bool sole(const std::string& field) {
    const bool number = fields_.has(field), schedule = fields_.has(field + "_schedule");
    const bool policy = fields_.has(field + "_policy");
    if (schedule && (number || policy))
      fields_
          .fail(field + "_schedule", fmt::format("both {} and {}_schedule are given",
                                                 number ? field : field + "_policy", field))
          .advise("keep one of them");
    return !schedule || !(number || policy);
  }

  Curve schedule(const std::string& field, const caffe::Schedule& points) {
    Curve out;
    found_.guard(
        [&] { out = Schedule::read(points, solver_.places.inside(field + "_schedule"), run_); });
    return out;
  }

  Curve weight_decay() {
    const std::string& policy = param_.weight_decay_policy();
    double constant = fields_.number("weight_decay");
    if (param_.has_adamw_decay()) constant = param_.adamw_decay();
    if (!sole("weight_decay")) return {};
    if (param_.has_weight_decay_schedule())
      return schedule("weight_decay", param_.weight_decay_schedule());
    const double end = fields_.number("max_weight_decay");
    const double power = fields_.number("weight_decay_power");
    if (policy == "poly") {
      check_poly("weight_decay");
      return Curve::poly(constant, end, power, param_.max_iter());
    }
    if (policy != "fixed")
      fields_.fail("weight_decay_policy", fmt::format("unknown weight_decay_policy '{}'", policy))
          .advise(suggestion(policy, {"fixed", "poly"}));
    return Schedule(constant);
  }

  Curve momentum(const UpdateRule& rule) {
    if (!rule.momentum()) {
      for (const char* field : {"momentum_schedule", "momentum_policy"})
        if (fields_.has(field))
          fields_.fail(field, fmt::format("type: \"{}\" has no momentum", param_.type()))
              .advise("remove it");
      return {};
    }
    if (!sole("momentum")) return {};
    if (!param_.has_momentum_schedule()) return momentum_policy(rule);
    for (int i = 0; i < param_.momentum_schedule().point_size(); ++i) {
      const double value = param_.momentum_schedule().point(i).value();
      if (!rule.accepts_momentum(value))
        found_
            .add(Error(ErrorCode::kConfig,
                       fmt::format("momentum must be {} with type: \"{}\", not {}",
                                   rule.accepts_momentum(-0.5) ? "between -1 and 1 (exclusive)"
                                                               : "in [0, 1)",
                                   param_.type(), value)))
            .at(solver_.places.at(fmt::format("momentum_schedule.point[{}].value", i)));
    }
    return schedule("momentum", param_.momentum_schedule());
  }

  // NVIDIA's.
  Curve momentum_policy(const UpdateRule& rule) {
    const std::string& policy = param_.momentum_policy();
    const double most = fields_.number("max_momentum"), power = fields_.number("momentum_power");
    if (policy == "fixed") return Schedule(*rule.momentum());
    if (policy != "poly" && policy != "opt")
      fields_.fail("momentum_policy", fmt::format("unknown momentum_policy '{}'", policy))
          .advise(suggestion(policy, {"fixed", "opt", "poly"}));
    fields_.check(rule.accepts_momentum(most), "max_momentum", "in [0, 1)");
    if (policy == "opt") return Curve::optimal(param_.has_max_momentum() ? most : 1);
    check_poly("momentum");
    return Curve::poly(*rule.momentum(), most, power, param_.max_iter());
  }

  void check_poly(const std::string& field) {
    fields_.check(fields_.number(field + "_power") >= 0, field + "_power", ">= 0");
    if (param_.max_iter() <= 0)
      fields_.fail(field + "_policy",
                   fmt::format("{}_policy: \"poly\" needs max_iter, which is not set", field));
  }

  const config::SolverConfig& solver_;
  const caffe::SolverParameter& param_;
  RunLength run_;
  Fields fields_;
  Diagnostics found_;
};

}  // namespace

Group make_group(const config::SolverConfig& solver, int rule, const RunLength& run) {
  if (rule < 0) return Maker(solver, run).make();
  const config::SolverConfig overlaid = with_optimizer_of(solver, rule);
  Diagnostics found;
  Group out;
  found.guard([&] { out = Maker(overlaid, run).make(); });
  // What is missing or wrong may stand in the solver: say for whom.
  Diagnostics told;
  const Location place = solver.places.at(fmt::format("param_rule[{}].optimizer", rule));
  for (Error error : found.errors()) told.add(error.note("for the optimizer of this rule", place));
  told.throw_if_any();
  out.rule = rule;
  return out;
}

}  // namespace crema::optim
