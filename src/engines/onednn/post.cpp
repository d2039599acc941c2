#include "engines/onednn/post.hpp"

#include <cstring>

#include "base/parallel.hpp"

namespace crema::onednn {
namespace {

class SumInPlace final : public ops::Kernel {
 public:
  SumInPlace(std::unique_ptr<ops::Kernel> kernel, size_t summand, size_t bytes)
      : kernel_(std::move(kernel)), summand_(summand), bytes_(static_cast<int64_t>(bytes)) {}

  void prepare() override { kernel_->prepare(); }
  void run(const ops::KernelArgs& args) override {
    const auto* from = static_cast<const std::byte*>(args.src[summand_]);
    auto* to = static_cast<std::byte*>(args.dst[0]);
    if (from != to)
      parallel_for(bytes_, 1 << 16, [&](int64_t begin, int64_t end) {
        std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
      });
    kernel_->run(args);
  }

 private:
  std::unique_ptr<ops::Kernel> kernel_;
  size_t summand_;
  int64_t bytes_;
};

}  // namespace

bool is_relu(const ops::Unary& function) {
  return function.function == ops::Function::kRelu && function.p == 0;
}

std::optional<Elementwise> elementwise_of(const ops::Unary& function) {
  using dnnl::algorithm;
  const auto p = static_cast<float>(function.p), q = static_cast<float>(function.q);
  switch (function.function) {
    case ops::Function::kRelu:
      return Elementwise{algorithm::eltwise_relu, p};
    case ops::Function::kSigmoid:
      return Elementwise{algorithm::eltwise_logistic};
    case ops::Function::kTanh:
      return Elementwise{algorithm::eltwise_tanh};
    case ops::Function::kElu:
      return Elementwise{algorithm::eltwise_elu, p};
    case ops::Function::kClip:
      return Elementwise{algorithm::eltwise_clip, p, q};
    case ops::Function::kSwish:
      return Elementwise{algorithm::eltwise_swish, p};
    default:
      return std::nullopt;
  }
}

std::optional<dnnl::primitive_attr> attributes_with(const ops::Post& post) {
  dnnl::post_ops list;
  if (post.sum) list.append_sum(1.0f);
  if (post.function) {
    const auto function = elementwise_of(*post.function);
    if (!function) return std::nullopt;
    list.append_eltwise(1.0f, function->algorithm, function->alpha, function->beta);
  }
  dnnl::primitive_attr out;
  out.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  out.set_post_ops(list);
  return out;
}

void add_in_place(ops::Offer& offer, size_t summand, const Desc& dst) {
  offer.src[summand] = offer.dst[0];
  offer.kernel = std::make_unique<SumInPlace>(std::move(offer.kernel), summand, dst.get_size());
}

}  // namespace crema::onednn
