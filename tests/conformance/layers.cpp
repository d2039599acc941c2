// layers/<Type>/<case>: one layer alone.
#include <fmt/format.h>
#include <unistd.h>

#include "base/files.hpp"
#include "data/hdf5_output.hpp"
#include "data/loader.hpp"
#include "suite.hpp"

namespace crema::conformance {

namespace {

class LayerCase {
 public:
  LayerCase(const std::filesystem::path& prototxt, const Mix& mix)
      : stem_(std::filesystem::path(prototxt).replace_extension("").string()),
        file_(stem_ + ".h5"),
        name_(prototxt.parent_path().filename().string() + "/" + prototxt.stem().string()),
        mix_(mix),
        check_(file_.number("rtol", 0), file_.number("atol", 0)) {
    const std::string phase = file_.text("phase");
    net_ = config::parse_net(prototxt.filename().string(),
                             read_file(prototxt.string(), ErrorCode::kData));
    skip_unknown_types(net_);
    net_ = config::with_state(net_, phase == "TEST" ? caffe::TEST : caffe::TRAIN, 0, {});
    prepare();
  }

  std::string run() {
    const int runs = static_cast<int>(file_.number("runs", 1));
    for (int r = 0; r < runs; ++r) one(r, r == 0 ? "" : fmt::format("run{}/", r));
    check_.complete(file_);
    return check_.failure();
  }

 private:
  // The layer between inputs, its own ideas about gradients replaced by the recording's.
  void prepare() {
    net_.header.clear_force_backward();
    caffe::LayerParameter& layer = net_.layers[0].param;
    layer.clear_propagate_down();
    tops_.assign(layer.top().begin(), layer.top().end());
    bottoms_.assign(layer.bottom().begin(), layer.bottom().end());
    std::vector<config::LayerConfig> all;
    for (const std::string& bottom : std::set<std::string>(bottoms_.begin(), bottoms_.end())) {
      config::LayerConfig input;
      input.param.set_name("input_" + bottom);
      input.param.set_type("Input");
      input.param.add_top(bottom);
      input.param.mutable_input_param()->add_shape();
      all.push_back(std::move(input));
    }
    const std::vector<double> down = file_.numbers("propagate_down");
    for (size_t i = 0; i < bottoms_.size(); ++i)
      if (i < down.size() && down[i] != 0) options_.wanted_inputs.insert(bottoms_[i]);
    options_.backward = file_.number("backward", 1) != 0;
    for (size_t i = 0; i < tops_.size() && options_.backward; ++i)
      if (file_.has(fmt::format("top_diff/{}", i))) options_.seeded_blobs.push_back(tops_[i]);
    // The recorded top_diff is all the gradient there is: the loss weight must not count twice.
    layer.clear_loss_weight();
    for (size_t i = 0; i < tops_.size(); ++i) layer.add_loss_weight(0);
    if (layer.type() == "HDF5Output")
      layer.mutable_hdf5_output_param()->set_file_name(written_.string());
    all.push_back(net_.layers[0]);
    net_.layers = std::move(all);
    if (data::is_source(net_.layers.back().param.type()))
      loader_ = data::open_loader(net_.layers.back(), net_.header.state().phase(), {});
    options_.source_shapes =
        [this](const config::LayerConfig& l) -> std::optional<std::vector<Shape>> {
      if (!data::is_source(l.param.type())) return std::nullopt;
      return loader_->shapes();
    };
  }

  void one(int r, const std::string& group) {
    std::map<std::string, Shape> shapes;
    for (size_t i = 0; i < bottoms_.size(); ++i)
      shapes[bottoms_[i]] = file_.array(fmt::format("{}bottom/{}", group, i)).shape;
    if (loader_) {
      batch_ = loader_->next();
      for (size_t t = 0; t < tops_.size(); ++t) shapes[tops_[t]] = loader_->shapes()[t];
    }
    if (r == 0) {
      options_.input_shapes = shapes;
      subject_ = build_subject(net_, options_, true, mix_);
    }
    subject_->reshape(shapes);
    if (r == 0) set_params();
    pass_ = static_cast<size_t>(r);
    feed(group);
    const ops::StepInfo step{1, r, r};
    subject_->forward(step);
    compare_forward(group);
    compare_written();
    if (!options_.backward) return;
    subject_->backward(step);
    compare_backward(group);
  }

  const graph::Graph& graph() const { return subject_->graph(); }
  const graph::LayerInfo& layer() const { return graph().layers.back(); }

  void set_params() {
    const bool from_setup = file_.number("params_from_setup", 0) != 0;
    const size_t recorded = file_.below("param").size();
    if (recorded != layer().params.size())
      check_.fail(fmt::format("{} learnable blobs, expected {}", layer().params.size(), recorded));
    for (size_t i = 0; i < layer().params.size(); ++i) {
      const std::string path = fmt::format("param/{}", i);
      if (!file_.has(path)) continue;
      const Array wanted = file_.array(path);
      const size_t p = static_cast<size_t>(layer().params[i]);
      check_.equal(path, graph().params[p].shape, wanted.shape);
      if (from_setup)
        check_.equal(path, subject_->params().value(p), wanted);
      else if (check_.failure().empty())
        subject_->params().set_value(p, wanted.values);
    }
  }

  void feed(const std::string& group) {
    inputs_.clear();
    for (size_t i = 0; i < graph().inputs.size(); ++i)
      inputs_.push_back(input_values(group, graph().inputs[i]));
    for (size_t i = 0; i < inputs_.size(); ++i) subject_->set_input(i, inputs_[i]);
  }

  std::vector<float> input_values(const std::string& group, const graph::InputInfo& input) {
    for (size_t b = 0; b < bottoms_.size(); ++b)
      if (input.name == bottoms_[b])
        return file_.array(fmt::format("{}bottom/{}", group, b)).values;
    for (size_t t = 0; t < tops_.size(); ++t)
      if (input.name == "d(" + tops_[t] + ")")
        return file_.array(fmt::format("{}top_diff/{}", group, t)).values;
    const std::string memory = fmt::format("memory/{}", input.top);
    if (file_.has(memory)) return memory_batch(input, memory);
    if (loader_) {
      const auto& values = batch_.at(static_cast<size_t>(input.top));
      return {values.begin(), values.end()};
    }
    return std::vector<float>(static_cast<size_t>(graph().values[input.value].shape.count()), 0.0f);
  }

  // MemoryData: batch after batch of the arrays, from the beginning again at their end.
  std::vector<float> memory_batch(const graph::InputInfo& input, const std::string& path) {
    const Array all = file_.array(path);
    const auto size =
        static_cast<size_t>(graph().values[static_cast<size_t>(input.value)].shape.count());
    std::vector<float> out;
    for (size_t i = 0; i < size; ++i)
      out.push_back(all.values.at((pass_ * size + i) % all.values.size()));
    return out;
  }

  // HDF5Output: the file that this pass writes against the one that Caffe wrote.
  void compare_written() {
    for (const graph::SinkInfo& sink : graph().sinks) {
      std::vector<std::vector<float>> read;
      std::vector<data::Hdf5Output::Rows> rows;
      for (const int value : sink.values) read.push_back(subject_->read(value));
      for (size_t i = 0; i < read.size(); ++i)
        rows.push_back({graph().values[static_cast<size_t>(sink.values[i])].shape, read[i]});
      data::Hdf5Output(layer().param.hdf5_output_param().file_name())
          .append(rows.at(0), rows.at(1));
      const CaseFile ours(written_.string()), theirs(stem_ + ".written.h5");
      for (const std::string& dataset : theirs.below("/")) {
        check_.equal("written " + dataset, ours.array(dataset).shape, theirs.array(dataset).shape);
        check_.equal("written " + dataset, ours.array(dataset).values, theirs.array(dataset));
      }
      std::filesystem::remove(written_);
    }
  }

  void compare_forward(const std::string& group) {
    for (size_t t = 0; t < tops_.size(); ++t) {
      const std::string path = fmt::format("{}top/{}", group, t);
      if (!file_.has(path)) continue;
      const Array wanted = file_.array(path);
      const int value = layer().top_values[t];
      check_.equal(path, graph().values[value].shape, wanted.shape);
      check_.equal(path, subject_->read(value), wanted);
    }
    for (size_t i = 0; i < layer().params.size(); ++i) {
      const std::string path = fmt::format("{}param_after/{}", group, i);
      if (file_.has(path))
        check_.equal(path, subject_->params().value(static_cast<size_t>(layer().params[i])),
                     file_.array(path));
    }
  }

  void compare_backward(const std::string& group) {
    for (size_t b = 0; b < bottoms_.size(); ++b) {
      const std::string path = fmt::format("{}bottom_diff/{}", group, b);
      if (!file_.has(path)) continue;
      const Array wanted = file_.array(path);
      std::vector<float> got = subject_->input_gradient(bottoms_[b]);
      if (got.empty()) got.resize(wanted.values.size(), 0.0f);
      check_.equal(path, got, wanted);
    }
    for (size_t i = 0; i < layer().params.size(); ++i) {
      const std::string path = fmt::format("{}param_diff/{}", group, i);
      if (!file_.has(path)) continue;
      Array wanted = file_.array(path);
      if (!group.empty() && bvlc_overwrites_gradient(layer(), i, graph())) {
        for (size_t k = 0; k < wanted.values.size(); ++k)
          wanted.values[k] += added_up_[i].values.at(k);
        say_differs(name_ + " " + path, "crema adds gradients up where BVLC overwrites them");
      }
      check_.equal(path, gradient_of(*subject_, static_cast<size_t>(layer().params[i])), wanted);
      added_up_[i] = std::move(wanted);
    }
  }

  std::string stem_;
  CaseFile file_;
  std::string name_;
  std::filesystem::path written_ =
      std::filesystem::temp_directory_path() / fmt::format("crema_written_{}.h5", ::getpid());
  size_t pass_ = 0;
  const Mix& mix_;
  Check check_;
  config::NetConfig net_;
  graph::BuildOptions options_;
  std::vector<std::string> bottoms_, tops_;
  std::unique_ptr<data::Loader> loader_;
  std::vector<std::span<const float>> batch_;
  std::vector<std::vector<float>> inputs_;
  std::map<size_t, Array> added_up_;  // by blob: the gradient that the passes so far must give
  std::unique_ptr<exec::Session> subject_;
};

}  // namespace

std::string run_layer_case(const std::filesystem::path& prototxt, const Mix& mix) {
  return LayerCase(prototxt, mix).run();
}

}  // namespace crema::conformance
