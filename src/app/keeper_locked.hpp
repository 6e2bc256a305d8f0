// A keeper that cannot open its key store: the anchor is not readable, the credential is away, or
// the log is older than the anchors. Nothing can be opened, erased or logged then; but calls go on
// being recorded. It hands out spare roots, in memory only, which the recorder freezes from index 0
// until a keeper adopts the calls.
#pragma once

#include <functional>
#include <string>

#include "app/process.hpp"

namespace callward::app {

// Serves run/keeper.sock until `open` succeeds (tried every few seconds) or the process is asked to
// stop. True: it is open now; the peers' connections were closed, they come back and find the
// keeper. `why` says what failed first.
Result<bool> serve_locked(io::Loop& loop, const ProcessContext& context, Entropy& entropy,
                          const std::string& why, const std::function<Status()>& open);

}  // namespace callward::app
