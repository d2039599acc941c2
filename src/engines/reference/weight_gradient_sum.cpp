#include "engines/reference/linear_algebra.hpp"
#include "ops/linear.hpp"

namespace crema::reference {
namespace {

// Each row of dW is summed by one thread, over the products in their order.
template <class T>
void forward(const std::vector<ops::OuterProduct>& products, int64_t height, int64_t width,
             int64_t cost, const ops::KernelArgs& args) {
  parallel_each(height, cost, [&](int64_t i) {
    T* row = dst<T>(args, 0) + i * width;
    std::fill_n(row, width, T(0));
    for (const ops::OuterProduct& p : products)
      for (int64_t l = 0; l < p.rows; ++l)
        add_scaled(row, src<T>(args, p.left)[l * height + i], src<T>(args, p.right) + l * width,
                   width);
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::WeightGradientSum>(request);
  std::vector<Shape> shapes;
  for (const ops::Operand& source : request.src) shapes.push_back(source.shape);
  const auto products = ops::outer_products(op, shapes);
  const int64_t height = op.weight[0], width = op.weight[1];
  int64_t rows = 0;
  for (const ops::OuterProduct& product : products) rows += product.rows;
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    return function_offer(request, [=](const auto& args) {
      forward<T>(products, height, width, rows * width, args);
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "weight_gradient_sum", make);

}  // namespace
}  // namespace crema::reference
