#include "optim/curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace crema::optim {

Curve Curve::poly(double begin, double end, double power, int64_t max_iter) {
  Curve out;
  out.kind_ = Kind::kPoly;
  out.begin_ = begin;
  out.end_ = end;
  out.power_ = power;
  out.length_ = static_cast<double>(std::max<int64_t>(1, max_iter));
  return out;
}

Curve Curve::optimal(double most) {
  Curve out;
  out.kind_ = Kind::kOptimal;
  out.end_ = most;
  return out;
}

double Curve::at(int64_t t, double rate) const {
  switch (kind_) {
    case Kind::kSchedule:
      return schedule_.at(t);
    case Kind::kPoly:
      return begin_ +
             (end_ - begin_) * std::pow(std::min(1.0, static_cast<double>(t) / length_), power_);
    case Kind::kOptimal:
      break;
  }
  const double root = 1 - 0.5 * std::sqrt(std::max(0.0, rate));
  return std::min(end_, root * root);
}

std::vector<int64_t> Curve::boundaries() const {
  return kind_ == Kind::kSchedule && !schedule_.constant() ? schedule_.boundaries()
                                                           : std::vector<int64_t>{};
}

std::string Curve::text() const {
  switch (kind_) {
    case Kind::kSchedule:
      return schedule_.text();
    case Kind::kPoly:
      return fmt::format("{:g} -> {:g} (POLY, power {:g})", begin_, end_, power_);
    case Kind::kOptimal:
      break;
  }
  return fmt::format("min({:g}, (1 - sqrt(rate) / 2)^2)", end_);
}

}  // namespace crema::optim
