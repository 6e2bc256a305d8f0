// Who hears a recording, or reads what was said in it, once a role chart is founded. Before that
// whoever has a session does, as the server says.
#pragma once

#include <string_view>

#include "disclose/request.hpp"

namespace callward::disclose {

// By what right; its words stand in the log's entry.
enum class Hearing : std::uint8_t { kReview, kCallBack };
std::string_view to_text(Hearing right);

// A reviewer hears calls, but no call-back of a request that they had a part in. A call-back is
// also heard, from the verdict until the review is done, by authorised persons and those whom the
// requester answers to: never by the requester, nor by the expert who made it.
// `call_back`: the request whose call-back this call was; nullptr: of none that is not reviewed.
// kDenied: by no right.
Result<Hearing> may_hear(const people::Chart& chart, const PersonId& person,
                         const Request* call_back);

}  // namespace callward::disclose
