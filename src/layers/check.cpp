#include "layers/check.hpp"

#include <fmt/format.h>

#include <limits>

#include "layers/filler.hpp"

namespace crema::layers {

namespace {

constexpr int64_t kMostElements = std::numeric_limits<int32_t>::max();
constexpr int kMostAxes = 32;

// Whether the element count is at most kMostElements; no overflow on absurd sizes.
bool countable(const Shape& shape) {
  for (const int64_t dim : shape.dims())
    if (dim == 0) return true;
  int64_t count = 1;
  for (const int64_t dim : shape.dims()) {
    if (dim > kMostElements / count) return false;
    count *= dim;
  }
  return true;
}

}  // namespace

void check_size(const Inference& in, std::string_view field, const Shape& shape) {
  if (shape.rank() > kMostAxes)
    in.fail(field, fmt::format("{} axes are too many", shape.rank()),
            fmt::format("a blob has at most {}", kMostAxes));
  if (!countable(shape))
    in.fail(
        field,
        fmt::format("a blob of {} would have more than {} elements", shape.text(), kMostElements),
        "that is the most a blob can have; make it smaller");
}

void set_checked_top(Inference& in, int top, const Shape& shape, std::string_view field) {
  check_size(in, field, shape);
  in.set_top(top, shape);
}

void declare(Inference& in, std::string name, const Shape& shape,
             const caffe::FillerParameter& filler, std::string_view field) {
  check_size(in, field, shape);
  const std::string mistake = check_filler(filler, shape);
  if (!mistake.empty()) in.fail(field, mistake);
  in.add_param({.name = std::move(name), .shape = shape, .filler = filler});
}

Shape read_shape(const Inference& in, std::string_view field, const caffe::BlobShape& shape) {
  Shape out;
  for (const int64_t dim : shape.dim()) {
    if (dim < 0)
      in.fail(field, fmt::format("dim {} is negative", dim), "write the number of elements");
    out.append(dim);
  }
  check_size(in, field, out);
  return out;
}

void require_rank(const Inference& in, int bottom, int rank, std::string_view axes) {
  const Shape& shape = in.bottom(bottom);
  if (shape.rank() != rank)
    in.fail("",
            fmt::format("bottom {} has {} ({}), but {} are needed: {}", bottom,
                        axes_text(shape.rank()), shape.text(), rank, axes),
            "put a Reshape layer before it");
}

void require_same_batch(const Inference& in) {
  const Shape &a = in.bottom(0), &b = in.bottom(1);
  if (a.rank() == 0 || b.rank() == 0 || a[0] != b[0])
    in.fail("",
            fmt::format("bottom 0 is {} and bottom 1 is {}: axis 0 (the batch) differs", a.text(),
                        b.text()),
            "both must hold the same number of samples");
}

void require_label_per_position(const Inference& in, int axis, std::string_view field) {
  const Shape &x = in.bottom(0), &labels = in.bottom(1);
  const int64_t positions = x.count(0, axis) * x.count(axis + 1);
  if (labels.count() != positions)
    in.fail("",
            fmt::format("{} labels ({}) for {} predictions (scores {}, classes on axis {})",
                        labels.count(), labels.text(), positions, x.text(), axis),
            fmt::format("give one integer label per prediction, or set {}", field));
}

void require_label_per_sample(const Inference& in) {
  require_same_batch(in);
  const Shape& labels = in.bottom(1);
  if (labels.count(1) != 1)
    in.fail("",
            fmt::format("bottom 1 ({}) has {} labels per sample", labels.text(), labels.count(1)),
            "give one integer label per sample");
}

Value as_rows(Lowering& to, Value value) {
  const Shape& shape = to.shape(value);
  return to.reshape(value, Shape{shape[0], shape.count(1)});
}

ops::Normalization read_normalization(const caffe::LossParameter& param, ops::Normalization unset) {
  using ops::Normalization;
  if (param.has_normalization()) {
    switch (param.normalization()) {
      case caffe::LossParameter::FULL:
        return Normalization::kFull;
      case caffe::LossParameter::VALID:
        return Normalization::kValid;
      case caffe::LossParameter::BATCH_SIZE:
        return Normalization::kBatchSize;
      case caffe::LossParameter::NONE:
        return Normalization::kNone;
    }
  }
  if (param.has_normalize())
    return param.normalize() ? Normalization::kValid : Normalization::kBatchSize;
  return unset;
}

void fail_cudnn(const Inference& in, std::string_view field) {
  in.fail(field, "there is no cuDNN engine",
          "remove the line: the fastest engine for this processor is chosen anyway");
}

}  // namespace crema::layers
