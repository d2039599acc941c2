#include <fmt/format.h>

#include "base/parallel.hpp"
#include "engines/openblas/im2col.hpp"
#include "engines/openblas/kernel.hpp"
#include "ops/linear.hpp"

namespace crema::openblas {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;

// A convolution of `batch` images, each as `groups` products of the group's weights
// (outputs, rows) with the group's rows of the columns matrix.
struct Geometry {
  int64_t batch = 0, groups = 1;
  int64_t outputs = 0;  // per group
  int64_t rows = 0;     // per group
  Windows windows;
  bool bias = false;

  int64_t columns() const { return windows.columns(); }
  int64_t input_size() const { return windows.channels * windows.image_size(); }
  int64_t output_size() const { return groups * outputs * columns(); }
  int64_t matrix_size() const { return windows.rows() * columns(); }
  int64_t weights_size() const { return groups * outputs * rows; }
};

// The work on the images of a batch. With more images than threads, every thread takes a
// contiguous share of them and has a columns matrix of its own; else the images are taken one
// after another and the threads share the work within each.
class ConvolutionKernel : public ops::Kernel {
 public:
  explicit ConvolutionKernel(Geometry geometry)
      : g_(std::move(geometry)), shares_(shares_of(g_.batch)) {}

  int64_t shares() const { return shares_; }

 protected:
  // The number of threads that results and scratch are laid out for. Fewer threads may come; the
  // shares, and so the results, stay the same.
  static int64_t shares_of(int64_t batch) {
    const int64_t threads = compute_threads();
    return batch >= threads ? threads : 1;
  }

  // fn(share, first image, last image)
  template <class Fn>
  void for_shares(Fn&& fn) const {
    const auto run = [&](int64_t share) {
      fn(share, g_.batch * share / shares_, g_.batch * (share + 1) / shares_);
    };
    if (shares_ == 1) return run(0);
    parallel_for(shares_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t share = begin; share < end; ++share) run(share);
    });
  }

  // Rows of the columns matrix, or channels, in parallel where the images are not.
  template <class Fn>
  void within_image(int64_t n, Fn&& fn) const {
    if (shares_ > 1)
      fn(int64_t{0}, n);
    else
      parallel_for(n, 1, fn);
  }

  // A share's own columns matrix among those at `matrices`, if any is needed.
  float* matrix_of(int64_t share, float* matrices) const {
    return g_.windows.trivial() ? nullptr : matrices + share * g_.matrix_size();
  }

  // The columns matrix of one image: in `scratch`, or the image itself.
  const float* columns_of(const float* image, float* scratch) const {
    if (g_.windows.trivial()) return image;
    within_image(g_.windows.rows(), [&](int64_t begin, int64_t end) {
      im2col(g_.windows, image, begin, end, scratch);
    });
    return scratch;
  }

  Geometry g_;
  int64_t shares_;
};

class Forward final : public ConvolutionKernel {
 public:
  using ConvolutionKernel::ConvolutionKernel;
  size_t scratch_bytes() const {
    return g_.windows.trivial() ? 0 : static_cast<size_t>(shares_ * g_.matrix_size()) * 4;
  }

  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.src[0]);
    const auto* w = static_cast<const float*>(args.src[1]);
    const auto* b = g_.bias ? static_cast<const float*>(args.src[2]) : nullptr;
    auto* y = static_cast<float*>(args.dst[0]);
    for_shares([&](int64_t share, int64_t first, int64_t last) {
      float* scratch = matrix_of(share, static_cast<float*>(args.scratch));
      for (int64_t n = first; n < last; ++n)
        image(columns_of(x + n * g_.input_size(), scratch), w, b, y + n * g_.output_size());
    });
  }

 private:
  void image(const float* columns, const float* w, const float* b, float* y) const {
    const int64_t width = g_.columns();
    for (int64_t k = 0; b != nullptr && k < g_.groups * g_.outputs; ++k)
      std::fill_n(y + k * width, width, b[k]);
    for (int64_t group = 0; group < g_.groups; ++group)
      multiply(g_.outputs, width, g_.rows, {w + group * g_.outputs * g_.rows, g_.rows},
               {columns + group * g_.rows * width, width}, b != nullptr ? 1.0f : 0.0f,
               y + group * g_.outputs * width);
  }
};

class BackwardData final : public ConvolutionKernel {
 public:
  using ConvolutionKernel::ConvolutionKernel;
  size_t scratch_bytes() const {
    return g_.windows.trivial() ? 0 : static_cast<size_t>(shares_ * g_.matrix_size()) * 4;
  }

  void run(const KernelArgs& args) override {
    const auto* w = static_cast<const float*>(args.src[1]);
    const auto* dy = static_cast<const float*>(args.diff_dst[0]);
    auto* dx = static_cast<float*>(args.diff_src[0]);
    for_shares([&](int64_t share, int64_t first, int64_t last) {
      float* scratch = matrix_of(share, static_cast<float*>(args.scratch));
      for (int64_t n = first; n < last; ++n)
        image(w, dy + n * g_.output_size(), scratch, dx + n * g_.input_size());
    });
  }

 private:
  void image(const float* w, const float* dy, float* scratch, float* dx) const {
    float* columns = g_.windows.trivial() ? dx : scratch;
    const int64_t width = g_.columns();
    for (int64_t group = 0; group < g_.groups; ++group)
      multiply(g_.rows, width, g_.outputs, {w + group * g_.outputs * g_.rows, g_.rows, true},
               {dy + group * g_.outputs * width, width}, 0, columns + group * g_.rows * width);
    if (g_.windows.trivial()) return;
    within_image(g_.windows.channels, [&](int64_t begin, int64_t end) {
      const int64_t size = g_.windows.image_size();
      std::fill(dx + begin * size, dx + end * size, 0.0f);
      col2im(g_.windows, columns, begin, end, dx);
    });
  }
};

// Every share sums over its images in order; the shares are added in order.
class BackwardWeights final : public ConvolutionKernel {
 public:
  using ConvolutionKernel::ConvolutionKernel;
  size_t scratch_bytes() const {
    const int64_t columns = g_.windows.trivial() ? 0 : shares_ * g_.matrix_size();
    return static_cast<size_t>(columns + (shares_ - 1) * g_.weights_size()) * 4;
  }

  void run(const KernelArgs& args) override {
    const auto* x = static_cast<const float*>(args.src[0]);
    const auto* dy = static_cast<const float*>(args.diff_dst[0]);
    if (auto* dw = static_cast<float*>(args.diff_src[1])) weights(args, x, dy, dw);
    if (g_.bias && args.diff_src[2] != nullptr) bias(dy, static_cast<float*>(args.diff_src[2]));
  }

 private:
  void weights(const KernelArgs& args, const float* x, const float* dy, float* dw) const {
    auto* partial = static_cast<float*>(args.scratch);  // of shares 1...
    float* matrices = shares_ > 1 ? partial + (shares_ - 1) * g_.weights_size() : partial;
    for_shares([&](int64_t share, int64_t first, int64_t last) {
      float* sum = share == 0 ? dw : partial + (share - 1) * g_.weights_size();
      if (first == last) std::fill_n(sum, g_.weights_size(), 0.0f);
      for (int64_t n = first; n < last; ++n)
        image(columns_of(x + n * g_.input_size(), matrix_of(share, matrices)),
              dy + n * g_.output_size(), n == first ? 0.0f : 1.0f, sum);
    });
    parallel_for(g_.weights_size(), 16384, [&](int64_t begin, int64_t end) {
      for (int64_t share = 1; share < shares_; ++share) {
        const float* more = partial + (share - 1) * g_.weights_size();
        for (int64_t i = begin; i < end; ++i) dw[i] += more[i];
      }
    });
  }

  void image(const float* columns, const float* dy, float beta, float* dw) const {
    const int64_t width = g_.columns();
    for (int64_t group = 0; group < g_.groups; ++group)
      multiply(g_.outputs, g_.rows, width, {dy + group * g_.outputs * width, width},
               {columns + group * g_.rows * width, width, true}, beta,
               dw + group * g_.outputs * g_.rows);
  }

  // Image by image, each in single precision, together in double.
  void bias(const float* dy, float* db) const {
    const int64_t channels = g_.groups * g_.outputs, width = g_.columns();
    parallel_for(channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        double total = 0;
        for (int64_t n = 0; n < g_.batch; ++n) {
          const float* line = dy + (n * channels + k) * width;
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t i = 0; i < width; ++i) sum += line[i];
          total += static_cast<double>(sum);
        }
        db[k] = static_cast<float>(total);
      }
    });
  }
};

Geometry geometry_of(const ops::Convolution& op, const KernelRequest& request) {
  const Shape &x = request.src[0].shape, &y = request.dst[0].shape, &w = request.src[1].shape;
  Geometry g;
  g.batch = x[0];
  g.groups = op.groups;
  g.outputs = w[0] / op.groups;
  g.rows = w.count(1);
  g.bias = op.bias;
  g.windows.channels = x[1];
  for (size_t i = 0; i < op.kernel.size(); ++i) {
    const int axis = static_cast<int>(i) + 2;
    g.windows.axes.push_back(
        {x[axis], y[axis], op.kernel[i], op.stride[i], op.pad[i], op.dilation[i]});
  }
  return g;
}

template <class KernelType>
ops::Answer offer_of(const KernelRequest& request, Geometry geometry) {
  const char* name = geometry.windows.trivial() ? "sgemm" : "im2col + sgemm";
  auto kernel = std::make_unique<KernelType>(std::move(geometry));
  const size_t scratch = kernel->scratch_bytes();
  ops::Offer offer = ops::plain_offer(request, std::move(kernel), name);
  offer.scratch_bytes = scratch;
  return offer;
}

ops::Answer convolution(const KernelRequest& request) {
  const auto& op = static_cast<const ops::Convolution&>(*request.op);
  if (op.kernel.empty()) return ops::Refusal{"a convolution without spatial axes"};
  Geometry g = geometry_of(op, request);
  if (!countable(g.rows) || !countable(g.columns()) || !countable(g.outputs))
    return ops::Refusal{"a matrix has more rows or columns than 32 bits count"};
  if (request.part == ops::kForward) return offer_of<Forward>(request, std::move(g));
  if (request.part == 0) return offer_of<BackwardData>(request, std::move(g));
  return offer_of<BackwardWeights>(request, std::move(g));
}

CREMA_REGISTER(OpenBlasKernelTag, "convolution", convolution);

}  // namespace
}  // namespace crema::openblas
