// The learnable parameters of a run: values and gradients in the layout of the kernels.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.hpp"

namespace crema::exec {

// One parameter's memory.
class Parameter {
 public:
  Parameter(std::string name, TensorDesc desc);
  const std::string& name() const { return name_; }
  const TensorDesc& desc() const { return desc_; }
  void* value() const { return value_.data(); }
  // Allocated on first use: frozen parameters and test nets have none.
  void* gradient();
  bool has_gradient() const { return gradient_ != nullptr; }
  void release_gradient() { gradient_.reset(); }
  // Elements in memory, padding included.
  size_t physical_count() const { return desc_.bytes() / bytes_of(desc_.dtype); }

 private:
  std::string name_;
  TensorDesc desc_;
  Arena value_;
  std::unique_ptr<Arena> gradient_;
};

// Parameters in the order of a graph's `params`. Several stores may hold the same Parameter: the
// nets that test a training net share its weights.
class ParamStore {
 public:
  using Layouts = std::vector<std::optional<Layout>>;  // per parameter; empty: plain
  // Those of `shared` (may be null) whose name it knows; the others are new.
  ParamStore(const graph::Graph& graph, DType dtype, const Layouts& layouts, plan::Engines engines,
             const ParamStore* shared = nullptr);
  // For a graph of one segment.
  ParamStore(const plan::Plan& plan, plan::Engines engines)
      : ParamStore(*plan.graph, plan.dtype, plan.param_layouts, std::move(engines)) {}

  size_t size() const { return params_.size(); }
  Parameter& operator[](size_t i) const { return *params_[i]; }
  int find(const std::string& name) const;  // -1 if there is none
  // Of gradients that are kept; those that are handed out are in the arena.
  size_t gradient_bytes() const;

  // Row-major copies, whatever the layout. `physical` is any memory in parameter i's layout (its
  // value, its gradient, an optimizer slot).
  std::vector<float> to_plain(size_t i, const void* physical) const;
  void from_plain(size_t i, const std::vector<float>& plain, void* physical) const;
  std::vector<float> value(size_t i) const { return to_plain(i, params_[i]->value()); }
  void set_value(size_t i, const std::vector<float>& plain) {
    from_plain(i, plain, params_[i]->value());
  }

  // Counts the changes of values, in all stores that share them: what is computed from parameters
  // alone is computed again when it has risen. Whoever writes into values by pointer calls
  // changed().
  uint64_t version() const { return *version_; }
  void changed() const { ++*version_; }

 private:
  std::vector<std::shared_ptr<Parameter>> params_;
  std::shared_ptr<uint64_t> version_ = std::make_shared<uint64_t>(1);
  plan::Reorderer reorderer_;
};

// Layouts for PlanOptions::param_layouts, so that a plan for `graph` can share the store's weights.
std::vector<std::optional<Layout>> layouts_of(const ParamStore& store, const graph::Graph& graph);

}  // namespace crema::exec
