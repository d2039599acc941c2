// Initial values of learnable blobs (and DummyData's contents). One file per type in fillers/.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/registry.hpp"
#include "proto/layers.pb.h"
#include "tensor/shape.hpp"

namespace crema::layers {

// One filler type. Values are drawn from `stream` by element number, so that they depend on nothing
// but the stream's name and index. Facts: transform.md section 3.
struct FillerType {
  // "" if the parameters fit the shape, else what is wrong ("min is greater than max").
  std::function<std::string(const caffe::FillerParameter&, const Shape&)> check;
  std::function<void(const caffe::FillerParameter&, const Shape&, const RandomStream& stream,
                     std::span<float> out)>
      fill;
};
struct FillerTag {
  using Entry = FillerType;
  static constexpr const char* kTable = "filler";
};
// In a filler's file:  CREMA_FILLER("msra", FillerType{check, draw});
#define CREMA_FILLER(name, ...) CREMA_REGISTER(::crema::layers::FillerTag, name, __VA_ARGS__)

// "" if the filler exists and fits, else the mistake (with a suggestion for an unknown type).
std::string check_filler(const caffe::FillerParameter& filler, const Shape& shape);
// Row-major values. LogicError if check_filler would complain.
void fill(const caffe::FillerParameter& filler, const Shape& shape, const RandomStream& stream,
          std::span<float> out);
// fan_in, fan_out or their mean, after variance_norm: count / shape[0], count / shape[1] (the count
// for one axis). At least one axis.
double fan(const caffe::FillerParameter& filler, const Shape& shape);

}  // namespace crema::layers
