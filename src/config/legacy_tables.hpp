// What the names of the older net formats became. Room-internal; used by legacy.cpp only.
#pragma once

#include <utility>

#include "proto/legacy.pb.h"

namespace crema::config::legacy {

using caffe::V1LayerParameter;

struct LayerTypeNames {
  const char* v0;  // "" if the first format had no such type
  V1LayerParameter::LayerType v1;
  const char* type;
};

inline constexpr LayerTypeNames kLayerTypes[] = {
    {"", V1LayerParameter::NONE, ""},
    {"", V1LayerParameter::ABSVAL, "AbsVal"},
    {"accuracy", V1LayerParameter::ACCURACY, "Accuracy"},
    {"", V1LayerParameter::ARGMAX, "ArgMax"},
    {"bnll", V1LayerParameter::BNLL, "BNLL"},
    {"concat", V1LayerParameter::CONCAT, "Concat"},
    {"", V1LayerParameter::CONTRASTIVE_LOSS, "ContrastiveLoss"},
    {"conv", V1LayerParameter::CONVOLUTION, "Convolution"},
    {"data", V1LayerParameter::DATA, "Data"},
    {"", V1LayerParameter::DECONVOLUTION, "Deconvolution"},
    {"dropout", V1LayerParameter::DROPOUT, "Dropout"},
    {"", V1LayerParameter::DUMMY_DATA, "DummyData"},
    {"euclidean_loss", V1LayerParameter::EUCLIDEAN_LOSS, "EuclideanLoss"},
    {"", V1LayerParameter::ELTWISE, "Eltwise"},
    {"", V1LayerParameter::EXP, "Exp"},
    {"flatten", V1LayerParameter::FLATTEN, "Flatten"},
    {"hdf5_data", V1LayerParameter::HDF5_DATA, "HDF5Data"},
    {"hdf5_output", V1LayerParameter::HDF5_OUTPUT, "HDF5Output"},
    {"", V1LayerParameter::HINGE_LOSS, "HingeLoss"},
    {"im2col", V1LayerParameter::IM2COL, "Im2col"},
    {"images", V1LayerParameter::IMAGE_DATA, "ImageData"},
    {"infogain_loss", V1LayerParameter::INFOGAIN_LOSS, "InfogainLoss"},
    {"innerproduct", V1LayerParameter::INNER_PRODUCT, "InnerProduct"},
    {"lrn", V1LayerParameter::LRN, "LRN"},
    {"", V1LayerParameter::MEMORY_DATA, "MemoryData"},
    {"multinomial_logistic_loss", V1LayerParameter::MULTINOMIAL_LOGISTIC_LOSS,
     "MultinomialLogisticLoss"},
    {"", V1LayerParameter::MVN, "MVN"},
    {"pool", V1LayerParameter::POOLING, "Pooling"},
    {"", V1LayerParameter::POWER, "Power"},
    {"relu", V1LayerParameter::RELU, "ReLU"},
    {"sigmoid", V1LayerParameter::SIGMOID, "Sigmoid"},
    {"", V1LayerParameter::SIGMOID_CROSS_ENTROPY_LOSS, "SigmoidCrossEntropyLoss"},
    {"", V1LayerParameter::SILENCE, "Silence"},
    {"softmax", V1LayerParameter::SOFTMAX, "Softmax"},
    {"softmax_loss", V1LayerParameter::SOFTMAX_LOSS, "SoftmaxWithLoss"},
    {"split", V1LayerParameter::SPLIT, "Split"},
    {"", V1LayerParameter::SLICE, "Slice"},
    {"tanh", V1LayerParameter::TANH, "TanH"},
    {"window_data", V1LayerParameter::WINDOW_DATA, "WindowData"},
    {"", V1LayerParameter::THRESHOLD, "Threshold"},
};

// Where a field of the first format goes for a type ("" = any type) in the second format.
struct V0Move {
  const char* field;
  const char* type;
  const char* target;
};

inline constexpr V0Move kV0Moves[] = {
    {"name", "", "name"},
    {"blobs", "", "blobs"},
    {"blobs_lr", "", "blobs_lr"},
    {"weight_decay", "", "weight_decay"},
    {"num_output", "conv", "convolution_param.num_output"},
    {"num_output", "innerproduct", "inner_product_param.num_output"},
    {"biasterm", "conv", "convolution_param.bias_term"},
    {"biasterm", "innerproduct", "inner_product_param.bias_term"},
    {"weight_filler", "conv", "convolution_param.weight_filler"},
    {"weight_filler", "innerproduct", "inner_product_param.weight_filler"},
    {"bias_filler", "conv", "convolution_param.bias_filler"},
    {"bias_filler", "innerproduct", "inner_product_param.bias_filler"},
    {"pad", "conv", "convolution_param.pad"},
    {"pad", "pool", "pooling_param.pad"},
    {"kernelsize", "conv", "convolution_param.kernel_size"},
    {"kernelsize", "pool", "pooling_param.kernel_size"},
    {"stride", "conv", "convolution_param.stride"},
    {"stride", "pool", "pooling_param.stride"},
    {"group", "conv", "convolution_param.group"},
    {"pool", "pool", "pooling_param.pool"},
    {"dropout_ratio", "dropout", "dropout_param.dropout_ratio"},
    {"local_size", "lrn", "lrn_param.local_size"},
    {"alpha", "lrn", "lrn_param.alpha"},
    {"beta", "lrn", "lrn_param.beta"},
    {"k", "lrn", "lrn_param.k"},
    {"source", "data", "data_param.source"},
    {"source", "hdf5_data", "hdf5_data_param.source"},
    {"source", "images", "image_data_param.source"},
    {"source", "window_data", "window_data_param.source"},
    {"source", "infogain_loss", "infogain_loss_param.source"},
    {"batchsize", "data", "data_param.batch_size"},
    {"batchsize", "hdf5_data", "hdf5_data_param.batch_size"},
    {"batchsize", "images", "image_data_param.batch_size"},
    {"batchsize", "window_data", "window_data_param.batch_size"},
    {"scale", "", "transform_param.scale"},
    {"meanfile", "", "transform_param.mean_file"},
    {"cropsize", "", "transform_param.crop_size"},
    {"mirror", "", "transform_param.mirror"},
    {"rand_skip", "data", "data_param.rand_skip"},
    {"rand_skip", "images", "image_data_param.rand_skip"},
    {"shuffle_images", "images", "image_data_param.shuffle"},
    {"new_height", "images", "image_data_param.new_height"},
    {"new_width", "images", "image_data_param.new_width"},
    {"concat_dim", "concat", "concat_param.concat_dim"},
    {"det_fg_threshold", "window_data", "window_data_param.fg_threshold"},
    {"det_bg_threshold", "window_data", "window_data_param.bg_threshold"},
    {"det_fg_fraction", "window_data", "window_data_param.fg_fraction"},
    {"det_context_pad", "window_data", "window_data_param.context_pad"},
    {"det_crop_mode", "window_data", "window_data_param.crop_mode"},
    {"hdf5_output_param", "hdf5_output", "hdf5_output_param"},
};

// The second format's data layers kept these beside their source.
inline constexpr std::pair<V1LayerParameter::LayerType, const char*> kDataBlocks[] = {
    {V1LayerParameter::DATA, "data_param"},
    {V1LayerParameter::IMAGE_DATA, "image_data_param"},
    {V1LayerParameter::WINDOW_DATA, "window_data_param"},
};
inline constexpr const char* kTransformFields[] = {"scale", "mean_file", "crop_size", "mirror"};

// Per-parameter lists of the second format and the fields of ParamSpec that they became.
inline constexpr std::pair<const char*, const char*> kParamLists[] = {
    {"param", "name"},
    {"blob_share_mode", "share_mode"},
    {"blobs_lr", "lr_mult"},
    {"weight_decay", "decay_mult"}};

}  // namespace crema::config::legacy
