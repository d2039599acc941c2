// What several layer types check or read in the same way.
#pragma once

#include <string>
#include <string_view>

#include "layers/layer.hpp"
#include "ops/loss.hpp"
#include "proto/blob.pb.h"
#include "proto/layers.pb.h"

namespace crema::layers {

// Fails at `field` if the shape has more than Caffe's limits: 32 axes, 2^31 - 1 elements.
void check_size(const Inference& in, std::string_view field, const Shape& shape);

// set_top after check_size.
void set_checked_top(Inference& in, int top, const Shape& shape, std::string_view field = {});

// Declares a learnable blob; a filler that does not exist or does not fit fails at `field`.
void declare(Inference& in, std::string name, const Shape& shape,
             const caffe::FillerParameter& filler, std::string_view field);

// A shape that the user wrote: at most 32 axes, sizes >= 0, not too many elements.
Shape read_shape(const Inference& in, std::string_view field, const caffe::BlobShape& shape);

// An axis parameter that infer() has accepted, counted from the front.
inline int from_front(int axis, int rank) {
  return axis < 0 ? axis + rank : axis;
}

// Fails unless bottom i has exactly `rank` axes.
void require_rank(const Inference& in, int bottom, int rank, std::string_view axes);

// Losses: bottoms 0 and 1 have an axis 0, and of the same size.
void require_same_batch(const Inference& in);

// Bottom 1 has one number for each position of bottom 0's axes but `axis`, that of the classes,
// which the user gives in `field`.
void require_label_per_position(const Inference& in, int axis, std::string_view field);

// Bottom 1 has one number for each sample of bottom 0, whose axis 0 counts them.
void require_label_per_sample(const Inference& in);

// What a loss is divided by: normalization; else the older normalize; else `unset`.
ops::Normalization read_normalization(const caffe::LossParameter& param, ops::Normalization unset);

// The value as samples times numbers: (N, count / N).
Value as_rows(Lowering& to, Value value);

// `engine: CUDNN` is refused, as by every Caffe built without cuDNN; the other values have no
// effect: the plan chooses the engine.
void fail_cudnn(const Inference& in, std::string_view field);
template <class Param>
void refuse_cudnn(const Inference& in, const char* field, const Param& param) {
  if (param.engine() == Param::CUDNN) fail_cudnn(in, field);
}

}  // namespace crema::layers
