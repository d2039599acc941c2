#include "ops/engine.hpp"

namespace crema::ops {

Offer plain_offer(const KernelRequest& request, std::unique_ptr<Kernel> kernel,
                  std::string implementation) {
  Offer offer;
  offer.kernel = std::move(kernel);
  offer.src.resize(request.src.size());
  offer.dst.resize(request.dst.size());
  offer.diff_dst.resize(request.diff_dst.size());
  offer.diff_src.resize(request.diff_src.size());
  offer.implementation = std::move(implementation);
  return offer;
}

}  // namespace crema::ops
