#include "train/net.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/synthetic.hpp"
#include "train/debug.hpp"
#include "train/sharing.hpp"

namespace crema::train {

namespace {

// What tells the sources of a net apart: layers may have equal names, tops may not.
std::string source_key(const caffe::LayerParameter& layer) {
  return layer.top_size() > 0 ? layer.top(0) : layer.name();
}

}  // namespace

Net::Net(const config::NetConfig& config, const NetOptions& options, const Context& context)
    : engines_(context.engines),
      config_(with_inputs(config::filter(config), options.inputs, options.trained != nullptr)) {
  open_sources(config_, options);  // first: no shape above a broken source is known
  const double batches = batches_per_epoch(config_, options.inputs);

  build_.backward = options.training;
  build_.whole_backward = context.plan_skip.contains("freeze");
  build_.caffe_compat = options.caffe_compat;
  build_.source_types = data::source_types();
  if (options.run_length)
    build_.schedule = [run = options.run_length(batches)](const caffe::Schedule& schedule,
                                                          const config::Places& places) {
      return
          [read = optim::Schedule::read(schedule, places, run)](int64_t t) { return read.at(t); };
    };
  if (options.choose) {
    graph::BuildOptions survey = build_;
    survey.backward = false;
    build_.choices = options.choose(*builder(config_, survey)({}), batches);
  }
  session_options_.planning.training = options.training;
  session_options_.planning.precision = options.precision;
  session_options_.planning.recompute = options.recompute;
  session_options_.planning.separate_gradients = options.separate_gradients;
  session_options_.planning.hand_out_gradients = options.hand_out_gradients;
  session_options_.planning.in_pieces = options.in_pieces;
  session_options_.planning.keep_blobs = options.keep_blobs;
  session_options_.planning.every_value = options.every_value;
  session_options_.planning.skip = context.plan_skip;
  if (options.trained) {
    const exec::ParamStore& shared = options.trained->params();
    session_options_.shared = &shared;
    for (size_t i = 0; i < shared.size(); ++i) shared_names_.insert(shared[i].name());
  } else {
    fix_layouts();
  }
  session_ = std::make_unique<exec::Session>(builder(config_, build_, options.trained), engines_,
                                             session_options_);
  connect();
}

// Frozen statistics may lead to other layouts of the weights above them. Those of the net in which
// nothing is frozen hold throughout the run, wherever it is resumed.
void Net::fix_layouts() {
  const auto frozen = [](const graph::ParamInfo& p) { return p.state && p.choice.frozen; };
  const auto now = builder(config_, build_)({});
  if (std::none_of(now->params.begin(), now->params.end(), frozen)) return;
  graph::BuildOptions thawed = build_;
  for (auto& [name, choice] : thawed.choices) choice.frozen = false;
  exec::Session::Options thawed_options = session_options_;
  thawed_options.planning.recompute = {};  // it changes no layout, and this is not what will run
  const exec::Session session(builder(config_, thawed), engines_, thawed_options);
  session_options_.planning.param_layouts = exec::layouts_of(session.params(), session.graph());
}

std::shared_ptr<const graph::Graph> Net::graph_for(
    const std::map<std::string, graph::ParamChoice>& choices) const {
  graph::BuildOptions build = build_;
  build.choices = choices;
  return builder(config_, std::move(build))({});
}

void Net::replan(const std::map<std::string, graph::ParamChoice>& choices) {
  build_.choices = choices;
  session_->replan(builder(config_, build_));
  for (size_t i = 0; i < synthetic_.size(); ++i) session_->set_input(i, synthetic_[i]);
}

void Net::try_replan(const std::map<std::string, graph::ParamChoice>& choices) const {
  graph::BuildOptions build = build_;
  build.choices = choices;
  session_->try_replan(builder(config_, std::move(build)));
}

// Builds the net's graph for the shapes that its sources gave at first, or for others.
exec::Session::Build Net::builder(config::NetConfig net, graph::BuildOptions options,
                                  const Net* trained) const {
  // A copy: the other net's graph is that of its last pass.
  const auto twin = trained ? std::make_shared<const graph::Graph>(trained->graph()) : nullptr;
  return [net = std::move(net), options = std::move(options), first = source_shapes_,
          twin](const exec::NetShapes& shapes) {
    graph::BuildOptions build = options;
    build.input_shapes = shapes.inputs;
    build.rows = shapes.rows;
    build.source_shapes =
        [&](const config::LayerConfig& layer) -> std::optional<std::vector<Shape>> {
      if (!data::is_source(layer.param.type())) return std::nullopt;
      return first.at(source_key(layer.param));
    };
    graph::Graph graph = graph::build(net, build);
    if (twin) share_by_layer(graph, *twin);
    return std::make_shared<const graph::Graph>(std::move(graph));
  };
}

void Net::open_sources(const config::NetConfig& net, const NetOptions& options) {
  Diagnostics diagnostics;
  for (const config::LayerConfig& layer : net.layers)
    if (data::is_source(layer.param.type()))
      diagnostics.guard([&] { open_source(layer, options); });
  diagnostics.throw_if_any();
}

void Net::open_source(const config::LayerConfig& layer, const NetOptions& options) {
  const InputOptions& inputs = options.inputs;
  const bool stated =
      std::any_of(layer.param.top().begin(), layer.param.top().end(),
                  [&](const std::string& top) { return inputs.shapes.contains(top); });
  std::vector<Shape>& shapes = source_shapes_[source_key(layer.param)];
  if (inputs.synthetic || (inputs.data_optional && stated)) {
    shapes = data::synthetic_shapes(layer, inputs.shapes);
    return;
  }
  data::LoaderOptions loading;
  loading.seed = options.seed;
  loading.threads = options.prefetch_threads;
  try {
    auto loader = data::open_loader(layer, layer.param.phase(), loading);
    shapes = loader->shapes();
    opened_[source_key(layer.param)] = std::move(loader);
  } catch (const Error& error) {
    if (!inputs.data_optional || error.code != ErrorCode::kData) throw;
    do_without(layer, inputs, error);
  }
}

void Net::do_without(const config::LayerConfig& layer, const InputOptions& inputs, Error missing) {
  std::vector<Shape>& shapes = source_shapes_[source_key(layer.param)];
  try {
    shapes = data::synthetic_shapes(layer, inputs.shapes);
  } catch (const Error& error) {
    throw missing.note(error.message).advise(error.hint);
  }
  notes_.push_back(fmt::format("{}: {}; '{}' is taken to be {}, --shape={}:... says otherwise",
                               missing.location.text(), missing.message, layer.param.top(0),
                               shapes[0].text(), layer.param.top(0)));
}

// Of the first source of the net.
double Net::batches_per_epoch(const config::NetConfig& net, const InputOptions& inputs) const {
  for (const config::LayerConfig& layer : net.layers) {
    const auto shapes = source_shapes_.find(source_key(layer.param));
    if (shapes == source_shapes_.end()) continue;
    const auto opened = opened_.find(source_key(layer.param));
    const int64_t samples =
        opened == opened_.end() ? inputs.epoch_samples : opened->second->samples();
    return static_cast<double>(samples) / static_cast<double>(shapes->second.at(0)[0]);
  }
  return 0;
}

void Net::connect() {
  const auto& inputs = graph().inputs;
  for (size_t l = 0; l < graph().layers.size(); ++l) {
    if (!data::is_source(graph().layers[l].type)) continue;
    const auto it = opened_.find(source_key(graph().layers[l].param));
    if (it == opened_.end() || !it->second) continue;
    Feed feed{std::move(it->second), std::vector<size_t>(graph().layers[l].tops.size()), l, {}};
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].layer == static_cast<int>(l))
        feed.inputs[static_cast<size_t>(inputs[i].top)] = i;
    feeds_.push_back(std::move(feed));
  }
  opened_.clear();
  for (const graph::SinkInfo& sink : graph().sinks)
    drains_.emplace_back(
        graph().layers[static_cast<size_t>(sink.layer)].param.hdf5_output_param().file_name());
}

void Net::feed(int64_t batch) {
  std::map<std::string, Shape> shapes;
  for (Feed& feed : feeds_) {
    if (feed.loader->position() != batch) feed.loader->seek(batch);
    feed.tops = feed.loader->next();
    for (size_t i = 0; i < feed.inputs.size(); ++i)
      shapes[graph().inputs[feed.inputs[i]].name] = feed.loader->shapes()[i];
  }
  session_->reshape(shapes);
  refeed();
}

void Net::refeed() {
  for (const Feed& feed : feeds_)
    for (size_t i = 0; i < feed.tops.size(); ++i) session_->set_input(feed.inputs[i], feed.tops[i]);
}

std::vector<std::vector<float>> Net::inputs() const {
  std::vector<std::vector<float>> out(graph().inputs.size());
  for (const Feed& feed : feeds_)
    for (size_t i = 0; i < feed.tops.size(); ++i)
      out[feed.inputs[i]].assign(feed.tops[i].begin(), feed.tops[i].end());
  return out;
}

data::Loader* Net::only_loader() const {
  return feeds_.size() == 1 ? feeds_.front().loader.get() : nullptr;
}

const graph::LayerInfo& Net::source_layer() const {
  return graph().layers[feeds_.at(0).layer];
}

double Net::forward(const ops::StepInfo& step, report::Reporter* debug) {
  if (debug == nullptr) return drained(session_->forward(step));
  DebugInfo info(*session_, *debug);
  const double loss = drained(session_->forward(step));
  info.report_forward();
  return loss;
}

double Net::pass(const ops::StepInfo& step, report::Reporter* debug) {
  if (debug == nullptr) {
    const double loss = drained(session_->forward(step));
    session_->backward(step);
    return loss;
  }
  DebugInfo info(*session_, *debug);
  const double loss = drained(session_->forward(step));
  info.report_forward();
  info.before_backward();
  session_->backward(step);
  info.report_backward();
  return loss;
}

double Net::drained(double loss) {
  for (size_t s = 0; s < drains_.size(); ++s) {
    std::vector<std::vector<float>> read;
    std::vector<data::Hdf5Output::Rows> rows;
    for (const int value : graph().sinks[s].values) {
      read.push_back(session_->read(value));
      rows.push_back({graph().values[static_cast<size_t>(value)].shape, {}});
    }
    for (size_t i = 0; i < read.size(); ++i) rows[i].values = read[i];
    drains_[s].append(rows.at(0), rows.at(1));
  }
  return loss;
}

void Net::require_sources(const char* verb) const {
  Diagnostics diagnostics;
  for (const graph::InputInfo& input : graph().inputs) {
    const graph::LayerInfo& layer = graph().layers[static_cast<size_t>(input.layer)];
    if (data::is_source(layer.type)) continue;
    diagnostics
        .add(Error(ErrorCode::kConfig, fmt::format("nothing feeds the blob '{}' of layer '{}' in "
                                                   "`crema {}`",
                                                   input.name, layer.name, verb)))
        .at(layer.places.at())
        .advise(
            "use a data layer here (Data, HDF5Data, MnistData, Cifar10Data, Glyphs), or "
            "DummyData");
  }
  diagnostics.throw_if_any();
}

void Net::feed_synthetic(uint64_t seed) {
  synthetic_.resize(graph().inputs.size());
  for (size_t i = 0; i < graph().inputs.size(); ++i) {
    synthetic_[i] = synthetic_batch(graph(), graph().inputs[i], seed);
    session_->set_input(i, synthetic_[i]);
  }
}

int64_t Net::batch_size() const {
  if (graph().inputs.empty()) return 0;
  const Shape& shape = graph().values[static_cast<size_t>(graph().inputs[0].value)].shape;
  return shape.rank() > 0 ? shape[0] : 1;
}

int64_t Net::samples() const {
  return feeds_.empty() ? 0 : feeds_.front().loader->samples();
}

std::vector<report::Output> Net::outputs() const {
  std::vector<report::Output> out;
  for (const graph::OutputInfo& output : graph().outputs) {
    const std::vector<float> values = session_->read(output.value);
    out.push_back({output.name, {values.begin(), values.end()}, output.loss_weight});
  }
  return out;
}

void Net::initialise(uint64_t seed) {
  for (size_t i = 0; i < params().size(); ++i)
    if (!shared_names_.contains(params()[i].name()))
      params().set_value(i, graph::initial_values(graph().params[i], seed));
}

void accumulate(std::vector<report::Output>& sums, const std::vector<report::Output>& outputs) {
  if (sums.empty()) {
    sums = outputs;
    return;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].values.size() != sums[i].values.size())
      throw Error(
          ErrorCode::kData,
          fmt::format("the output '{}' has {} numbers in one batch and {} in another: there "
                      "is no mean of them",
                      outputs[i].name, sums[i].values.size(), outputs[i].values.size()))
          .advise(
              "end the net in losses and metrics; put a Silence layer on blobs that nobody "
              "else uses");
    for (size_t k = 0; k < outputs[i].values.size(); ++k) sums[i].values[k] += outputs[i].values[k];
  }
}

}  // namespace crema::train
