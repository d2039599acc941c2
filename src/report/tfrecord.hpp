// The framing of TensorFlow's record files: proto/tfevents.proto has the layout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace crema::report {

// CRC-32C (Castagnoli; polynomial 0x1edc6f41, reflected, as in iSCSI).
uint32_t crc32c_of(std::string_view bytes);

// One record around a payload.
std::string tfrecord(std::string_view payload);

}  // namespace crema::report
