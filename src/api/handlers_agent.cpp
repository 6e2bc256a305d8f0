// An agent's own call: which one runs at their telephone, and privacy within it.
#include <algorithm>

#include "api/customer_helpers.hpp"

namespace callward::api {
namespace {

constexpr std::string_view kBoth = "both", kCustomerOnly = "customer";
constexpr std::int64_t kLookMs = 1'000;  // for keeper and recorder to say how a call stands

std::optional<LiveCalls::Live> call_at(Service& service, const Acting& who) {
  return service.extension_of ? service.live_calls.at(service.extension_of(who.id)) : std::nullopt;
}

boost::json::object private_json(const keys::PrivateState& state) {
  boost::json::value sides = nullptr;
  if (state.on) sides = state.kept == 0 ? kBoth : kCustomerOnly;
  return {{"on", state.on},
          {"sides", std::move(sides)},
          {"left_ms", std::int64_t{state.left_ms}},
          {"wait_ms", std::int64_t{state.wait_ms}},
          {"times", std::int64_t{state.times}},
          {"used_ms", std::int64_t{state.used_ms}}};
}

// The call, and whether it is private: a page that is opened during it must not guess. Null: the
// keeper does not say now.
boost::json::object live_json(Service& service, const std::optional<LiveCalls::Live>& live) {
  if (!live)
    return {{"call", nullptr}, {"started_at", nullptr}, {"attestation", ""}, {"private", nullptr}};
  const auto state =
      service.keeper.call<keys::PrivateState>(keys::PrivateLook{live->call}, kLookMs);
  boost::json::value now = nullptr;
  if (state) now = private_json(*state);
  return {{"call", live->call.hex()},
          {"started_at", live->started_at},
          {"attestation", live->attestation},
          {"private", std::move(now)}};
}

Result<Response> current(Service& service, const Request& request) {
  return Response::json(live_json(service, call_at(service, TRY(acting(request)))));
}

// The streams in which the agent alone speaks. Where nobody can say which they are, both sides are
// private: better that too much is gone than that the customer is kept.
std::uint16_t agents_streams(Service& service, const CallId& call) {
  const auto agent =
      service.recorder.call<store::LiveAgent>(store::LiveAgentRequest{call}, kLookMs);
  constexpr std::uint16_t kCustomers = 1;
  return agent && (agent->streams & kCustomers) == 0 ? agent->streams : std::uint16_t{0};
}

// One's own call only; the keeper holds the bounds.
Result<Response> set_private(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto live = call_at(service, who);
  if (!live || live->call.hex() != request.parameters.at("id"))
    return fail(Errc::kNotFound, "no such call at your telephone");
  auto body = TRY(BodyReader::parse(request.body));
  const bool on = TRY(body.flag("on"));
  const auto sides = TRY(body.optional_text("sides", kCustomerOnly.size()));
  TRY(body.finish());
  if (!sides.empty() && sides != kBoth && sides != kCustomerOnly)
    return fail(Errc::kMalformed, "sides is both or customer");
  const bool one_side = on && sides == kCustomerOnly;
  const auto state = TRY(service.keeper.call<keys::PrivateState>(keys::PrivateMode{
      .call = live->call,
      .on = on,
      .actor = who.id.hex(),
      .kept = one_side ? agents_streams(service, live->call) : std::uint16_t{0}}));
  service.tell_live(*live);  // another page of theirs shows it, too
  auto out = private_json(state);
  out["call"] = live->call.hex();
  return Response::json(std::move(out));
}

// Its number is the keeper's alone; this server knows which call is at whose telephone.
Result<Response> look_up_caller(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  auto body = TRY(BodyReader::parse(request.body));
  TRY(body.finish());
  const auto live = call_at(service, who);
  if (!live) return fail(Errc::kNotFound, "no call runs at your telephone");
  auto found = found_json(
      service, who,
      TRY(service.keeper.call<keys::FoundCustomers>(keys::LookUpCaller{who.id.hex(), live->call})));
  found["call"] = live->call.hex();  // another one may have come to the telephone meanwhile
  return Response::json(std::move(found));
}

}  // namespace

void Service::tell_live(const LiveCalls::Live& live) {
  if (live.extension.empty() || !person_at) return;
  if (const auto person = person_at(live.extension))
    events.publish("live_call",
                   boost::json::serialize(live_json(*this, live_calls.at(live.extension))), 0,
                   {*person});
}

void Service::note_live(const store::CallEvent& event) {
  if (event.phase != store::CallPhase::kLive) {
    if (const auto was = live_calls.end(event.call)) tell_live(*was);
    return;
  }
  const auto agent = recorder.call<store::LiveAgent>(store::LiveAgentRequest{event.call}, 2'000);
  const auto known = live_calls.find(event.call);
  // What cannot be said now stays as it was, and is asked again with the call's next news.
  const LiveCalls::Live live{event.call,
                             agent   ? agent->extension
                             : known ? known->extension
                                     : "",
                             event.started_at, attestation_in(event.flags),
                             event.source == keys::CallSource::kCallBack};
  const auto was = live_calls.begin(live);
  if (was && was->extension == live.extension) return;
  if (was) tell_live(*was);
  tell_live(live);
}

void Service::settle_live(const std::vector<store::CallEvent>& calls) {
  std::set<CallId> running;
  for (const auto& event : calls)
    if (event.phase == store::CallPhase::kLive) running.insert(event.call);
  for (const auto& was : live_calls.keep(running)) tell_live(was);
}

void add_agent_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/live-call", "getLiveCall",
                    guarded([&](const Request& r) { return current(service, r); })});
  // A logged act each time: sent again it is asked again.
  routes.push_back({"POST", "/v1/live-call/lookup", "lookUpCaller",
                    guarded([&](const Request& r) { return look_up_caller(service, r); })});
  routes.back().polls = true;  // a page asks by itself when a call comes
  routes.push_back(
      {"POST", "/v1/calls/{id}/private", "setPrivate",
       once(service, guarded([&](const Request& r) { return set_private(service, r); }))});
}

}  // namespace callward::api
