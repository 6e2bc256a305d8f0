// An agent's own call: which one runs at their telephone, and privacy within it.
#include "api/customer_helpers.hpp"

namespace callward::api {
namespace {

std::optional<LiveCalls::Live> call_at(Service& service, const Acting& who) {
  return service.extension_of ? service.live_calls.at(service.extension_of(who.id)) : std::nullopt;
}

boost::json::object live_json(const std::optional<LiveCalls::Live>& live) {
  if (!live) return {{"call", nullptr}, {"started_at", nullptr}};
  return {{"call", live->call.hex()}, {"started_at", live->started_at}};
}

Result<Response> current(Service& service, const Request& request) {
  return Response::json(live_json(call_at(service, TRY(acting(request)))));
}

// One's own call only; the keeper holds the bounds.
Result<Response> set_private(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto live = call_at(service, who);
  if (!live || live->call.hex() != request.parameters.at("id"))
    return fail(Errc::kNotFound, "no such call at your telephone");
  auto body = TRY(BodyReader::parse(request.body));
  const bool on = TRY(body.flag("on"));
  TRY(body.finish());
  const auto state = TRY(service.keeper.call<keys::PrivateState>(
      keys::PrivateMode{.call = live->call, .on = on, .actor = who.id.hex()}));
  return Response::json({{"call", live->call.hex()},
                         {"on", state.on},
                         {"left_ms", std::int64_t{state.left_ms}},
                         {"wait_ms", std::int64_t{state.wait_ms}},
                         {"times", std::int64_t{state.times}},
                         {"used_ms", std::int64_t{state.used_ms}}});
}

}  // namespace

void Service::note_live(const store::CallEvent& event) {
  const auto tell = [this](const LiveCalls::Live& live) {
    if (const auto person = person_at ? person_at(live.extension) : std::nullopt)
      events.publish("live_call", boost::json::serialize(live_json(live_calls.at(live.extension))),
                     0, *person);
  };
  if (event.phase != store::CallPhase::kLive) {
    if (const auto was = live_calls.end(event.call)) tell(*was);
    return;
  }
  if (live_calls.knows(event.call)) return;
  const auto agent = recorder.call<store::LiveAgent>(store::LiveAgentRequest{event.call}, 2'000);
  // A recorder that is away is asked again with the call's next news.
  if (!agent && agent.error().code != Errc::kNotFound) return;
  const LiveCalls::Live live{event.call, agent ? agent->extension : "", event.started_at};
  live_calls.begin(live);
  if (!live.extension.empty()) tell(live);
}

void add_agent_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/live-call", "getLiveCall",
                    guarded([&](const Request& r) { return current(service, r); })});
  routes.push_back(
      {"POST", "/v1/calls/{id}/private", "setPrivate",
       once(service, guarded([&](const Request& r) { return set_private(service, r); }))});
}

}  // namespace callward::api
