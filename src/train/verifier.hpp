// Verified rates: at an interval every parameter's update is held against what its settings say,
// and each group's rate against the others'. Figures become events, what is wrong becomes an alarm.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "optim/update_check.hpp"
#include "report/event.hpp"
#include "train/groups.hpp"

namespace crema::train {

class Verifier {
 public:
  // All of them outlive it. `boundaries`: the iterations at which the set of frozen parameters
  // changes.
  Verifier(const config::SolverConfig& solver, const graph::Graph& graph,
           optim::Optimizer& optimizer, const std::vector<ParamGroup>& groups,
           std::vector<int64_t> boundaries, report::Reporter& reporter);

  // True of the first update, every verify_interval-th one, and the first one after a boundary.
  bool due(int64_t t) const;
  // Around update t; `graph` is that of the backward pass before it.
  void before(int64_t t, const graph::Graph& graph);
  // Before the step of a parameter whose gradient was not there yet, or of a piece of it that
  // begins with element `first`.
  void before(int64_t t, size_t param, std::span<const float> gradient, size_t first) {
    check_.before(optimizer_, t, param, gradient, first);
  }
  void after(int64_t t);
  int64_t verified() const { return verified_; }
  // What to say when the run ends.
  std::string summary() const;

 private:
  struct Group {
    double rate = 0, realised = 0;  // medians over the members that could be measured
    double uncertainty = 0;
    bool measured = false;
  };
  Group measure(const ParamGroup& group) const;
  size_t reference() const;
  void check_groups(int64_t t);
  void check_params(int64_t t);
  void alarm(int64_t t, const std::string& kind, const std::vector<size_t>& params,
             const std::string& text);
  const std::string& name(size_t param) const;
  std::string settings_of(size_t param, int64_t t) const;

  const config::SolverConfig& solver_;
  optim::Optimizer& optimizer_;
  const std::vector<ParamGroup>& groups_;
  std::vector<report::RateGroup> described_;
  std::vector<int64_t> boundaries_;
  report::Reporter& reporter_;
  optim::UpdateCheck check_;
  std::vector<std::string> reasons_;  // of backward, per parameter
  std::vector<optim::ParamCheck> found_;
  std::vector<Group> measured_;
  std::set<std::string> said_;  // alarms by kind and first parameter
  int64_t verified_ = 0, alarms_ = 0;
};

}  // namespace crema::train
