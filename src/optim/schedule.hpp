// A number over the run: constant, or points in time with a curve between them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/places.hpp"
#include "proto/rules.pb.h"

namespace crema::optim {

// What times in epochs and fractions are measured by.
struct RunLength {
  int64_t max_iter = 0;
  double iterations_per_epoch = 0;  // 0: unknown (no source of countable length)
};

// A time in iterations, not rounded. Error{kConfig} at `place` if it cannot be converted: epochs of
// data of unknown length, fractions of a run without max_iter.
double to_iterations(double time, caffe::TimeUnit unit, const RunLength& run,
                     const Location& place);

class Schedule {
 public:
  // A number is the simplest schedule.
  Schedule(double constant = 1) : values_{constant}, times_{0} {}
  // Error / ErrorList{kConfig} inside `places`: no point, a point without time or value, times that
  // do not rise, numbers that are not finite.
  static Schedule read(const caffe::Schedule& schedule, const config::Places& places,
                       const RunLength& run);

  bool operator==(const Schedule&) const = default;
  double at(int64_t t) const;
  bool constant() const { return values_.size() == 1; }
  // True if it is `value` at every time.
  bool always(double value) const;
  // The iterations at which a point lies (rounded up), ascending, > 0.
  std::vector<int64_t> boundaries() const;
  // "0.1", "0.01@0 -> 1@2000 (LINEAR)", times in iterations.
  std::string text() const;
  // The same curve, every value times `factor`.
  Schedule scaled(double factor) const;

 private:
  std::vector<double> values_, times_;  // times in iterations
  caffe::Schedule::Interpolation interpolation_ = caffe::Schedule::STEP;
};

}  // namespace crema::optim
