#include "snapshot/weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/files.hpp"
#include "snapshot/blobs.hpp"
#include "snapshot/hdf5_file.hpp"
#include "snapshot/kinds.hpp"
#include "snapshot/records.hpp"

namespace crema::snapshot {

namespace {

using Net = caffe::NetParameter;

template <class Layer>
LayerBlobs layer_blobs(const Layer& layer, std::string type, const std::string& path) {
  LayerBlobs out{layer.name(), std::move(type), {}};
  for (int i = 0; i < layer.blobs_size(); ++i)
    out.blobs.push_back(
        to_blob(layer.blobs(i), fmt::format("'{}', layer '{}', blob {}", path, out.layer, i)));
  return out;
}

void read_v1_layer(const caffe::V1LayerParameter& layer, WeightsFile& out) {
  if (!layer.has_layer()) {
    const std::string type = caffe::V1LayerParameter::LayerType_Name(layer.type());
    out.layers.push_back(layer_blobs(layer, type, out.path));
  } else if (layer.layer().type() != "padding") {  // in V0 nets a part of the convolution after it
    out.layers.push_back(layer_blobs(layer.layer(), layer.layer().type(), out.path));
  }
}

class NetReader {
 public:
  explicit NetReader(const std::string& path) : records_(path) { out_.path = path; }

  WeightsFile read() {
    while (records_.next()) read_record();
    if (out_.layers.empty())
      throw Error(ErrorCode::kWeights,
                  fmt::format("'{}' holds no layers: it is no weights file", out_.path));
    if (announced_ && *announced_ != out_.layers.size())
      throw Error(ErrorCode::kWeights, fmt::format("'{}' is cut off: it holds {} of its {} layers",
                                                   out_.path, out_.layers.size(), *announced_))
          .advise("copy or download it again");
    out_.crc32 = records_.crc32();
    return std::move(out_);
  }

 private:
  void read_record() {
    switch (records_.field()) {
      case Net::kNameFieldNumber:
        expect(Wire::kBytes);
        out_.net_name = records_.bytes();
        break;
      case Net::kLayerFieldNumber: {
        expect(Wire::kBytes);
        caffe::LayerParameter layer;
        records_.parse(layer);
        out_.layers.push_back(layer_blobs(layer, layer.type(), out_.path));
        present_ = true;
        break;
      }
      case Net::kLayersFieldNumber: {
        expect(Wire::kBytes);
        caffe::V1LayerParameter layer;
        records_.parse(layer);
        read_v1_layer(layer, out_);
        old_ = true;
        break;
      }
      case kLayerCountField:
        expect(Wire::kVarint);
        announced_ = records_.number();
        break;
      default:
        break;  // inputs, state, what other programs add
    }
    if (old_ && present_)
      throw Error(ErrorCode::kWeights,
                  fmt::format("'{}' holds both 'layer' and old 'layers' records", out_.path));
  }

  void expect(Wire wire) const {
    if (records_.wire() != wire) records_.damaged("this is no record of a net");
  }

  RecordReader records_;
  WeightsFile out_;
  std::optional<uint64_t> announced_;
  bool present_ = false, old_ = false;
};

// What stands before the blobs in a layer record.
struct LayerHead {
  explicit LayerHead(const LayerRecord& layer) {
    CREMA_CHECK(layer.definition.blobs_size() == 0, "blobs belong beside the definition");
    const std::string definition = layer.definition.SerializeAsString();
    size_t length = definition.size();
    for (const Blob& blob : layer.blobs)
      length += BlobRecord(caffe::LayerParameter::kBlobsFieldNumber, blob).size();
    append_key(text, Net::kLayerFieldNumber, Wire::kBytes);
    append_varint(text, length);
    total = text.size() + length;
    text += definition;
  }
  std::string text;
  size_t total;  // of the whole record
};

void check_size(const std::string& path, size_t bytes, int64_t limit) {
  if (bytes <= static_cast<size_t>(limit)) return;
  throw Error(ErrorCode::kOutput,
              fmt::format("'{}' would have {} bytes, but a .caffemodel can hold at most {}", path,
                          bytes, limit))
      .advise("nothing was written");
}

class Hdf5NetReader {
 public:
  explicit Hdf5NetReader(const std::string& path) : file_(path) {
    out_.path = path;
    out_.hdf5 = true;
  }

  WeightsFile read() {
    if (!file_.has("data") || !file_.is_group("data"))
      throw Error(ErrorCode::kWeights,
                  fmt::format("'{}' has no group 'data': it is no weights file", out_.path))
          .advise(file_.has("iter") ? "it is a solver state: pass it with --snapshot to go on with "
                                      "that run"
                                    : "data for a net are named in an HDF5Data layer's list");
    for (const std::string& name : file_.links("data")) read_layer(name, "data/" + name);
    out_.crc32 = crc32_of_file(out_.path, ErrorCode::kWeights);
    return std::move(out_);
  }

 private:
  // A layer called "a/b" is the group b in the group of the layer "a".
  void read_layer(const std::string& layer, const std::string& group) {
    if (!file_.is_group(group)) refuse(group, "is a dataset where a layer's group should be");
    constexpr int kDeepest = 32;
    if (std::count(layer.begin(), layer.end(), '/') > kDeepest) refuse(group, "lies too deep");
    std::vector<Blob> blobs;
    std::vector<std::string> inner;
    for (const std::string& name : file_.links(group)) {
      const std::string path = group + "/" + name;
      const int index = blob_index(name);
      if (file_.is_group(path)) {
        inner.push_back(name);
        continue;
      }
      if (index < 0) refuse(path, "is no blob: those are called 0, 1, ...");
      while (static_cast<int>(blobs.size()) <= index) blobs.emplace_back().shared = true;
      blobs[static_cast<size_t>(index)] = file_.blob(path);
    }
    out_.layers.push_back({layer, "", std::move(blobs)});
    for (const std::string& name : inner) read_layer(layer + "/" + name, group + "/" + name);
  }

  [[noreturn]] void refuse(const std::string& path, const std::string& why) const {
    throw Error(ErrorCode::kWeights, fmt::format("'{}', '{}' {}", out_.path, path, why));
  }

  Hdf5Reader file_;
  WeightsFile out_;
};

}  // namespace

WeightsFile read_weights(const std::string& path) {
  if (is_hdf5_file(path)) return Hdf5NetReader(path).read();
  refuse_foreign(path, "a .caffemodel");
  try {
    return NetReader(path).read();
  } catch (const Error&) {
    const auto refuse = [&](const char* what, const char* hint) {
      throw Error(ErrorCode::kWeights, fmt::format("'{}' is {}, not weights", path, what))
          .advise(hint);
    };
    if (looks_like_state(path))
      refuse("a solver state", "pass it with --snapshot to go on with that run");
    if (looks_like_mean(path))
      refuse("a mean file", "name it as mean_file in the transform_param of a data layer");
    if (looks_like_onnx(path)) refuse("an ONNX model", "convert it to a .caffemodel first");
    throw;
  }
}

uint32_t write_weights(const std::string& path, const std::string& net_name,
                       const std::vector<LayerRecord>& layers, int64_t limit) {
  std::string head;
  append_key(head, kLayerCountField, Wire::kVarint);
  append_varint(head, layers.size());
  append_key(head, Net::kNameFieldNumber, Wire::kBytes);
  append_varint(head, net_name.size());
  head += net_name;
  size_t total = head.size();
  for (const LayerRecord& layer : layers) total += LayerHead(layer).total;
  check_size(path, total, limit);

  RecordWriter file(path);
  file.write(head);
  for (const LayerRecord& layer : layers) {
    file.write(LayerHead(layer).text);
    for (const Blob& blob : layer.blobs)
      BlobRecord(caffe::LayerParameter::kBlobsFieldNumber, blob).write(file);
  }
  return file.commit();
}

uint32_t write_hdf5_weights(const std::string& path, const std::vector<LayerRecord>& layers) {
  Hdf5Writer file;
  const auto write = [&](const std::string& part, auto&& write_blob) {
    file.group(part);
    for (const LayerRecord& layer : layers) {
      const std::string group = part + "/" + layer.definition.name();
      file.group(group);
      for (size_t b = 0; b < layer.blobs.size(); ++b)
        write_blob(fmt::format("{}/{}", group, b), layer.blobs[b]);
    }
  };
  bool diffs = false;
  write("data", [&](const std::string& name, const Blob& blob) {
    diffs |= !blob.diff.empty();
    if (!blob.shared) file.blob(name, blob.shape, blob.values);
  });
  if (diffs)
    write("diff", [&](const std::string& name, const Blob& blob) {
      file.blob(name, blob.shape, blob.diff);
    });
  return file.commit(path);
}

std::string hdf5_name_flaw(const std::string& layer) {
  if (layer.empty()) return "it has no name";
  if (layer.find('/') != std::string::npos) return "a '/' in a name begins an inner group";
  if (layer == ".") return "'.' means the group itself";
  if (layer.find('\0') != std::string::npos) return "it holds a zero byte";
  return {};
}

}  // namespace crema::snapshot
