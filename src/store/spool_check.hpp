// Every byte of a spool that nobody writes to: for `callward fsck`. Recovery reads past damage,
// because what is whole must be found; this says that there is some.
#pragma once

#include <string>
#include <vector>

#include "base/vfs.hpp"

namespace callward::store {

// One line for each thing that is wrong, each naming file and place: a head or bytes that are no
// frames, bytes that should be zero and are not (padding, the space behind the last frame), a file
// shorter than its head says, one that was set aside. Bytes behind the last frame are also what a
// crash leaves of a write that it cut off: the account of that call says so, and the file goes with
// its calls. kIo: a file or the folder cannot be read at all.
Result<std::vector<std::string>> check_spool(Vfs& vfs, const std::string& dir);

inline constexpr std::size_t kSpoolFindingsMax = 1'000;  // then it says that there are more

}  // namespace callward::store
