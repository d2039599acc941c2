#include "snapshot/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <tuple>

#include "proto/snapshot.pb.h"
#include "snapshot/blobs.hpp"
#include "snapshot/hdf5_file.hpp"
#include "snapshot/kinds.hpp"
#include "snapshot/records.hpp"

namespace crema::snapshot {

namespace {

constexpr int64_t kMostInt = std::numeric_limits<int32_t>::max();

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::kWeights, fmt::format("'{}' {}", path, why));
}

// The arrays, which are large and written and read one by one.
struct Arrays {
  std::vector<Blob> history, slots, averages;
};

// Everything but the arrays.
caffe::SolverState read_proto(const std::string& path, Arrays& arrays) {
  RecordReader records(path);
  std::string rest;
  const std::tuple<int, const char*, std::vector<Blob>*> kinds[] = {
      {caffe::SolverState::kHistoryFieldNumber, "history", &arrays.history},
      {caffe::SolverState::kSlotFieldNumber, "slot", &arrays.slots},
      {caffe::SolverState::kAverageFieldNumber, "average", &arrays.averages}};
  while (records.next()) {
    const auto* kind = std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& k) {
      return records.is(std::get<0>(k), Wire::kBytes);
    });
    if (kind == std::end(kinds)) {
      records.append_to(rest);
      continue;
    }
    const auto& [field, name, blobs] = *kind;
    caffe::BlobProto blob;
    records.parse(blob);
    blobs->push_back(to_blob(blob, fmt::format("'{}', {} {}", path, name, blobs->size())));
  }
  caffe::SolverState proto;
  // BVLC always writes iter; crema writes it last, so that a file cut off anywhere lacks it.
  if (!proto.ParseFromString(rest) || !proto.has_iter())
    refuse(path, "is cut off or no solver state: it does not say its iteration");
  return proto;
}

State from_proto(const caffe::SolverState& proto, const std::string& path) {
  State out;
  out.iter = proto.iter();
  out.learned_net = proto.learned_net();
  out.current_step = proto.current_step();
  out.by_crema = proto.has_seed();
  out.seed = proto.seed();
  out.solver_type = proto.solver_type();
  if (proto.has_batches_read()) out.batches_read = proto.batches_read();
  out.param_names.assign(proto.param_name().begin(), proto.param_name().end());
  out.step_counts.assign(proto.step_count().begin(), proto.step_count().end());
  out.loss_window.assign(proto.loss_window().begin(), proto.loss_window().end());
  for (const caffe::CarriedState& state : proto.carried())
    out.carried.push_back(
        {state.net(), state.name(),
         to_blob(state.value(), fmt::format("'{}', state '{}'", path, state.name()))});
  if (proto.has_learned_net_crc32()) out.learned_net_crc32 = proto.learned_net_crc32();
  out.weights_given = proto.weights_given();
  out.loaded.assign(proto.loaded_param().begin(), proto.loaded_param().end());
  out.history_slots.assign(proto.history_slot().begin(), proto.history_slot().end());
  out.param_types.assign(proto.param_type().begin(), proto.param_type().end());
  out.average_updates = proto.average_updates();
  for (const caffe::FollowerState& f : proto.follower())
    out.followers.push_back({f.rule(), f.started(), f.best(), f.waited(), f.cooldown(), f.drops(),
                             f.last_event(), f.last_iteration(), f.sum(), f.count()});
  return out;
}

void add_slots(const caffe::SolverState& proto, std::vector<Blob>& blobs, const std::string& path,
               State& state) {
  const auto count = static_cast<size_t>(proto.slot_param_size());
  if (blobs.size() != count || static_cast<size_t>(proto.slot_name_size()) != count)
    refuse(path, fmt::format("is damaged: it names {} parameters and {} arrays for {} arrays",
                             count, proto.slot_name_size(), blobs.size()));
  for (size_t i = 0; i < count; ++i)
    state.slots.push_back({proto.slot_param(static_cast<int>(i)),
                           proto.slot_name(static_cast<int>(i)), std::move(blobs[i])});
}

// What is wrong with a state, "" if nothing.
std::string flaw(const State& state) {
  if (state.iter < 0 || state.current_step < 0 || state.batches_read.value_or(0) < 0)
    return "counts iterations or steps below 0";
  for (const int64_t count : state.step_counts)
    if (count < 0) return "counts updates below 0";
  const size_t params = state.param_names.size();
  if (state.step_counts.size() != params && !state.step_counts.empty())
    return fmt::format("names {} parameters, but counts the updates of {}", params,
                       state.step_counts.size());
  if (params > 0 && state.history.size() % params != 0)
    return fmt::format("holds {} history blobs, not a multiple of its {} parameters",
                       state.history.size(), params);
  if (!state.param_types.empty() && state.param_types.size() != params)
    return fmt::format("names {} parameters, but the optimizers of {}", params,
                       state.param_types.size());
  if (!state.averages.empty() && state.averages.size() != params)
    return fmt::format("names {} parameters, but holds the averages of {}", params,
                       state.averages.size());
  if (!state.history_slots.empty() && state.history.size() != params * state.history_slots.size())
    return fmt::format("holds {} history blobs, not {} for each of its {} parameters",
                       state.history.size(), state.history_slots.size(), params);
  for (const Follower& f : state.followers)
    if (f.waited < 0 || f.cooldown < 0 || f.drops < 0 || f.count < 0)
      return "counts observations below 0";
  return {};
}

void add_follower(const Follower& from, caffe::FollowerState& to) {
  to.set_rule(from.rule);
  to.set_started(from.started);
  to.set_best(from.best);
  to.set_waited(from.waited);
  to.set_cooldown(from.cooldown);
  to.set_drops(from.drops);
  to.set_last_event(from.last_event);
  to.set_last_iteration(from.last_iteration);
  to.set_sum(from.sum);
  to.set_count(from.count);
}

caffe::SolverState to_proto(const State& state) {
  caffe::SolverState out;
  out.set_learned_net(state.learned_net);
  out.set_current_step(state.current_step);
  out.set_seed(state.seed);
  out.set_solver_type(state.solver_type);
  if (state.batches_read) out.set_batches_read(*state.batches_read);
  for (const std::string& name : state.param_names) out.add_param_name(name);
  for (const int64_t count : state.step_counts) out.add_step_count(count);
  for (const float loss : state.loss_window) out.add_loss_window(loss);
  if (state.weights_given) out.set_weights_given(true);
  for (const std::string& name : state.loaded) out.add_loaded_param(name);
  for (const Carried& carried : state.carried) {
    caffe::CarriedState& entry = *out.add_carried();
    entry.set_net(carried.net);
    entry.set_name(carried.name);
    for (const int64_t dim : carried.value.shape.dims())
      entry.mutable_value()->mutable_shape()->add_dim(dim);
    entry.mutable_value()->mutable_data()->Assign(carried.value.values.begin(),
                                                  carried.value.values.end());
  }
  if (state.learned_net_crc32) out.set_learned_net_crc32(*state.learned_net_crc32);
  for (const std::string& name : state.history_slots) out.add_history_slot(name);
  for (const std::string& type : state.param_types) out.add_param_type(type);
  for (const NamedSlot& slot : state.slots) {
    out.add_slot_param(slot.param);
    out.add_slot_name(slot.name);
  }
  if (!state.averages.empty()) out.set_average_updates(state.average_updates);
  for (const Follower& f : state.followers) add_follower(f, *out.add_follower());
  return out;
}

// "x.caffemodel" and "x.caffemodel.h5" -> "x".
std::string stem_of(const std::string& path) {
  std::filesystem::path stem = path;
  if (stem.extension() == ".h5") stem.replace_extension();
  return stem.replace_extension().string();
}

[[noreturn]] void refuse_weights(const std::string& path) {
  Error error(ErrorCode::kWeights, fmt::format("'{}' holds weights, it is no solver state", path));
  for (const char* ending : {".solverstate", ".solverstate.h5"})
    if (const std::string beside = stem_of(path) + ending; file_exists(beside))
      throw error.advise(fmt::format("the state of that run stands beside it: '{}'", beside));
  throw error.advise("pass it with --weights to start a new run from these weights");
}

State read_hdf5(const std::string& path) {
  const Hdf5Reader file(path);
  if (file.has("data") && !file.has("iter")) refuse_weights(path);
  State out;
  caffe::SolverState proto;
  const int64_t iter = file.integer("iter"), step = file.integer("current_step");
  if (file.has("crema_state")) {
    if (!proto.ParseFromString(file.bytes("crema_state")) || proto.iter() != iter ||
        proto.current_step() != step)
      refuse(path, "is damaged: its parts disagree");
    out = from_proto(proto, path);
  }
  out.iter = iter;
  out.current_step = static_cast<int>(std::clamp<int64_t>(step, -1, kMostInt));
  if (file.has("learned_net")) out.learned_net = file.text("learned_net");
  const auto blobs = [&](const std::string& group) {
    std::vector<Blob> found;
    const size_t count = file.links(group).size();
    for (size_t i = 0; i < count; ++i) found.push_back(file.blob(fmt::format("{}/{}", group, i)));
    return found;
  };
  out.history = blobs("history");
  if (file.has("crema_average")) out.averages = blobs("crema_average");
  std::vector<Blob> slots;
  if (file.has("crema_slot")) slots = blobs("crema_slot");
  add_slots(proto, slots, path, out);
  return out;
}

State read_binary(const std::string& path) {
  refuse_foreign(path, "a .solverstate");
  Arrays arrays;
  try {
    const caffe::SolverState proto = read_proto(path, arrays);
    State out = from_proto(proto, path);
    add_slots(proto, arrays.slots, path, out);
    out.history = std::move(arrays.history);
    out.averages = std::move(arrays.averages);
    return out;
  } catch (const Error&) {
    if (looks_like_weights(path)) refuse_weights(path);
    throw;
  }
}

void check_writable(const State& state) {
  const std::string wrong = flaw(state);
  CREMA_CHECK(wrong.empty(), "a state that " + wrong);
  CREMA_CHECK(state.iter <= kMostInt, "iter does not fit the format");
}

}  // namespace

State read_state(const std::string& path) {
  State out = is_hdf5_file(path) ? read_hdf5(path) : read_binary(path);
  const std::string wrong = flaw(out);
  if (!wrong.empty()) refuse(path, "is damaged: it " + wrong);
  return out;
}

void write_state(const std::string& path, const State& state) {
  check_writable(state);
  RecordWriter file(path);
  file.write(to_proto(state).SerializeAsString());
  const auto write = [&](int field, const Blob& blob) { BlobRecord(field, blob).write(file); };
  for (const Blob& blob : state.history) write(caffe::SolverState::kHistoryFieldNumber, blob);
  for (const NamedSlot& slot : state.slots) write(caffe::SolverState::kSlotFieldNumber, slot.blob);
  for (const Blob& blob : state.averages) write(caffe::SolverState::kAverageFieldNumber, blob);
  std::string iter;
  append_key(iter, caffe::SolverState::kIterFieldNumber, Wire::kVarint);
  append_varint(iter, static_cast<uint64_t>(state.iter));
  file.write(iter);
  file.commit();
}

void write_hdf5_state(const std::string& path, const State& state) {
  check_writable(state);
  Hdf5Writer file;
  file.integer("iter", static_cast<int>(state.iter));
  file.text("learned_net", state.learned_net);
  file.integer("current_step", state.current_step);
  const auto put = [&](const char* group, size_t i, const Blob& blob) {
    file.blob(fmt::format("{}/{}", group, i), blob.shape, blob.values);
  };
  file.group("history");
  for (size_t h = 0; h < state.history.size(); ++h) put("history", h, state.history[h]);
  if (!state.slots.empty()) file.group("crema_slot");
  for (size_t i = 0; i < state.slots.size(); ++i) put("crema_slot", i, state.slots[i].blob);
  if (!state.averages.empty()) file.group("crema_average");
  for (size_t i = 0; i < state.averages.size(); ++i) put("crema_average", i, state.averages[i]);
  caffe::SolverState own = to_proto(state);
  own.set_iter(static_cast<int>(state.iter));
  file.bytes("crema_state", own.SerializeAsString());
  file.commit(path);
}

WeightsFile read_weights_of(const State& state, const std::string& state_path) {
  if (state.learned_net.empty())
    throw Error(ErrorCode::kWeights, fmt::format("'{}' names no weights file", state_path));
  const std::filesystem::path written = state.learned_net;
  const std::string beside =
      (std::filesystem::path(state_path).parent_path() / written.filename()).string();
  std::string differing;
  for (const std::string& path : {written.string(), beside}) {
    if (!file_exists(path) || path == differing) continue;
    WeightsFile out = read_weights(path);
    if (!state.learned_net_crc32 || out.crc32 == *state.learned_net_crc32) return out;
    differing = path;
  }
  if (differing.empty())
    throw Error(ErrorCode::kWeights, fmt::format("the weights of '{}' are missing: neither '{}' "
                                                 "nor '{}' exists",
                                                 state_path, state.learned_net, beside));
  throw Error(ErrorCode::kWeights,
              fmt::format("'{}' is not the weights file that '{}' was saved with: its checksum "
                          "differs",
                          differing, state_path))
      .advise("put the two files of one snapshot side by side");
}

}  // namespace crema::snapshot
