#include "base/stop.hpp"

#include <utility>

#include "base/error.hpp"

namespace crema {

namespace {

volatile std::sig_atomic_t got_int = 0, got_hup = 0, got_term = 0;
bool installed = false;

void on_signal(int signal) {
  if (signal == SIGINT) got_int = 1;
  if (signal == SIGHUP) got_hup = 1;
  if (signal == SIGTERM) got_term = 1;
}

bool consume(volatile std::sig_atomic_t& flag) {
  if (flag == 0) return false;
  flag = 0;
  return true;
}

}  // namespace

SignalActions::SignalActions(Action on_sigint, Action on_sighup)
    : on_sigint_(on_sigint), on_sighup_(on_sighup) {
  CREMA_CHECK(!std::exchange(installed, true), "signal handlers are installed already");
  got_int = 0;
  got_hup = 0;
  got_term = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGHUP, &action, &old_hup_);
  sigaction(SIGTERM, &action, &old_term_);
}

SignalActions::~SignalActions() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGHUP, &old_hup_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  installed = false;
}

Action SignalActions::poll() {
  if (consume(got_term)) return Action::kSnapshotAndRequeue;
  if (consume(got_hup)) return on_sighup_;
  if (consume(got_int)) return on_sigint_;
  return Action::kNone;
}

}  // namespace crema
