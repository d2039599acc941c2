// Solver definitions for the tests, as the config room would hand them over.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "optim/policy.hpp"

namespace crema::optim {

inline config::SolverConfig solver(const std::string& text) {
  config::SolverConfig out;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &out.param)) << text;
  return out;
}

// Every message and hint that fn throws, one per line; "" if it throws nothing.
template <class Fn>
std::string mistakes(Fn&& fn) {
  Diagnostics found;
  found.guard(fn);
  std::string out;
  for (const Error& error : found.errors()) {
    EXPECT_EQ(error.code, ErrorCode::kConfig);
    out += error.message + " | " + error.hint + "\n";
  }
  return out;
}

inline std::unique_ptr<LrPolicy> policy(const std::string& text) {
  return make_policy(solver(text));
}
inline std::string wrong_policy(const std::string& text) {
  return mistakes([&] { policy(text); });
}
// What a test expects the report of a faulty text to contain.
struct Mistake {
  const char* text;
  const char* says;
};

// Proto fields are floats.
inline double f(float x) {
  return x;
}

}  // namespace crema::optim
