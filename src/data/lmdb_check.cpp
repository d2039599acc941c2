#include "data/lmdb_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.hpp"

namespace crema::data {

namespace {

// The format of liblmdb 0.9 on 64-bit little-endian machines, from its lmdb.h and mdb.c:
//   page      pgno u64, pad u16, flags u16, lower u16, upper u16, then u16 node offsets up to lower
//   meta      after the page header: magic u32, version u32, address u64, map size u64, two
//             databases (free list, main), last page u64, transaction u64
//   database  pad u32 (page size in the first), flags u16, depth u16, branch pages, leaf pages,
//             overflow pages, entries, root, u64 each
//   node      low u16, high u16, flags u16, key size u16, key, data; a branch's three words are the
//             child's page number, a leaf's first two the size of its data
constexpr uint64_t kPageHeader = 16, kNodeHeader = 8, kMetaBytes = 136;
constexpr uint32_t kMagic = 0xBEEFC0DE, kVersion = 1;
constexpr uint16_t kBranch = 0x01, kLeaf = 0x02, kMetaPage = 0x08, kFixedKeys = 0x20;
constexpr uint16_t kOwnPages = 0x01;    // node flag: the data are on pages of their own
constexpr uint16_t kDuplicates = 0x04;  // database flag: several values per key
constexpr uint64_t kNoRoot = ~uint64_t{0};
constexpr uint16_t kMostDepth = 32;  // liblmdb's cursor stack

template <class T>
T get(const std::vector<char>& bytes, uint64_t at) {
  T out;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

struct Meta {
  uint64_t page_size = 0, root = 0, last_page = 0, transaction = 0;
  uint16_t flags = 0, depth = 0;
};

class Checker {
 public:
  Checker(const std::string& file, const std::string& database)
      : database_(database), fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info {};
    if (fd_ < 0 || ::fstat(fd_, &info) != 0) {
      const Error error = fail(fmt::format("cannot be opened: {}", std::strerror(errno)));
      if (fd_ >= 0) ::close(fd_);
      throw error;
    }
    bytes_ = static_cast<uint64_t>(info.st_size);
  }
  ~Checker() { ::close(fd_); }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  void run() {
    if (bytes_ == 0) throw fail("is empty: its file has 0 bytes");
    meta_ = read_meta(0);
    const Meta second = read_meta(meta_.page_size);
    if (second.page_size != meta_.page_size) throw fail("is damaged: its headers disagree");
    if (second.transaction > meta_.transaction) meta_ = second;
    if (meta_.last_page >= bytes_ / meta_.page_size)
      throw fail(
          fmt::format("is cut short: {} bytes where its header asks for {} pages of {} bytes",
                      bytes_, meta_.last_page + 1, meta_.page_size));
    if (meta_.root == kNoRoot) return;
    if (meta_.flags & kDuplicates)
      throw fail("has several values per key, which no Caffe tool does");
    if (meta_.depth == 0 || meta_.depth > kMostDepth) throw damaged(0);
    check_page(meta_.root, 1);
  }

 private:
  Error fail(const std::string& message) const {
    return Error(ErrorCode::kData, fmt::format("the LMDB database '{}' {}", database_, message))
        .advise("copy or write the database again");
  }
  Error damaged(uint64_t page) const { return fail(fmt::format("is damaged at page {}", page)); }

  void read_at(uint64_t at, uint64_t count, std::vector<char>& out) const {
    if (at > bytes_ || count > bytes_ - at) throw fail("is cut short");
    out.resize(count);
    for (uint64_t done = 0; done < count;) {
      const ssize_t got =
          ::pread(fd_, out.data() + done, count - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw fail("cannot be read");
      done += static_cast<uint64_t>(got);
    }
  }

  Meta read_meta(uint64_t at) const {
    std::vector<char> page;
    read_at(at, kPageHeader + kMetaBytes, page);
    if (get<uint32_t>(page, 16) != kMagic || !(get<uint16_t>(page, 10) & kMetaPage))
      throw fail("is no LMDB database: its file has no such header");
    if (get<uint32_t>(page, 20) != kVersion)
      throw fail(fmt::format("is of version {}, not {}", get<uint32_t>(page, 20), kVersion));
    Meta meta;
    meta.page_size = get<uint32_t>(page, 40);
    if (meta.page_size < 256 || meta.page_size > 65536 || !std::has_single_bit(meta.page_size))
      throw fail(fmt::format("is damaged: its header asks for pages of {} bytes", meta.page_size));
    meta.flags = get<uint16_t>(page, 92);
    meta.depth = get<uint16_t>(page, 94);
    meta.root = get<uint64_t>(page, 128);
    meta.last_page = get<uint64_t>(page, 136);
    meta.transaction = get<uint64_t>(page, 144);
    return meta;
  }

  // A page of the tree and all below it; the root is on level 1, leaves on level `depth`.
  void check_page(uint64_t number, uint16_t level) {
    if (number < 2 || number > meta_.last_page || ++visited_ > meta_.last_page)
      throw damaged(number);
    std::vector<char> page;
    read_at(number * meta_.page_size, meta_.page_size, page);
    const bool leaf = level == meta_.depth;
    const uint16_t flags = get<uint16_t>(page, 10);
    const uint64_t lower = get<uint16_t>(page, 12), upper = get<uint16_t>(page, 14);
    const uint64_t nodes = (lower - kPageHeader) / 2;
    if ((flags & (kBranch | kLeaf | kFixedKeys)) != (leaf ? kLeaf : kBranch) ||
        lower < kPageHeader || lower % 2 != 0 || lower > upper || upper > meta_.page_size ||
        nodes < (leaf ? 1 : 2))
      throw damaged(number);
    for (uint64_t i = 0; i < nodes; ++i) {
      const uint64_t at = get<uint16_t>(page, kPageHeader + 2 * i);
      if (at < upper || at + kNodeHeader > meta_.page_size) throw damaged(number);
      const uint64_t low = get<uint16_t>(page, at), high = get<uint16_t>(page, at + 2);
      const uint16_t middle = get<uint16_t>(page, at + 4);
      const uint64_t data = at + kNodeHeader + get<uint16_t>(page, at + 6);
      if (data > meta_.page_size) throw damaged(number);
      if (!leaf)
        check_page(low | high << 16 | uint64_t{middle} << 32, static_cast<uint16_t>(level + 1));
      else
        check_data(page, number, data, low | high << 16, middle);
    }
  }

  void check_data(const std::vector<char>& page, uint64_t number, uint64_t data, uint64_t size,
                  uint16_t flags) const {
    if ((flags & ~kOwnPages) != 0) throw damaged(number);
    const uint64_t room = meta_.page_size - data;
    if (!(flags & kOwnPages)) {
      if (size > room) throw damaged(number);
      return;
    }
    if (room < sizeof(uint64_t)) throw damaged(number);
    const uint64_t first = get<uint64_t>(page, data);
    if (first < 2 || first > meta_.last_page ||
        kPageHeader + size > (meta_.last_page + 1 - first) * meta_.page_size)
      throw damaged(number);
  }

  std::string database_;
  int fd_;
  uint64_t bytes_ = 0, visited_ = 0;
  Meta meta_;
};

}  // namespace

void check_lmdb_file(const std::string& file, const std::string& database) {
  static_assert(sizeof(size_t) == 8 && std::endian::native == std::endian::little,
                "LMDB files are written in the machine's own format; this reads the common one");
  Checker(file, database).run();
}

}  // namespace crema::data
