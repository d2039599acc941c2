#include "optim/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace crema::optim {

double to_iterations(double time, caffe::TimeUnit unit, const RunLength& run,
                     const Location& place) {
  if (unit == caffe::ITERATION) return time;
  if (unit == caffe::FRACTION) {
    if (run.max_iter <= 0)
      throw Error(ErrorCode::kConfig, "a time as a fraction of the run needs max_iter")
          .at(place)
          .advise("set max_iter in the solver, or give the time in iterations");
    return time * static_cast<double>(run.max_iter);
  }
  if (run.iterations_per_epoch <= 0)
    throw Error(ErrorCode::kConfig,
                "a time in epochs needs a data source whose length is known, and there is none")
        .at(place)
        .advise(
            "give the time in iterations (unit: ITERATION) or as a fraction of the run "
            "(unit: FRACTION)");
  return time * run.iterations_per_epoch;
}

Schedule Schedule::read(const caffe::Schedule& schedule, const config::Places& places,
                        const RunLength& run) {
  Diagnostics found;
  const auto fail = [&](const std::string& path, std::string message) -> Error& {
    return found.add(Error(ErrorCode::kConfig, std::move(message)).at(places.at(path)));
  };
  if (schedule.point_size() == 0)
    fail("", "a schedule needs at least one point")
        .advise("write point { at: 0 value: 1 }, for example");
  Schedule out;
  out.values_.clear();
  out.times_.clear();
  out.interpolation_ = schedule.interpolation();
  for (int i = 0; i < schedule.point_size(); ++i) {
    const caffe::Schedule::Point& point = schedule.point(i);
    const std::string path = fmt::format("point[{}]", i);
    if (!point.has_at() || !point.has_value()) {
      fail(path, fmt::format("a point needs both at and value, {} is missing",
                             point.has_at() ? "value" : "at"))
          .advise("write point { at: 0 value: 1 }, for example");
      continue;
    }
    if (!std::isfinite(point.at()) || !std::isfinite(point.value()) || point.at() < 0) {
      fail(path, fmt::format("at must be a finite number >= 0 and value finite, not {} and {}",
                             point.at(), point.value()));
      continue;
    }
    found.guard([&] {
      out.times_.push_back(
          to_iterations(point.at(), schedule.unit(), run, places.at(path + ".at")));
      out.values_.push_back(point.value());
    });
    const size_t n = out.times_.size();
    if (n >= 2 && out.times_[n - 1] <= out.times_[n - 2])
      fail(path + ".at", fmt::format("the times of a schedule must rise: {} comes after {}",
                                     point.at(), schedule.point(i - 1).at()))
          .advise("for a jump use interpolation: STEP");
  }
  found.throw_if_any();
  return out;
}

double Schedule::at(int64_t t) const {
  const double x = static_cast<double>(t);
  const auto after = std::upper_bound(times_.begin(), times_.end(), x);
  if (after == times_.begin()) return values_.front();
  const size_t i = static_cast<size_t>(after - times_.begin()) - 1;
  if (i + 1 == values_.size() || interpolation_ == caffe::Schedule::STEP) return values_[i];
  double share = (x - times_[i]) / (times_[i + 1] - times_[i]);
  if (interpolation_ == caffe::Schedule::COSINE)
    share = (1 - std::cos(std::numbers::pi * share)) / 2;
  return values_[i] + (values_[i + 1] - values_[i]) * share;
}

bool Schedule::always(double value) const {
  return std::all_of(values_.begin(), values_.end(), [&](double v) { return v == value; });
}

std::vector<int64_t> Schedule::boundaries() const {
  std::vector<int64_t> out;
  for (const double time : times_) {
    const auto t = static_cast<int64_t>(std::ceil(time));
    if (t > 0 && (out.empty() || out.back() != t)) out.push_back(t);
  }
  return out;
}

std::string Schedule::text() const {
  if (constant()) return fmt::format("{:g}", values_[0]);
  std::string out;
  for (size_t i = 0; i < values_.size(); ++i)
    out += fmt::format("{}{:g}@{:g}", i == 0 ? "" : " -> ", values_[i], times_[i]);
  return out + fmt::format(" ({})", caffe::Schedule::Interpolation_Name(interpolation_));
}

Schedule Schedule::scaled(double factor) const {
  Schedule out = *this;
  for (double& value : out.values_) value *= factor;
  return out;
}

}  // namespace crema::optim
