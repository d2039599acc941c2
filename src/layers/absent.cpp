#include "layers/absent.hpp"

#include <map>

namespace crema::layers {

const AbsentType* absent_type(std::string_view type) {
  static constexpr const char* kFork = "is a type of a fork of Caffe that crema does not have";
  static constexpr const char* kDetection =
      "the parts of object detectors behind the feature maps are not there; end the net at the "
      "last layer before it";
  static const std::map<std::string_view, AbsentType> table{
      {"Python",
       {"runs code in Python, which crema does not do",
        "write its maths with other layer types (Eltwise, Scale, Power, Reduction ... have the "
        "gradients that you would write by hand); read data with Data or HDF5Data from a database "
        "or file that your Python code writes; or add a layer type in C++: one file in src/layers, "
        "see src/README.md"}},
      {"ImageData",
       {"reads image files from a list, which crema does not do yet",
        "put the pictures into a database and write Data: Caffe's convert_imageset makes one from "
        "the same list (with -encoded the files stay as they are)"}},
      {"WindowData",
       {"cuts windows out of image files, which crema does not do yet",
        "cut them out beforehand, put them into a database and write Data"}},
      {"Axpy",
       {kFork,
        "write Scale with two bottoms (axis: 0 and the factor reshaped to its first "
        "two axes), then Eltwise"}},
      {"ConvolutionDepthwise", {kFork, "write Convolution with group: the number of channels"}},
      {"DepthwiseConvolution", {kFork, "write Convolution with group: the number of channels"}},
      {"Interp",
       {kFork,
        "write Deconvolution with weight_filler { type: \"bilinear\" } and "
        "lr_mult: 0"}},
      {"MKLBatchNorm", {kFork, "write BatchNorm"}},
      {"Normalize", {kFork, "write it with Power, Reduction and Scale"}},
      {"ReLU6", {kFork, "write Clip with min: 0 max: 6"}},
      {"SmoothL1Loss", {kFork, "write EuclideanLoss"}},
      {"SpatialDropout", {kFork, "write Dropout, which drops single elements"}},
      {"AnnotatedData", {kFork, kDetection}},
      {"BoxAnnotatorOHEM", {kFork, kDetection}},
      {"BoxData", {kFork, kDetection}},
      {"DetectionEvaluate", {kFork, kDetection}},
      {"DetectionOutput", {kFork, kDetection}},
      {"EvalDetection", {kFork, kDetection}},
      {"MultiBoxLoss", {kFork, kDetection}},
      {"PSROIPooling", {kFork, kDetection}},
      {"Permute", {kFork, kDetection}},
      {"PriorBox", {kFork, kDetection}},
      {"ROIPooling", {kFork, kDetection}},
      {"RegionLoss", {kFork, kDetection}},
      {"Reorg", {kFork, kDetection}},
      {"SmoothL1LossOHEM", {kFork, kDetection}},
      {"SoftmaxWithLossOHEM", {kFork, "write SoftmaxWithLoss"}},
      {"MnActivation", {kFork, "leave it out: it is for training on several nodes"}},
      {"VideoData", {kFork, "write HDF5Data"}},
  };
  const auto it = table.find(type);
  return it == table.end() ? nullptr : &it->second;
}

}  // namespace crema::layers
