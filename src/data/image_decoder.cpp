#include "data/image_decoder.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <mutex>

#include "base/error.hpp"

namespace crema::data {

namespace {

// Beside the program, or where it was built (for tests).
DecodeImage load(const std::string& what) {
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::filesystem::path built = CREMA_IMAGES_MODULE;
  std::string why;
  for (const auto& path : {program.parent_path() / built.filename(), built}) {
    if (!std::filesystem::exists(path, ignored)) continue;
    void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* found = module ? ::dlsym(module, kDecodeImage) : nullptr;
    if (found) return reinterpret_cast<DecodeImage>(found);
    why = ::dlerror();
  }
  throw Error(ErrorCode::kData,
              fmt::format("{} holds an image, but the decoder {} cannot be loaded: {}", what,
                          built.filename().string(), why.empty() ? "it is not there" : why))
      .advise("it is built with the program and belongs into the program's folder");
}

DecodeImage decoder(const std::string& what) {
  static std::mutex mutex;
  static DecodeImage loaded = nullptr;
  const std::lock_guard lock(mutex);
  if (loaded == nullptr) loaded = load(what);
  return loaded;
}

// Interleaved pixels to planes.
void take(void* context, const unsigned char* pixels, int height, int width, int channels,
          size_t row_bytes) {
  Field& out = *static_cast<Field*>(context);
  out.shape = Shape{channels, height, width};
  out.values.clear();
  out.bytes.resize(static_cast<size_t>(out.shape.count()));
  uint8_t* to = out.bytes.data();
  for (int c = 0; c < channels; ++c)
    for (int h = 0; h < height; ++h) {
      const unsigned char* from = pixels + static_cast<size_t>(h) * row_bytes + c;
      for (int w = 0; w < width; ++w, from += channels) *to++ = *from;
    }
}

}  // namespace

void decode_image(std::string_view file, Colour colour, const std::string& what, Field& out) {
  char why[256] = "";
  if (decoder(what)(reinterpret_cast<const unsigned char*>(file.data()), file.size(), colour, take,
                    &out, why, sizeof why) == 0)
    return;
  throw Error(ErrorCode::kData, fmt::format("{} {}", what, why));
}

}  // namespace crema::data
