// What may be sent at all. Strict, because an address or a subject with a line end in it would be
// a header, or a command, of a stranger's.
#pragma once

#include <string>
#include <string_view>

#include "keys/courier_protocol.hpp"

namespace callward::courier {

// A message on its way.
struct Letter {
  keys::Deliver message;
  std::int64_t taken_in = 0;  // UTC ms, when the courier got it: the Date of every try
};

// Well-formed UTF-8 (RFC 3629) without control characters; `lines`: but \n, \r\n and tabs.
bool is_clean_text(std::string_view text, bool lines);

// RFC 5321 Mailbox, of that the part that is really used: a dot-string of at most 64 characters, a
// host name of at least two labels; ASCII; at most 254 in all. No quoted local parts, no address
// literals, no comments, no SMTPUTF8.
bool is_mail_address(std::string_view address);

// E.164: a plus, a first digit other than 0, 7 to 15 digits in all.
bool is_phone_number(std::string_view number);

// "" when it can be sent, else a reason word: "bad_channel", "bad_address", "bad_subject",
// "bad_text", "too_long".
const char* refusal_of(const keys::Deliver& message);

}  // namespace callward::courier
