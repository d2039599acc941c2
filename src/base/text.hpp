// Small text helpers for messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace crema {

// The candidate with the smallest edit distance to word (case ignored), if it is near enough to be
// a likely misspelling; else "".
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

// "did you mean 'x'?" for a near candidate, else "known: a, b, c" (at most `limit` of them).
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates,
                       size_t limit = 12);

std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text,
                               char separator);  // blanks trimmed, no empties

}  // namespace crema
