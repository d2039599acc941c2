// The gradient of an inner product's weights piece by piece, so that none needs memory for all.
#pragma once

#include "engines/onednn/kernel.hpp"

namespace crema::onednn {

// Equal pieces along the outermost axis of the weights' layout, each contiguous in memory. What is
// multiplied is then a part of every row of the source (axis 1) or of the gradient of the
// destination (axis 0).
struct WeightPieces {
  int axis = 0;
  int64_t count = 1, rows = 0;
  int64_t chunk = 0;         // floats of a row of that operand that belong to a piece
  Desc x, weights, bias, y;  // of the product that makes one piece

  // Pieces of a few MiB. Empty if the gradient is no larger than that, or if these layouts cannot
  // be divided.
  static std::optional<WeightPieces> of(const Desc& x, const Desc& weights, const Desc& y);
};

// Turns `offer`, of the whole gradient by the primitive `whole`, into one of pieces if the same
// implementation computes them.
void offer_pieces(ops::Offer& offer, const WeightPieces& pieces, bool bias,
                  const dnnl::inner_product_backward_weights::primitive_desc& whole,
                  const Context& context);

}  // namespace crema::onednn
