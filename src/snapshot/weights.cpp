#include "snapshot/weights.hpp"

#include <fmt/format.h>

#include <optional>

#include "snapshot/blobs.hpp"
#include "snapshot/kinds.hpp"
#include "snapshot/records.hpp"

namespace crema::snapshot {

namespace {

using Net = caffe::NetParameter;

// crema's own record of NetParameter, written before the layers: how many there are. Without it a
// file that was cut off between two layers would pass for a whole one.
constexpr int kLayerCountField = 1000;

constexpr const char* kHdf5Hint =
    "convert it with BVLC Caffe's Python module: net = caffe.Net('deploy.prototxt', 'FILE.h5', "
    "caffe.TEST); net.save('FILE.caffemodel')";

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

}  // namespace

WeightsFile read_weights(const std::string& path) {
  refuse_foreign(path, "a .caffemodel", kHdf5Hint);
  try {
    return NetReader(path).read();
  } catch (const Error&) {
    if (!looks_like_state(path)) throw;
  }
  throw Error(ErrorCode::kWeights, fmt::format("'{}' is a solver state, not weights", path))
      .advise("pass it with --snapshot to go on with that run");
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
    for (const Blob& blob : layer.blobs) {
      const BlobRecord record(caffe::LayerParameter::kBlobsFieldNumber, blob);
      file.write(record.head);
      file.write(record.values);
    }
  }
  return file.commit();
}

}  // namespace crema::snapshot
