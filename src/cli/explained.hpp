// How an outlook is written down.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/outlook.hpp"

namespace crema::cli {

// For people: headings, a table of rates, a table of what decided them, warnings.
std::string outlook_text(const train::Outlook& outlook);
// One row per parameter and moment.
std::string outlook_csv(const train::Outlook& outlook);
nlohmann::ordered_json outlook_json(const train::Outlook& outlook);

// What differs between two outlooks with the same moments; "" if nothing does.
std::string outlook_difference(const train::Outlook& a, const train::Outlook& b);

// "12", "0.0005", "5e-05": no more than six digits.
std::string short_number(double value);

// Columns padded to their widest entry, two blanks between them.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

}  // namespace crema::cli
