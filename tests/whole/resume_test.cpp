// Same files, same seed, same threads: same bits, also across a resume and whatever prefetches.
#include <signal.h>

#include "program.hpp"

namespace crema::whole {
namespace {

class ResumeTest : public ProgramTest {
 protected:
  std::string train(const std::string& prefix, const std::string& more = "") const {
    return "train --solver=" + fixtures +
           "small_solver.prototxt --log=lines --threads=2 --set "
           "snapshot_prefix=" +
           prefix + " " + more;
  }
  // Trains in the background with its log in `log`, while `script` sends signals to $pid. `await
  // CONDITION` waits in it until the shell condition holds, at most a minute.
  Outcome while_training(const std::string& options, const std::string& script) {
    return shell(
        "await() { for i in $(seq 1200); do eval \"$1\" && return 0; sleep 0.05; done; "
        "echo \"waited in vain for $1\" >&2; kill -KILL $pid; }; crema " +
        options + " 2> log & pid=$!; " + script + "; wait $pid; code=$?; cat log >&2; exit $code");
  }
};

TEST_F(ResumeTest, two_hundred_iterations_or_a_hundred_twice_give_the_same_bytes) {
  const Outcome whole = crema(train("whole/x"));
  ASSERT_EQ(whole.code, 0) << whole.err;
  ASSERT_EQ(crema(train("halves/x", "--set max_iter=100")).code, 0);
  const Outcome rest = crema(train("halves/x", "--snapshot=halves/x_iter_100.solverstate"));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(bytes("whole/x_iter_200.caffemodel"), bytes("halves/x_iter_200.caffemodel"));
  // What is shown is the same too: the last line of the smoothed loss and of the test.
  const auto last = [](const std::string& log, const std::string& what) {
    const size_t at = log.rfind(what);
    return at == std::string::npos ? what : log.substr(at, log.find('\n', at) - at);
  };
  for (const char* what :
       {"Iteration 200, loss = ", "Test net output #0", "Iteration 180, lr = "}) {
    EXPECT_TRUE(whole.says(what)) << what;
    EXPECT_EQ(last(whole.err, what), last(rest.err, what));
  }
}

TEST_F(ResumeTest, the_same_through_hdf5_snapshots) {
  const std::string hdf5 = "--set snapshot_format=HDF5 ", end = "--set max_iter=60 ";
  const Outcome whole = crema(train("whole/x", hdf5 + end));
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_TRUE(whole.says("Snapshotting to HDF5 file whole/x_iter_60.caffemodel.h5")) << whole.err;
  ASSERT_EQ(crema(train("halves/x", hdf5 + "--set max_iter=30")).code, 0);
  const Outcome rest = crema(train("halves/x", hdf5 + end + "--resume"));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_TRUE(rest.says("Resuming from halves/x_iter_30.solverstate.h5")) << rest.err;
  EXPECT_EQ(bytes("whole/x_iter_60.caffemodel.h5"), bytes("halves/x_iter_60.caffemodel.h5"));
  // The last line of the smoothed loss too, and the format may change on the way.
  const Outcome binary =
      crema(train("other/x", end + "--snapshot=halves/x_iter_30.solverstate.h5"));
  ASSERT_EQ(binary.code, 0) << binary.err;
  const auto last_loss = [](const std::string& log) {
    const size_t at = log.rfind("Iteration 60, loss = ");
    return at == std::string::npos ? "none" : log.substr(at, log.find('\n', at) - at);
  };
  EXPECT_EQ(last_loss(whole.err), last_loss(rest.err));
  EXPECT_EQ(last_loss(whole.err), last_loss(binary.err));
  ASSERT_EQ(crema(train("binary/x", end)).code, 0);
  EXPECT_EQ(bytes("binary/x_iter_60.caffemodel"), bytes("other/x_iter_60.caffemodel"));
}

TEST_F(ResumeTest, damaged_hdf5_files_are_error_7) {
  ASSERT_EQ(crema(train("x/x", "--set snapshot_format=HDF5 --set max_iter=2")).code, 0);
  const std::string model = "--set max_iter=3 --weights=bad.h5";
  write("bad.h5", bytes("x/x_iter_2.caffemodel.h5").substr(0, 5000));
  Outcome run = crema(train("y/y", model));
  EXPECT_EQ(run.code, 7);
  EXPECT_TRUE(run.says("bad.h5' is cut short")) << run.err;
  write("bad.h5", bytes("x/x_iter_2.solverstate.h5"));
  run = crema(train("y/y", model));
  EXPECT_EQ(run.code, 7);
  EXPECT_TRUE(run.says("it is a solver state")) << run.err;
  // One byte of the weights is another: the checksum in the state notices.
  std::string weights = bytes("x/x_iter_2.caffemodel.h5");
  weights[weights.size() - 1] ^= 1;
  write("x/x_iter_2.caffemodel.h5", weights);
  run = crema(train("y/y", "--set max_iter=3 --snapshot=x/x_iter_2.solverstate.h5"));
  EXPECT_EQ(run.code, 7);
  EXPECT_TRUE(run.says("checksum differs")) << run.err;
}

TEST_F(ResumeTest, hidden_states_go_on_where_they_were) {
  const auto sequence = [&](const std::string& prefix, const std::string& more) {
    return "train --solver=" + fixtures + "sequence_solver.prototxt --log=lines --set " +
           "snapshot_prefix=" + prefix + " " + more;
  };
  const Outcome whole = crema(sequence("whole/x", ""));
  ASSERT_EQ(whole.code, 0) << whole.err;
  ASSERT_EQ(crema(sequence("halves/x", "--set max_iter=10")).code, 0);
  const std::string resume = "--snapshot=halves/x_iter_10.solverstate";
  const Outcome rest = crema(sequence("rest/x", resume));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(bytes("whole/x_iter_20.caffemodel"), bytes("rest/x_iter_20.caffemodel"));
  // The test net has states of its own.
  const auto last = [](const std::string& log) { return log.substr(log.rfind("Test net output")); };
  EXPECT_EQ(last(whole.err).substr(0, 40), last(rest.err).substr(0, 40));
  // As in BVLC, which saves no states: they begin at zero, and the run is another one.
  ASSERT_EQ(crema(sequence("compat/x", resume + " --set caffe_compat=true")).code, 0);
  EXPECT_NE(bytes("whole/x_iter_20.caffemodel"), bytes("compat/x_iter_20.caffemodel"));
}

TEST_F(ResumeTest, hidden_states_of_another_net_are_not_taken) {
  ASSERT_EQ(crema("train --solver=" + fixtures + "sequence_solver.prototxt --set max_iter=2").code,
            0);
  std::string net = read_file(fixtures + "sequence_net.prototxt", ErrorCode::kData);
  const size_t rnn = net.find("layer {\n  name: \"rnn\"");
  net.insert(rnn,
             "layer { name: \"more\" type: \"LSTM\" bottom: \"x\" bottom: \"cont\" top: "
             "\"more\" param { lr_mult: 0 } recurrent_param { num_output: 2 } }\n"
             "layer { name: \"quiet\" type: \"Silence\" bottom: \"more\" }\n");
  write("more.prototxt", net);
  const Outcome run = crema("train --solver=" + fixtures +
                            "sequence_solver.prototxt --set net=more.prototxt "
                            "--snapshot=run/sequence_iter_2.solverstate");
  EXPECT_EQ(run.code, 7) << "the optimizer's history does not fit either: " << run.err;
}

TEST_F(ResumeTest, one_and_four_prefetch_threads_give_the_same_bytes) {
  ASSERT_EQ(crema(train("one/x", "--set max_iter=60")).code, 0);
  ASSERT_EQ(crema(train("four/x", "--set max_iter=60 --set prefetch_threads=4")).code, 0);
  EXPECT_EQ(bytes("one/x_iter_60.caffemodel"), bytes("four/x_iter_60.caffemodel"));
}

TEST_F(ResumeTest, another_seed_gives_other_bytes) {
  ASSERT_EQ(crema(train("a/x", "--set max_iter=5")).code, 0);
  ASSERT_EQ(crema(train("b/x", "--set max_iter=5 --set random_seed=8")).code, 0);
  EXPECT_NE(bytes("a/x_iter_5.caffemodel"), bytes("b/x_iter_5.caffemodel"));
}

TEST_F(ResumeTest, sigterm_snapshots_and_asks_to_be_run_again) {
  const std::string endless = train("killed/x", "--set max_iter=1000000");
  const Outcome killed =
      while_training(endless, "await 'grep -q \"Iteration 20\" log'; kill -TERM $pid");
  EXPECT_EQ(killed.code, 75) << killed.err;
  EXPECT_TRUE(killed.says("Optimization stopped early."));
  // --resume finds it, and goes on to where an undisturbed run would be.
  const size_t at = killed.err.rfind("_iter_");
  ASSERT_NE(at, std::string::npos);
  const int reached = std::atoi(killed.err.c_str() + at + 6);
  ASSERT_GT(reached, 0);
  const std::string end = "--set max_iter=" + std::to_string(reached + 20);
  const Outcome resumed = crema(train("killed/x", "--resume " + end));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(resumed.says("Resuming from killed/x_iter_" + std::to_string(reached)));
  ASSERT_EQ(crema(train("straight/x", end)).code, 0);
  const std::string file = "/x_iter_" + std::to_string(reached + 20) + ".caffemodel";
  EXPECT_EQ(bytes("killed" + file), bytes("straight" + file));
}

TEST_F(ResumeTest, sighup_snapshots_and_goes_on_sigint_stops) {
  const Outcome run = while_training(train("signals/x", "--set max_iter=1000000"),
                                     "await 'grep -q \"Iteration 20\" log'; kill -HUP $pid; "
                                     "await 'ls signals/*.solverstate'; kill -INT $pid");
  EXPECT_EQ(run.code, 0) << run.err;
  const size_t first = run.err.find("Snapshotting to binary proto file");
  EXPECT_NE(first, std::string::npos);
  EXPECT_NE(run.err.find("Snapshotting to binary proto file", first + 1), std::string::npos);
}

TEST_F(ResumeTest, kill_minus_nine_leaves_a_snapshot_that_resumes) {
  const Outcome killed =
      while_training(train("killed/x", "--set max_iter=1000000 --set snapshot=5"),
                     "await 'ls killed/*.solverstate'; kill -KILL $pid");
  EXPECT_EQ(killed.code, 137);
  const Outcome resumed = crema(train("killed/x", "--resume --set max_iter=1"));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(resumed.says("Resuming from killed/x_iter_")) << resumed.err;
}

}  // namespace
}  // namespace crema::whole
