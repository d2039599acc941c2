#include "optim/selector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/text.hpp"

namespace crema::optim {

namespace {

// The character set at pattern[at] = '['; `next` gets the position behind it, or npos if it does
// not end.
bool set_contains(std::string_view pattern, size_t at, char c, size_t& next) {
  size_t i = at + 1;
  const bool negated = i < pattern.size() && pattern[i] == '!';
  if (negated) ++i;
  bool found = false;
  for (const size_t begin = i; i < pattern.size() && (pattern[i] != ']' || i == begin); ++i) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      found |= pattern[i] <= c && c <= pattern[i + 2];
      i += 2;
    } else {
      found |= pattern[i] == c;
    }
  }
  next = i < pattern.size() ? i + 1 : std::string_view::npos;
  return found != negated;
}

std::vector<std::string> distinct(const NetFacts& net, std::string (*of)(const ParamFacts&)) {
  std::set<std::string> out;
  for (const ParamFacts& param : net.params) out.insert(of(param));
  return {out.begin(), out.end()};
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    size_t next = p + 1;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
      continue;
    }
    bool one = false;
    if (p < pattern.size() && pattern[p] == '[') {
      one = set_contains(pattern, p, text[t], next);
      if (next == std::string_view::npos) {  // no closing bracket: an ordinary character
        one = text[t] == '[';
        next = p + 1;
      }
    } else if (p < pattern.size()) {
      one = pattern[p] == '?' || pattern[p] == text[t];
    }
    if (one) {
      p = next;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Selector::Selector(const caffe::ParamRule& rule, const config::Places& places, const NetFacts& net)
    : rule_(rule), places_(places), net_(net) {
  Diagnostics found;
  for (int i = 0; i < rule.match_re_size(); ++i) try {
      regexes_.emplace_back(rule.match_re(i), std::regex::ECMAScript);
    } catch (const std::regex_error& error) {
      found
          .add(Error(ErrorCode::kConfig, fmt::format("'{}' is not a regular expression: {}",
                                                     rule.match_re(i), error.what())))
          .at(places.at(fmt::format("match_re[{}]", i)))
          .advise("for wildcards like conv* write match instead of match_re");
    }
  find_range(found);
  if ((rule.has_new_() || rule.has_loaded()) && !net.weights_given)
    found
        .add(Error(ErrorCode::kConfig,
                   "this rule asks what the weights files hold, but none is "
                   "given"))
        .at(places.at(rule.has_new_() ? "new" : "loaded"))
        .advise("give --weights, or weights: in the solver");
  found.throw_if_any();
}

int Selector::depth_of(const char* field, const std::string& layer, Diagnostics& found) const {
  const auto it = std::find(net_.layers.begin(), net_.layers.end(), layer);
  if (it != net_.layers.end()) return static_cast<int>(it - net_.layers.begin());
  found
      .add(Error(ErrorCode::kUnmatchedRule,
                 fmt::format("the training net has no layer '{}'", layer)))
      .at(places_.at(field))
      .advise(suggestion(layer, net_.layers));
  return 0;
}

void Selector::find_range(Diagnostics& found) {
  const size_t before = found.errors().size();
  last_depth_ = std::numeric_limits<int>::max();
  if (rule_.has_from()) first_depth_ = depth_of("from", rule_.from(), found);
  if (rule_.has_to()) last_depth_ = depth_of("to", rule_.to(), found);
  if (found.errors().size() == before && first_depth_ > last_depth_)
    found
        .add(Error(ErrorCode::kConfig, fmt::format("the layers run from '{}' to '{}', but '{}' "
                                                   "comes first in the net",
                                                   rule_.from(), rule_.to(), rule_.to())))
        .at(places_.at("from"))
        .advise("exchange from and to");
}

bool Selector::match(std::string_view pattern, const ParamFacts& param) const {
  return glob_matches(pattern, param.name()) || glob_matches(pattern, param.layer) ||
         glob_matches(pattern, fmt::format("{}/{}", param.layer, param.position));
}

bool Selector::any_match(const ParamFacts& param) const {
  return rule_.match_size() == 0 ||
         std::any_of(rule_.match().begin(), rule_.match().end(),
                     [&](const std::string& pattern) { return match(pattern, param); });
}

bool Selector::any_regex(const ParamFacts& param) const {
  return regexes_.empty() || std::any_of(regexes_.begin(), regexes_.end(), [&](const auto& regex) {
           return std::regex_match(param.name(), regex);
         });
}

bool Selector::any_type(const ParamFacts& param) const {
  const auto& types = rule_.type();
  return types.empty() || std::find(types.begin(), types.end(), param.type) != types.end();
}

bool Selector::any_blob(const ParamFacts& param) const {
  const auto& blobs = rule_.blob();
  return blobs.empty() || std::find(blobs.begin(), blobs.end(), param.blob) != blobs.end();
}

bool Selector::in_range(const ParamFacts& param) const {
  return param.depth >= first_depth_ && param.depth <= last_depth_;
}

bool Selector::loaded_fits(const ParamFacts& param) const {
  return (!rule_.has_new_() || rule_.new_() != param.loaded) &&
         (!rule_.has_loaded() || rule_.loaded() == param.loaded);
}

bool Selector::selects(const ParamFacts& param) const {
  return any_match(param) && any_regex(param) && any_type(param) && any_blob(param) &&
         in_range(param) && loaded_fits(param);
}

Error Selector::unmatched(const char* field, const std::string& what,
                          const std::string& hint) const {
  return Error(ErrorCode::kUnmatchedRule, "this rule is for no parameter of the net: " + what)
      .at(places_.at(field))
      .advise(hint + "; a rule that may select nothing says optional: true");
}

void Selector::fail_unmatched() const {
  const auto none = [&](bool (Selector::*test)(const ParamFacts&) const) {
    return std::none_of(net_.params.begin(), net_.params.end(),
                        [&](const ParamFacts& param) { return (this->*test)(param); });
  };
  const auto names = distinct(net_, [](const ParamFacts& p) { return p.name(); });
  if (none(&Selector::any_match))
    throw unmatched("match", fmt::format("nothing matches '{}'", rule_.match(0)),
                    suggestion(rule_.match(0), names));
  if (none(&Selector::any_regex))
    throw unmatched("match_re", fmt::format("nothing matches '{}'", rule_.match_re(0)),
                    suggestion(rule_.match_re(0), names));
  if (none(&Selector::any_type))
    throw unmatched(
        "type", fmt::format("no layer of type '{}' has parameters", rule_.type(0)),
        suggestion(rule_.type(0), distinct(net_, [](const ParamFacts& p) { return p.type; })));
  if (none(&Selector::any_blob))
    throw unmatched(
        "blob", fmt::format("no blob is called '{}'", rule_.blob(0)),
        suggestion(rule_.blob(0), distinct(net_, [](const ParamFacts& p) { return p.blob; })));
  if (none(&Selector::loaded_fits)) {
    const bool wants_new = rule_.has_new_() ? rule_.new_() : !rule_.loaded();
    throw unmatched(rule_.has_new_() ? "new" : "loaded",
                    fmt::format("the weights files hold {} of them", wants_new ? "all" : "none"),
                    "layers are found by name: rename a layer that is to start anew");
  }
  throw unmatched("", "none meets all of its selectors", "make it wider, or split it in two");
}

}  // namespace crema::optim
