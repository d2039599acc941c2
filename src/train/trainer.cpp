#include "train/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"

namespace crema::train {

namespace {

constexpr int kTraining = -1;  // not a test net

double mean_of(const std::string& name, const std::vector<report::Output>& outputs) {
  for (const report::Output& output : outputs) {
    if (output.name != name) continue;
    double sum = 0;
    for (const double value : output.values) sum += value;
    return sum / static_cast<double>(output.values.size());
  }
  CREMA_CHECK(false, "no output " + name);
  return 0;
}

}  // namespace

TrainResult Trainer::run() {
  check_frozen_statistics();
  size_t parameters = 0;
  for (const graph::ParamInfo& p : net_->graph().params)
    if (!p.state) parameters += static_cast<size_t>(p.shape.count());
  report::RunStarted started;
  started.net = net_->graph().name;
  started.solver_type = solver_type();
  started.lr_policy = param_.lr_policy();
  started.first_iteration = iteration_;
  started.max_iter = param_.max_iter();
  started.batch_size = net_->batch_size() * param_.iter_size();
  started.parameters = parameters;
  started.threads = compute_threads();
  started.seed = seed_;
  if (started.batch_size > 0)
    started.iterations_per_epoch =
        static_cast<double>(net_->samples()) / static_cast<double>(started.batch_size);
  groups_ = group_parameters(net_->graph(), settings_);
  for (const ParamGroup& group : groups_) started.groups.push_back(group.described(net_->graph()));
  reporter_.emit(started);
  start_watching();
  watch_.restart();
  since_display_.restart();
  last_display_ = iteration_;
  while (iteration_ < param_.max_iter() && !stop_) iterate();
  finish();
  result_.iteration = iteration_;
  result_.loss = smoothed();
  result_.seconds = watch_.seconds();
  if (verifier_ && verifier_->verified() > 0) reporter_.info(verifier_->summary());
  reporter_.emit(report::RunEnded{iteration_, result_.early, result_.seconds});
  return result_;
}

void Trainer::iterate() {
  if (param_.test_interval() > 0 && iteration_ % param_.test_interval() == 0 &&
      (iteration_ > 0 || param_.test_initialization()))
    test_all();
  if (stop_) return;
  follow_freeze_times();
  if (net_->session().hands_out_gradients())
    learn_on_the_way();
  else
    learn_afterwards();
  if (options_.signals) handle(options_.signals->poll());
  if (param_.snapshot() > 0 && iteration_ % param_.snapshot() == 0 &&
      result_.state != snapshot_paths().second)
    snapshot();
}

// The loss decides what the update is, or whether there is one: before any parameter changes.
void Trainer::learn_on_the_way() {
  const ops::StepInfo info = step_info(batches_);
  take_loss(forward(info));
  begin_update();
  net_->session().backward(info);
  finish_update();
}

void Trainer::learn_afterwards() {
  exec::Session& session = net_->session();
  if (session.separate_gradients()) session.clear_gradients();
  double loss = 0;
  for (int i = 0; i < param_.iter_size(); ++i) {
    const ops::StepInfo info = step_info(batches_);
    if (param_.debug_info() && displays()) {
      net_->feed(first_batch_ + batches_++);
      loss += net_->pass(info, &reporter_);
    } else {
      loss += forward(info);
      session.backward(info);
    }
  }
  take_loss(loss / param_.iter_size());
  begin_update();
  finish_update();
}

// Of the next batch.
double Trainer::forward(const ops::StepInfo& info) {
  const int64_t batch = first_batch_ + batches_++;
  if (features_) return features_->forward(batch, info);
  net_->feed(batch);
  return net_->forward(info);
}

void Trainer::take_loss(double loss) {
  iteration_loss_ = loss;
  check_finite(loss);
  smooth(loss);
  follow(kTraining, smoothed(), {});
  if (displays()) display(since_display_.seconds());
}

void Trainer::display(double seconds) {
  const double done = static_cast<double>(iteration_ - last_display_);
  reporter_.emit(report::Displayed{iteration_, done / (seconds > 0 ? seconds : 1), seconds,
                                   param_.display(), smoothed(), net_->outputs()});
  reporter_.emit(report::RateSet{iteration_, optimizer_->policy().rate(iteration_)});
  since_display_.restart();
  last_display_ = iteration_;
}

// Tells the policies that follow a metric of it. `outputs` are those of a test.
void Trainer::follow(int test_net, double loss, const std::vector<report::Output>& outputs) {
  for (const auto& group : optimizer_->groups()) {
    optim::MetricFollower* follower = group->policy->follower();
    if (follower == nullptr) continue;
    const optim::Metric& metric = follower->metric();
    if ((metric.test ? metric.test_net : kTraining) != test_net) continue;
    double value = loss;
    if (metric.name != "loss")
      value = mean_of(metric.name, metric.test ? outputs : net_->outputs());
    if (follower->observe(iteration_, value) && group->rule < 0)
      reporter_.emit(
          report::RateStepped{iteration_, group->policy->current_step(iteration_), "Plateau"});
  }
}

void Trainer::smooth(double loss) {
  const size_t window = static_cast<size_t>(std::max(1, param_.average_loss()));
  loss_window_.push_back(static_cast<float>(loss));
  if (loss_window_.size() > window)
    loss_window_.erase(loss_window_.begin(), loss_window_.end() - static_cast<ptrdiff_t>(window));
}

double Trainer::smoothed() const {
  if (loss_window_.empty()) return 0;
  double sum = 0;
  for (const float loss : loss_window_) sum += loss;
  return sum / static_cast<double>(loss_window_.size());
}

void Trainer::check_finite(double loss) const {
  if (std::isfinite(loss)) return;
  Error error(ErrorCode::kNonFinite,
              fmt::format("the loss became {} in iteration {}", loss, iteration_));
  for (size_t i = 0; i < net_->params().size(); ++i) {
    for (const float value : net_->params().value(i))
      if (!std::isfinite(value)) {
        error.note(fmt::format("parameter '{}' holds {}", net_->params()[i].name(), value));
        break;
      }
  }
  error.at(solver_.places.at("base_lr"));
  error.advise(
      fmt::format("the usual causes are a learning rate that is too high (it was {:g}), bad "
                  "input values, or a loss of a label that never occurs; {}",
                  optimizer_->policy().rate(iteration_),
                  result_.state.empty() ? "no snapshot was written in this run"
                                        : "the last good state is " + result_.state));
  throw error;
}

void Trainer::stop() {
  stop_ = true;
  result_.early = true;
}

void Trainer::handle(Action action) {
  if (action == Action::kNone) return;
  if (action != Action::kStop) snapshot();
  if (action == Action::kSnapshot) return;
  stop();
  result_.requeue = action == Action::kSnapshotAndRequeue;
}

void Trainer::test_all() {
  for (const auto& net : test_nets_) before_tests_.push_back(*net->session().carried());
  const bool average = optimizer_->ema().on() && param_.ema().test();
  if (average) exchange_average();
  try {
    for (int i = 0; i < static_cast<int>(test_nets_.size()) && !stop_; ++i)
      if (!test(i)) reporter_.info("Test interrupted.");
  } catch (...) {
    if (average) exchange_average();
    throw;
  }
  if (average) exchange_average();
  if (stop_)
    for (size_t i = 0; i < test_nets_.size(); ++i)
      *test_nets_[i]->session().carried() = before_tests_[i];
  before_tests_.clear();
}

void Trainer::exchange_average() {
  optimizer_->ema().swap(optimizer_->params());
  net_->params().changed();
  averaged_ = !averaged_;
}

bool Trainer::test(int index) {
  reporter_.emit(report::TestStarted{iteration_, index});
  const Stopwatch watch;
  Net& net = *test_nets_[static_cast<size_t>(index)];
  const int batches = param_.test_iter(index);
  // Which batches pass number n reads depends on n alone, so that a resumed run tests on the same.
  // Without updates the last test is the first one, whether or not there is one before them.
  const int64_t n = std::max<int64_t>(
      0, iteration_ / param_.test_interval() - (param_.test_initialization() ? 0 : 1));
  double loss = 0;
  std::vector<report::Output> sums;
  for (int b = 0; b < batches; ++b) {
    if (options_.signals) {
      for (Action action; (action = options_.signals->poll()) != Action::kNone;) handle(action);
      if (stop_) return false;
    }
    net.feed(n * batches + b);
    loss += net.forward(step_info(n * batches + b), param_.debug_info() ? &reporter_ : nullptr);
    accumulate(sums, net.outputs());
  }
  for (report::Output& output : sums)
    for (double& value : output.values) value /= batches;
  report::Tested tested{iteration_, index, std::nullopt, sums, watch.seconds()};
  if (param_.test_compute_loss()) tested.loss = loss / batches;
  result_.tests.push_back({iteration_, index, tested.loss, sums});
  reporter_.emit(tested);
  follow(index, loss / batches, sums);
  return true;
}

void Trainer::finish() {
  const bool saved = !result_.state.empty() && result_.state == snapshot_paths().second;
  if (param_.snapshot_after_train() && !saved && !result_.requeue) snapshot();
  if (result_.early) return;
  if (param_.display() > 0 && iteration_ % param_.display() == 0) {
    net_->feed(first_batch_ + batches_);
    const double loss = net_->forward(step_info(batches_));
    smooth(loss);
    reporter_.emit(report::FinalLoss{iteration_, smoothed()});
  }
  if (param_.test_interval() > 0 && iteration_ % param_.test_interval() == 0) test_all();
}

}  // namespace crema::train
