// The rule of recordings over the log's entries.
#include "disclose/log_rules.hpp"
#include "disclose/recordings.hpp"

namespace callward::disclose {
namespace {

constexpr std::string_view kRule = "opened-by-right";

std::string text_or_nothing(const audit::Entry& entry, std::string_view name) {
  const auto* value = entry.data.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

// The request whose call-back the call was, while somebody has still to judge it.
const Request* LogRules::call_back_of(const CallId& call, std::int64_t at) const {
  for (const auto& [id, of] : requests_) {
    if (!of.call_back || of.call_back->call != call) continue;
    const auto& request = of.chain.request();
    if (is_settled(request.state)) return nullptr;
    const auto end = deadline(request, *limits_);
    return end != 0 && is_over(request.state) && at > end ? nullptr : &request;
  }
  return nullptr;
}

void LogRules::opened(const Now& now) {
  if (!chart_ || chart_->number() == 0 || !limits_) return;
  const auto person = PersonId::parse(now.entry.actor);
  const auto call = CallId::parse(now.entry.subject);
  if (!person || !call) return now.breaks(kRule, "by nobody in the role chart");
  const auto key = from_hex(text_or_nothing(now.entry, "reader"));
  std::array<std::uint8_t, 32> reader_key{};
  if (!key || key->size() != reader_key.size())
    return now.breaks(kRule, "with no key of a browser");
  std::ranges::copy(*key, reader_key.begin());
  const auto reader = keeper_.readers.find(reader_key);
  if (reader == keeper_.readers.end() || reader->second.person != *person ||
      !reads_on(reader->second, now.entry.at))
    return now.breaks(kRule, "with a key that this person's passkey did not sign");
  const auto right = may_hear(*chart_, *person, call_back_of(*call, now.entry.at));
  if (!right) return now.breaks(kRule, right.error().message);
  if (text_or_nothing(now.entry, "right") != to_text(*right))
    now.breaks(kRule, "by another right than the entry says");
}

}  // namespace callward::disclose
