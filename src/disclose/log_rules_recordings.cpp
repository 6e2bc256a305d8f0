// The rule of recordings over the log's entries.
#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "disclose/log_rules.hpp"
#include "disclose/recordings.hpp"
#include "keys/record.hpp"

namespace callward::disclose {
namespace {

constexpr std::string_view kRule = "opened-by-right", kTakenRule = "call-back-is-kept",
                           kTypedRule = "typed-not-in-call-backs";
constexpr std::string_view kListener = "listener", kTyped = "typed_secret";

std::string text_or_nothing(const audit::Entry& entry, std::string_view name) {
  const auto* value = entry.data.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// What the entry says that keys were asked of.
keys::OpenAsked asked_by(const audit::Entry& entry) {
  const auto* kinds = entry.data.if_contains("kinds");
  keys::OpenAsked asked{
      .purpose =
          keys::purpose_of_text(text_or_nothing(entry, "purpose")).value_or(keys::OpenPurpose{})};
  if (kinds == nullptr || !kinds->is_array()) return asked;
  for (const auto& kind : kinds->get_array()) {
    const bool about = kind == keys::to_text(keys::RecordKind::kCallData);
    const bool sound = kind == keys::to_text(keys::RecordKind::kAudio);
    asked.about |= about;
    asked.sound |= sound;
    asked.derived |= !about && !sound;
  }
  return asked;
}

// The sound of which it gave keys; of an entry from before there were such, none.
std::vector<keys::SegmentRange> sound_of(const audit::Entry& entry) {
  std::vector<keys::SegmentRange> ranges;
  const auto* list = entry.data.if_contains("sound");
  if (list == nullptr || !list->is_array()) return ranges;
  for (const auto& item : list->get_array()) {
    const auto* one = item.if_array();
    if (one == nullptr || one->size() != 3) continue;
    const auto number = [&](std::size_t i) {
      const auto& value = (*one)[i];
      return value.is_int64() ? static_cast<std::uint32_t>(value.get_int64()) : 0;
    };
    ranges.push_back({static_cast<std::uint8_t>(number(0)), number(1), number(2)});
  }
  return ranges;
}

}  // namespace

// Whose call-back the call was; and the request, while somebody has still to judge it.
Heard LogRules::heard_of(const CallId& call, std::int64_t at) const {
  const auto whose = backed_.find(call);
  if (whose == backed_.end()) return {};
  Heard heard{.is_call_back = true, .of = whose->second};
  const auto of = requests_.find(heard.of.request);
  if (of == requests_.end() || !of->second.call_back || of->second.call_back->call != call)
    return heard;
  const auto& request = of->second.chain.request();
  const auto end = deadline(request, *limits_);
  const bool too_late = end != 0 && is_over(request.state) && at > end;
  if (!is_settled(request.state) && !too_late) heard.request = &request;
  return heard;
}

// While it ran the log did not say whose it was; whoever had it from the beginning had a part.
void LogRules::check_opened_before(const Now& now, const CallId& call, const keys::CallBackOf& of) {
  const auto at = calls_.find(call);
  if (at == calls_.end()) return;
  for (const auto& [person, index] : std::exchange(at->second.opened_by, {}))
    if (of.has_part(person))
      now.find(kRule, index, call.hex(), "who asked, and who rang, do not hear the call-back");
}

void LogRules::opened(const Now& now) {
  if (!chart_ || chart_->number() == 0 || !limits_) return;
  const auto person = PersonId::parse(now.entry.actor);
  const auto call = CallId::parse(now.entry.subject);
  if (!person || !call) return now.breaks(kRule, "by nobody in the role chart");
  const auto key = from_hex(text_or_nothing(now.entry, "reader"));
  ReaderKey reader_key{};
  if (!key || key->size() != reader_key.size())
    return now.breaks(kRule, "with no key of a browser");
  std::ranges::copy(*key, reader_key.begin());
  const auto reader = keeper_.readers.find({*person, reader_key});
  if (reader == keeper_.readers.end() || !reads_on(reader->second, now.entry.at))
    return now.breaks(kRule, "with a key that this person's passkey did not sign");
  const auto asked = asked_by(now.entry);
  if (!fits(reader->second.scope, *call, asked))
    return now.breaks(kRule, "with a key that was signed for another call, or for something else");
  const auto heard = heard_of(*call, now.entry.at);
  if (const auto began = calls_.find(*call);
      began != calls_.end() && began->second.call_back && !heard.is_call_back)
    began->second.opened_by.emplace_back(*person, now.index);
  const auto right = may_hear(*chart_, *person, heard);
  if (!right) return now.breaks(kRule, right.error().message);
  if (text_or_nothing(now.entry, "right") != to_text(*right))
    now.breaks(kRule, "by another right than the entry says");
  if (*right != Hearing::kCallBack) return;
  if (asked.about) now.breaks(kRule, "who hears a call-back learns no number of it");
  auto& had = requests_.at(heard.of.request).opened[*person];
  for (const auto& range : sound_of(now.entry)) had.add(range);
}

// ---- what is taken away of a call-back ----------------------------------------------------------

void LogRules::check_taken(const Now& now, std::string_view by) const {
  const auto person = PersonId::parse(by);
  const auto call = CallId::parse(now.entry.subject);
  // The listener's, and what goes by retention: by other rules.
  if ((!person && by != "operator") || !call || !limits_) return;
  const auto heard = heard_of(*call, now.entry.at);
  if (!heard.is_call_back) return;
  if (person && heard.of.has_part(*person))
    now.breaks(kTakenRule, "who asked, and who rang, erase nothing of the call-back");
  else if (heard.request != nullptr)
    now.breaks(kTakenRule, "its request was neither over nor reviewed");
}

bool LogRules::is_call_back(const CallId& call) const {
  const auto began = calls_.find(call);
  return backed_.contains(call) || (began != calls_.end() && began->second.call_back);
}

// Whoever types chooses the words. What an older keeper took, and this one ends, is by "recovery".
void LogRules::erase_intended(const Now& now) {
  const auto source = text_or_nothing(now.entry, "source");
  check_taken(now, source);
  const auto call = CallId::parse(now.entry.subject);
  if (keeper_.rules >= kRulesOfTyped && source == kListener &&
      text_or_nothing(now.entry, "reason") == kTyped && call && is_call_back(*call))
    now.breaks(kTypedRule, "of a call-back, what was typed is erased");
}

void LogRules::check_typed(const Now& now, std::string_view call) const {
  const auto id = CallId::parse(call);
  if (keeper_.rules >= kRulesOfTyped && id && is_call_back(*id))
    now.breaks(kTypedRule, "fields are stored as typed in a call-back");
}

void LogRules::held_decided(const Now& now) {
  if (text_or_nothing(now.entry, "decision") == "erase") check_taken(now, now.entry.actor);
}

// Of what the listener missed: it opens nothing, but makes figures.
void LogRules::marked(const Now& now) {
  if (!chart_ || chart_->number() == 0) return;
  const auto person = PersonId::parse(now.entry.actor);
  const auto* member = person ? chart_->here(*person) : nullptr;
  if (member == nullptr ||
      (member->roles & (bit(people::Role::kReviewer) | bit(people::Role::kOwner))) == 0)
    now.breaks("marked-by-a-reviewer", now.entry.type + " by nobody in the role chart who may");
}

}  // namespace callward::disclose
