#include "audit/witness.hpp"

#include <charconv>

namespace callward::audit {
namespace {

constexpr long kOk = 200, kForbidden = 403, kNotFound = 404, kConflict = 409, kUnprocessable = 422;

// ASCII decimal without leading zeroes.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() ||
      (text.size() > 1 && text[0] == '0'))
    return std::nullopt;
  return size;
}

// The witness's own line among those that it answered. Nothing else that it sends is ever passed
// on.
Result<Cosignature> find_in_answer(const std::string& note, const std::string& body,
                                   const WitnessKey& key) {
  if (body.size() > WitnessClient::kAnswerBytesMax)
    return fail(Errc::kTooLarge, "its answer is too long");
  // A note's text ends at its last empty line: an answer with one would move that end, and what
  // holds over the text that it makes would not hold over ours.
  if (body.starts_with('\n') || body.find("\n\n") != std::string::npos)
    return fail(Errc::kMalformed, "an empty line among its signatures");
  const auto bare = note.substr(0, note.rfind("\n\n") + 2);
  const auto found = TRY(find_cosignature(bare + body, key));
  // As it will be read by others: under our text, alone.
  return find_cosignature(bare + found.line, key);
}

}  // namespace

std::string encode_continuation(const Continuation& continuation) {
  auto out = "old " + std::to_string(continuation.old_size) + "\n";
  for (const auto& hash : continuation.proof) out += to_base64(hash) + "\n";
  return out + "\n" + continuation.note;
}

Result<Continuation> parse_continuation(std::string_view text) {
  if (text.size() > kNoteBytesMax) return fail(Errc::kTooLarge, "over its limit");
  const auto gap = text.find("\n\n");
  if (gap == std::string_view::npos || !text.starts_with("old "))
    return fail(Errc::kMalformed, "does not begin with \"old SIZE\", a proof and an empty line");
  Continuation out;
  out.note = std::string(text.substr(gap + 2));
  auto lines = text.substr(0, gap);
  const auto first = lines.substr(0, lines.find('\n'));
  const auto size = parse_size(first.substr(4));
  if (!size) return fail(Errc::kMalformed, "its old size is no number");
  out.old_size = *size;
  lines.remove_prefix(std::min(lines.size(), first.size() + 1));
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const auto raw = TRY(from_base64(line));
    if (raw.size() != sizeof(Hash) || out.proof.size() >= kContinuationProofMax)
      return fail(Errc::kMalformed, "a line of its proof is no hash, or there are too many");
    auto& hash = out.proof.emplace_back();
    std::copy(raw.begin(), raw.end(), hash.begin());
  }
  return out;
}

const char* to_text(WitnessState state) {
  switch (state) {
    case WitnessState::kNew:
      return "new";
    case WitnessState::kGood:
      return "good";
    case WitnessState::kAway:
      return "away";
    case WitnessState::kUnknownLog:
      return "unknown_log";
    case WitnessState::kLies:
      return "lies";
    case WitnessState::kFork:
      return "fork";
    case WitnessState::kRollback:
      return "rollback";
  }
  return "unknown";
}

WitnessClient::WitnessClient(WitnessConfig config, Post post)
    : config_(std::move(config)), post_(std::move(post)) {}

// An alarm outlives the silence that may follow it.
tl::unexpected<Error> WitnessClient::settle(WitnessState state, Errc code, std::string why) {
  if (!is_alarm(state_) || is_alarm(state)) {
    state_ = state;
    why_ = why;
  }
  return fail(code, config_.name + ": " + std::move(why));
}

Result<Cosignature> WitnessClient::ask(const std::string& note, const Checkpoint& checkpoint,
                                       const NodeSource& nodes) {
  constexpr int kExchangesMax = 2;
  const auto url = config_.url + "/add-checkpoint";
  // It never signs what is shorter than what it signed: then our memory of it is what is wrong.
  auto old_size = std::min(known_size_, checkpoint.size);
  for (int i = 0; i < kExchangesMax; ++i) {
    auto proof = consistency_proof(old_size, checkpoint.size, nodes);
    // Our own tiles cannot be read: no word about the witness.
    if (!proof) return tl::unexpected<Error>(proof.error());
    const auto answer = post_(url, encode_continuation({old_size, std::move(*proof), note}));
    if (!answer) return settle(WitnessState::kAway, answer.error().code, answer.error().message);
    if (answer->status == kOk) return take_signed(note, checkpoint.size, answer->body);
    if (answer->status != kConflict) return refused(*answer, checkpoint.size);
    auto text = std::string_view(answer->body);
    if (text.ends_with('\n')) text.remove_suffix(1);
    const auto known = parse_size(text);
    if (!known) return settle(WitnessState::kAway, Errc::kMalformed, "a conflict without a size");
    if (*known > checkpoint.size)
      return settle(WitnessState::kRollback, Errc::kCorrupt,
                    "it signed a log of " + std::to_string(*known) + " entries, and ours has " +
                        std::to_string(checkpoint.size) + ": rolled back");
    known_size_ = old_size = *known;
  }
  return settle(WitnessState::kAway, Errc::kBusy, "it names another size each time");
}

Result<Cosignature> WitnessClient::take_signed(const std::string& note, std::uint64_t size,
                                               const std::string& body) {
  auto found = find_in_answer(note, body, config_.key);
  if (!found)
    return settle(WitnessState::kLies, Errc::kCorrupt,
                  "its answer holds no cosignature of its key: " + found.error().message);
  state_ = WitnessState::kGood;
  why_.clear();
  known_size_ = signed_size_ = size;
  signed_at_s_ = found->at_s;
  return found;
}

Result<Cosignature> WitnessClient::refused(const Answer& answer, std::uint64_t size) {
  const auto said = "it answered " + std::to_string(answer.status);
  switch (answer.status) {
    case kUnprocessable:
      return settle(WitnessState::kFork, Errc::kCorrupt,
                    said + ": our log of " + std::to_string(size) +
                        " entries does not continue the one that it signed: a fork");
    case kForbidden:
      return settle(WitnessState::kUnknownLog, Errc::kDenied,
                    said + ": it knows this log under another key");
    case kNotFound:
      return settle(WitnessState::kUnknownLog, Errc::kNotFound,
                    said + ": it does not know this log; its operator must add it");
    default:
      return settle(WitnessState::kAway, Errc::kUnavailable, said);
  }
}

}  // namespace callward::audit
