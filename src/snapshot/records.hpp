// The top level of a binary protobuf message in a file, record by record: a file of any size needs
// memory for its largest record only.
#pragma once

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/files.hpp"

namespace crema::snapshot {

// Wire types of protobuf; groups (3 and 4) occur in none of Caffe's files.
enum class Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

class RecordReader {
 public:
  explicit RecordReader(const std::string& path);  // Error{kWeights}, here and below
  ~RecordReader();

  // Goes to the next record; false at the end of the file.
  bool next();
  int field() const { return field_; }
  Wire wire() const { return wire_; }
  bool is(int field, Wire wire) const { return field_ == field && wire_ == wire; }

  // What the record holds; each may be called once, none need be.
  uint64_t number() const { return number_; }          // of all but kBytes
  std::string bytes();                                 // of kBytes
  void parse(google::protobuf::MessageLite& message);  // of kBytes
  void append_to(std::string& out);                    // the record as it stands in the file

  // CRC-32 of the file, once next() has returned false.
  uint32_t crc32() const;
  [[noreturn]] void damaged(const std::string& what) const;

 private:
  class File;
  int64_t position() const;
  void read_header();
  void check_length(uint64_t length);

  std::string path_;
  std::unique_ptr<File> file_;
  google::protobuf::io::CopyingInputStreamAdaptor stream_;
  int64_t record_begin_ = 0;
  int field_ = 0;
  Wire wire_ = Wire::kVarint;
  uint64_t number_ = 0;
  int body_ = 0;  // bytes of a kBytes record that are still to be read
};

// Encoders of the same.
void append_varint(std::string& out, uint64_t value);
void append_key(std::string& out, int field, Wire wire);

// Writes a file atomically, computing its CRC-32.
class RecordWriter {
 public:
  explicit RecordWriter(const std::string& path) : file_(path) {}
  void write(std::string_view bytes);
  uint32_t commit();

 private:
  AtomicFile file_;
  std::string pending_;  // small pieces, not yet handed over
  uint32_t crc_ = 0;
};

}  // namespace crema::snapshot
