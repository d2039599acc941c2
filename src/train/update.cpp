// A trainer's part in updates.
#include "train/update.hpp"

#include "train/trainer.hpp"

namespace crema::train {

bool needs_whole_gradients(const caffe::SolverParameter& solver,
                           const std::set<std::string>& plan_skip) {
  // Summed over passes; measured together; printed.
  return plan_skip.contains("update") || solver.iter_size() > 1 || solver.clip_gradients() > 0 ||
         solver.debug_info();
}

void Trainer::start_watching() {
  histograms_ = std::make_unique<HistogramTaker>(param_.histogram_interval());
  optimizer_->adjust = options_.adjust;
  if (param_.verify_interval() == 0) return;
  verifier_ =
      std::make_unique<Verifier>(solver_, net_->graph(), *optimizer_, groups_,
                                 optim::freeze_boundaries(settings_, param_.max_iter()), reporter_);
}

bool Trainer::handed_out(size_t param) const {
  return net_->session().hands_out_gradients() &&
         net_->graph().params[param].gradient != graph::kNone;
}

void Trainer::begin_update() {
  const optim::LrPolicy& policy = optimizer_->policy();
  const int step = policy.current_step(iteration_);
  if (step > (iteration_ > 0 ? policy.current_step(iteration_ - 1) : 0) &&
      param_.lr_policy() == "multistep")
    reporter_.emit(report::RateStepped{iteration_, step});
  verifies_ = verifier_ && verifier_->due(iteration_);
  takes_histograms_ = histograms_->due(iteration_);
  if (verifies_) verifier_->before(iteration_, net_->graph());
  if (takes_histograms_) take_histograms(true);
  optimizer_->begin(iteration_);
}

void Trainer::step(const exec::ReadyGradient& ready) {
  exec::ParamStore& params = net_->params();
  const auto* data = static_cast<const float*>(ready.data);
  const std::span values{data, ready.count};
  const size_t whole = params[ready.param].physical_count();
  if (verifies_) verifier_->before(iteration_, ready.param, values, ready.first);
  if (takes_histograms_ && ready.first == 0) histograms_->before(params, ready.param);
  if (takes_histograms_ && ready.count < whole)
    gathered_.insert(gathered_.end(), values.begin(), values.end());
  optimizer_->step(ready.param, values, ready.first);
  if (takes_histograms_ && ready.first + ready.count == whole) {
    histograms_->after(params, ready.param, gathered_.empty() ? data : gathered_.data(), 1);
    gathered_.clear();
  }
}

// Of the parameters that are updated after the pass.
void Trainer::take_histograms(bool before) {
  exec::ParamStore& params = net_->params();
  for (size_t p = 0; p < params.size(); ++p) {
    const graph::ParamInfo& info = net_->graph().params[p];
    if (info.state || handed_out(p)) continue;
    if (before)
      histograms_->before(params, p);
    else
      histograms_->after(params, p, info.gradient == graph::kNone ? nullptr : params[p].gradient(),
                         param_.iter_size());
  }
}

void Trainer::finish_update() {
  const optim::UpdateReport done = optimizer_->finish();
  net_->params().changed();
  if (verifies_) verifier_->after(iteration_);
  if (takes_histograms_) {
    take_histograms(false);
    histograms_->emit(iteration_, net_->graph(), reporter_);
  }
  if (done.clip_scale < 1)
    reporter_.emit(
        report::Clipped{iteration_, done.gradient_norm, param_.clip_gradients(), done.clip_scale});
  ++iteration_;
  report::Iterated iterated;
  iterated.iteration = iteration_;
  iterated.loss = smoothed();
  iterated.rate = done.rate;
  iterated.iteration_loss = iteration_loss_;
  for (const ParamGroup& group : groups_)
    iterated.group_rates.push_back(optimizer_->rate(group.members[0], iteration_ - 1));
  if (done.gradient_norm >= 0) iterated.gradient_norm = done.gradient_norm;
  iterated.clip_scale = done.clip_scale;
  reporter_.emit(iterated);
  if (options_.after_update) options_.after_update(iteration_, iteration_loss_, done.rate);
}

}  // namespace crema::train
