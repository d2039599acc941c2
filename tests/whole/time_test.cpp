// crema time, and runs on synthetic input.
#include <cmath>
#include <nlohmann/json.hpp>

#include "program.hpp"

namespace crema::whole {
namespace {

class TimeTest : public ProgramTest {
 protected:
  std::string net() const { return "--model=" + fixtures + "small_net.prototxt"; }
  std::string solver() const { return "--solver=" + fixtures + "small_solver.prototxt"; }
  static const nlohmann::json& row(const nlohmann::json& rows, const std::string& layer,
                                   const std::string& pass) {
    for (const nlohmann::json& candidate : rows)
      if (candidate.value("layer", "") == layer && candidate["pass"] == pass) return candidate;
    throw std::runtime_error("no row " + layer + " " + pass);
  }
  // So many numbers for updates beside each weight, aligned.
  static void expect_slots(const nlohmann::json& report, double slots) {
    const double weights = report["memory"]["weights"], optimizer = report["memory"]["optimizer"];
    EXPECT_GE(optimizer, slots * weights);
    EXPECT_LT(optimizer, (slots + 0.1) * weights);
  }
  static double sum(const nlohmann::json& rows, const std::string& pass) {
    double out = 0;
    for (const nlohmann::json& candidate : rows)
      if (candidate["pass"] == pass) out += candidate["mean_ms"].get<double>();
    return out;
  }
};

TEST_F(TimeTest, json_accounts_for_the_whole_iteration) {
  const Outcome run = crema("time --iterations=5 --format=json --json=copy.json " + net());
  ASSERT_EQ(run.code, 0) << run.err;
  const nlohmann::json report = nlohmann::json::parse(run.out);
  EXPECT_EQ(nlohmann::json::parse(bytes("copy.json")), report);
  EXPECT_EQ(report["phase"], "TRAIN");
  EXPECT_EQ(report["iterations"], 5);
  EXPECT_GT(report["machine"]["gflops"], 0.1);
  EXPECT_GT(report["machine"]["gbytes"], 0.1);
  for (const char* pass : {"forward", "backward"}) {
    const double whole = row(report["totals"], "", pass)["mean_ms"];
    // The steps are all there is, but for what lies between them.
    EXPECT_LE(sum(report["ops"], pass), whole * 1.01) << pass;
    EXPECT_GE(sum(report["ops"], pass), whole * 0.3) << pass;
    EXPECT_NEAR(sum(report["layers"], pass), sum(report["ops"], pass), 1e-6) << pass;
  }
  const auto mean = [&](const char* pass) {
    return row(report["totals"], "", pass)["mean_ms"].get<double>();
  };
  EXPECT_NEAR(mean("forward") + mean("backward"), mean("forward-backward"), 1e-6);
  EXPECT_NEAR(mean("forward-backward") + mean("update"), mean("iteration"), 1e-6);
  EXPECT_GT(mean("update"), 0);
  EXPECT_GE(report["memory"]["peak_resident"], report["memory"]["arena"]);
  expect_slots(report, 1);
}

TEST_F(TimeTest, a_convolution_counts_its_multiply_adds) {
  const Outcome run = crema("time --iterations=1 --format=json --batch=3 " + net());
  ASSERT_EQ(run.code, 0) << run.err;
  const nlohmann::json report = nlohmann::json::parse(run.out);
  EXPECT_EQ(report["batch"], 3);
  const nlohmann::json& conv = row(report["layers"], "conv1", "forward");
  // 6 outputs of 5 x 5 on one channel, at 10 x 10 positions.
  EXPECT_EQ(conv["flops"].get<double>(), 2.0 * 3 * 6 * 25 * 100);
  const double per_second = conv["flops"].get<double>() / conv["ms"].get<double>() * 1e-6;
  EXPECT_NEAR(conv["gflops"].get<double>(), per_second, 1e-6 * per_second);
  const double limit =
      std::max(conv["gflops"].get<double>() / report["machine"]["gflops"].get<double>(),
               conv["gbytes"].get<double>() / report["machine"]["gbytes"].get<double>());
  EXPECT_NEAR(conv["limit"].get<double>(), limit, 1e-6 * limit);
}

TEST_F(TimeTest, parts_that_lie_in_their_whole_move_no_bytes) {
  const Outcome run = crema("time --iterations=1 --synthetic --format=json --model=" + fixtures +
                            "../exec/nets/side_by_side.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto report = nlohmann::json::parse(run.out);
  const nlohmann::json& cut = row(report["ops"], "cut", "forward");
  EXPECT_EQ(cut["implementation"], "no copy");
  EXPECT_EQ(cut["bytes"], 0);
  EXPECT_GT(row(report["ops"], "twice", "forward")["bytes"], 0);  // one source twice is copied
}

TEST_F(TimeTest, text_and_csv_say_the_same_things) {
  const Outcome text = crema("time --iterations=1 " + net());
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* word : {"measured limits", "GFLOP/s", "GB/s", "limit", "conv1  Convolution",
                           "conv1  convolution  ", "convolution d(conv1/weight), d(conv1/bias)",
                           "forward-backward", "SGD", "iteration", "samples/s", "peak resident"})
    EXPECT_NE(text.out.find(word), std::string::npos) << word << "\n" << text.out;
  EXPECT_TRUE(text.says("Average Forward-Backward: ")) << "Caffe's lines stay in the log";
  const Outcome csv = crema("time --iterations=1 --format=csv " + net());
  ASSERT_EQ(csv.code, 0) << csv.err;
  EXPECT_TRUE(csv.out.starts_with(
      "table,layer,kind,pass,engine,implementation,ms,mean_ms,min_ms,gflops,gbytes,limit\n"));
  EXPECT_NE(csv.out.find("\nlayer,conv1,Convolution,backward,"), std::string::npos) << csv.out;
  EXPECT_NE(csv.out.find("\ntotal,,,iteration,"), std::string::npos) << csv.out;
}

TEST_F(TimeTest, the_test_phase_has_no_backward_pass_and_no_update) {
  const Outcome run = crema("time --iterations=1 --phase=TEST --format=json " + net());
  ASSERT_EQ(run.code, 0) << run.err;
  const nlohmann::json report = nlohmann::json::parse(run.out);
  ASSERT_EQ(report["totals"].size(), 1u);
  EXPECT_EQ(report["totals"][0]["pass"], "forward");
  EXPECT_EQ(sum(report["ops"], "backward"), 0);
  EXPECT_EQ(report["memory"]["gradients"], 0);
}

TEST_F(TimeTest, compare_shows_ratios_to_an_older_report) {
  ASSERT_EQ(crema("time --iterations=2 --json=old.json " + net()).code, 0);
  nlohmann::json old = nlohmann::json::parse(bytes("old.json"));
  for (const char* table : {"totals", "layers", "ops"})
    for (nlohmann::json& entry : old[table]) entry["ms"] = entry["ms"].get<double>() * 1000;
  old["layers"].push_back({{"layer", "gone"}, {"kind", "ReLU"}, {"pass", "forward"}, {"ms", 1}});
  write("slow.json", old.dump());
  const Outcome run = crema("time --iterations=2 --format=json --compare=slow.json " + net());
  ASSERT_EQ(run.code, 0) << run.err;
  const nlohmann::json report = nlohmann::json::parse(run.out);
  const nlohmann::json& total = row(report["totals"], "", "iteration");
  EXPECT_GT(total["ratio"], 10);
  EXPECT_NEAR(total["ratio"].get<double>(),
              total["old_ms"].get<double>() / total["ms"].get<double>(),
              1e-6 * total["ratio"].get<double>());
  EXPECT_TRUE(row(report["layers"], "conv1", "forward").contains("ratio"));
  const Outcome text = crema("time --iterations=2 --compare=slow.json " + net());
  EXPECT_NE(text.out.find("ratio"), std::string::npos);
  EXPECT_NE(text.out.find("only in the older report: layers gone ReLU forward"), std::string::npos)
      << text.out;
}

TEST_F(TimeTest, a_solver_is_timed_with_its_own_updates) {
  const Outcome run = crema("time --iterations=1 --format=json " + solver() +
                            " --set type=Adam --set momentum2=0.99");
  ASSERT_EQ(run.code, 0) << run.err;
  const nlohmann::json report = nlohmann::json::parse(run.out);
  EXPECT_EQ(row(report["totals"], "", "update")["kind"], "Adam");
  expect_slots(report, 2);
}

TEST_F(TimeTest, synthetic_input_stands_for_missing_data) {
  const std::string model = "--model=" + fixtures + "missing_database.prototxt";
  EXPECT_EQ(crema("time --iterations=1 " + model).code, 4);
  const Outcome unknown = crema("time --iterations=1 --synthetic " + model);
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(unknown.says("only the data tell the shape of the blob 'data'")) << unknown.err;
  EXPECT_TRUE(unknown.says("--shape=data:3x224x224")) << unknown.err;
  EXPECT_TRUE(unknown.says("missing_database.prototxt:")) << unknown.err;
  for (const char* verb : {"time --iterations=1", "plan"}) {
    const Outcome run =
        crema(std::string(verb) + " --synthetic --batch=2 --shape=data:1x9x9 " + model);
    EXPECT_EQ(run.code, 0) << run.err;
  }
}

TEST_F(TimeTest, synthetic_training_needs_no_data_and_repeats_itself) {
  const std::string line = "train --synthetic --batch=4 --set max_iter=30 " + solver() + " --json=";
  ASSERT_EQ(crema(line + "a.json").code, 0);
  ASSERT_EQ(crema(line + "b.json").code, 0);
  const auto a = nlohmann::json::parse(bytes("a.json")), b = nlohmann::json::parse(bytes("b.json"));
  EXPECT_EQ(a["loss"], b["loss"]);
  EXPECT_TRUE(std::isfinite(a["loss"].get<double>()));
}

TEST_F(TimeTest, wrong_use) {
  const auto refused = [&](const std::string& line, const std::string& text) {
    const Outcome run = crema(line);
    EXPECT_EQ(run.code, 1) << line << "\n" << run.err;
    EXPECT_TRUE(run.says(text)) << line << "\n" << run.err;
  };
  const std::string time = "time --iterations=1 " + net() + " ";
  refused("time", "needs --model");
  refused("time --iterations=0 " + net(), "--iterations must be at least 1");
  refused(time + "--format=xml", "write text, csv or json");
  refused(time + "--phase=NIGHT", "write TRAIN or TEST");
  refused(time + solver(), "--solver and --model exclude each other");
  refused("time --phase=TEST " + solver(), "needs no --solver");
  refused(time + "--set base_lr=1", "there is no --solver");
  refused(time + "--batch=-1", "--batch=-1 is no batch size");
  refused(time + "--batch=two", "is no value for flag 'batch'");
  refused(time + "--shape=data:1x9x9", "add --synthetic");
  for (const char* shape : {"data", "data:", ":3", "data:3x", "data:x3", "data:0x3", "data:-1",
                            "data:3x4y", "data:99999999999"})
    refused(time + "--synthetic --shape=" + shape, "is no blob with a shape");
  refused(time + "--synthetic --shape=data:1x9x9,data:1x8x8", "names the blob 'data' twice");
  refused(time + "--synthetic --shape=dta:1x9x9", "did you mean 'data'?");
  refused("test --synthetic --weights=x " + net(), "--synthetic has none");
  refused(time + "--compare=nowhere.json", "nowhere.json");
  for (const char* text :
       {"", "{", "[]", "{}", "{\"totals\":1,\"layers\":[],\"ops\":[]}",
        "{\"totals\":[{\"pass\":\"forward\",\"ms\":\"x\"}],\"layers\":[],\"ops\":[]}"}) {
    write("bad.json", text);
    refused(time + "--compare=bad.json", "is no report of `crema time`");
  }
  EXPECT_EQ(crema(time + "--synthetic --shape=data:9x99999x99999").code, 2) << "too large";
}

}  // namespace
}  // namespace crema::whole
