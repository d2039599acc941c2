#include "engines/reference/kernel.hpp"
#include "ops/shape_ops.hpp"

namespace crema::reference {
namespace {

// A source's part of a row of the destination (a row: everything at one index of the outer axes).
struct Piece {
  int64_t offset, length;
};

struct Geometry {
  int64_t rows, row_length = 0;
  std::vector<Piece> pieces;
};

Geometry geometry_of(const ops::Concat& op, const std::vector<ops::Operand>& sources) {
  Geometry g{sources[0].shape.count(0, op.axis), 0, {}};
  for (const ops::Operand& source : sources) {
    g.pieces.push_back({g.row_length, source.shape.count(op.axis)});
    g.row_length += g.pieces.back().length;
  }
  return g;
}

template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  parallel_each(g.rows, g.row_length, [&](int64_t row) {
    for (size_t s = 0; s < g.pieces.size(); ++s) {
      const auto [offset, length] = g.pieces[s];
      std::copy_n(src<T>(args, s) + row * length, length,
                  dst<T>(args, 0) + row * g.row_length + offset);
    }
  });
}

template <class T>
void gradient(const Geometry& g, size_t source, const ops::KernelArgs& args) {
  const auto [offset, length] = g.pieces[source];
  const T* from = diff_dst<T>(args, 0) + offset;
  T* to = diff_src<T>(args, source);
  parallel_each(g.rows, length, [&, length = length](int64_t row) {
    std::copy_n(from + row * g.row_length, length, to + row * length);
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Concat>(request);
  CREMA_CHECK(static_cast<size_t>(op.sources) == request.src.size(), "concat: number of sources");
  const Geometry g = geometry_of(op, request.src);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [g, part = request.part](const auto& args) {
        gradient<T>(g, static_cast<size_t>(part), args);
      });
    return function_offer(request, [g](const auto& args) { forward<T>(g, args); });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "concat", make);

}  // namespace
}  // namespace crema::reference
