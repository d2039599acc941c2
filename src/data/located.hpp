// Errors located at a field of a data layer, and the one rule by which its files are found.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "config/config.hpp"

namespace crema::data {

// "layer 'mnist': MESSAGE", located at the field ("data_param.batch_size") or around it.
Error config_error(const config::LayerConfig& layer, std::string_view field,
                   const std::string& message);
Error data_error(const config::LayerConfig& layer, std::string_view field,
                 const std::string& message);

// The existing file or folder that the field `field` means by `written`: relative to the working
// directory, as in Caffe, or else to the folder of the net definition, or else to `also_in` (if
// given). Error{kConfig} if written is empty, Error{kData} if there is no such file.
std::string existing_path(const config::LayerConfig& layer, std::string_view field,
                          const std::string& written, const std::string& also_in = {});

}  // namespace crema::data
