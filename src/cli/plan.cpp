// crema plan: kernels, layouts, reorders and memory of a net, with the reasons.
#include <cstdio>

#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "train/update.hpp"

namespace crema::cli {

int plan(Session& session) {
  const caffe::Phase phase = phase_flag();
  train::NetOptions options;
  options.inputs = input_options(true);
  options.training = phase == caffe::TRAIN;
  options.precision = precision_flag(session);
  options.recompute = recompute_flags();
  options.recompute.compare = true;
  if (!options.training && options.recompute.mode != plan::Recompute::kCheap)
    throw Error(ErrorCode::kUsage,
                "--recompute is about the backward pass, which --phase=TEST has not")
        .advise("leave one of them out");
  options.hand_out_gradients = options.in_pieces =
      options.training && !train::needs_whole_gradients({}, session.context.plan_skip);
  train::Net net(load_model("plan", phase), options, session.context);
  for (const std::string& note : net.notes()) std::printf("note: %s\n", note.c_str());
  for (const plan::Plan* made : net.session().plans())
    std::fputs((FLAGS_memory ? plan::explain_memory(*made) : plan::explain(*made)).c_str(), stdout);
  return 0;
}

}  // namespace crema::cli
