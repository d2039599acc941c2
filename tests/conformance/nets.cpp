// nets/<case>: whole nets, forward and backward.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "snapshot/weights.hpp"
#include "suite.hpp"

namespace crema::conformance {

namespace {

class NetCase {
 public:
  // keep_blobs: every blob is compared, else only what a plan that fuses leaves
  NetCase(const std::filesystem::path& prototxt, bool keep_blobs, const Mix& mix)
      : stem_(std::filesystem::path(prototxt).replace_extension("").string()),
        file_(stem_ + ".h5"),
        keep_blobs_(keep_blobs),
        mix_(mix),
        check_(file_.number("rtol", 0), file_.number("atol", 0)) {
    net_ = config::with_state(config::read_net(prototxt.filename().string()),
                              file_.text("phase") == "TEST" ? caffe::TEST : caffe::TRAIN,
                              static_cast<int>(file_.number("level", 0)), file_.lines("stages"));
    skip_unknown_types(config::filter(net_));
    options_.caffe_compat = true;
  }

  std::string run() {
    const int runs = static_cast<int>(file_.number("runs", 1));
    losses_ = file_.numbers("loss");
    for (int r = 0; r < runs; ++r) one(r, r == 0 ? "" : fmt::format("run{}/", r));
    compare_names();
    compare_ends();
    for (const char* ending : {".caffemodel", ".v1.caffemodel"})
      if (std::filesystem::exists(stem_ + ending)) compare_weights_file(stem_ + ending);
    check_.complete(file_);
    return check_.failure();
  }

 private:
  void one(int r, const std::string& group) {
    std::map<std::string, Shape> shapes;
    for (const std::string& blob : file_.below(group + "input"))
      shapes[blob] = file_.array(group + "input/" + blob).shape;
    if (r == 0) {
      options_.input_shapes = shapes;
      subject_ = build_subject(net_, options_, keep_blobs_, mix_);
    }
    subject_->reshape(shapes);
    if (r == 0) set_params();
    inputs_.clear();
    for (const graph::InputInfo& input : graph().inputs)
      inputs_.push_back(file_.array(group + "input/" + input.name).values);
    for (size_t i = 0; i < inputs_.size(); ++i) subject_->set_input(i, inputs_[i]);
    const ops::StepInfo step{1, r, r};
    const double loss = subject_->forward(step);
    if (static_cast<size_t>(r) < losses_.size()) check_.equal(group + "loss", loss, losses_[r]);
    for (const std::string& blob : file_.below(group + "blob")) compare_blob(group, blob);
    each_param(group + "param_after/", [&](size_t p, const std::string& path) {
      check_.equal(path, subject_->params().value(p), file_.array(path));
    });
    subject_->backward(step);
    each_param(group + "param_diff/", [&](size_t p, const std::string& path) {
      check_.equal(path, gradient_of(*subject_, p), file_.array(path));
    });
    for (const std::string& blob : file_.below(group + "input_diff")) {
      const Array wanted = file_.array(group + "input_diff/" + blob);
      std::vector<float> got = subject_->input_gradient(blob);
      if (got.empty()) got.resize(wanted.values.size(), 0.0f);
      check_.equal(group + "input_diff/" + blob, got, wanted);
    }
  }

  const graph::Graph& graph() const { return subject_->graph(); }

  // fn(parameter, path) for every dataset <group><layer>/<blob>.
  template <class Fn>
  void each_param(const std::string& group, Fn&& fn) {
    for (const std::string& entry : file_.below(group.substr(0, group.size() - 1))) {
      const size_t slash = entry.rfind('/');
      const int layer = graph().find_layer(entry.substr(0, slash));
      const size_t blob = static_cast<size_t>(std::stoi(entry.substr(slash + 1)));
      if (layer == graph::kNone || blob >= graph().layers[layer].params.size())
        check_.fail("no parameter " + entry);
      else
        fn(static_cast<size_t>(graph().layers[layer].params[blob]), group + entry);
    }
  }

  void set_params() {
    each_param("param/", [&](size_t p, const std::string& path) {
      const Array wanted = file_.array(path);
      if (wanted.shape.count() != graph().params[p].shape.count())
        check_.fail(path + " has another size");
      else
        subject_->params().set_value(p, wanted.values);
    });
  }

  // Caffe's Split layers copy the top `index` of `layer` to <blob>_<layer>_<index>_split_<k>.
  int value_of(const std::string& blob) const {
    const int direct = graph().find_blob(blob);
    if (direct != graph::kNone) return direct;
    for (const graph::LayerInfo& layer : graph().layers)
      for (size_t i = 0; i < layer.tops.size(); ++i)
        if (blob.starts_with(fmt::format("{}_{}_{}_split_", layer.tops[i], layer.name, i)))
          return layer.top_values[i];
    return graph::kNone;
  }

  bool is_output(int value) const {
    const auto& outputs = graph().outputs;
    return std::any_of(outputs.begin(), outputs.end(),
                       [&](const graph::OutputInfo& output) { return output.value == value; });
  }

  void compare_blob(const std::string& group, const std::string& blob) {
    if (blob.starts_with("(automatic)")) return;
    const int value = value_of(blob);
    if (value == graph::kNone) return check_.fail("no blob " + blob);
    const Array wanted = file_.array(group + "blob/" + blob);
    check_.equal("blob " + blob, graph().values[value].shape, wanted.shape);
    if (!keep_blobs_ && !is_output(value)) return;
    check_.equal(group + "blob/" + blob, subject_->read(value), wanted);
  }

  void compare_names() {
    const std::vector<std::string> names = file_.lines("layer_names"),
                                   types = file_.lines("layer_types");
    std::vector<std::string> expected, got;
    for (size_t i = 0; i < names.size(); ++i)
      if (types.at(i) != "Split" || names[i].find("_split") == std::string::npos)
        expected.push_back(names[i] + " " + types[i]);
    for (const graph::LayerInfo& layer : graph().layers)
      got.push_back(layer.name + " " + layer.type);
    if (expected != got) check_.fail("the net has other layers after filtering");
  }

  // The free ends, Caffe's splits called by the blob they copy.
  void compare_ends() {
    std::set<std::string> expected, got;
    for (const std::string& name : file_.lines("outputs")) {
      const int value = value_of(name);
      if (value == graph::kNone) return check_.fail("no output " + name);
      for (const auto& [blob, id] : graph().blobs)
        if (id == value) expected.insert(blob);
    }
    for (const graph::OutputInfo& output : graph().outputs)
      for (const auto& [blob, id] : graph().blobs)
        if (id == output.value) got.insert(blob);
    if (expected != got)
      check_.fail(fmt::format("outputs {}, expected {}", join({got.begin(), got.end()}, ", "),
                              join({expected.begin(), expected.end()}, ", ")));
  }

  // What the .caffemodel holds is what the recording says.
  void compare_weights_file(const std::string& path) {
    std::map<std::string, const snapshot::LayerBlobs*> layers;
    const snapshot::WeightsFile weights = snapshot::read_weights(path);
    for (const snapshot::LayerBlobs& layer : weights.layers) layers[layer.layer] = &layer;
    for (const std::string& entry : file_.below("param")) {
      const size_t slash = entry.rfind('/'), blob = std::stoul(entry.substr(slash + 1));
      const auto it = layers.find(entry.substr(0, slash));
      if (it == layers.end() || blob >= it->second->blobs.size())
        return check_.fail(path + " lacks " + entry);
      const Array wanted = file_.array("param/" + entry);
      if (!it->second->blobs[blob].fits(wanted.shape))
        return check_.fail(path + ": another shape of " + entry);
      Check exact(0, 0);
      exact.equal(path + ": " + entry, it->second->blobs[blob].values, wanted);
      if (!exact.failure().empty()) return check_.fail(exact.failure());
    }
  }

  std::string stem_;
  CaseFile file_;
  const bool keep_blobs_;
  const Mix& mix_;
  Check check_;
  config::NetConfig net_;
  graph::BuildOptions options_;
  std::vector<double> losses_;
  std::vector<std::vector<float>> inputs_;
  std::unique_ptr<exec::Session> subject_;
};

}  // namespace

std::string run_net_case(const std::filesystem::path& prototxt, const Mix& mix) {
  if (std::string wrong = NetCase(prototxt, true, mix).run(); !wrong.empty()) return wrong;
  const std::string wrong = NetCase(prototxt, false, mix).run();
  return wrong.empty() ? wrong : "without the blobs between: " + wrong;
}

}  // namespace crema::conformance
