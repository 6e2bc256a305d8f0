// Whose number it is that a running call is with. The number itself is forgotten at once: what is
// kept, in memory and while the call runs, is the token that finds who has it.
#include <boost/json.hpp>

#include "base/stack.hpp"
#include "disclose/office.hpp"
#include "disclose/parts.hpp"
#include "vault/normalise.hpp"

namespace callward::disclose {
namespace {

namespace json = boost::json;

// Whose numbers a call says that it is between (capture/call_data.hpp); empty where it is silent.
struct Numbers {
  SecretBytes customer, agent;
};
SecretBytes number_of(const json::object& call, std::string_view whose) {
  const auto* who = call.if_contains(whose);
  const auto* number =
      who != nullptr && who->is_object() ? who->get_object().if_contains("number") : nullptr;
  if (number == nullptr || !number->is_string()) return {};
  return SecretBytes(as_bytes(std::string_view(number->get_string())));
}
[[gnu::noinline]] Numbers numbers_in(ByteView call_data) {
  SecretBytes room(2 * call_data.size() + 4'096);  // wiped with what was read into it
  json::monotonic_resource memory(room.expose_mut().data(), room.size());
  boost::system::error_code bad;
  const auto said = json::parse(as_text(call_data), bad, &memory);
  const auto* object = bad ? nullptr : said.if_object();
  if (object == nullptr) return {};
  return {number_of(*object, "customer"), number_of(*object, "agent")};
}

Error no_number() { return {Errc::kNotFound, "the call shows no number, or runs no more"}; }

const vault::FieldSpec* telephone_of(const vault::Policy& policy) {
  for (const auto& spec : policy.fields)
    if (spec.kind == vault::FieldKind::kPhone && spec.search) return &spec;
  return nullptr;
}

}  // namespace

// The library reads its tables at its first number, which is not to be a caller's.
void Office::warm_numbers() const {
  constexpr std::string_view kNobodys = "+12025550100";  // of those that are kept for examples
  (void)vault::normalise(vault::FieldKind::kPhone, as_bytes(kNobodys), policy_.policy.region);
}

void Office::call_says(const CallId& call, ByteView call_data) {
  const WipesStackBelow at_end;  // the JSON parser moves short strings through a buffer there
  const auto [number, agent] = numbers_in(call_data);
  if (!agent.empty()) call_data_names(call, as_text(agent.expose()));
  const auto* spec = telephone_of(policy_.policy);
  if (spec == nullptr || number.empty()) return;  // what was said before stands
  const auto normalised = vault::normalise(spec->kind, number.expose(), policy_.policy.region);
  if (!normalised) return (void)callers_.erase(call);
  if (callers_.size() >= kCallersMax && !callers_.contains(call)) return;
  callers_[call] = book_.token_of(spec->kind, normalised->expose());
}

void Office::look_up_caller(const keys::LookUpCaller& message, Reply<keys::FoundCustomers> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto may = may_look_up(message.actor); !may) return refuse(may.error());
  if (!callers_.contains(message.call)) return refuse(no_number());
  when_in_call(
      message.call, message.actor, InCall::kNow, [this, message, reply](const Status& may) {
        const auto no = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
        if (!may) return no(may.error());
        if (auto is_ready = ready(); !is_ready) return no(is_ready.error());
        const auto caller = callers_.find(message.call);
        if (caller == callers_.end()) return no(no_number());
        if (auto may_today = within_own_day(
                callers_day_, message.actor, kCallerLookUpsPerDay, "office.caller_look_ups_spent",
                "as many look-ups by a call's number today as one person may make");
            !may_today)
          return no(may_today.error());
        const auto found = who_has(caller->second);
        if (!found) return no(found.error());
        answer_found(*found,
                     {.type = "looked_up",
                      .actor = message.actor,
                      .subject = message.call.hex(),
                      .data = {{"field", telephone_of(policy_.policy)->id},
                               {"found", static_cast<std::int64_t>(found->customers.size())}}},
                     reply);
      });
}

}  // namespace callward::disclose
