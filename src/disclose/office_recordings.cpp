// Recordings: by what right a person's browser has keys of them, and who has them erased.
#include <boost/json.hpp>

#include "disclose/office.hpp"

namespace callward::disclose {
namespace {

constexpr auto kCustomerStream = HeardSound::kCustomerStream;

}  // namespace

Heard Office::heard_of(const keys::CallAsked& call) const {
  Heard heard{.is_call_back = call.is_call_back(), .of = call.call_back};
  for (const auto& [id, running] : requests_)
    if (running.call_back.call == call.id && !call.id.is_zero() &&
        !is_settled(running.chain.request().state)) {
      heard.is_call_back = true;
      heard.request = &running.chain.request();
    }
  return heard;
}

Result<boost::json::object> Office::may_open(const keys::CallAsked& call, std::string_view actor,
                                             const std::array<std::uint8_t, 32>& reader_key,
                                             const keys::OpenAsked& asked) {
  TRY(ready());
  if (chart_.number() == 0) return boost::json::object{};
  const auto person = PersonId::parse(actor);
  if (!person)
    return fail(Errc::kDenied, "there is a role chart: a person opens it, with a passkey");
  const auto* reader = find_reader(*person, reader_key);
  if (reader == nullptr)
    return tl::unexpected<Error>(
        no_reader("this key was not signed by the person's passkey: sign in anew"));
  if (!fits(reader->scope, call.id, asked))
    return fail(Errc::kDenied, "this key was signed for another call, or for something else of it");
  const auto heard = heard_of(call);
  const auto right = TRY(may_hear(chart_, *person, heard));
  if (right == Hearing::kCallBack && asked.about)
    return fail(Errc::kDenied, "who hears a call-back learns no number of it");
  boost::json::object said{{"right", to_text(right)}, {"reader", to_hex(reader_key)}};
  if (right == Hearing::kCallBack) said["request"] = heard.request->id.hex();
  return said;
}

// Who releases has heard the call-back: that stands in the request's own chain of entries, so that
// a keeper that starts anew knows it.
void Office::was_opened(const keys::CallAsked& call, std::string_view actor,
                        const std::vector<keys::SegmentRange>& sound) {
  const auto person = PersonId::parse(actor);
  const auto heard = heard_of(call);
  if (!person || heard.request == nullptr || chart_.number() == 0) return;
  const auto right = may_hear(chart_, *person, heard);
  if (!right || *right != Hearing::kCallBack) return;
  const auto running = find_request(heard.request->id);
  if (!running || (*running)->heard.contains(*person)) return;
  auto& hearing = (*running)->hearing[*person];
  for (const auto& range : sound) hearing.add(range);
  if (hearing.ms() < policy_.policy.limits.call_seconds_min * 1'000) return;
  // What cannot be written down did not happen: they hear it once more.
  (*running)->hearing.erase(*person);
  if (stage_of_request(heard.request->id, **running, "call_back_heard", person->hex(),
                       {{"call", call.id.hex()}}))
    (*running)->heard.insert(*person);
}

Status Office::has_heard(const Running& running, const PersonId& person) {
  if (!running.read.contains(person))
    return fail(Errc::kState, "read the concern first: who releases knows what it is for");
  return running.heard.contains(person)
             ? Status{}
             : fail(Errc::kState, "hear the call-back first: who releases has heard it");
}

// A call-back is what others judge its request by: until they have, nobody takes anything of it
// away, and who asked or rang never does. (The listener erases what it must, within its bounds.)
Status Office::may_erase(const keys::CallAsked& call, std::string_view actor) {
  auto heard = heard_of(call);
  if (!heard.is_call_back || chart_.number() == 0) return {};
  TRY(ready());
  const auto person = PersonId::parse(actor);
  // Where nobody can say whose it is, whoever might have a part in it has.
  if (person && has_part(chart_, *person, heard))
    return fail(Errc::kDenied, "who asked, and who rang, erase nothing of the call-back");
  for (const auto& [id, running] : requests_) {
    if (is_settled(running.chain.request().state)) continue;
    const bool unnamed = running.dialling && running.dialling->call.is_zero();
    if (id == call.call_back.request || running.call_back.call == call.id ||
        (running.dialling && running.dialling->call == call.id) ||
        (unnamed && !call.call_back.is_known()))
      return fail(Errc::kState,
                  "nothing of a call-back is erased until its request is over and reviewed");
  }
  return {};
}

// The verdict and the release are judged by what was said: so much of the customer as a call-back
// needs at all is still there for who reviews.
Status Office::enough_is_kept(const CallBack& made) const {
  return ledger_.kept_ms(made.call, kCustomerStream) >=
                 policy_.policy.limits.call_seconds_min * 1'000
             ? Status{}
             : fail(Errc::kState, "too little of the customer is left of the call-back");
}

}  // namespace callward::disclose
