#include "engines/openblas/correlation.hpp"

#include "base/parallel.hpp"
#include "engines/openblas/kernel.hpp"

namespace crema::openblas {

Correlation::Correlation(const ops::Windows& windows, int64_t groups, const Shape& in,
                         const Shape& out)
    : batch_(in[0]), groups_(groups), outputs_(out[1] / groups) {
  windows_.channels = in[1];
  for (size_t i = 0; i < windows.kernel.size(); ++i) {
    const int axis = static_cast<int>(i) + 2;
    windows_.axes.push_back({in[axis], out[axis], windows.kernel[i], windows.stride[i],
                             windows.pad[i], windows.dilation[i]});
  }
  rows_ = windows_.axes.empty() ? in[1] / groups : windows_.rows() / groups;
  const int64_t threads = compute_threads();
  shares_ = batch_ >= threads ? threads : 1;
}

std::string Correlation::unfit() const {
  if (windows_.axes.empty()) return "no spatial axes";
  if (!countable(rows_) || !countable(columns()) || !countable(outputs_))
    return "a matrix has more rows or columns than 32 bits count";
  return {};
}

// fn(share, first image, last image)
template <class Fn>
void Correlation::for_shares(Fn&& fn) const {
  const auto run = [&](int64_t share) {
    fn(share, batch_ * share / shares_, batch_ * (share + 1) / shares_);
  };
  if (shares_ == 1) return run(0);
  parallel_for(shares_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t share = begin; share < end; ++share) run(share);
  });
}

// Rows of the columns matrix, or channels, in parallel where the images are not.
template <class Fn>
void Correlation::within_image(int64_t n, Fn&& fn) const {
  if (shares_ > 1)
    fn(int64_t{0}, n);
  else
    parallel_for(n, 1, fn);
}

// The columns matrix of one image: in `scratch`, or the image itself.
const float* Correlation::columns_of(const float* image, float* scratch) const {
  if (trivial()) return image;
  within_image(windows_.rows(),
               [&](int64_t begin, int64_t end) { im2col(windows_, image, begin, end, scratch); });
  return scratch;
}

size_t Correlation::columns_bytes() const {
  return static_cast<size_t>(shares_ * matrix_size()) * sizeof(float);
}

void Correlation::correlate(const float* in, const float* w, const float* b, float* out,
                            void* scratch) const {
  const int64_t width = columns();
  for_shares([&](int64_t share, int64_t first, int64_t last) {
    float* matrix = static_cast<float*>(scratch) + share * matrix_size();
    for (int64_t n = first; n < last; ++n) {
      const float* columns = columns_of(in + n * input_size(), matrix);
      float* image = out + n * output_size();
      for (int64_t k = 0; b != nullptr && k < groups_ * outputs_; ++k)
        std::fill_n(image + k * width, width, b[k]);
      for (int64_t group = 0; group < groups_; ++group)
        multiply(outputs_, width, rows_, {w + group * outputs_ * rows_, rows_},
                 {columns + group * rows_ * width, width}, b != nullptr ? 1.0f : 0.0f,
                 image + group * outputs_ * width);
    }
  });
}

void Correlation::transpose(const float* out, const float* w, const float* b, float* in,
                            void* scratch) const {
  const int64_t width = columns(), size = windows_.image_size();
  const auto fill = [&](float* image, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      std::fill_n(image + c * size, size, b != nullptr ? b[c] : 0.0f);
  };
  for_shares([&](int64_t share, int64_t first, int64_t last) {
    float* matrix = static_cast<float*>(scratch) + share * matrix_size();
    for (int64_t n = first; n < last; ++n) {
      const float* from = out + n * output_size();
      float* image = in + n * input_size();
      float* columns = trivial() ? image : matrix;
      const bool added = trivial() && b != nullptr;
      if (added) fill(image, 0, windows_.channels);
      for (int64_t group = 0; group < groups_; ++group)
        multiply(rows_, width, outputs_, {w + group * outputs_ * rows_, rows_, true},
                 {from + group * outputs_ * width, width}, added ? 1.0f : 0.0f,
                 columns + group * rows_ * width);
      if (trivial()) continue;
      within_image(windows_.channels, [&](int64_t begin, int64_t end) {
        fill(image, begin, end);
        col2im(windows_, columns, begin, end, image);
      });
    }
  });
}

size_t Correlation::weights_bytes() const {
  return columns_bytes() + static_cast<size_t>((shares_ - 1) * weights_size()) * sizeof(float);
}

void Correlation::weights(const float* in, const float* out, float* dw, void* scratch) const {
  auto* partial = static_cast<float*>(scratch);  // of shares 1...
  float* matrices = partial + (shares_ - 1) * weights_size();
  const int64_t width = columns();
  for_shares([&](int64_t share, int64_t first, int64_t last) {
    float* sum = share == 0 ? dw : partial + (share - 1) * weights_size();
    if (first == last) std::fill_n(sum, weights_size(), 0.0f);
    for (int64_t n = first; n < last; ++n) {
      const float* columns = columns_of(in + n * input_size(), matrices + share * matrix_size());
      const float* dy = out + n * output_size();
      for (int64_t group = 0; group < groups_; ++group)
        multiply(outputs_, rows_, width, {dy + group * outputs_ * width, width},
                 {columns + group * rows_ * width, width, true}, n == first ? 0.0f : 1.0f,
                 sum + group * outputs_ * rows_);
    }
  });
  parallel_for(weights_size(), 16384, [&](int64_t begin, int64_t end) {
    for (int64_t share = 1; share < shares_; ++share) {
      const float* more = partial + (share - 1) * weights_size();
      for (int64_t i = begin; i < end; ++i) dw[i] += more[i];
    }
  });
}

void channel_sums(int64_t images, int64_t channels, int64_t plane, const float* dy, float* db) {
  parallel_for(channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      double total = 0;
      for (int64_t n = 0; n < images; ++n) {
        const float* line = dy + (n * channels + k) * plane;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < plane; ++i) sum += line[i];
        total += static_cast<double>(sum);
      }
      db[k] = static_cast<float>(total);
    }
  });
}

}  // namespace crema::openblas
