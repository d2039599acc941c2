// A net at work whatever the shapes: plans for those met so far, all on the same weights.
//
// The shapes of a pass are known in steps: those of the inputs before it, the others (how many rows
// a Filter keeps) only where the data have been computed that decide them. So a pass runs segment
// by segment (graph::CutInfo), and after each one the plan of the next is looked up for what was
// found, or made. Values cross by address; every segment has memory of its own, which its plans use
// in turn.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "exec/executor.hpp"

namespace crema::exec {

// What a graph is built for.
struct NetShapes {
  std::map<std::string, Shape> inputs;  // by blob name; missing: as defined
  std::vector<int64_t> rows;            // counted at each cut; where it ends, all
  bool operator==(const NetShapes&) const = default;
};

class Session {
 public:
  using Build = std::function<std::shared_ptr<const graph::Graph>(const NetShapes&)>;
  struct Options {
    plan::PlanOptions planning;
    const ParamStore* shared = nullptr;  // weights to share by name
    size_t most_plans = 16;              // kept per segment; the longest unused one goes
  };

  // Plans for the shapes of `build({})`. Errors are those of `build`.
  Session(Build build, plan::Engines engines, Options options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Plans anew, for a graph of the same net with other gradients: parameters and carried states
  // stay as they are, all other memory is given back first. Then as at the start: the shapes are
  // those of `build({})`, and no input is set.
  void replan(Build build);
  // Error if that cannot be done: a budget for memory that plans could not keep.
  void try_replan(const Build& build) const;

  // Shapes of inputs from the next pass on. Error / ErrorList{kData} at the layer that they do not
  // fit; then the old ones stay.
  void reshape(const std::map<std::string, Shape>& inputs);
  // Feeds input i of the graph: row-major floats in the present shapes, valid until the next
  // set_input or the end of backward(). Seeds of gradients are due before backward() only: their
  // shape may be what forward() found.
  void set_input(size_t i, std::span<const float> values);

  // As Executor's. forward() raises Error{kData} too where the rows found fit no layer above.
  double forward(const ops::StepInfo& step);
  void backward(const ops::StepInfo& step);
  // The forward pass of a net of one segment with a trunk of its present plan; see Executor.
  double forward(const ops::StepInfo& step, const plan::Trunk& trunk, Executor::TrunkMode mode,
                 const Executor::Visit& visit);
  // Copies between a tensor of the present plan of such a net and its elements in row-major order.
  void to_plain(int tensor, const void* data, float* plain) const;
  void from_plain(int tensor, const float* plain, void* data) const;
  void clear_gradients();

  // After a forward pass, the graph for what it found; before, for all rows. Ids of values hold
  // until the next reshape() or forward().
  const graph::Graph& graph() const { return *graph_; }
  // As Executor's, of a forward value of graph().
  std::vector<float> read(int value) const;
  std::vector<double> read_f64(int value) const;
  // The same of any value of a plan, to be asked by an observer while the value is there.
  std::vector<float> read_now(const plan::Plan& plan, int value) const;
  // Gradient of a wanted input after a backward pass; empty if it has none.
  std::vector<float> input_gradient(const std::string& blob) const;
  std::vector<double> input_gradient_f64(const std::string& blob) const;

  ParamStore& params() const { return *params_; }
  const std::shared_ptr<CarriedStates>& carried() const { return carried_; }
  bool separate_gradients() const { return options_.planning.separate_gradients; }
  // Whether plans hand out gradients, as was asked for: a graph of several segments keeps them.
  bool hands_out_gradients() const { return options_.planning.hand_out_gradients; }
  // The plans of the present shapes, one per segment; of segments not yet run, for all rows.
  std::vector<const plan::Plan*> plans() const;
  size_t plans_made() const { return plans_made_; }
  // Memory for activations and their gradients, as the present plans lay it out.
  size_t arena_bytes() const;

  // Called after each step. Empty: nothing is called.
  std::function<void(const plan::Plan& plan, int step)> observer;
  // As Executor's; must be set before backward() where hands_out_gradients().
  std::function<void(const ReadyGradient& gradient)> gradient_ready;

 private:
  struct Variant {
    NetShapes shapes;
    std::shared_ptr<const graph::Graph> graph;
    std::unique_ptr<Executor> run;
  };
  using Variants = std::list<Variant>;  // the last used first

  using Plans = std::vector<std::shared_ptr<plan::Plan>>;
  void plan_first();
  // Of all segments for all rows.
  Plans plan_segments(std::shared_ptr<const graph::Graph> graph, ParamStore::Layouts layouts,
                      plan::PlanOptions planning) const;
  Variant& variant(int segment, const NetShapes& shapes);
  std::shared_ptr<const graph::Graph> build_for(const NetShapes& shapes) const;
  void check_params(const graph::Graph& graph) const;
  std::shared_ptr<plan::Plan> plan_segment(std::shared_ptr<const graph::Graph> graph, int segment,
                                           const ParamStore::Layouts& layouts) const;
  std::unique_ptr<Executor> make_executor(std::shared_ptr<plan::Plan> plan, int segment);
  void enter(int segment, Variant& variant);
  void feed(Executor& run, bool seeds) const;
  int64_t count_rows(int cut) const;
  const void* outside(int segment, int value) const;
  const Executor* reader(int value) const;
  std::pair<const Executor*, int> gradient_of(const std::string& blob) const;

  Build build_;
  plan::Engines engines_;
  Options options_;
  std::shared_ptr<ParamStore> params_;
  std::shared_ptr<CarriedStates> carried_;
  std::vector<std::shared_ptr<SharedArena>> arenas_;  // per segment
  std::vector<Variants> variants_;                    // per segment
  std::vector<Variant*> chain_;                       // of this pass, up to where it has come
  std::vector<Variant*> first_;                       // for all rows: what plans() shows
  NetShapes shapes_;
  std::shared_ptr<const graph::Graph> graph_;
  std::vector<std::span<const float>> inputs_;
  size_t plans_made_ = 0;
};

}  // namespace crema::exec
