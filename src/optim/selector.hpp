// Which parameters a rule is for. Private to this room.
#pragma once

#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "optim/param_rules.hpp"

namespace crema::optim {

// * matches any run of characters, ? one character, [abc] or [a-c] one of a set ([!abc]: one not of
// it). The whole text must match.
bool glob_matches(std::string_view pattern, std::string_view text);

class Selector {
 public:
  // Error / ErrorList inside `places`: kConfig for a regular expression that is none, a depth range
  // that runs backwards, new or loaded without weights files; kUnmatchedRule for a layer that is
  // not there.
  Selector(const caffe::ParamRule& rule, const config::Places& places, const NetFacts& net);

  bool selects(const ParamFacts& param) const;
  // Error{kUnmatchedRule}: says of the first selector that selects nothing what it might have
  // meant, or that no parameter meets all of them.
  [[noreturn]] void fail_unmatched() const;

 private:
  bool match(std::string_view pattern, const ParamFacts& param) const;
  bool any_match(const ParamFacts& param) const;
  bool any_regex(const ParamFacts& param) const;
  bool any_type(const ParamFacts& param) const;
  bool any_blob(const ParamFacts& param) const;
  bool in_range(const ParamFacts& param) const;
  bool loaded_fits(const ParamFacts& param) const;
  void find_range(Diagnostics& found);
  int depth_of(const char* field, const std::string& layer, Diagnostics& found) const;
  Error unmatched(const char* field, const std::string& what, const std::string& hint) const;

  const caffe::ParamRule& rule_;
  const config::Places places_;
  const NetFacts& net_;
  std::vector<std::regex> regexes_;
  int first_depth_ = 0, last_depth_ = 0;
};

}  // namespace crema::optim
