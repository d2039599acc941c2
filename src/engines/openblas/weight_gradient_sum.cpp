#include "engines/openblas/kernel.hpp"
#include "ops/linear.hpp"

namespace crema::openblas {
namespace {

// One product after another, each added to what is there.
class SumKernel final : public ops::Kernel {
 public:
  SumKernel(std::vector<ops::OuterProduct> products, int64_t height, int64_t width)
      : products_(std::move(products)), height_(height), width_(width) {}

  void run(const ops::KernelArgs& args) override {
    float beta = 0;
    for (const ops::OuterProduct& p : products_) {
      multiply(height_, width_, p.rows,
               {static_cast<const float*>(args.src[p.left]), height_, true},
               {static_cast<const float*>(args.src[p.right]), width_}, beta,
               static_cast<float*>(args.dst[0]));
      beta = 1;
    }
  }

 private:
  std::vector<ops::OuterProduct> products_;
  int64_t height_, width_;
};

ops::Answer weight_gradient_sum(const ops::KernelRequest& request) {
  const auto& op = static_cast<const ops::WeightGradientSum&>(*request.op);
  std::vector<Shape> shapes;
  for (const ops::Operand& source : request.src) shapes.push_back(source.shape);
  auto products = ops::outer_products(op, shapes);
  bool small = countable(op.weight[0]) && countable(op.weight[1]);
  for (const ops::OuterProduct& product : products) small &= countable(product.rows);
  if (!small) return ops::Refusal{"a matrix has more rows or columns than 32 bits count"};
  return ops::plain_offer(
      request, std::make_unique<SumKernel>(std::move(products), op.weight[0], op.weight[1]),
      "sgemm");
}

CREMA_REGISTER(OpenBlasKernelTag, "weight_gradient_sum", weight_gradient_sum);

}  // namespace
}  // namespace crema::openblas
