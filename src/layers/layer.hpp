// A layer is meaning: parameters -> shapes, learnable blobs and ops. It has no pointers, no
// threads, no engine and no backward code; gradients come from the ops' own rules.
//
// Adding a layer type is one file here, one message in proto/layers.proto, one test.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/registry.hpp"
#include "ops/op.hpp"
#include "proto/net.pb.h"
#include "proto/rules.pb.h"
#include "tensor/shape.hpp"

namespace crema::layers {

// How many bottoms and tops a type takes, and Caffe's rules around them.
struct Signature {
  static constexpr int kAny = -1;
  int min_bottoms = 1, max_bottoms = 1;  // kAny: no limit
  int min_tops = 1, max_tops = 1;
  bool same_tops_as_bottoms = false;  // one top per bottom
  bool loss = false;     // missing tops are made up; loss_weight of top 0 defaults to 1
  bool in_place = true;  // top name = bottom name is allowed
  std::vector<int> no_gradient = {};  // bottoms that never get a gradient (labels): asking for it,
                                      // by need or by propagate_down, is an error
  std::vector<int> forced = {};       // those of no_gradient that force_backward does not spare: it
                                      // is refused, as by BVLC (row indices)
  // Bottoms and tops at which the gradient ends without a word, as in Caffe (the exposed states of
  // recurrent layers): nothing flows into such a bottom, nor in from what uses such a top.
  std::vector<int> cut_bottoms = {}, cut_tops = {};
  bool differentiable = true;  // false: no bottom has a gradient, and force_backward spares
                               // none (ArgMax)
};

// A learnable blob, or one of state (running statistics).
struct ParamDecl {
  std::string name;  // "weight", "bias", "mean"; how rules and `explain` call it
  Shape shape = {};
  caffe::FillerParameter filler = {};  // constant 0 if empty
  bool state = false;                  // kept and saved, never updated by the optimizer
};

// What infer() sees and fills in.
class Inference {
 public:
  virtual ~Inference() = default;
  virtual const caffe::LayerParameter& param() const = 0;
  virtual caffe::Phase phase() const = 0;
  virtual int bottoms() const = 0;
  virtual const Shape& bottom(int i) const = 0;
  virtual int tops() const = 0;  // declared tops, made-up ones of losses included
  virtual void set_top(int i, Shape shape) = 0;
  virtual void add_param(ParamDecl decl) = 0;
  // Throws Error{kConfig} at the field ("convolution_param.pad"; "" is the layer itself).
  [[noreturn]] virtual void fail(std::string_view field, std::string message,
                                 std::string hint = {}) const = 0;
  // How many numbers of bottom i are not zero: only the data decide, and they may decide anew in
  // each pass. A net is built for one answer at a time (at first for "all of them"); a run stops
  // before this layer, counts, and goes on in the build for what it found.
  virtual int64_t count_nonzero(int bottom) = 0;
  // Tells the user something about the field that is no mistake.
  virtual void note(std::string_view field, std::string message) = 0;
  // Axis in [0, rank) for a parameter in [-rank, rank); fails at `field` otherwise.
  int axis(std::string_view field, int value, int rank) const;
};

// A handle to a value of the graph.
struct Value {
  int id = -1;
};

// What lower() emits into.
class Lowering {
 public:
  virtual ~Lowering() = default;
  virtual const caffe::LayerParameter& param() const = 0;
  virtual caffe::Phase phase() const = 0;
  virtual int bottoms() const = 0;
  virtual int tops() const = 0;
  virtual Value bottom(int i) const = 0;
  virtual Value blob(int i) const = 0;  // learnable blob i, in add_param order
  // The layer is frozen: running statistics are used as they are stored, and kept.
  virtual bool fixed_statistics() const { return false; }
  virtual const Shape& shape(Value value) const = 0;
  virtual const Shape& top_shape(int i) const = 0;  // what infer() set
  // A schedule as a function of the iteration. Throws Error{kConfig} inside the field. In a net
  // that is not trained, of whose run nothing is known, it is the value of the first point.
  virtual std::function<double(int64_t)> over_run(const caffe::Schedule& schedule,
                                                  std::string_view field) const = 0;
  // A value that the run feeds (data, labels); its shape is what infer() set for top i.
  virtual Value input(int top) = 0;
  // A value that each forward pass leaves to the next (a hidden state): 0 in the first pass, then
  // what carry() named in the pass before. No gradient flows through it. Where the shape changes
  // between passes, what both shapes have stays, the rest is 0.
  virtual Value carried(const std::string& name, const Shape& shape) = 0;
  virtual void carry(Value carried, Value next) = 0;
  virtual std::vector<Value> emit(ops::OpPtr op, const std::vector<Value>& src) = 0;
  // The run reads this value after the forward pass (HDF5Output).
  virtual void keep(Value value) = 0;
  // Top i is this value (may be a bottom itself: no copy is made).
  virtual void set_top(int i, Value value) = 0;

  template <class OpType>
  Value emit1(OpType op, const std::vector<Value>& src) {
    return emit(std::make_shared<const OpType>(std::move(op)), src)[0];
  }
  // The value under another shape of equal count; itself if the shape is the same.
  Value reshape(Value value, const Shape& shape);
};

// "1 axis", "4 axes".
std::string axes_text(int count);

class Layer {
 public:
  virtual ~Layer() = default;
  virtual Signature signature(const caffe::LayerParameter& param) const = 0;
  // Checks the definition against the bottoms' shapes; sets top shapes, declares blobs in Caffe's
  // order. Everything a user can get wrong is reported through fail().
  virtual void infer(Inference& in) const = 0;
  virtual void lower(Lowering& to) const = 0;
  // n if bottom i must hold integers in [0, n) (labels, indices, 0/1 indicators); 0: any numbers.
  // What a run without data feeds follows from this.
  virtual int64_t index_range(const Inference& in, int bottom) const {
    (void)in, (void)bottom;
    return 0;
  }
  // True if the tops hold numbers of this bottom, only moved (Slice, Reshape): they are labels
  // where it is.
  virtual bool moves(int bottom) const {
    (void)bottom;
    return false;
  }
};

struct LayerTag {
  using Entry = std::function<std::unique_ptr<Layer>()>;
  static constexpr const char* kTable = "layer type";
};

// In a layer's file:  CREMA_LAYER("ReLU", Relu);
#define CREMA_LAYER(name, Class) \
  CREMA_REGISTER(::crema::layers::LayerTag, name, [] { return std::make_unique<Class>(); })

}  // namespace crema::layers
