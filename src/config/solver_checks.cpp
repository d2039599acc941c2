#include "config/solver_checks.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"
#include "config/net.hpp"

namespace crema::config {

namespace {

class Checks {
 public:
  Checks(const caffe::SolverParameter& solver, const Places& places, Diagnostics& diagnostics)
      : solver_(solver), places_(places), diagnostics_(diagnostics) {}

  void run() {
    train_net();
    test_nets();
    at_least("average_loss", solver_.average_loss(), 1);
    at_least("iter_size", solver_.iter_size(), 1);
    at_least("max_iter", solver_.max_iter(), 0);
    max_epoch();
    at_least("prefetch_threads", solver_.prefetch_threads(), 1);
    at_least("verify_interval", solver_.verify_interval(), 0);
    at_least("histogram_interval", solver_.histogram_interval(), 0);
    regularization();
    memory_budget();
  }

 private:
  Error& add(std::string_view field, std::string message) {
    return diagnostics_.add(Error(ErrorCode::kConfig, std::move(message)).at(places_.at(field)));
  }

  void at_least(const std::string& field, int64_t value, int64_t least) {
    if (value < least)
      add(field, fmt::format("{} must be at least {}, not {}", field, least, value));
  }

  void max_epoch() {
    if (!solver_.has_max_epoch()) return;
    if (!(solver_.max_epoch() > 0) || !std::isfinite(solver_.max_epoch()))
      add("max_epoch", fmt::format("max_epoch must be a number > 0, not {}", solver_.max_epoch()));
    if (solver_.has_max_iter())
      add("max_epoch", "both max_iter and max_epoch are given").advise("keep one of them");
  }

  void train_net() {
    const std::vector<std::string> given = train_net_fields(solver_);
    if (given.empty())
      add("", "the solver names no training net").advise("add net: \"train_val.prototxt\"");
    if (given.size() < 2) return;
    Error& error = add(given[1], fmt::format("the training net is given {} times: {}", given.size(),
                                             join(given, ", ")));
    error.note("also here", places_.at(given[0])).advise("keep one of these fields");
  }

  void test_nets() {
    const int named = solver_.test_net_param_size() + solver_.test_net_size();
    const bool generic = solver_.has_net() || solver_.has_net_param();
    const int iters = solver_.test_iter_size();
    if (iters < named || (iters > named && !generic)) {
      add(iters > named ? element_path("test_iter", named) : "test_iter",
          fmt::format("{} test_iter for {}", iters, counted(named, "test net")))
          .advise(generic || iters < named
                      ? "give the number of batches, test_iter, once for each test net"
                      : "a further test_iter needs a net given by net or net_param");
      return;  // the number of test nets is not known
    }
    const int count = named + generic_test_nets(solver_);
    const int states = solver_.test_state_size();
    if (states != 0 && states != count)
      add("test_state", fmt::format("{} test_state for {}", states, counted(count, "test net")))
          .advise("give one per test net, or none");
    if (count > 0 && solver_.test_interval() <= 0)
      add(solver_.has_test_interval() ? "test_interval" : "test_iter",
          solver_.has_test_interval()
              ? fmt::format("test_interval must be positive where there is a test "
                            "net, not {}",
                            solver_.test_interval())
              : "there is a test net but no test_interval")
          .advise(
              "give the number of iterations between tests, or leave out test_iter and the test "
              "nets");
    for (int i = 0; i < iters; ++i)
      if (solver_.test_iter(i) < 0)
        add(element_path("test_iter", i),
            fmt::format("test_iter is a number of batches, not {}", solver_.test_iter(i)));
  }

  void regularization() {
    const std::string& type = solver_.regularization_type();
    if (type == "L1" || type == "L2") return;
    add("regularization_type", fmt::format("unknown regularization_type '{}'", type))
        .advise("known: L1, L2");
  }

  void memory_budget() {
    const bool automatic = solver_.recompute() == caffe::SolverParameter::AUTO;
    if (!solver_.has_memory_budget_mib()) {
      if (automatic)
        add("recompute", "recompute: AUTO needs a budget")
            .advise("add memory_budget_mib: N, in MiB; crema plan --memory shows what is needed");
      return;
    }
    const double budget = solver_.memory_budget_mib();
    if (!automatic)
      add("memory_budget_mib", "memory_budget_mib is read with recompute: AUTO only")
          .advise("add recompute: AUTO, or leave the budget out");
    if (!(budget > 0) || !std::isfinite(budget))
      add("memory_budget_mib",
          fmt::format("memory_budget_mib must be a number > 0, not {}", budget))
          .advise("it is in MiB; crema plan --memory shows what is needed");
  }

  const caffe::SolverParameter& solver_;
  const Places& places_;
  Diagnostics& diagnostics_;
};

}  // namespace

std::vector<std::string> train_net_fields(const caffe::SolverParameter& solver) {
  std::vector<std::string> out;
  if (solver.has_net()) out.push_back("net");
  if (solver.has_net_param()) out.push_back("net_param");
  if (solver.has_train_net()) out.push_back("train_net");
  if (solver.has_train_net_param()) out.push_back("train_net_param");
  return out;
}

int generic_test_nets(const caffe::SolverParameter& solver) {
  if (!solver.has_net() && !solver.has_net_param()) return 0;
  return std::max(0,
                  solver.test_iter_size() - solver.test_net_param_size() - solver.test_net_size());
}

void check_solver(const caffe::SolverParameter& solver, const Places& places,
                  Diagnostics& diagnostics) {
  Checks(solver, places, diagnostics).run();
}

}  // namespace crema::config
