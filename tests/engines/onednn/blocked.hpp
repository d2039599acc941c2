// Blocked layouts for tests, whatever the processor's own choice is.
#pragma once

#include "engines/onednn/engine.hpp"
#include "engines/onednn/layout.hpp"
#include "engines/reference/engine.hpp"
#include "support/op_runner.hpp"

namespace crema::test {

inline constexpr double kTolerance = 1e-4;  // of the largest value: single against double precision

inline Layout with_tag(const Shape& shape, dnnl::memory::format_tag tag) {
  const onednn::Desc desc(shape.dims(), dnnl::memory::data_type::f32, tag);
  return onednn::layout_of(desc);
}

// Blocks of 8 channels, which oneDNN's AVX2 and AVX-512 kernels both know.
inline Layout blocked(const Shape& shape) {
  using Tag = dnnl::memory::format_tag;
  return with_tag(shape, shape.rank() == 3   ? Tag::aBc8b
                         : shape.rank() == 5 ? Tag::aBcde8b
                                             : Tag::aBcd8b);
}

// The first source, or all of them, blocked.
inline RunOptions blocked_sources(const std::vector<Values>& inputs, size_t count = 1) {
  RunOptions options;
  for (size_t i = 0; i < count; ++i) options.src_layouts.push_back(blocked(inputs[i].shape));
  options.diff_dst_like_dst = true;
  return options;
}

// Fixture: the engine and what it is held against.
class OneDnn : public ::testing::Test {
 protected:
  OneDnnEngine engine;
  ReferenceEngine reference;
};

}  // namespace crema::test
