// Who hears a recording, or reads what was said in it, once a role chart is founded. Before that
// whoever has a session does, as the server says.
#pragma once

#include <string_view>
#include <vector>

#include "disclose/request.hpp"
#include "keys/call_back.hpp"
#include "keys/tenant.hpp"
#include "keys/vault_protocol.hpp"

namespace callward::disclose {

// By what right; its words stand in the log's entry.
enum class Hearing : std::uint8_t { kReview, kCallBack };
std::string_view to_text(Hearing right);

// A call, as far as it matters for who hears it.
struct Heard {
  bool is_call_back = false;
  keys::CallBackOf of;               // of a call-back; not known: nobody can say
  const Request* request = nullptr;  // whose last call-back it was, and that is not settled
};

// Of the customer's side, which tenths of a second somebody had keys of, each counted once.
class HeardSound {
 public:
  static constexpr std::uint8_t kCustomerStream = 0;
  void add(const keys::SegmentRange& range);  // of any stream
  [[nodiscard]] std::int64_t ms() const;

 private:
  std::vector<keys::SegmentRange> ranges_;  // joined
};

// Asked for it, or rang; where nobody can say who did: could have.
bool has_part(const people::Chart& chart, const PersonId& person, const Heard& call);

// A reviewer hears calls, but no call-back of a request that they had a part in. A call-back is
// also heard, from the verdict until the review is done, by authorised persons and those whom the
// requester answers to: never, neither while it runs nor when all is over, by who was requester or
// expert then. Where nobody can say who that was, by nobody who could have been.
// kDenied: by no right.
Result<Hearing> may_hear(const people::Chart& chart, const PersonId& person, const Heard& call);

// Whether a key that was signed for one call and one purpose is for this: sound of a call that is
// exported, played or sampled, words of one whose transcript is wanted; never what is known about
// it.
bool fits(const keys::ReaderScope& scope, const CallId& call, const keys::OpenAsked& asked);

}  // namespace callward::disclose
