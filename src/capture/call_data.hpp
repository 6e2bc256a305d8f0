// The call's own data as JSON: numbers, names, SIP identities, metadata as it came. It is sealed
// under stream 15 of the call and stands nowhere else.
//
//   {"version":1,"direction":"in"|"out"|"unknown",
//    "customer":{"number","name","uri"},"agent":{…},          (empty texts where nobody is known)
//    "streams":[{"stream":0,"party":"customer"|"agent"|"other"|"mixed",
//                "label","number","name","uri"}],
//    "participants":[{"uri","name"}],"session_ids":[…],
//    "sip":{"call_id","from","to","contact","user_agent","session_id"},
//    "flags":[…],"metadata":["base64 of the bytes as they came"]}
#pragma once

#include "base/secret.hpp"
#include "capture/offer.hpp"

namespace callward::capture {

struct SipIdentity {
  std::string call_id, from, to, contact, user_agent, session_id;
};

// Valid JSON and valid UTF-8 whatever the peer sent: bytes that are not UTF-8 become U+FFFD.
SecretBytes write_call_data(const SipIdentity& sip, const Offer& offer, const Plan& plan,
                            const std::vector<std::string>& flags);

// `text` with every byte sequence that is not UTF-8 (RFC 3629) replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

std::string_view to_string(Party party);
std::string_view to_string(Direction direction);

}  // namespace callward::capture
