#include "courier/verdict.hpp"

namespace callward::courier {
namespace {

const char* word_of(Transfer transfer) {
  switch (transfer) {
    case Transfer::kDone:
    case Transfer::kAnswered:
      return "no_answer";
    case Transfer::kNoHost:
      return "no_host";
    case Transfer::kNotReached:
      return "not_reached";
    case Transfer::kCertificate:
      return "certificate";
    case Transfer::kNoTls:
      return "no_tls";
    case Transfer::kLogin:
      return "login";
    case Transfer::kTimeout:
      return "timeout";
    case Transfer::kBroken:
      return "broken";
    case Transfer::kCredential:
      return "credential";
  }
  return "unknown";
}

bool is_about_us(long code) { return code == 530 || code == 534 || code == 535 || code == 538; }

}  // namespace

Attempt judge_smtp(Transfer transfer, long code) {
  if (transfer == Transfer::kDone) return {Verdict::kTaken, "taken"};
  if (transfer != Transfer::kAnswered) return {Verdict::kLater, word_of(transfer)};
  if (is_about_us(code)) return {Verdict::kLater, "login"};
  // A yes that was not the one that was waited for: whatever came after it, nobody has it for sure.
  if (code < 400 || code > 599) return {Verdict::kLater, word_of(transfer)};
  return {code >= 500 ? Verdict::kRefused : Verdict::kLater, "smtp_" + std::to_string(code)};
}

Attempt judge_http(Transfer transfer, long status) {
  if (transfer != Transfer::kDone) return {Verdict::kLater, word_of(transfer)};
  if (status < 200 || status > 599) return {Verdict::kLater, word_of(transfer)};
  if (status < 300) return {Verdict::kTaken, "taken"};
  const bool for_good = status >= 400 && status < 500 && status != 408 && status != 429;
  return {for_good ? Verdict::kRefused : Verdict::kLater, "http_" + std::to_string(status)};
}

}  // namespace callward::courier
