// Checks an LMDB file before liblmdb maps it.
#pragma once

#include <string>

namespace crema::data {

// liblmdb trusts every size and offset in its file: one damaged byte, or a file cut short, can kill
// the process. This walks the pages that reading all records will visit, of the newest commit, and
// holds each offset against its page and each page against the file. Values on pages of their own
// (large records) are only measured, not read.
// Error{kData}, naming `database`, if anything does not fit; a file without records is in order.
void check_lmdb_file(const std::string& file, const std::string& database);

}  // namespace crema::data
