#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "cli/explained.hpp"

namespace crema::cli {

namespace {

using train::Outlook;
using train::ParamMoment;
using train::ParamOutlook;

const ParamOutlook* find(const Outlook& outlook, const std::string& name) {
  for (const ParamOutlook& param : outlook.params)
    if (param.name == name) return &param;
  return nullptr;
}

// "rate 0.01 | 0.001 at 0, 100 to 300": runs of moments with the same pair of numbers are one.
class Differences {
 public:
  Differences(const Outlook& a, const ParamOutlook& p, const ParamOutlook& q)
      : moments_(a.moments), p_(p), q_(q) {}

  std::vector<std::string> find() {
    said("shape", p_.shape, q_.shape);
    said("from", p_.origin, q_.origin);
    if (!p_.state && !q_.state) {
      said("optimizer", p_.optimizer, q_.optimizer);
      said("momentum form", p_.momentum_form, q_.momentum_form);
      moving("rate", [](const ParamMoment& at) {
        return at.frozen ? std::string("frozen") : short_number(at.rate);
      });
      moving("decay", [](const ParamMoment& at) { return short_number(at.decay); });
      moving("momentum", [](const ParamMoment& at) { return short_number(at.momentum); });
      moving("grad_mult", [](const ParamMoment& at) { return short_number(at.grad_mult); });
    }
    moving("does", [](const ParamMoment& at) { return at.does; });
    return std::move(out_);
  }

 private:
  void said(const char* what, const std::string& a, const std::string& b) {
    if (a != b) out_.push_back(fmt::format("{} {} | {}", what, a, b));
  }
  template <class Text>
  void moving(const char* what, const Text& text) {
    std::string last;
    for (size_t m = 0; m < moments_.size(); ++m) {
      const std::string a = text(p_.at[m]), b = text(q_.at[m]);
      const std::string now = a == b ? "" : a + " | " + b;
      if (now != last && !now.empty())
        out_.push_back(fmt::format("{}@{} {}", what, moments_[m].iteration, now));
      else if (now != last)
        out_.push_back(fmt::format("{}@{} the same", what, moments_[m].iteration));
      last = now;
    }
  }

  const std::vector<train::Moment>& moments_;
  const ParamOutlook &p_, &q_;
  std::vector<std::string> out_;
};

// Where each side decided, if it says so.
std::string places(const ParamOutlook& p, const ParamOutlook& q) {
  const auto side = [](const ParamOutlook& x) {
    std::vector<std::string> out;
    std::set<std::string> seen;
    for (const std::string& place :
         {x.lr_mult_place, x.decay_mult_place, x.freeze_place, x.optimizer_place})
      if (!place.empty() && place != "default" && seen.insert(place).second) out.push_back(place);
    return out.empty() ? std::string("default") : join(out, " ");
  };
  return fmt::format("  decided at {} | {}", side(p), side(q));
}

}  // namespace

std::string outlook_difference(const Outlook& a, const Outlook& b) {
  std::string out;
  for (const std::string& line : a.heading)
    if (std::find(b.heading.begin(), b.heading.end(), line) == b.heading.end())
      out += "< " + line + "\n";
  for (const std::string& line : b.heading)
    if (std::find(a.heading.begin(), a.heading.end(), line) == a.heading.end())
      out += "> " + line + "\n";
  for (const ParamOutlook& p : a.params) {
    const ParamOutlook* q = find(b, p.name);
    if (q == nullptr) {
      out += fmt::format("< {} {}: only here\n", p.name, p.shape);
      continue;
    }
    const std::vector<std::string> found = Differences(a, p, *q).find();
    if (found.empty()) continue;
    out += p.name + "\n";
    for (const std::string& line : found) out += "  " + line + "\n";
    out += places(p, *q) + "\n";
  }
  for (const ParamOutlook& q : b.params)
    if (find(a, q.name) == nullptr) out += fmt::format("> {} {}: only here\n", q.name, q.shape);
  if (out.empty()) return out;
  return fmt::format("< {}\n> {}\n", a.solver, b.solver) + out;
}

}  // namespace crema::cli
