// Cross-correlation as matrix products: what convolution and its transpose are made of.
#pragma once

#include <cstddef>
#include <string>

#include "engines/openblas/im2col.hpp"
#include "ops/windows.hpp"
#include "tensor/shape.hpp"

namespace crema::openblas {

// "Input" is where the windows slide, "output" has one element per place of the window, whichever
// of the two is computed. Every image is `groups` products of the group's weights (outputs, rows)
// with the group's rows of the input's columns matrix.
//
// With more images than threads, every thread takes a contiguous share of them and has a columns
// matrix of its own; else the images are taken one after another and the threads share the work
// within each. The shares are laid out when the object is made: fewer threads may come later, the
// results stay the same.
class Correlation {
 public:
  // in (N, C, D...), out (N, K, D'...), one spatial axis or more.
  Correlation(const ops::Windows& windows, int64_t groups, const Shape& in, const Shape& out);

  // Empty, or why there is no kernel for it.
  std::string unfit() const;
  const char* implementation() const { return trivial() ? "sgemm" : "im2col + sgemm"; }

  // out = correlation of `in` with w (K, C / groups, kernel...), plus b (K) unless it is null.
  void correlate(const float* in, const float* w, const float* b, float* out, void* scratch) const;
  // The transpose: in = sum of what each element of `out` met, plus b (C) unless it is null.
  void transpose(const float* out, const float* w, const float* b, float* in, void* scratch) const;
  // Scratch for the two above.
  size_t columns_bytes() const;

  // dw = sum over the batch of `out` times what it met. Every share sums over its images in order;
  // the shares are added in order.
  void weights(const float* in, const float* out, float* dw, void* scratch) const;
  size_t weights_bytes() const;

 private:
  bool trivial() const { return windows_.trivial(); }
  int64_t columns() const { return windows_.columns(); }
  int64_t input_size() const { return windows_.channels * windows_.image_size(); }
  int64_t output_size() const { return groups_ * outputs_ * columns(); }
  int64_t matrix_size() const { return trivial() ? 0 : windows_.rows() * columns(); }
  int64_t weights_size() const { return groups_ * outputs_ * rows_; }

  template <class Fn>
  void for_shares(Fn&& fn) const;
  template <class Fn>
  void within_image(int64_t n, Fn&& fn) const;
  const float* columns_of(const float* image, float* scratch) const;

  int64_t batch_, groups_;
  int64_t outputs_, rows_;  // per group
  Windows windows_;
  int64_t shares_;
};

// db (channels) = sums over images and planes of dy (images, channels, plane). Image by image, each
// in single precision, together in double.
void channel_sums(int64_t images, int64_t channels, int64_t plane, const float* dy, float* db);

}  // namespace crema::openblas
