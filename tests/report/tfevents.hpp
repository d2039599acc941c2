// Reads event files back with code of its own: the checksum bit by bit, not by table.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "proto/tfevents.pb.h"

namespace crema::report {

inline uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t c = 0xffffffffu;
  for (const char byte : bytes) {
    c ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (0x82f63b78u & (0u - (c & 1u)));
  }
  return ~c;
}

inline uint64_t little_endian(std::string_view bytes) {
  uint64_t out = 0;
  for (size_t i = bytes.size(); i-- > 0;) out = out << 8 | static_cast<uint8_t>(bytes[i]);
  return out;
}

inline void expect_masked(std::string_view bytes, std::string_view stored) {
  const uint32_t unmasked = static_cast<uint32_t>(little_endian(stored)) - 0xa282ead8u;
  EXPECT_EQ(unmasked << 15 | unmasked >> 17, slow_crc32c(bytes));
}

inline std::vector<tfevents::Event> read_tfevents(const std::string& path) {
  const std::string file = read_file(path, ErrorCode::kData);
  std::string_view rest = file;
  std::vector<tfevents::Event> out;
  while (!rest.empty()) {
    if (rest.size() < 12) throw std::runtime_error("a record's head is cut short");
    const uint64_t length = little_endian(rest.substr(0, 8));
    expect_masked(rest.substr(0, 8), rest.substr(8, 4));
    if (rest.size() < 16 + length) throw std::runtime_error("a record is cut short");
    const std::string_view payload = rest.substr(12, length);
    expect_masked(payload, rest.substr(12 + length, 4));
    out.emplace_back();
    EXPECT_TRUE(out.back().ParseFromString(std::string(payload)));
    rest.remove_prefix(16 + length);
  }
  return out;
}

// The event files of a folder in TensorBoard's order.
inline std::vector<std::string> event_files(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("events.out.tfevents."))
      out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace crema::report
