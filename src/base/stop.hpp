// What a signal asks the training loop to do. Handlers only set flags; the loop polls.
#pragma once

#include <csignal>

namespace crema {

enum class Action { kNone, kStop, kSnapshot, kSnapshotAndRequeue };

// Installs handlers for SIGINT, SIGHUP (effects chosen by the user, as in Caffe) and SIGTERM
// (snapshot, then stop with exit code 75) for its lifetime. At most one instance at a time.
class SignalActions {
 public:
  SignalActions(Action on_sigint, Action on_sighup);
  ~SignalActions();
  SignalActions(const SignalActions&) = delete;
  SignalActions& operator=(const SignalActions&) = delete;

  // Consumes and returns one pending request: SIGTERM before SIGHUP before SIGINT.
  Action poll();

 private:
  Action on_sigint_, on_sighup_;
  struct sigaction old_int_ {
  }, old_hup_{}, old_term_{};
};

}  // namespace crema
