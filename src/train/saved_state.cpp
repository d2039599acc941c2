// A trainer's state on disk: written into a snapshot, and read back.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "train/trainer.hpp"

namespace crema::train {

namespace {

snapshot::Follower saved(int rule, const optim::FollowerState& s) {
  return {rule,    s.started,    s.best,           s.waited, s.cooldown,
          s.drops, s.last_event, s.last_iteration, s.sum,    s.count};
}

optim::FollowerState restored(const snapshot::Follower& f) {
  return {f.started,    f.best,           f.waited, f.cooldown, f.drops,
          f.last_event, f.last_iteration, f.sum,    f.count};
}

}  // namespace

const std::string& Trainer::history_type() const {
  const bool all = !optimizer_->params().empty() && optimizer_->uniform();
  return all ? optimizer_->group(0).type : optimizer_->groups()[0]->type;
}

void Trainer::set_from(const snapshot::Blob& blob, const std::string& what, size_t p,
                       float* physical) const {
  const graph::ParamInfo& info = net_->graph().params[p];
  if (static_cast<int64_t>(blob.values.size()) != info.shape.count())
    throw Error(ErrorCode::kWeights,
                fmt::format("{} in {} is {}, parameter '{}' is {}", what, options_.snapshot,
                            blob.shape.text(), info.name, info.shape.text()));
  if (physical != nullptr) net_->params().from_plain(p, blob.values, physical);
}

// By position, as in BVLC: all parameters have one optimizer.
void Trainer::restore_history(const snapshot::State& state) {
  const std::string& type = history_type();
  if (!state.solver_type.empty() && state.solver_type != type)
    throw Error(ErrorCode::kWeights, fmt::format("{} was written by {}, the solver says {}",
                                                 options_.snapshot, state.solver_type, type))
        .at(solver_.places.at("type"))
        .advise(
            "resume with the optimizer that wrote it, or start from its weights with --weights");
  const size_t params = optimizer_->params().size();
  const std::vector<std::string> slots =
      params == 0 ? std::vector<std::string>{} : optimizer_->slot_names(0);
  if (state.history.size() != params * slots.size())
    throw Error(
        ErrorCode::kWeights,
        fmt::format("{} holds {} history blobs, {} with {} parameters needs {}", options_.snapshot,
                    state.history.size(), type, params, params * slots.size()))
        .advise(
            "net and optimizer must be those that wrote the state; to keep only the weights, "
            "pass the .caffemodel with --weights");
  if (!state.history_slots.empty() && state.history_slots != slots)
    throw Error(ErrorCode::kWeights,
                fmt::format("{} holds '{}', but {} as it is set now keeps '{}'", options_.snapshot,
                            state.history_slots[0], type, slots[0]))
        .at(solver_.places.at("momentum_form"))
        .advise("resume with the momentum_form that wrote it");
  for (size_t h = 0; h < state.history.size(); ++h)
    set_from(state.history[h], fmt::format("history blob {}", h), h % params,
             optimizer_->slot(h / params, h % params).data());
}

// By the names of parameters and arrays.
void Trainer::restore_slots(const snapshot::State& state) {
  std::map<std::pair<std::string, std::string>, const snapshot::Blob*> found;
  std::map<std::string, std::string> types;
  const size_t named = state.param_names.size();
  for (const snapshot::NamedSlot& slot : state.slots) found[{slot.param, slot.name}] = &slot.blob;
  for (size_t h = 0; h < named * state.history_slots.size(); ++h)
    found[{state.param_names[h % named], state.history_slots[h / named]}] = &state.history[h];
  for (size_t p = 0; p < named; ++p)
    types[state.param_names[p]] =
        state.param_types.empty() ? state.solver_type : state.param_types[p];
  Diagnostics missing;
  for (size_t p = 0; p < optimizer_->params().size(); ++p) {
    const std::string& name = net_->graph().params[p].name;
    const std::string& type = optimizer_->group(p).type;
    const std::vector<std::string> slots = optimizer_->slot_names(p);
    for (size_t k = 0; k < slots.size() && !optimizer_->slot(k, p).empty(); ++k) {
      const auto it = found.find({name, slots[k]});
      if (it == found.end() || types[name] != type) {
        missing
            .add(Error(
                ErrorCode::kWeights,
                fmt::format("{} has no {} of '{}' for {} (there it had {})", options_.snapshot,
                            slots[k], name, type, types[name].empty() ? "nothing" : types[name])))
            .advise(
                "resume with the optimizers that wrote it, or start from its weights with "
                "--weights");
        break;
      }
      missing.guard([&] {
        set_from(*it->second, fmt::format("'{}' of '{}'", slots[k], name), p,
                 optimizer_->slot(k, p).data());
      });
    }
  }
  missing.throw_if_any();
}

void Trainer::restore_average(const snapshot::State& state) {
  optim::Ema& ema = optimizer_->ema();
  if (!ema.on()) return;
  const size_t params = optimizer_->params().size();
  if (state.averages.size() != params) {
    ema.start(optimizer_->params());
    reporter_.info("The state holds no average of these parameters: it begins with their values");
    return;
  }
  for (size_t p = 0; p < params; ++p)
    set_from(state.averages[p], fmt::format("average {}", p), p, ema.average(p).data());
  ema.set_updates(state.average_updates);
}

void Trainer::restore(const snapshot::State& state) {
  reporter_.info("Resuming from " + options_.snapshot);
  const size_t params = optimizer_->params().size();
  optimizer_->prepare(iteration_);
  if (optimizer_->uniform() && state.slots.empty())
    restore_history(state);
  else
    restore_slots(state);
  if (!state.learned_net.empty())
    load_weights(std::array{snapshot::read_weights_of(state, options_.snapshot)}, *net_);
  restore_average(state);
  for (size_t p = 0; p < params; ++p)
    optimizer_->set_step_count(
        p, state.step_counts.size() == params ? state.step_counts[p] : iteration_);
  for (const auto& group : optimizer_->groups())
    for (const snapshot::Follower& follower : state.followers)
      if (group->policy->follower() != nullptr && follower.rule == group->rule)
        group->policy->follower()->set_state(restored(follower));
  loss_window_ = state.loss_window;
  batches_ = state.batches_read ? *state.batches_read : iteration_ * param_.iter_size();
  // BVLC begins again at the first record, and with hidden states of zero.
  first_batch_ = param_.caffe_compat() ? -batches_ : 0;
  if (!param_.caffe_compat()) restore_carried(state);
  reporter_.info(
      fmt::format("SGDSolver: restoring history; data go on at batch {}", first_batch_ + batches_));
}

void Trainer::restore_carried(const snapshot::State& state) {
  for (int n = 0; n <= static_cast<int>(test_nets_.size()); ++n) {
    Net& net = n == 0 ? *net_ : *test_nets_[static_cast<size_t>(n - 1)];
    std::vector<const snapshot::Carried*> saved;
    for (const snapshot::Carried& carried : state.carried)
      if (carried.net == n) saved.push_back(&carried);
    exec::CarriedStates& states = *net.session().carried();
    bool same = saved.size() == states.size();
    for (size_t i = 0; same && i < saved.size(); ++i)
      same = saved[i]->name == states[i].name &&
             saved[i]->value.shape.rank() == states[i].shape.rank();
    if (!same && state.by_crema)
      reporter_.warn(fmt::format(
          "{}: the hidden states of {} are not those of the net now; they start at zero",
          options_.snapshot, n == 0 ? "the training net" : fmt::format("test net #{}", n - 1)));
    for (size_t i = 0; same && i < saved.size(); ++i) {
      states[i].shape = saved[i]->value.shape;
      states[i].values = saved[i]->value.values;
    }
  }
}

std::vector<snapshot::Carried> Trainer::carried() const {
  std::vector<snapshot::Carried> out;
  const auto add = [&](size_t number, const exec::CarriedStates& states) {
    for (const exec::CarriedState& state : states)
      out.push_back({static_cast<int>(number), state.name, {state.shape, false, state.values}});
  };
  add(0, *net_->session().carried());
  for (size_t i = 0; i < test_nets_.size(); ++i)
    add(i + 1, before_tests_.empty() ? *test_nets_[i]->session().carried() : before_tests_[i]);
  return out;
}

std::pair<std::string, std::string> Trainer::snapshot_paths() const {
  const std::string stem = fmt::format("{}_iter_{}", param_.snapshot_prefix(), iteration_);
  const std::string ending = hdf5() ? ".h5" : "";
  return {stem + ".caffemodel" + ending, stem + ".solverstate" + ending};
}

snapshot::Blob Trainer::blob_of(size_t p, const float* physical) const {
  snapshot::Blob out;
  out.shape = net_->graph().params[p].shape;
  // A frozen parameter may have no state: zeros, as BVLC's history has.
  if (physical == nullptr)
    out.values.assign(static_cast<size_t>(out.shape.count()), 0.0f);
  else
    out.values = net_->params().to_plain(p, physical);
  return out;
}

void Trainer::save_slots(snapshot::State& state) {
  const size_t params = optimizer_->params().size();
  if (!optimizer_->uniform()) {
    for (size_t p = 0; p < params; ++p) {
      state.param_types.push_back(optimizer_->group(p).type);
      const std::vector<std::string> names = optimizer_->slot_names(p);
      for (size_t k = 0; k < names.size() && !optimizer_->slot(k, p).empty(); ++k)
        state.slots.push_back(
            {net_->graph().params[p].name, names[k], blob_of(p, optimizer_->slot(k, p).data())});
    }
    return;
  }
  if (params > 0) state.history_slots = optimizer_->slot_names(0);
  for (size_t k = 0; k < state.history_slots.size(); ++k)
    for (size_t p = 0; p < params; ++p)
      state.history.push_back(blob_of(p, optimizer_->slot(k, p).data()));
}

uint32_t Trainer::write_weights(const std::string& path, bool with_steps) {
  const auto layers = weights_of(*net_, with_steps ? optimizer_.get() : nullptr);
  return hdf5() ? snapshot::write_hdf5_weights(path, layers)
                : snapshot::write_weights(path, net_->graph().name, layers);
}

void Trainer::snapshot() {
  const bool averaged = averaged_;  // in the middle of a test
  if (averaged) exchange_average();
  const auto [weights, path] = snapshot_paths();
  snapshot::State state;
  state.learned_net_crc32 = write_weights(weights, param_.snapshot_diff());
  state.iter = iteration_;
  state.learned_net = weights;
  state.current_step = iteration_ > 0 ? optimizer_->policy().current_step(iteration_ - 1) : 0;
  state.by_crema = true;
  state.seed = seed_;
  state.solver_type = history_type();
  state.loss_window = loss_window_;
  state.batches_read = batches_;
  state.weights_given = loaded_.given;
  state.loaded.assign(loaded_.names.begin(), loaded_.names.end());
  for (size_t p = 0; p < optimizer_->params().size(); ++p) {
    state.param_names.push_back(net_->graph().params[p].name);
    state.step_counts.push_back(optimizer_->step_count(p));
    if (optimizer_->ema().on())
      state.averages.push_back(blob_of(p, optimizer_->ema().average(p).data()));
  }
  state.average_updates = optimizer_->ema().updates();
  state.carried = carried();
  for (const auto& group : optimizer_->groups())
    if (optim::MetricFollower* follower = group->policy->follower())
      state.followers.push_back(saved(group->rule, follower->state()));
  save_slots(state);
  (hdf5() ? snapshot::write_hdf5_state : snapshot::write_state)(path, state);
  if (optimizer_->ema().on() && param_.ema().snapshot()) {
    exchange_average();
    const std::string file = fmt::format("{}_iter_{}.ema.caffemodel{}", param_.snapshot_prefix(),
                                         iteration_, hdf5() ? ".h5" : "");
    write_weights(file, false);
    exchange_average();
    reporter_.info("Snapshotting the moving average to " + file);
  }
  if (averaged) exchange_average();
  result_.weights = weights;
  result_.state = path;
  reporter_.emit(report::Snapshotted{iteration_, weights, path, hdf5()});
}

}  // namespace crema::train
