// Policies that follow a metric of the run: what they want to be told, and what they remember.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace crema::optim {

// The metric: "loss" or the name of a net's output, of training or of a test net.
struct Metric {
  std::string name = "loss";
  bool test = false;
  int test_net = 0;
};

// Everything that such a policy remembers: saved in snapshots, bit for bit.
struct FollowerState {
  bool started = false;  // `best` holds an observation
  double best = 0;
  int64_t waited = 0;           // observations since the last better one, or since a drop
  int64_t cooldown = 0;         // observations for which none is counted yet
  int64_t drops = 0;            // of the rate
  int64_t last_event = 0;       // iteration of the last better observation or drop
  int64_t last_iteration = -1;  // of the last value: none is taken twice
  double sum = 0;               // of the values of the observation in progress
  int64_t count = 0;            // how many
};

class MetricFollower {
 public:
  virtual ~MetricFollower() = default;
  virtual const Metric& metric() const = 0;
  // The metric's value at iteration t, before update t: of training at every iteration, of a test
  // where there is one. True if the rate dropped. A second value for the same t is ignored.
  virtual bool observe(int64_t t, double value) = 0;
  virtual const FollowerState& state() const = 0;
  virtual void set_state(const FollowerState& state) = 0;
};

}  // namespace crema::optim
