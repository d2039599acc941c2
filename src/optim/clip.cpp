#include "optim/clip.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "optim/fields.hpp"
#include "optim/norm.hpp"

namespace crema::optim {

Clipper::Clipper(const config::SolverConfig& solver, std::span<const Param> params) {
  Fields fields(solver);
  limit_ = fields.number("clip_gradients");
  fields.check(limit_ != 0, "clip_gradients", "> 0, or < 0 for no clipping",
               "0 would scale every gradient down to nothing");
  const double value = fields.number("clip_value");
  fields.check(value != 0, "clip_value", "> 0, or < 0 for no clipping",
               "0 would make every gradient 0");
  value_ = value > 0 ? value : 0;
  if (limit_ > 0 && value_ > 0)
    fields.fail("clip_value", "both clip_gradients and clip_value are given")
        .advise("keep one of them");
  if (fields.has("clip_scope") && !(limit_ > 0))
    fields.fail("clip_scope", "clip_scope does nothing without clip_gradients")
        .advise("write clip_gradients: N, the largest norm");
  fields.done();
  if (!solver.param.caffe_compat()) average_ = 1.0 / solver.param.iter_size();
  if (by_norm()) arrange(params, solver.param.clip_scope());
}

void Clipper::arrange(std::span<const Param> params, caffe::ClipScope scope) {
  std::map<int, size_t> of_rule;
  for (size_t p = 0; p < params.size(); ++p) {
    const std::vector<int>& rules = params[p].settings.rules;
    const int key = scope == caffe::PARAMETER ? static_cast<int>(p)
                    : scope == caffe::RULE    ? (rules.empty() ? -1 : rules.back())
                                              : 0;
    scope_of_.push_back(of_rule.try_emplace(key, of_rule.size()).first->second);
  }
  scales_.assign(of_rule.size(), 1);
  set_gradients(params);
}

void Clipper::set_gradients(std::span<const Param> params) {
  if (!by_norm()) return;
  blocks_.clear();
  for (size_t p = 0; p < params.size(); ++p) {
    const std::span<const float> gradient = params[p].gradient;
    for (size_t at = 0; at < gradient.size(); at += kNormBlock)
      blocks_.push_back(
          {p, gradient.subspan(at, std::min<size_t>(kNormBlock, gradient.size() - at))});
  }
  sums_.resize(blocks_.size());
}

void Clipper::measure(int64_t t, std::span<const Param> params) {
  if (!by_norm()) return;
  parallel_for(static_cast<int64_t>(blocks_.size()), 2, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const ParamSettings& settings = params[blocks_[i].param].settings;
      sums_[i] = settings.freeze.at(t) ? 0 : sum_of_squares(blocks_[i].gradient);
      if (settings.grad_mult_before_clip)
        sums_[i] *= settings.grad_mult.at(t) * settings.grad_mult.at(t);
    }
  });
  std::vector<double> squares(scales_.size(), 0);
  for (size_t i = 0; i < blocks_.size(); ++i) squares[scope_of_[blocks_[i].param]] += sums_[i];
  largest_ = 0;
  largest_scale_ = 1;
  for (size_t s = 0; s < scales_.size(); ++s) {
    const double norm = std::sqrt(squares[s]) * average_;
    scales_[s] = norm > limit_ ? limit_ / norm : 1;
    if (!(norm > largest_)) continue;
    largest_ = norm;
    largest_scale_ = scales_[s];
  }
}

}  // namespace crema::optim
