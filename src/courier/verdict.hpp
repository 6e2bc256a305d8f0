// What one try came to, from what the transport says: a table, because "refused" is for good.
#pragma once

#include <cstdint>
#include <string>

namespace callward::courier {

enum class Verdict : std::uint8_t { kTaken, kRefused, kLater };
struct Attempt {
  Verdict verdict = Verdict::kLater;
  std::string reason;  // a word: "smtp_250", "http_503", "timeout"
};

// How the transport ended, whatever library it is.
enum class Transfer : std::uint8_t {
  kDone,         // SMTP: the server has taken it; HTTP: an answer came, its status says the rest
  kAnswered,     // SMTP: ended at a reply that was no yes
  kNoHost,       // its name leads nowhere
  kNotReached,   // no connection
  kCertificate,  // not the one it says it is
  kNoTls,        // TLS is a must, and was not to be had
  kLogin,        // it does not know us
  kTimeout,
  kBroken,      // the connection, in the middle
  kCredential,  // our own file cannot be read
};

// `code`: of the server's last reply, 0 if there was none.
// Refused are 5yz replies (RFC 5321, 4.2.1) but those about who we are (RFC 4954: 530, 534, 535,
// 538), which the operator mends. All else is tried again.
Attempt judge_smtp(Transfer transfer, long code);
// Refused are 4xx but 408 and 429. Redirections are not followed.
Attempt judge_http(Transfer transfer, long status);

}  // namespace callward::courier
