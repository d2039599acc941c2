#include "base/hdf5_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace crema {

namespace {

// The format is "HDF5 File Format Specification, version 3.0", sections II.A (superblock), III
// (B-trees, symbol table nodes, local heaps) and IV.A (object headers and their messages).
constexpr uint64_t kNowhere = ~uint64_t{0};
constexpr uint64_t kSignature = 0x0a1a0a0d46444889;  // "\x89HDF\r\n\x1a\n"
constexpr uint64_t kLastFreeBlock = 1;
constexpr int kMostAxes = 32;
enum MessageType : uint16_t {
  kNil = 0x00,
  kSpace = 0x01,
  kType = 0x03,
  kOldFill = 0x04,
  kFill = 0x05,
  kLayout = 0x08,
  kAttribute = 0x0c,
  kComment = 0x0d,
  kOldTime = 0x0e,
  kMore = 0x10,
  kGroup = 0x11,
  kTime = 0x12
};

struct Group {
  uint64_t tree = 0, heap = 0;
  bool operator==(const Group&) const = default;
};

class Checker {
 public:
  Checker(const std::string& path, ErrorCode code)
      : path_(path), code_(code), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat info {};
    if (fd_ < 0 || ::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
      const Error error = fail(fmt::format("cannot be opened: {}", std::strerror(errno)));
      if (fd_ >= 0) ::close(fd_);
      throw error;
    }
    size_ = static_cast<uint64_t>(info.st_size);
  }
  ~Checker() { ::close(fd_); }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  void run() {
    try {
      if (!read_superblock()) return;
      while (!objects_.empty()) {
        const uint64_t object = objects_.back();
        objects_.pop_back();
        check_object(object);
      }
    } catch (const std::out_of_range&) {
      throw damaged("a part of it is too short");
    }
    for (const auto& [object, group] : cached_)
      if (const auto it = groups_.find(object); it == groups_.end() || it->second != group)
        throw damaged("two places disagree about a group");
  }

 private:
  Error fail(const std::string& message) const {
    return Error(code_, fmt::format("'{}' {}", path_, message));
  }
  Error damaged(const std::string& message) const {
    Error error = fail(fmt::format("is a damaged HDF5 file: {}", message));
    return error.advise("copy or write it again");
  }
  Error unusual(const std::string& what) const {
    Error error =
        fail(fmt::format("is an HDF5 file in a form that Caffe does not write: {}", what));
    return error.advise("rewrite it with: h5repack --layout=CONTI --filter=NONE FILE NEW");
  }

  // `count` bytes at an address; the address counts from the superblock.
  Bytes read(uint64_t address, uint64_t count) const {
    if (address > size_ - base_ || count > size_ - base_ - address)
      throw damaged(fmt::format("{} bytes at {} lie outside of it", count, address));
    std::string out(count, '\0');
    for (uint64_t done = 0; done < count;) {
      const ssize_t got =
          ::pread(fd_, out.data() + done, count - done, static_cast<off_t>(base_ + address + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw fail("cannot be read");
      done += static_cast<uint64_t>(got);
    }
    return Bytes(std::move(out));
  }

  void signature(const Bytes& block, const char* wanted) const {
    const uint32_t found = block.get<uint32_t>(0);
    if (std::memcmp(wanted, &found, 4) != 0)
      throw damaged(fmt::format("no '{}' where one should be", wanted));
  }

  // False if the file is of a newer kind.
  bool read_superblock() {
    for (uint64_t at = 0;; at = at == 0 ? 512 : 2 * at) {
      if (at + 8 > size_) throw fail("is no HDF5 file, or cut short");
      base_ = at;
      if (read(0, 8).get<uint64_t>(0) == kSignature) break;
    }
    const Bytes head = read(0, 16);
    const uint8_t version = head.get<uint8_t>(8);
    if (version == 2 || version == 3) return false;
    if (version > 3) throw unusual(fmt::format("superblock version {}", version));
    if (head.get<uint8_t>(13) != 8 || head.get<uint8_t>(14) != 8)
      throw unusual("its addresses or sizes have not 8 bytes");
    const uint64_t more = version == 1 ? 4 : 0;
    const Bytes block = read(0, 96 + more);
    leaf_k_ = block.get<uint16_t>(16);
    tree_k_ = block.get<uint16_t>(18);
    if (leaf_k_ == 0 || tree_k_ == 0) throw damaged("its groups have no room");
    if (block.get<uint64_t>(24 + more) != base_) throw damaged("it does not begin where it says");
    if (block.get<uint64_t>(32 + more) != kNowhere || block.get<uint64_t>(48 + more) != kNowhere)
      throw unusual("free space or driver information");
    if (block.get<uint64_t>(40 + more) > size_ - base_)
      throw fail(fmt::format("is cut short: {} bytes where its header says {}", size_,
                             block.get<uint64_t>(40 + more)))
          .advise("copy or write it again");
    check_entry(block, 56 + more, nullptr);
    return true;
  }

  // An entry of a symbol table: where an object is, and for a group what its header says too.
  void check_entry(const Bytes& block, uint64_t at, const Bytes* names) {
    if (names != nullptr && !names->text(block.get<uint64_t>(at)))
      throw damaged("a name does not end");
    const uint64_t object = block.get<uint64_t>(at + 8);
    const uint32_t kind = block.get<uint32_t>(at + 16);
    if (kind == 2) throw unusual("a soft link");
    if (kind > 2) throw damaged("an unknown kind of entry");
    if (kind == 1)
      cached_.push_back({object, {block.get<uint64_t>(at + 24), block.get<uint64_t>(at + 32)}});
    if (!seen_.insert(object).second) throw unusual("an object with two names");
    objects_.push_back(object);
  }

  void check_object(uint64_t address) {
    const Bytes prefix = read(address, 16);
    if (prefix.get<uint8_t>(0) == 'O') throw unusual("an object header of version 2");
    if (prefix.get<uint8_t>(0) != 1) throw damaged("an object header of no known version");
    messages_.clear();
    std::vector<std::pair<uint64_t, uint64_t>> blocks{{address + 16, prefix.get<uint32_t>(8)}};
    const size_t most = prefix.get<uint16_t>(2);
    size_t count = 0;
    for (size_t i = 0; i < blocks.size(); ++i) {
      const Bytes block = read(blocks[i].first, blocks[i].second);
      for (uint64_t at = 0; at < block.size();) {
        const uint16_t type = block.get<uint16_t>(at), size = block.get<uint16_t>(at + 2);
        const uint8_t flags = block.get<uint8_t>(at + 4);
        at += 8;
        if (size % 8 != 0 || size > block.size() - at || ++count > most)
          throw damaged("the messages of an object do not fit their block");
        const auto body = [&] { return read(blocks[i].first + at, size); };
        if (type == kMore) {
          const Bytes more = body();
          blocks.emplace_back(more.get<uint64_t>(0), more.get<uint64_t>(8));
          if (blocks.back().second > size_) throw damaged("an object larger than the file");
        } else if (!ignored(type)) {
          if (flags & 2) throw unusual("a shared message");
          if (!messages_.emplace(type, body()).second) throw damaged("a message is there twice");
        }
        at += size;
      }
    }
    check_messages(address);
  }

  bool ignored(uint16_t type) const {
    switch (type) {
      case kNil:
      case kAttribute:
      case kComment:
      case kOldTime:
      case kTime:
        return true;
      case kSpace:
      case kType:
      case kOldFill:
      case kFill:
      case kLayout:
      case kGroup:
        return false;
      default:
        throw unusual(fmt::format("messages of type {:#x}", type));
    }
  }

  const Bytes* message(MessageType type) const {
    const auto it = messages_.find(type);
    return it == messages_.end() ? nullptr : &it->second;
  }

  void check_messages(uint64_t object) {
    if (const Bytes* group = message(kGroup)) {
      if (message(kLayout)) throw damaged("an object is a group and a dataset");
      groups_[object] = {group->get<uint64_t>(0), group->get<uint64_t>(8)};
      check_group(groups_[object]);
      return;
    }
    const Bytes *space = message(kSpace), *type = message(kType), *layout = message(kLayout);
    if (!space || !type || !layout) throw damaged("an object is neither a group nor a dataset");
    const uint64_t element = check_type(*type);
    check_fill(element);
    check_layout(*layout, multiply(check_space(*space), element));
  }

  uint64_t multiply(uint64_t a, uint64_t b) const {
    uint64_t out = 0;
    if (__builtin_mul_overflow(a, b, &out)) throw damaged("a dataset of impossible size");
    return out;
  }

  // The number of elements.
  uint64_t check_space(const Bytes& space) const {
    const uint8_t version = space.get<uint8_t>(0), axes = space.get<uint8_t>(1);
    const uint8_t flags = space.get<uint8_t>(2);
    if (version < 1 || version > 2 || axes > kMostAxes || (flags & ~1) != 0)
      throw damaged("the shape of a dataset makes no sense");
    if (version == 2 && space.get<uint8_t>(3) > 1) throw unusual("an empty dataset");
    const uint64_t dims = version == 1 ? 8 : 4;
    uint64_t count = 1;
    bool empty = false;
    for (uint64_t i = 0; i < axes; ++i) {
      const uint64_t dim = space.get<uint64_t>(dims + 8 * i);
      if (flags & 1 && dim > space.get<uint64_t>(dims + 8 * (axes + i)))
        throw damaged("a dataset is larger than it may be");
      empty |= dim == 0;
      if (!empty) count = multiply(count, dim);
    }
    return empty ? 0 : count;
  }

  // Bytes of an element.
  uint64_t check_type(const Bytes& type) const {
    const uint8_t kind = type.get<uint8_t>(0) & 15, version = type.get<uint8_t>(0) >> 4;
    const uint64_t size = type.get<uint32_t>(4);
    if (version < 1 || version > 3) throw damaged("a type of no known version");
    constexpr int kInteger = 0, kFloat = 1, kString = 3;
    if (kind == kString) {
      if (size == 0 || size > size_) throw damaged("a string longer than the file");
      return size;
    }
    if (kind != kInteger && kind != kFloat)
      throw unusual("values that are neither numbers nor fixed-length strings");
    const bool whole = type.get<uint16_t>(8) == 0 && type.get<uint16_t>(10) == 8 * size;
    if (!whole || (size != 1 && size != 2 && size != 4 && size != 8)) throw unusual("odd numbers");
    if (kind == kFloat) check_float(type, size);
    return size;
  }

  void check_float(const Bytes& type, uint64_t size) const {
    struct Ieee {
      uint64_t size;
      int sign, exponent_at, exponent, mantissa, bias;
    };
    constexpr Ieee kKnown[] = {
        {2, 15, 10, 5, 10, 15}, {4, 31, 23, 8, 23, 127}, {8, 63, 52, 11, 52, 1023}};
    for (const Ieee& f : kKnown)
      if (size == f.size && type.get<uint8_t>(2) == f.sign &&
          type.get<uint8_t>(12) == f.exponent_at && type.get<uint8_t>(13) == f.exponent &&
          type.get<uint8_t>(14) == 0 && type.get<uint8_t>(15) == f.mantissa &&
          type.get<uint32_t>(16) == static_cast<uint32_t>(f.bias))
        return;
    throw unusual("floating-point numbers that are not IEEE's");
  }

  // What unwritten elements would be; the library copies it without looking at its size.
  void check_fill(uint64_t element) const {
    const auto fits = [&](const Bytes& fill, uint64_t at) {
      const uint64_t size = fill.get<uint32_t>(at);
      if (size > fill.size() - at - 4 || (size != 0 && size != element))
        throw damaged("a fill value of impossible size");
    };
    if (const Bytes* fill = message(kOldFill)) fits(*fill, 0);
    const Bytes* fill = message(kFill);
    if (!fill) return;
    const uint8_t version = fill->get<uint8_t>(0);
    if (version < 1 || version > 3) throw damaged("a fill value of no known version");
    if (version == 3 ? fill->get<uint8_t>(1) & 32 : version == 1 || fill->get<uint8_t>(3) != 0)
      fits(*fill, version == 3 ? 2 : 4);
  }

  void check_layout(const Bytes& layout, uint64_t bytes) const {
    if (layout.get<uint8_t>(0) != 3)
      throw unusual(fmt::format("a layout of version {}", layout.get<uint8_t>(0)));
    const uint8_t kind = layout.get<uint8_t>(1);
    if (kind == 0) {
      if (layout.get<uint16_t>(2) != bytes || bytes > layout.size() - 4)
        throw damaged("a compact dataset of another size than its shape says");
    } else if (kind == 1) {
      const uint64_t at = layout.get<uint64_t>(2), size = layout.get<uint64_t>(10);
      if (size != bytes) throw damaged("a dataset of another size than its shape says");
      if (bytes > 0 && at == kNowhere) throw damaged("a dataset without values");
      if (bytes > 0 && (at > size_ - base_ || bytes > size_ - base_ - at))
        throw damaged("a dataset lies outside of it");
    } else if (kind == 2) {
      throw unusual("a dataset in chunks");
    } else {
      throw damaged("a layout of no known kind");
    }
  }

  void check_group(const Group& group) {
    const Bytes head = read(group.heap, 32);
    signature(head, "HEAP");
    const uint64_t size = head.get<uint64_t>(8);
    const Bytes names = read(head.get<uint64_t>(24), size);
    if (!blocks_.insert(group.heap).second) throw damaged("two groups share their names");
    // The free blocks form a list, in no order.
    uint64_t left = size / 16;
    for (uint64_t at = head.get<uint64_t>(16); at != kLastFreeBlock && at != kNowhere;) {
      if (left-- == 0) throw damaged("a list without an end");
      if (names.get<uint64_t>(at + 8) > size - at) throw damaged("a free block does not fit");
      at = names.get<uint64_t>(at);
    }
    check_tree(group.tree, names, -1);
  }

  // A node of a B-tree of names and all below it. level -1: the root, whatever it says.
  void check_tree(uint64_t address, const Bytes& names, int level) {
    if (!blocks_.insert(address).second) throw damaged("a tree grows into itself");
    const uint64_t room = 2 * tree_k_;
    const Bytes node = read(address, 24 + 8 * (2 * room + 1));
    signature(node, "TREE");
    const uint8_t own = node.get<uint8_t>(5);
    const uint16_t used = node.get<uint16_t>(6);
    if (node.get<uint8_t>(4) != 0 || (level >= 0 && own != level) || used > room)
      throw damaged("a tree's node makes no sense");
    for (uint64_t i = 0; i <= used; ++i)
      if (!names.text(node.get<uint64_t>(24 + 16 * i))) throw damaged("a name does not end");
    for (uint64_t i = 0; i < used; ++i) {
      const uint64_t child = node.get<uint64_t>(32 + 16 * i);
      if (own > 0)
        check_tree(child, names, own - 1);
      else
        check_leaf(child, names);
    }
  }

  void check_leaf(uint64_t address, const Bytes& names) {
    if (!blocks_.insert(address).second) throw damaged("a tree grows into itself");
    const uint64_t room = 2 * leaf_k_;
    const Bytes leaf = read(address, 8 + 40 * room);
    signature(leaf, "SNOD");
    const uint16_t used = leaf.get<uint16_t>(6);
    if (leaf.get<uint8_t>(4) != 1 || used > room) throw damaged("a group's node makes no sense");
    for (uint64_t i = 0; i < used; ++i) check_entry(leaf, 8 + 40 * i, &names);
  }

  const std::string& path_;
  ErrorCode code_;
  int fd_;
  uint64_t size_ = 0, base_ = 0, leaf_k_ = 0, tree_k_ = 0;
  std::vector<uint64_t> objects_;  // still to be checked
  std::set<uint64_t> seen_, blocks_;
  std::map<uint64_t, Group> groups_;
  std::vector<std::pair<uint64_t, Group>> cached_;
  std::map<uint16_t, Bytes> messages_;  // of the object that is being checked
};

}  // namespace

void check_hdf5_file(const std::string& path, ErrorCode code) {
  Checker(path, code).run();
}

}  // namespace crema
