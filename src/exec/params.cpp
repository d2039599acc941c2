#include "exec/params.hpp"

#include <algorithm>

namespace crema::exec {

Parameter::Parameter(std::string name, TensorDesc desc)
    : name_(std::move(name)), desc_(std::move(desc)), value_(desc_.bytes()) {}

void* Parameter::gradient() {
  if (!gradient_) gradient_ = std::make_unique<Arena>(desc_.bytes());
  return gradient_->data();
}

ParamStore::ParamStore(const graph::Graph& graph, DType dtype, const Layouts& layouts,
                       plan::Engines engines, const ParamStore* shared)
    : reorderer_(std::move(engines)) {
  if (shared != nullptr) version_ = shared->version_;
  for (size_t i = 0; i < graph.params.size(); ++i) {
    const std::string& name = graph.params[i].name;
    const TensorDesc desc{graph.params[i].shape, dtype, layouts[i].value_or(Layout())};
    const int at = shared == nullptr ? -1 : shared->find(name);
    if (at < 0) {
      params_.push_back(std::make_shared<Parameter>(name, desc));
      continue;
    }
    params_.push_back(shared->params_[static_cast<size_t>(at)]);
    CREMA_CHECK(params_.back()->desc() == desc, "shared parameter in another layout");
  }
}

int ParamStore::find(const std::string& name) const {
  for (size_t i = 0; i < params_.size(); ++i)
    if (params_[i]->name() == name) return static_cast<int>(i);
  return -1;
}

size_t ParamStore::gradient_bytes() const {
  size_t bytes = 0;
  for (const auto& param : params_)
    if (param->has_gradient()) bytes += param->desc().bytes();
  return bytes;
}

std::vector<float> ParamStore::to_plain(size_t i, const void* physical) const {
  const TensorDesc& desc = params_[i]->desc();
  const size_t count = static_cast<size_t>(desc.shape.count());
  std::vector<float> out(count);
  if (desc.dtype == DType::kF64) {
    const double* from = static_cast<const double*>(physical);
    std::copy(from, from + count, out.begin());
    return out;
  }
  reorderer_.run(desc, physical, {desc.shape, desc.dtype, {}}, out.data());
  return out;
}

void ParamStore::from_plain(size_t i, const std::vector<float>& plain, void* physical) const {
  const TensorDesc& desc = params_[i]->desc();
  changed();
  CREMA_CHECK(plain.size() == static_cast<size_t>(desc.shape.count()), "wrong element count");
  if (desc.dtype == DType::kF64)
    std::copy(plain.begin(), plain.end(), static_cast<double*>(physical));
  else
    reorderer_.run({desc.shape, desc.dtype, {}}, plain.data(), desc, physical);
}

std::vector<std::optional<Layout>> layouts_of(const ParamStore& store, const graph::Graph& graph) {
  std::vector<std::optional<Layout>> out;
  for (const graph::ParamInfo& param : graph.params) {
    const int at = store.find(param.name);
    out.push_back(at < 0 ? std::nullopt
                         : std::optional(store[static_cast<size_t>(at)].desc().layout));
  }
  return out;
}

}  // namespace crema::exec
