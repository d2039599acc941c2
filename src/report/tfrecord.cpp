#include "report/tfrecord.hpp"

#include <array>
#include <cstdint>

namespace crema::report {

namespace {

constexpr std::array<uint32_t, 256> make_table() {
  constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t c = byte;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) ? (c >> 1) ^ kPolynomial : c >> 1;
    table[byte] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

void append_little_endian(std::string& out, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
}

uint32_t masked(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace

uint32_t crc32c_of(std::string_view bytes) {
  uint32_t c = ~0u;
  for (const char byte : bytes) c = kTable[(c ^ static_cast<uint8_t>(byte)) & 0xff] ^ (c >> 8);
  return ~c;
}

std::string tfrecord(std::string_view payload) {
  std::string out;
  append_little_endian(out, payload.size(), 8);
  append_little_endian(out, masked(crc32c_of(out)), 4);
  out += payload;
  append_little_endian(out, masked(crc32c_of(payload)), 4);
  return out;
}

}  // namespace crema::report
