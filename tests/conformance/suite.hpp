// The conformance suite: runs recorded cases of BVLC Caffe on crema and compares.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "case_file.hpp"
#include "config/config.hpp"
#include "exec/session.hpp"
#include "report/event.hpp"

namespace crema::conformance {

// Compares within |a - b| <= atol + rtol |b| and remembers the worst element that is out.
class Check {
 public:
  Check(double rtol, double atol) : rtol_(rtol), atol_(atol) {}
  void equal(const std::string& what, const std::vector<float>& got, const Array& expected);
  void equal(const std::string& what, const Shape& got, const Shape& expected);
  void equal(const std::string& what, double got, double expected);
  void fail(const std::string& what);
  // Fails if a recorded dataset was not looked at.
  void complete(const CaseFile& file);
  const std::string& failure() const { return failure_; }

 private:
  bool within(double got, double expected, double* excess) const;
  double rtol_, atol_;
  double worst_ = 0;
  std::string failure_;
};

// Thrown by a case that needs something crema does not have yet: a layer type.
struct Skip {
  std::string reason;
};

// With what the cases are run.
struct Mix {
  plan::Engines engines;
  std::set<std::string> plan_skip;  // passes of the plan to leave out
};

class Suite {
 public:
  Suite(Mix mix, std::string filter) : mix_(std::move(mix)), filter_(std::move(filter)) {}

  // Every case below the folder (with sub-folders layers, nets, solvers, interop, rejects).
  void run(const std::filesystem::path& cases);
  // Prints the reasons of skips and "N passed, N failed, N skipped"; true if nothing failed.
  bool summary() const;

 private:
  void one(const std::string& name, const std::function<std::string()>& body);
  std::vector<std::filesystem::path> files(const std::filesystem::path& folder,
                                           const std::string& ending) const;

  Mix mix_;
  std::string filter_;
  int passed_ = 0, failed_ = 0;
  std::map<std::string, int> skipped_;  // by reason
};

// One case each. Return "" or what is wrong; the working directory is the case's folder.
std::string run_layer_case(const std::filesystem::path& prototxt, const Mix& mix);
std::string run_net_case(const std::filesystem::path& prototxt, const Mix& mix);
std::string run_solver_case(const std::filesystem::path& folder, const Mix& mix);
std::string run_snapshot_case(const std::filesystem::path& solver, const Mix& mix);
std::string run_reject_case(const std::filesystem::path& prototxt, const std::string& kind,
                            const Mix& mix);

// A copy of a folder as the working directory, for its life: runs write beside their files.
class Workplace {
 public:
  explicit Workplace(const std::filesystem::path& folder);
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

 private:
  std::filesystem::path home_, path_;
};

// Where crema differs from BVLC on purpose (choices.cpp holds all of it).
//
// True if BVLC overwrites this blob's gradient in every pass where crema adds up (README,
// Differences from Caffe): then the sum of the recorded gradients is what is right.
bool bvlc_overwrites_gradient(const graph::LayerInfo& layer, size_t blob,
                              const graph::Graph& graph);
// A note that crema gives about a definition of rejects/ that it accepts; "" for all others, which
// must be refused.
std::string note_instead_of_refusal(const std::string& reject);
// Of a solver that crema accepts: what in it BVLC does not have; "" if nothing.
std::string beyond_bvlc(const std::string& solver_file);
// Prints that a case passes with crema's own behaviour.
void say_differs(const std::string& what, const std::string& why);

// What the recorded log of a run says, against the events of ours; "" or the first difference.
std::string compare_log(const std::string& path, const std::vector<report::Event>& events,
                        double rtol, double atol);

// Throws Skip if a layer's type is neither a layer nor a data source of this build.
void skip_unknown_types(const config::NetConfig& net);

// A net under test. Gradients add up over backward passes. `net` must outlive it.
//   keep_blobs  all blobs can be read after a pass, which keeps the plan from fusing them away
std::unique_ptr<exec::Session> build_subject(const config::NetConfig& net,
                                             const graph::BuildOptions& options, bool keep_blobs,
                                             const Mix& mix);
// A parameter's gradient, row-major; zeros if there is none.
std::vector<float> gradient_of(const exec::Session& subject, size_t param);

}  // namespace crema::conformance
