// A layer run on its own, without graph or engine: what it infers and what it emits.
#pragma once

#include <fcntl.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "layers/layer.hpp"

namespace crema::test {

inline caffe::NetParameter read_net(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY);
  CREMA_CHECK(file >= 0, "cannot open " + path);
  google::protobuf::io::FileInputStream stream(file);
  stream.SetCloseOnDelete(true);
  caffe::NetParameter net;
  CREMA_CHECK(google::protobuf::TextFormat::Parse(&stream, &net), "cannot parse " + path);
  return net;
}

inline caffe::LayerParameter layer_from(const std::string& text) {
  caffe::LayerParameter layer;
  CREMA_CHECK(google::protobuf::TextFormat::ParseFromString(text, &layer), text);
  if (!layer.has_name()) layer.set_name("l");
  return layer;
}

inline std::unique_ptr<layers::Layer> make_layer(const std::string& type) {
  const auto* factory = Registry<layers::LayerTag>::instance().find(type);
  CREMA_CHECK(factory != nullptr, "no layer type " + type);
  return (*factory)();
}

class FakeInference final : public layers::Inference {
 public:
  FakeInference(caffe::LayerParameter param, std::vector<Shape> bottoms)
      : param_(std::move(param)), bottoms_(std::move(bottoms)) {
    const bool loss = make_layer(param_.type())->signature(param_).loss;
    tops_.resize(static_cast<size_t>(std::max(param_.top_size(), loss ? 1 : 0)));
    set_.resize(tops_.size());
  }
  const caffe::LayerParameter& param() const override { return param_; }
  caffe::Phase phase() const override { return param_.has_phase() ? param_.phase() : caffe::TRAIN; }
  int bottoms() const override { return static_cast<int>(bottoms_.size()); }
  const Shape& bottom(int i) const override { return bottoms_.at(static_cast<size_t>(i)); }
  int tops() const override { return static_cast<int>(tops_.size()); }
  void set_top(int i, Shape shape) override {
    tops_.at(static_cast<size_t>(i)) = std::move(shape);
    set_[static_cast<size_t>(i)] = true;
  }
  void add_param(layers::ParamDecl decl) override { params_.push_back(std::move(decl)); }
  // The error's only note is the field.
  void fail(std::string_view field, std::string message, std::string hint) const override {
    Error error(ErrorCode::kConfig, std::move(message));
    error.note(std::string(field)).advise(std::move(hint));
    throw error;
  }

  int64_t count_nonzero(int i) override { return rows >= 0 ? rows : bottom(i).count(); }
  void note(std::string_view field, std::string message) override {
    notes.push_back(std::string(field) + ": " + message);
  }

  std::vector<std::string> notes;
  int64_t rows = -1;  // what count_nonzero says; negative: all
  bool every_top_set() const { return std::find(set_.begin(), set_.end(), false) == set_.end(); }
  const std::vector<Shape>& top_shapes() const { return tops_; }
  const std::vector<layers::ParamDecl>& params() const { return params_; }
  const std::vector<Shape>& bottom_shapes() const { return bottoms_; }

 private:
  caffe::LayerParameter param_;
  std::vector<Shape> bottoms_, tops_;
  std::vector<bool> set_;
  std::vector<layers::ParamDecl> params_;
};

class FakeLowering final : public layers::Lowering {
 public:
  struct Emitted {
    ops::OpPtr op;
    std::vector<int> src, dst;
  };

  // Values 0.. are the bottoms, then the blobs.
  explicit FakeLowering(const FakeInference& in) : in_(in), top_ids(in.top_shapes().size(), -1) {
    shapes_ = in.bottom_shapes();
    for (const auto& param : in.params()) shapes_.push_back(param.shape);
  }
  const caffe::LayerParameter& param() const override { return in_.param(); }
  caffe::Phase phase() const override { return in_.phase(); }
  int bottoms() const override { return in_.bottoms(); }
  int tops() const override { return in_.tops(); }
  layers::Value bottom(int i) const override { return {i}; }
  layers::Value blob(int i) const override { return {in_.bottoms() + i}; }
  const Shape& shape(layers::Value value) const override {
    return shapes_.at(static_cast<size_t>(value.id));
  }
  const Shape& top_shape(int i) const override {
    return in_.top_shapes().at(static_cast<size_t>(i));
  }
  bool fixed_statistics() const override { return frozen_statistics; }
  // The points, whatever lies between them.
  std::function<double(int64_t)> over_run(const caffe::Schedule& schedule,
                                          std::string_view) const override {
    return [schedule](int64_t t) {
      double value = schedule.point(0).value();
      for (const auto& point : schedule.point())
        if (point.at() <= static_cast<double>(t)) value = point.value();
      return value;
    };
  }
  layers::Value input(int top) override {
    inputs.push_back(top);
    shapes_.push_back(in_.top_shapes().at(static_cast<size_t>(top)));
    return {static_cast<int>(shapes_.size()) - 1};
  }
  layers::Value carried(const std::string& name, const Shape& shape) override {
    shapes_.push_back(shape);
    carried_names.push_back(name);
    return {static_cast<int>(shapes_.size()) - 1};
  }
  void carry(layers::Value carried, layers::Value next) override {
    EXPECT_EQ(shape(carried), shape(next));
    left.emplace_back(carried.id, next.id);
  }
  std::vector<layers::Value> emit(ops::OpPtr op, const std::vector<layers::Value>& src) override {
    Emitted emitted{op, {}, {}};
    std::vector<Shape> src_shapes;
    for (const layers::Value value : src) {
      emitted.src.push_back(value.id);
      src_shapes.push_back(shape(value));
    }
    std::vector<layers::Value> out;
    for (Shape& dst : op->infer(src_shapes)) {
      if (op->view()) CREMA_CHECK(dst.count() == src_shapes[0].count(), "a view keeps the count");
      shapes_.push_back(std::move(dst));
      out.push_back({static_cast<int>(shapes_.size()) - 1});
      emitted.dst.push_back(out.back().id);
    }
    ops.push_back(std::move(emitted));
    return out;
  }
  void keep(layers::Value value) override { kept.push_back(value.id); }
  void set_top(int i, layers::Value value) override {
    top_ids.at(static_cast<size_t>(i)) = value.id;
  }

  template <class Op>
  const Op& op(size_t i) const {
    const Op* found = dynamic_cast<const Op*>(ops.at(i).op.get());
    CREMA_CHECK(found != nullptr, std::string("another op: ") + ops.at(i).op->kind());
    return *found;
  }

 private:
  const FakeInference& in_;
  std::vector<Shape> shapes_;

 public:
  std::vector<int> kept, top_ids;
  std::vector<int> inputs;
  std::vector<std::string> carried_names;
  std::vector<std::pair<int, int>> left;  // by carry()
  std::vector<Emitted> ops;
  bool frozen_statistics = false;
};

// One layer taken through infer() and lower(), with the promises between the two checked.
struct FakeLayer {
  FakeLayer(const caffe::LayerParameter& param, std::vector<Shape> bottoms)
      : layer(make_layer(param.type())), in(param, std::move(bottoms)), to((layer->infer(in), in)) {
    layer->lower(to);
    EXPECT_TRUE(in.every_top_set()) << param.name() << ": infer() left a top without a shape";
    for (int i = 0; i < in.tops(); ++i) {
      const int id = to.top_ids[static_cast<size_t>(i)];
      EXPECT_GE(id, 0) << param.name() << ": lower() left top " << i;
      if (id >= 0) {
        EXPECT_EQ(to.shape({id}), in.top_shapes()[static_cast<size_t>(i)])
            << param.name() << ": top " << i << " is not what infer() said";
      }
    }
  }
  // "2x4 | weight 4x3 bias 4 | reshape inner_product"
  std::string text() const {
    std::string out;
    const auto word = [&](const std::string& text) {
      out += (out.empty() || out.back() == ' ' ? "" : " ") + text;
    };
    for (const Shape& shape : in.top_shapes()) word(shape.text());
    word("|");
    for (const auto& decl : in.params()) word(decl.name + " " + decl.shape.text());
    word("|");
    for (const auto& emitted : to.ops) word(emitted.op->kind());
    if (!to.kept.empty()) word("keeps");
    for (const int id : to.kept) word(std::to_string(id));
    return out;
  }

  std::unique_ptr<layers::Layer> layer;
  FakeInference in;
  FakeLowering to;
};

inline FakeLayer make(const std::string& text, std::vector<Shape> bottoms) {
  return FakeLayer(layer_from(text), std::move(bottoms));
}

inline layers::Signature signature(const std::string& text) {
  const auto param = layer_from(text);
  return make_layer(param.type())->signature(param);
}

// "convolution_param.stride: a stride of 0 never moves"; "" if infer() accepts the layer.
inline std::string complaint(const caffe::LayerParameter& param, std::vector<Shape> bottoms) {
  FakeInference in(param, std::move(bottoms));
  try {
    make_layer(param.type())->infer(in);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kConfig);
    const std::string& field = error.notes.at(0).message;
    return (field.empty() ? "layer" : field) + ": " + error.message;
  }
  return "";
}

}  // namespace crema::test
