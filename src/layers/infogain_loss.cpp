// Cross entropy of softmax(scores) weighted by a matrix of what each confusion is worth:
// -sum over positions and classes k of H[label, k] log(max(p[k], 1e-20)) / Z.
//   bottom 0  scores; infogain_loss_param.axis (1) is the axis of the K classes
//   bottom 1  labels 0..K-1 as numbers, one for each position of the other axes; no gradient
//   bottom 2  optional: H, K x K numbers; no gradient.  Without it infogain_loss_param.source names
//             a file with H as a binary BlobProto
//   top 0     the loss, 0 axes
//   top 1     optional: the probabilities, shape of the scores
//   params    none
//   Z         loss_param.normalization, as in SoftmaxWithLoss
//   errors    the axis in range;  the number of labels;  equal sizes of axis 0;  H missing, or not
//             of K x K numbers;  loss_param.normalize.  A label outside 0..K-1 is reported when it
//             is met
#include <fmt/format.h>

#include "base/files.hpp"
#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

constexpr const char* kSource = "infogain_loss_param.source";

// The numbers of a file with one BlobProto. Error{kConfig} without a place.
std::vector<float> read_matrix(const std::string& path) {
  caffe::BlobProto blob;
  const std::string bytes = read_file(path, ErrorCode::kConfig);
  if (bytes.empty() || !blob.ParseFromString(bytes))
    throw Error(ErrorCode::kConfig, fmt::format("'{}' is not a binary BlobProto", path));
  if (blob.double_data_size() > 0) return {blob.double_data().begin(), blob.double_data().end()};
  return {blob.data().begin(), blob.data().end()};
}

class InfogainLoss final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2,
            .max_bottoms = 3,
            .max_tops = 2,
            .loss = true,
            .no_gradient = {1, 2},
            .forced = {2}};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().infogain_loss_param();
    if (in.param().loss_param().has_normalize())
      in.fail("loss_param.normalize", "InfogainLoss does not know this old setting",
              in.param().loss_param().normalize() ? "write normalization: VALID"
                                                  : "write normalization: BATCH_SIZE");
    require_same_batch(in);
    const int axis = in.axis("infogain_loss_param.axis", param.axis(), in.bottom(0).rank());
    require_label_per_position(in, axis, "infogain_loss_param.axis");
    check_matrix(in, in.bottom(0)[axis]);
    in.set_top(0, Shape{});
    if (in.tops() > 1) in.set_top(1, in.bottom(0));
  }

  int64_t index_range(const Inference& in, int bottom) const override {
    const Shape& x = in.bottom(0);
    return bottom == 1 ? x[from_front(in.param().infogain_loss_param().axis(), x.rank())] : 0;
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param();
    ops::InfogainLoss op;
    op.axis = from_front(param.infogain_loss_param().axis(), to.shape(to.bottom(0)).rank());
    if (param.loss_param().has_ignore_label()) op.ignore_label = param.loss_param().ignore_label();
    op.normalization = read_normalization(param.loss_param(), ops::Normalization::kValid);
    op.layer = param.name();
    std::vector<Value> src{to.bottom(0), to.bottom(1)};
    if (to.bottoms() == 3)
      src.push_back(to.bottom(2));
    else
      op.matrix = std::make_shared<const std::vector<float>>(
          read_matrix(param.infogain_loss_param().source()));
    const std::vector<Value> out =
        to.emit(std::make_shared<const ops::InfogainLoss>(std::move(op)), src);
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, out[static_cast<size_t>(i)]);
  }

 private:
  static void check_matrix(const Inference& in, int64_t classes) {
    const auto& param = in.param().infogain_loss_param();
    if (in.bottoms() == 3) {
      if (const Shape& h = in.bottom(2); h.count() != classes * classes)
        in.fail("bottom[2]",
                fmt::format("the matrix is {}, but there are {} classes", h.text(), classes),
                fmt::format("it must hold {0} x {0} numbers", classes));
      return;
    }
    if (!param.has_source())
      in.fail(kSource, "the matrix is not given",
              "write source: a file with a BlobProto, or give the matrix as a third bottom");
    size_t numbers = 0;
    try {
      numbers = read_matrix(param.source()).size();
    } catch (const Error& error) {
      in.fail(kSource, error.message, "name a file with the matrix as a binary BlobProto");
    }
    if (numbers != static_cast<size_t>(classes * classes))
      in.fail(kSource,
              fmt::format("'{}' holds {} numbers, but there are {} classes", param.source(),
                          numbers, classes),
              fmt::format("the matrix must have {0} x {0} numbers", classes));
  }
};

CREMA_LAYER("InfogainLoss", InfogainLoss);

}  // namespace
}  // namespace crema::layers
