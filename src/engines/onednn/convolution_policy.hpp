// Which of oneDNN's convolution kernels are worth trying: what was measured, as rules. All of them
// are functions of the shapes and the processor, never of a clock: the same net gives the same
// kernels and bits.
#pragma once

#include <string_view>

#include "ops/engine.hpp"
#include "ops/linear.hpp"

namespace crema::onednn {

// Images: oneDNN has direct kernels that read them plain and write blocks of channels.
bool few_channels(int64_t in_channels);

// Whether blocks of 16 channels waste so much of the multiplications (20 and 50 channels: half)
// that kernels without padding, on channels-last data, win. They never do for 1 to 3 input
// channels, which are not padded.
bool padding_costs(int64_t in_channels, int64_t out_channels);

// The gradient with respect to one to three channels runs at a tenth to a half of the speed of
// im2col and a matrix product; depth-wise kernels are another matter.
bool slow_backward_data(const ops::Convolution& op, const Shape& x,
                        std::string_view implementation);

// Whether bf16 pays in a direct convolution. It does, but where a large result is made from one to
// three channels by few multiplications (3x3 and 5x5 on an image): then converting takes as long.
bool gains_by_bf16(const ops::Convolution& op, const Shape& x, const Shape& weights,
                   const Shape& y);

// The AVX2 kernel for the weights of a single input channel takes 3.6 times as long as im2col and a
// matrix product (that for three channels is the faster one, as are those for AVX-512).
bool slow_backward_weights(const Shape& x, std::string_view implementation);

}  // namespace crema::onednn
