// The seam between what is computed (ops) and who computes it (engines).
//
// The plan asks an ordered list of engines; the first offer wins. An offer names the layouts its
// kernel wants for every operand it touches; where they differ from what is there, the plan inserts
// a reorder that `crema plan` shows. The type of the elements in memory is part of a layout: with
// Precision::kBf16 an offer may name layouts of bf16, and the same reorders convert. Every refusal
// says why.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ops/op.hpp"
#include "tensor/tensor.hpp"

namespace crema::ops {

// Where a run stands: all that random ops (dropout) may depend on besides their stream's name.
struct StepInfo {
  uint64_t seed = 0;
  int64_t iteration = 0;  // completed updates
  int64_t pass = 0;       // forward passes so far: iteration * iter_size + sub-pass
};

// Pointers in the order of the op's operands. A kernel touches only those its part reads or writes;
// the others are null.
struct KernelArgs {
  std::span<const void* const> src;
  std::span<void* const> dst;
  std::span<const void* const> diff_dst;
  std::span<void* const> diff_src;
  std::span<void* const> mutated;  // per source: writable pointer if the op mutates it, else null
  void* workspace = nullptr;
  void* scratch = nullptr;
  int piece = 0;  // which one to compute, of a kernel that was offered in pieces
  const StepInfo* step = nullptr;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // What takes long and is needed by the first run() at the latest: compiling. The plan calls it
  // for all of its kernels, on several threads.
  virtual void prepare() {}
  // Writes every element of every wanted destination (padding of opaque layouts as zeros).
  // No allocation, no lock.
  virtual void run(const KernelArgs& args) = 0;
};

// A kernel that is fn(const KernelArgs&).
template <class Fn>
std::unique_ptr<Kernel> function_kernel(Fn fn) {
  class FunctionKernel final : public Kernel {
   public:
    explicit FunctionKernel(Fn fn) : fn_(std::move(fn)) {}
    void run(const KernelArgs& args) override { fn_(args); }

   private:
    Fn fn_;
  };
  return std::make_unique<FunctionKernel>(std::move(fn));
}

inline constexpr int kForward = -1;
// The forward result once more (Again::kWorkspace): same bits, no effect on statistics.
inline constexpr int kAgain = -2;

// An operand as the plan knows it when it asks.
struct Operand {
  Shape shape;
  // The layout it has now; empty if nobody has decided yet and the kernel may choose freely
  // (weights and destinations on first planning). Agreeing to another layout costs a reorder.
  std::optional<Layout> layout;
  bool present = true;  // false: no such gradient is there (diff_dst) or wanted (diff_src)
};

// What products may be computed in. kBf16: kernels may read and write bf16 where that is faster;
// they add up in f32, and parameters and their gradients are f32 all the same. kBf16Forced: also
// where it is slower.
enum class Precision { kF32, kBf16, kBf16Forced };

struct KernelRequest {
  const Op* op = nullptr;
  int part = kForward;  // kForward, kAgain, or an index into op->gradient()
  DType dtype = DType::kF32;
  Precision precision = Precision::kF32;
  bool training = false;          // forward: gradient parts will follow (a workspace may be needed)
  std::vector<Operand> src, dst;  // in a gradient part: as the forward kernel agreed
  std::vector<Operand> diff_dst, diff_src;  // empty in a forward request
  bool in_pieces = false;  // diff_src[1] may come in pieces, in the layout that it has
};

// A kernel's inputs lie side by side in its only output, or its outputs in its only input. (Inputs
// and outputs: src and dst, or diff_dst and diff_src.)
struct Parts {
  bool of_output = true;
  std::map<int, size_t> offsets;  // by operand: of its first byte in the whole
};

struct Offer {
  std::unique_ptr<Kernel> kernel;
  // Agreed layouts, one per operand; entries the kernel does not touch are ignored.
  std::vector<Layout> src, dst, diff_dst, diff_src;
  // Of a forward kernel that reads parameters as bf16: by source, the layout of f32 in which they
  // best rest.
  std::map<int, Layout> at_rest;
  size_t workspace_bytes = 0;  // written forward, read by parts that say reads_workspace
  size_t scratch_bytes = 0;    // needed during run() only; contents do not matter
  std::string implementation;  // "jit:avx2", "direct"
  // Run so often, the kernel writes one of as many equal pieces of diff_src[1] each time, in the
  // order of memory; diff_src[1] is then where the piece goes. All else is there after the last.
  int pieces = 1;
  // Where this holds with the layouts agreed: if the parts are put there, nothing need be copied.
  std::optional<Parts> parts;
};

struct Refusal {
  std::string reason;
};

using Answer = std::variant<Offer, Refusal>;

// What an engine makes of Precision::kBf16 on this processor.
struct Bf16Support {
  bool possible = false;
  double speed = 0;  // of a product, by that of the same product in single precision
  std::string note;  // what the user should know about it, or why it is not possible
};

// An engine that offers a forward kernel for training must also offer all gradient parts of that op
// that read the workspace (the workspace's format is its own); other parts may go elsewhere.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const char* name() const = 0;
  virtual Answer offer(const KernelRequest& request) = 0;
  // Measures, which takes some milliseconds.
  virtual Bf16Support bf16() {
    return {false, 0, std::string(name()) + " has no kernels for bf16"};
  }
};

// All operands plain: what an engine without layouts of its own agrees to.
Offer plain_offer(const KernelRequest& request, std::unique_ptr<Kernel> kernel,
                  std::string implementation);

}  // namespace crema::ops
