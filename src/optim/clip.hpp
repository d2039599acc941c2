// Gradient clipping: by the L2 norm of all gradients, of those of a rule, of each parameter alone,
// or element by element.
#pragma once

#include <span>
#include <vector>

#include "config/config.hpp"
#include "optim/param.hpp"

namespace crema::optim {

class Clipper {
 public:
  Clipper() = default;
  // Error / ErrorList{kConfig}. Parameters whose last rule is the same clip together with
  // clip_scope: RULE; those that no rule selects, too.
  Clipper(const config::SolverConfig& solver, std::span<const Param> params);

  // Where the gradients are from now on.
  void set_gradients(std::span<const Param> params);
  // Measures the gradients of update t, frozen parameters left out. The norm that counts is that of
  // the mean over iter_size passes, under caffe_compat that of their sum; a grad_mult_before_clip
  // is in it.
  void measure(int64_t t, std::span<const Param> params);
  double scale(size_t param) const { return by_norm() ? scales_[scope_of_[param]] : 1; }
  size_t scope(size_t param) const { return scope_of_.at(param); }  // clipped together; by_norm()
  bool by_norm() const { return limit_ > 0; }
  double limit() const { return limit_; }  // of norms; < 0: none
  double value() const { return value_; }  // of elements; 0: none
  // The norm that was largest above its limit, or just largest; -1 without clipping by norm.
  double largest_norm() const { return largest_; }
  double largest_scale() const { return largest_scale_; }

 private:
  void arrange(std::span<const Param> params, caffe::ClipScope scope);

  double limit_ = -1, value_ = 0, average_ = 1;
  double largest_ = -1, largest_scale_ = 1;
  struct Block {
    size_t param;
    std::span<const float> gradient;  // a piece of it
  };
  std::vector<Block> blocks_;
  std::vector<double> sums_;      // one per block
  std::vector<size_t> scope_of_;  // of a parameter
  std::vector<double> scales_;    // of a scope
};

}  // namespace crema::optim
