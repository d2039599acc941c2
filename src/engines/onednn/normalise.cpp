#include "engines/onednn/normalise.hpp"

#include <cmath>

#include "base/parallel.hpp"

namespace crema::onednn {
namespace {

// Two sums per lane, for each block and image.
constexpr int kSums = 2;

template <int L>
double* partial(const Normalisation& op, double* scratch, int64_t block, int64_t image) {
  return scratch + (block * op.view.batch + image) * kSums * L;
}

// first(block, image) for all, then finish(block), then second(block, image) for all. Blocks are
// independent; where there is one for each thread, all three are done block by block.
template <class First, class Finish, class Second>
void two_passes(const Normalisation& op, const First& first, const Finish& finish,
                const Second& second) {
  const ChannelView& v = op.view;
  if (op.by_block()) {
    parallel_for(v.blocks, 1, [&](int64_t begin, int64_t end) {
      simd::run([&] {
        for (int64_t block = begin; block < end; ++block) {
          for (int64_t n = 0; n < v.batch; ++n) first(block, n);
          finish(block);
          for (int64_t n = v.batch - 1; n >= 0; --n) second(block, n);  // the last is still warm
        }
      });
    });
    return;
  }
  const auto each = [&](const auto& fn) {
    parallel_for(v.blocks * v.batch, grain_of(v.panel_floats()), [&](int64_t begin, int64_t end) {
      simd::run([&] {
        for (int64_t i = begin; i < end; ++i) fn(i / v.batch, i % v.batch);
      });
    });
  };
  each(first);
  simd::run([&] {
    for (int64_t block = 0; block < v.blocks; ++block) finish(block);
  });
  each(second);
}

// Sums of all images, in their order.
template <int L>
void add_up(const Normalisation& op, double* scratch, int64_t block, double (&totals)[kSums][L]) {
  for (int64_t n = 0; n < op.view.batch; ++n) {
    const double* from = partial<L>(op, scratch, block, n);
    for (int s = 0; s < kSums; ++s)
      for (int l = 0; l < L; ++l) totals[s][l] += from[s * L + l];
  }
}

template <int L>
void keep(const RunningSums<L, kSums>& sums, double* to) {
  for (int s = 0; s < kSums; ++s)
    for (int l = 0; l < L; ++l) to[s * L + l] = sums.totals[s][l];
}

// A value of the channel, near which its values lie: squares of differences from it do not cancel.
template <int L, class T>
void pivot_of(const ChannelView& v, const T* x, int64_t block, simd::Vector<L>& out) {
  out = simd::Vector<L>{};
  if (v.flat())
    out += simd::to_float(x[block * v.block]);
  else
    simd::load<L>(out, x + block * v.block, panel_of<L>(v, 0, block).lanes);
}

template <int L, class T>
void batch_sums(const Normalisation& op, const T* x, int64_t block, int64_t image, double* to) {
  simd::Vector<L> pivot;
  pivot_of<L>(op.view, x, block, pivot);
  RunningSums<L, kSums> sums;
  each_row<L>(panel_of<L>(op.view, image, block), [&](int64_t at, auto n) {
    simd::Vector<L> value, shift;
    simd::load<L>(value, x + at, n);
    simd::load<L>(shift, reinterpret_cast<const float*>(&pivot), n);
    value -= shift;
    sums.add(value, value * value);
  });
  sums.flush();
  keep<L>(sums, to);
}

template <int L, class T>
void batch_statistics(const Normalisation& op, const NormForward<T>& a, int64_t block) {
  const ChannelView& v = op.view;
  double totals[kSums][L] = {};
  add_up<L>(op, a.scratch, block, totals);
  simd::Vector<L> pivot;
  pivot_of<L>(v, a.x, block, pivot);
  const auto m = static_cast<double>(v.batch * v.positions);
  each_channel<L>(v, block, totals[0], [&](int64_t c, double sum) {
    const double first = pivot[v.flat() ? 0 : static_cast<int>(c % L)];
    a.values.mean[c] = static_cast<float>(first + sum / m);
  });
  each_channel<L>(v, block, totals[1], [&](int64_t c, double sum) {
    const double first = pivot[v.flat() ? 0 : static_cast<int>(c % L)];
    const double shift = static_cast<double>(a.values.mean[c]) - first;
    const double variance = std::max(0.0, sum / m - shift * shift);
    a.variance[c] = static_cast<float>(variance);
    a.values.inverse[c] = static_cast<float>(1 / std::sqrt(variance + op.eps));
  });
}

template <class T>
void set_factors(const NormForward<T>& a, int64_t channel) {
  a.values.factor[channel] = a.values.inverse[channel] * (a.gamma ? a.gamma[channel] : 1.0f);
  a.values.beta[channel] = a.beta ? a.beta[channel] : 0.0f;
}

// Forward and backward see the same number, to the bit: its sign decides about the gradient.
template <int L>
struct Affine {
  simd::Vector<L> mean, factor, beta;
  Affine(const ChannelView& v, const NormValues& values, int64_t block) {
    lanes_of<L>(v, values.mean, block, mean);
    lanes_of<L>(v, values.factor, block, factor);
    lanes_of<L>(v, values.beta, block, beta);
  }
  void apply(const simd::Vector<L>& x, simd::Vector<L>& y) const {
    y = (x - mean) * factor;
    y += beta;
  }
};

template <int L, class T>
void apply(const Normalisation& op, const NormForward<T>& a, int64_t block, int64_t image) {
  const Affine<L> affine(op.view, a.values, block);
  each_row<L>(panel_of<L>(op.view, image, block), [&](int64_t at, auto n) {
    simd::Vector<L> x, y, z;
    simd::load<L>(x, a.x + at, n);
    affine.apply(x, y);
    if (a.z != nullptr) {
      simd::load<L>(z, a.z + at, n);
      y += z;
    }
    if (op.relu) y = y < 0 ? simd::Vector<L>{} : y;  // NaN stays, to be found
    simd::store<L>(a.y + at, y, n);
  });
}

template <int L, class T>
void run_forward(const Normalisation& op, const NormForward<T>& a) {
  const ChannelView& v = op.view;
  two_passes(
      op,
      [&](int64_t block, int64_t n) {
        if (a.variance != nullptr)
          batch_sums<L>(op, a.x, block, n, partial<L>(op, a.scratch, block, n));
      },
      [&](int64_t block) {
        if (a.variance != nullptr) batch_statistics<L>(op, a, block);
        const int64_t each = v.lanes;
        for (int64_t c = block * each; c < std::min(v.channels, (block + 1) * each); ++c)
          set_factors(a, c);
      },
      [&](int64_t block, int64_t n) { apply<L>(op, a, block, n); });
}

template <int L, class T>
void run_again(const Normalisation& op, const NormForward<T>& a) {
  const ChannelView& v = op.view;
  parallel_for(v.blocks * v.batch, grain_of(v.panel_floats()), [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t i = begin; i < end; ++i) apply<L>(op, a, i % v.blocks, i / v.blocks);
    });
  });
}

// The gradient that passed the ReLU, row by row.
template <int L, class T>
class Passed {
 public:
  Passed(const Normalisation& op, const NormBackward<T>& a, int64_t block)
      : a_(a), relu_(op.relu), affine_(op.view, a.values, block) {}
  template <class N>
  void load(int64_t at, N n, const simd::Vector<L>& x, simd::Vector<L>& g) const {
    simd::load<L>(g, a_.dy + at, n);
    if (!relu_) return;
    simd::Vector<L> y;
    if (a_.y != nullptr)
      simd::load<L>(y, a_.y + at, n);
    else
      affine_.apply(x, y);
    g = y > 0 ? g : simd::Vector<L>{};
  }
  const simd::Vector<L>& mean() const { return affine_.mean; }
  const simd::Vector<L>& factor() const { return affine_.factor; }

 private:
  const NormBackward<T>& a_;
  bool relu_;
  Affine<L> affine_;
};

template <int L, class T>
void gradient_sums(const Normalisation& op, const NormBackward<T>& a, int64_t block,
                   int64_t image) {
  const Passed<L, T> passed(op, a, block);
  RunningSums<L, kSums> sums;
  each_row<L>(panel_of<L>(op.view, image, block), [&](int64_t at, auto n) {
    simd::Vector<L> x, g;
    simd::load<L>(x, a.x + at, n);
    passed.load(at, n, x, g);
    sums.add(g, g * (x - passed.mean()));
  });
  sums.flush();
  keep<L>(sums, partial<L>(op, a.scratch, block, image));
}

// d beta and d gamma; in place of the block's first image, the sums' part in dx per lane.
template <int L, class T>
void finish_sums(const Normalisation& op, const NormBackward<T>& a, int64_t block) {
  const ChannelView& v = op.view;
  double totals[kSums][L] = {};
  add_up<L>(op, a.scratch, block, totals);
  const auto m = static_cast<double>(v.batch * v.positions);
  double* to = partial<L>(op, a.scratch, block, 0);
  each_channel<L>(v, block, totals[0], [&](int64_t c, double sum) {
    if (a.dbeta != nullptr) a.dbeta[c] = static_cast<float>(sum);
    to[v.flat() ? 0 : c % L] = a.constant ? 0 : sum / m;
  });
  each_channel<L>(v, block, totals[1], [&](int64_t c, double sum) {
    const double inverse = static_cast<double>(a.values.inverse[c]);
    if (a.dgamma != nullptr) a.dgamma[c] = static_cast<float>(sum * inverse);
    to[L + (v.flat() ? 0 : c % L)] = a.constant ? 0 : sum * inverse * inverse / m;
  });
}

template <int L, class T>
void apply_gradient(const Normalisation& op, const NormBackward<T>& a, int64_t block,
                    int64_t image) {
  const Passed<L, T> passed(op, a, block);
  const double* sums = partial<L>(op, a.scratch, block, 0);
  simd::Vector<L> offset{}, slope{};
  for (int l = 0; l < L; ++l) {
    offset[l] = static_cast<float>(sums[op.view.flat() ? 0 : l]);
    slope[l] = static_cast<float>(sums[L + (op.view.flat() ? 0 : l)]);
  }
  each_row<L>(panel_of<L>(op.view, image, block), [&](int64_t at, auto n) {
    simd::Vector<L> x = passed.mean(), g;
    if (a.x != nullptr) simd::load<L>(x, a.x + at, n);
    passed.load(at, n, x, g);
    if (a.dz != nullptr) simd::store<L>(a.dz + at, g, n);
    if (a.dx == nullptr) return;
    g = passed.factor() * (g - offset - (x - passed.mean()) * slope);
    simd::store<L>(a.dx + at, g, n);
  });
}

template <int L, class T>
void run_backward(const Normalisation& op, const NormBackward<T>& a) {
  const bool sums = a.dgamma != nullptr || a.dbeta != nullptr || (a.dx != nullptr && !a.constant);
  two_passes(
      op,
      [&](int64_t block, int64_t n) {
        if (sums) gradient_sums<L>(op, a, block, n);
      },
      [&](int64_t block) {
        if (sums)
          finish_sums<L>(op, a, block);
        else
          std::fill_n(partial<L>(op, a.scratch, block, 0), kSums * L, 0.0);
      },
      [&](int64_t block, int64_t n) {
        if (a.dx != nullptr || a.dz != nullptr) apply_gradient<L>(op, a, block, n);
      });
}

}  // namespace

size_t Normalisation::scratch_bytes() const {
  const int width = view.flat() ? 16 : view.lanes;
  return static_cast<size_t>(view.blocks * view.batch * kSums * width) * sizeof(double);
}

bool Normalisation::by_block() const {
  return view.blocks >= compute_threads();
}

template <class T>
void normalise(const Normalisation& op, const NormForward<T>& args) {
  with_rows(op.view, [&](auto rows) { run_forward<rows()>(op, args); });
}

template <class T>
void normalise_again(const Normalisation& op, const NormForward<T>& args) {
  with_rows(op.view, [&](auto rows) { run_again<rows()>(op, args); });
}

template <class T>
void normalise_gradient(const Normalisation& op, const NormBackward<T>& args) {
  with_rows(op.view, [&](auto rows) { run_backward<rows()>(op, args); });
}

template void normalise(const Normalisation&, const NormForward<float>&);
template void normalise(const Normalisation&, const NormForward<simd::Bf16>&);
template void normalise_again(const Normalisation&, const NormForward<float>&);
template void normalise_again(const Normalisation&, const NormForward<simd::Bf16>&);
template void normalise_gradient(const Normalisation&, const NormBackward<float>&);
template void normalise_gradient(const Normalisation&, const NormBackward<simd::Bf16>&);

}  // namespace crema::onednn
