// Blobs filled by fillers: for timing and tests.
//   bottoms  none
//   tops     one or more; dummy_data_param.shape (one for all or one each), or the old num,
//            channels, height, width (each likewise)
//   params   none
//   data_filler  none (all 0), one for all tops, or one each; random ones are drawn anew at every
//            forward pass
//   errors   both forms of shape, or neither;  counts;  what the fillers refuse
#include <fmt/format.h>

#include "layers/check.hpp"
#include "layers/filler.hpp"
#include "ops/custom.hpp"

namespace crema::layers {
namespace {

bool has_old_sizes(const caffe::DummyDataParameter& p) {
  return p.num_size() + p.channels_size() + p.height_size() + p.width_size() > 0;
}

caffe::FillerParameter filler_of(const caffe::DummyDataParameter& p, int top) {
  if (p.data_filler_size() == 0) return {};
  return p.data_filler(p.data_filler_size() == 1 ? 0 : top);
}

// An op without sources whose only destination is filled. Pure: the values depend on the seed, the
// pass and the name alone.
ops::Custom filling_op(const std::string& name, const Shape& shape,
                       const caffe::FillerParameter& filler) {
  const auto draw = [=](const ops::StepInfo& step, std::span<float> out) {
    fill(filler, shape, RandomStream(step.seed, name, static_cast<uint64_t>(step.pass)), out);
  };
  ops::Custom op;
  op.name = name;
  op.shapes = [shape](std::span<const Shape>) { return std::vector<Shape>{shape}; };
  op.forward32 = [draw](ops::CustomArgs<float>& args) { draw(args.step, args.dst[0]); };
  op.forward64 = [draw](ops::CustomArgs<double>& args) {
    std::vector<float> values(args.dst[0].size());
    draw(args.step, values);
    std::copy(values.begin(), values.end(), args.dst[0].begin());
  };
  return op;
}

class DummyData final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 0, .max_bottoms = 0, .max_tops = Signature::kAny};
  }

  void infer(Inference& in) const override {
    const auto& p = in.param().dummy_data_param();
    check_counts(in, p);
    for (int i = 0; i < in.tops(); ++i) {
      const Shape shape = shape_of(in, p, i);
      const int at = p.data_filler_size() == 1 ? 0 : i;
      const std::string mistake = check_filler(filler_of(p, i), shape);
      if (!mistake.empty())
        in.fail(fmt::format("dummy_data_param.data_filler[{}]", at),
                fmt::format("top {} ({}): {}", i, shape.text(), mistake));
      in.set_top(i, shape);
    }
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param();
    for (int i = 0; i < to.tops(); ++i) {
      const std::string stream = fmt::format("dummy/{}/{}", param.name(), param.top(i));
      to.set_top(i, to.emit1(filling_op(stream, declared_shape(param.dummy_data_param(), i),
                                        filler_of(param.dummy_data_param(), i)),
                             {}));
    }
  }

 private:
  static void check_count(const Inference& in, const char* field, int given, bool zero_allowed) {
    if ((given == 0 && zero_allowed) || given == 1 || given == in.tops()) return;
    in.fail(fmt::format("dummy_data_param.{}", field),
            given == 0 ? fmt::format("no {} is given", field)
                       : fmt::format("{} entries for {} tops", given, in.tops()),
            "give one for all tops, or one each");
  }

  static void check_counts(const Inference& in, const caffe::DummyDataParameter& p) {
    check_count(in, "data_filler", p.data_filler_size(), true);
    if (!has_old_sizes(p)) return check_count(in, "shape", p.shape_size(), false);
    if (p.shape_size() > 0)
      in.fail("dummy_data_param.shape",
              "shape is given together with num, channels, height or width",
              "remove the four old sizes");
    check_count(in, "num", p.num_size(), false);
    check_count(in, "channels", p.channels_size(), false);
    check_count(in, "height", p.height_size(), false);
    check_count(in, "width", p.width_size(), false);
  }

  static caffe::BlobShape written_shape(const caffe::DummyDataParameter& p, int top) {
    if (!has_old_sizes(p)) return p.shape(p.shape_size() == 1 ? 0 : top);
    caffe::BlobShape out;
    for (const auto* sizes : {&p.num(), &p.channels(), &p.height(), &p.width()})
      out.add_dim(sizes->Get(sizes->size() == 1 ? 0 : top));
    return out;
  }

  static Shape shape_of(const Inference& in, const caffe::DummyDataParameter& p, int top) {
    const std::string field =
        has_old_sizes(p) ? std::string("dummy_data_param.num")
                         : fmt::format("dummy_data_param.shape[{}]", p.shape_size() == 1 ? 0 : top);
    return read_shape(in, field, written_shape(p, top));
  }

  static Shape declared_shape(const caffe::DummyDataParameter& p, int top) {
    const caffe::BlobShape shape = written_shape(p, top);
    return Shape(std::vector<int64_t>(shape.dim().begin(), shape.dim().end()));
  }
};

CREMA_LAYER("DummyData", DummyData);

}  // namespace
}  // namespace crema::layers
