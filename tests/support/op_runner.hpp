// Runs one op on one engine from plain values to plain values, by the rules of ops/engine.hpp: what
// the plan does for a whole net, for a single op. Engines are held against each other with it.
//
//   OpRunner run(engine, op, inputs);             // or with RunOptions
//   std::vector<Values> y = run.forward();        // throws Refused if the engine does not offer
//   auto dx = run.gradient(0, {dy});              // part 0; one entry per source, empty if
//   unwanted
//
// Every destination, workspace and scratch is filled with 0xFF bytes first, and a word of a
// destination that is still so afterwards (padding of opaque layouts included) is an error.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/engine.hpp"
#include "ops/op.hpp"
#include "support/values.hpp"
#include "tensor/tensor.hpp"

namespace crema::test {

// The engine does not compute this.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct RunOptions {
  DType dtype = DType::kF32;
  ops::Precision precision = ops::Precision::kF32;
  bool training = true;
  ops::StepInfo step{};
  // Layout that each source has before the op is planned; a source beyond the end is plain, and a
  // weight (source >= 1 of a convolution or an inner product) is undecided.
  std::vector<std::optional<Layout>> src_layouts{};
  // The incoming gradients lie as the forward destinations do, else plain.
  bool diff_dst_like_dst = false;
  bool in_pieces = false;  // gradients of weights may come so
};

class OpRunner {
 public:
  // engine and op must outlive the runner.
  OpRunner(ops::Engine& engine, const ops::Op& op, std::vector<Values> inputs,
           RunOptions options = {});

  // Plans the forward kernel, if that has not been done; false if refused (see refusal()).
  bool accepts();
  const std::string& refusal() const { return refusal_; }
  const ops::Offer& forward_offer();

  // Runs the forward kernel on the inputs; the destinations.
  std::vector<Values> forward();

  // Sources after forward(): what the op's running statistics have become.
  Values source(int i) { return store(src_[static_cast<size_t>(i)]); }

  // Runs a gradient part after forward(). diff_dst: one entry per destination, or just the first
  // ones; empty: no gradient arrives there. wanted: source indices, by default all of the part.
  std::vector<std::optional<Values>> gradient(int part, std::vector<std::optional<Values>> diff_dst,
                                              std::optional<std::vector<int>> wanted = {});

  // Whether the engine offers this part; plans the forward kernel if need be.
  bool accepts_gradient(int part);

  const std::vector<Shape>& dst_shapes() const { return dst_shapes_; }
  int pieces() const { return pieces_; }  // of the last gradient()

 private:
  struct Buffer {
    Shape shape;
    Layout layout;
    std::shared_ptr<Arena> memory;
    void* data() const { return memory->data(); }
  };

  // Pointer tables with the lifetime of one run.
  struct Arguments {
    std::vector<const void*> src, diff_dst;
    std::vector<void*> dst, diff_src, mutated;
    Arguments(size_t sources, size_t destinations)
        : src(sources),
          diff_dst(destinations),
          dst(destinations),
          diff_src(sources),
          mutated(sources) {}
    ops::KernelArgs get(const ops::StepInfo& step) const {
      ops::KernelArgs args;
      args.src = src;
      args.dst = dst;
      args.diff_dst = diff_dst;
      args.diff_src = diff_src;
      args.mutated = mutated;
      args.step = &step;
      return args;
    }
  };

  std::optional<Layout> initial_layout(size_t i) const;

  bool ask(const ops::KernelRequest& request, std::optional<ops::Offer>& into);
  void require(bool offered) const;
  ops::KernelRequest gradient_request(int part, const std::vector<std::optional<Values>>& diff_dst,
                                      const std::vector<int>& wrt) const;
  std::vector<std::optional<Values>> run_gradient(
      const ops::GradientPart& rule, const ops::Offer& offer,
      const std::vector<std::optional<Values>>& diff_dst, const std::vector<int>& wrt);
  std::vector<Buffer> load_sources(const ops::Offer& offer);
  static std::shared_ptr<Arena> poisoned(size_t bytes);
  Buffer allocate(const Shape& shape, const Layout& layout) const;
  Buffer load(const Values& values) const;
  Values store(const Buffer& buffer);
  void check_written(const Buffer& buffer) const;
  Buffer reorder(const Buffer& from, const Layout& layout);

  ops::Engine& engine_;
  const ops::Op& op_;
  std::vector<Values> inputs_;
  RunOptions options_;
  std::vector<Shape> src_shapes_, dst_shapes_;
  std::optional<ops::Offer> forward_;
  std::string refusal_;
  std::vector<Buffer> src_, dst_;  // as the forward kernel agreed
  std::shared_ptr<Arena> workspace_;
  int pieces_ = 1;
};

// Runs the op forward and through every gradient part on both engines, in f32 on `subject` (with
// `options`) and in f64 on `truth`, and expects near() results. Parts that the subject refuses and
// that do not read the workspace are left to another engine, as in a plan; the returned string
// lists them ("part 1: reason; "), so that a test can say what it expects.
std::string expect_same(ops::Engine& subject, ops::Engine& truth, const ops::Op& op,
                        const std::vector<Values>& inputs, double tolerance = 1e-5,
                        RunOptions options = {});

}  // namespace crema::test
