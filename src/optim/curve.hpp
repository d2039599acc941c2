// Momentum and weight decay over the run.
#pragma once

#include <string>

#include "optim/schedule.hpp"

namespace crema::optim {

// A number over the run: constant, a schedule, or one of the curves of NVIDIA's Caffe.
class Curve {
 public:
  enum class Kind {
    kSchedule,
    kPoly,     // from begin to end along (t / max_iter)^power
    kOptimal,  // min(end, (1 - sqrt(rate) / 2)^2) with the learning rate of update t
  };
  Curve(Schedule schedule = Schedule(0)) : schedule_(std::move(schedule)) {}  // NOLINT: it is one
  static Curve poly(double begin, double end, double power, int64_t max_iter);
  static Curve optimal(double most);

  double at(int64_t t, double rate) const;
  bool constant() const { return kind_ == Kind::kSchedule && schedule_.constant(); }
  bool always(double value) const { return kind_ == Kind::kSchedule && schedule_.always(value); }
  // The iterations at which it has a corner.
  std::vector<int64_t> boundaries() const;
  std::string text() const;

 private:
  Kind kind_ = Kind::kSchedule;
  Schedule schedule_;
  double begin_ = 0, end_ = 0, power_ = 1, length_ = 1;
};

}  // namespace crema::optim
