// What a file is, where it is not what was asked for.
#pragma once

#include <string>

namespace crema::snapshot {

// Throws Error{kWeights} if the file is missing, empty, text or a Git LFS pointer. `wanted` names
// what it should be.
void refuse_foreign(const std::string& path, const std::string& wanted);

// Cheap looks at the records; none throws.
bool looks_like_state(const std::string& path);
bool looks_like_weights(const std::string& path);
bool looks_like_mean(const std::string& path);  // one blob, as compute_image_mean writes it
bool looks_like_onnx(const std::string& path);

}  // namespace crema::snapshot
