// The module libcrema_images: OpenCV's decoders behind one C function (base/image_module.hpp).
#include <cstdio>
#include <limits>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "base/image_module.hpp"

namespace {

// "" if all went well.
std::string decode(const unsigned char* file, size_t bytes, crema::Colour colour,
                   crema::TakePixels take, void* context) {
  constexpr int kModes[] = {cv::IMREAD_UNCHANGED, cv::IMREAD_COLOR, cv::IMREAD_GRAYSCALE};
  if (bytes == 0) return "holds an empty image file";
  if (bytes > static_cast<size_t>(std::numeric_limits<int>::max()))
    return "holds an image file of more than 2 GiB";
  const cv::Mat whole(1, static_cast<int>(bytes), CV_8UC1, const_cast<unsigned char*>(file));
  const cv::Mat image = cv::imdecode(whole, kModes[static_cast<int>(colour)]);
  if (image.empty()) return "holds an image file that cannot be decoded";
  if (image.depth() != CV_8U) return "holds an image that has not 8 bits per channel";
  take(context, image.data, image.rows, image.cols, image.channels(), image.step);
  return {};
}

}  // namespace

extern "C" int crema_decode_image(const unsigned char* file, size_t bytes, crema::Colour colour,
                                  crema::TakePixels take, void* context, char* why,
                                  size_t why_bytes) {
  std::string failure;
  try {
    failure = decode(file, bytes, colour, take, context);
  } catch (const cv::Exception& error) {
    failure = "holds an image file that cannot be decoded: " + error.err;
  }
  std::snprintf(why, why_bytes, "%s", failure.c_str());
  return failure.empty() ? 0 : 1;
}
