#include "disclose/chain.hpp"

#include <algorithm>
#include <set>

namespace callward::disclose {
namespace {

using enum EventKind;

// Nobody signs for these: the keeper says them, by what it knows itself.
bool by_the_system(EventKind kind) { return kind == kAssign || kind == kNoAnswer || kind == kTime; }

bool is_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](auto b) { return b == 0; });
}

}  // namespace

Request wanted_of(const ChainStep& step) {
  Request wanted;
  wanted.id = step.request;
  wanted.customer = step.customer;
  wanted.of_case = step.of_case;
  wanted.requester = step.event.by;
  wanted.fields = step.event.fields;
  wanted.category = step.category;
  wanted.wished_ms = step.event.window_ms;
  return wanted;
}

bool needs_words(EventKind kind) {
  static constexpr std::array kSaid = {kPass, kFail, kDecline, kBreak, kRevoke, kReview};
  return std::ranges::find(kSaid, kind) != kSaid.end();
}

bool is_concern(std::string_view text) {
  // Letters of any script: bytes beyond ASCII count, too.
  std::size_t letters = 0;
  std::set<char> different;
  std::set<std::string> words;
  std::string word;
  std::size_t word_count = 0;
  const auto end_word = [&] {
    if (word.empty()) return;
    words.insert(std::exchange(word, {}));
    ++word_count;
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    if (!letter && byte < 0x80) {
      end_word();
      continue;
    }
    // One letter beyond ASCII is several bytes: those that begin one are counted.
    letters += letter || byte >= 0xC0;
    const auto lower = static_cast<char>(letter ? byte | 0x20 : byte);
    different.insert(lower);
    word.push_back(lower);
  }
  end_word();
  return letters >= 20 && different.size() >= 6 && words.size() >= 3 &&
         words.size() * 2 > word_count;
}

Status Chain::check_signature(const SignedStep& next, const World& world) const {
  const auto& step = next.step;
  const bool first = step.number == 1;
  if (!first && by_the_system(step.event.kind))
    return next.signature || !step.event.by.is_zero()
               ? fail(Errc::kDenied, "nobody does this by hand")
               : Status{};
  if (!first && step.event.kind == kRevoke && step.event.by.is_zero() && !next.signature)
    return {};  // the keeper's own: a role that was taken away, a session that ended
  if (!next.signature || step.event.by.is_zero() || next.signature->person != step.event.by)
    return fail(Errc::kDenied, "not signed by who does it");
  return world.chart.check(step.event.by, TRY(hash_of(step)), next.signature->said);
}

Result<std::vector<Action>> Chain::apply(const SignedStep& next, const World& world) {
  const auto& step = next.step;
  if (step.number != number_ + 1 || step.before != head_ ||
      (number_ != 0 && step.request != request_.id))
    return fail(Errc::kState, "not the step that comes next");
  const bool first = number_ == 0;
  if (!first && (!step.customer.is_zero() || step.of_case != 0 || !step.category.empty()))
    return fail(Errc::kMalformed, "whose it is was said when it was asked for");
  if ((first || needs_words(step.event.kind)) && !step.event.by.is_zero() && is_zero(step.words))
    return fail(Errc::kMalformed, "it needs a word of why");
  if ((!first && step.event.kind == kView) == is_zero(step.reader_key))
    return fail(Errc::kMalformed, "a view, and nothing else, names the reader's key");
  TRY(check_signature(next, world));
  auto done = first ? ask(wanted_of(step), world) : disclose::step(request_, step.event, world);
  if (!done) return tl::unexpected<Error>(done.error());
  const auto head = TRY(hash_of(step));
  request_ = std::move(done->next);
  number_ = step.number;
  head_ = head;
  return std::move(done->actions);
}

}  // namespace callward::disclose
