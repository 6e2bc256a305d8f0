// One e-mail as it goes over the wire: RFC 5322 headers, RFC 2045 MIME, text in quoted-printable.
// Lines end with CRLF; header lines have at most 78 characters (the one with the address as many as
// that needs), body lines at most 76, all ASCII. A dot at a line's start is the transport's matter.
#pragma once

#include "courier/letter.hpp"

namespace callward::courier {

struct MailSender {
  std::string address;  // is_mail_address()
  std::string name;     // shown beside it, is_clean_text(); "" is none
};

// Of a letter whom refusal_of() lets pass. Each try gives the same bytes.
SecretBytes build_mail(const MailSender& sender, const Letter& letter);

// "Tue, 24 Nov 2026 08:30:00 +0000".
std::string mail_date(std::int64_t utc_ms);

// A subject or a name: as it is where that is one plain line, else in encoded words (RFC 2047, B)
// of at most 75 characters, folded. `used`: what stands before it on its line.
std::string mail_words(std::string_view text, std::size_t used);

}  // namespace callward::courier
