// What becomes of a customer's data: cases that are closed and given to technicians, what the
// customer wants gone, legal holds.
#include <algorithm>
#include <boost/json.hpp>

#include "disclose/office.hpp"
#include "disclose/parts.hpp"
#include "vault/field_record.hpp"
#include "vault/normalise.hpp"

namespace callward::disclose {
namespace {

using people::Role;

// What the log holds for good is no text of anybody's.
Status check_reason(const std::string& hash) {
  const auto raw = from_hex(hash);
  return raw && raw->size() == 32 && to_hex(*raw) == hash
             ? Status{}
             : fail(Errc::kMalformed, "a reason is given by its salted SHA-256");
}

}  // namespace

// The last case of a customer being over, contacts can only be compared: their tokens are made from
// the records that came with it.
void Office::close_case(const keys::CloseCase& message, Reply<keys::Ack> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  if (auto may = may_act(message.actor, kServes); !may) return refuse(may.error());
  const auto found = book_.find(message.customer);
  if (!found) return refuse(found.error());
  const auto* open = (*found)->find_case(message.of_case);
  if (open == nullptr || open->closed_at != 0)
    return refuse({Errc::kNotFound, "no such open case"});
  auto tokens = std::make_shared<std::map<vault::Leaf, vault::CompareToken>>();
  for (const auto& contact : message.contacts) {
    const auto* version = (*found)->find(contact.leaf);
    if (version == nullptr || version->of_class != vault::FieldClass::kContact ||
        version->state != vault::FieldState::kReadable || tokens->contains(contact.leaf))
      continue;
    const auto value =
        vault::open_value(cipher_, **found, *version, keys::RecordKind::kField, contact.record);
    if (!value) return refuse(value.error());
    const auto normalised = vault::normalise(version->kind, value->expose(), policy_.policy.region);
    if (!normalised) continue;  // what no policy takes any more is gone, and cannot be compared
    const auto token = compare_token(version->kind, normalised->expose());
    if (!token) return refuse(token.error());
    tokens->emplace(contact.leaf, *token);
  }
  auto staged = ledger_.stage({.type = "case_closed",
                               .actor = message.actor,
                               .subject = message.customer.hex(),
                               .data = {{"case", std::int64_t{message.of_case}}}});
  if (!staged) return refuse(staged.error());
  ledger_.with_log(
      [this, id = message.customer, of_case = message.of_case, tokens](const Status& logged) {
        const auto still = book_.find(id);
        if (!logged || !still || !(*still)->close_case(of_case, keep_in_force(), now())) return;
        for (const auto leaf : (*still)->to_compare()) {
          const auto token = tokens->find(leaf);
          if (token != tokens->end())
            (*still)->set_compare(leaf, token->second);
          else
            (*still)->go(leaf, vault::GoneBy::kCaseClosed);
        }
        book_.touch(**still);
        note_going(**still);
      });
  ledger_.write_rows();
  ledger_.after_log([reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::Ack{});
  });
}

void Office::assign_case(const keys::AssignCase& message, Reply<keys::Ack> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  if (auto may = may_act(message.actor, kAssigns); !may) return refuse(may.error());
  if (!message.technician.is_zero() && !chart_.is(message.technician, Role::kTechnician))
    return refuse({Errc::kDenied, "no technician with a passkey"});
  const auto found = book_.find(message.customer);
  if (!found) return refuse(found.error());
  const auto* open = (*found)->find_case(message.of_case);
  if (open == nullptr || open->closed_at != 0)
    return refuse({Errc::kNotFound, "no such open case"});
  auto staged = ledger_.stage(
      {.type = "case_assigned",
       .actor = message.actor,
       .subject = message.customer.hex(),
       .data = {{"case", std::int64_t{message.of_case}},
                {"person", message.technician.is_zero() ? "" : message.technician.hex()}}});
  if (!staged) return refuse(staged.error());
  ledger_.with_log([this, message](const Status& logged) {
    const auto still = book_.find(message.customer);
    if (!logged || !still) return;
    (void)(*still)->assign_case(message.of_case, message.technician);  // open: it was just now
    book_.touch(**still);
  });
  ledger_.write_rows();
  ledger_.after_log([reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::Ack{});
  });
}

// Of a first step that is just on its way to the log the chain says nothing yet.
std::size_t Office::unsettled_of(const CustomerId& customer) const {
  return static_cast<std::size_t>(std::ranges::count_if(requests_, [&](const auto& item) {
    const auto& running = item.second;
    const auto& request = running.chain.request();
    const auto& whose = running.chain.number() == 0 ? running.asked_of : request.customer;
    return whose == customer && !is_settled(request.state);
  }));
}

Status Office::may_erase_fields(const keys::EraseFields& message) {
  TRY(ready());
  TRY(may_act(message.actor, message.all ? kLeads : kServes));
  TRY(check_reason(message.reason_hash));
  const auto* customer = TRY(book_.find(message.customer));
  const auto* version = message.all ? nullptr : customer->find(message.leaf);
  if (!message.all && (version == nullptr || version->state == vault::FieldState::kGone ||
                       is_words(*version)))  // what was said goes with the customer alone
    return fail(Errc::kNotFound, "no such field");
  if (version != nullptr && version->of_class == vault::FieldClass::kSecret) return {};
  if (customer->held()) return fail(Errc::kDenied, "under a legal hold");
  // What was said stands among the customer's data: who has to judge a request reads it, and a
  // review says more of it. One by one its fields would go by one name, the number that is rung
  // and what is compared among them.
  if (unsettled_of(message.customer) != 0)
    return fail(Errc::kState,
                "a request for this customer's data is not over, or not reviewed yet: end it or "
                "have it reviewed first");
  return within_own_day(erasures_day_, message.actor, kErasuresPerDay, "office.erasures_spent",
                        "as much was ordered erased today as one person may order");
}

// Another one's word, who still leads, and not too long ago.
bool Office::confirms_all(const CustomerId& customer, const PersonId& actor) const {
  const auto first = proposed_.find(customer);
  return first != proposed_.end() && first->second.by != actor &&
         now() - first->second.at <= kErasureProposedMs &&
         may_act(first->second.by.hex(), kLeads).has_value();
}

void Office::propose_all(const CustomerId& customer, const PersonId& actor) {
  if (proposed_.size() >= kProposedMax)
    std::erase_if(proposed_,
                  [this](const auto& item) { return now() - item.second.at > kErasureProposedMs; });
  if (proposed_.size() < kProposedMax || proposed_.contains(customer))
    proposed_[customer] = {.by = actor, .at = now()};
}

void Office::carry_out_erasure(const keys::EraseFields& message) {
  proposed_.erase(message.customer);
  const auto still = book_.find(message.customer);
  if (!still) return;
  // A hold, or another erasure, may have come in the same round.
  if (!(*still)->erase(message.all ? std::optional<vault::Leaf>() : message.leaf)) return;
  book_.touch(**still);
  note_going(**still, message.all);
}

// What is asked meanwhile would be asked of nobody, and its concern would go with the rest.
bool Office::is_being_erased(const CustomerId& customer) const {
  return erasing_.contains(customer) || std::ranges::any_of(going_, [&](const auto& item) {
           return item.second.whole && item.second.customer == customer;
         });
}

void Office::erase_fields(const keys::EraseFields& message, Reply<keys::FieldsErased> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto may = may_erase_fields(message); !may) return refuse(may.error());
  const auto actor = PersonId::parse(message.actor).value_or(PersonId{});  // may_act() read it
  const bool confirms = message.all && confirms_all(message.customer, actor);
  auto staged = ledger_.stage({.type = "erasure_ordered",
                               .actor = message.actor,
                               .subject = message.customer.hex(),
                               .data = {{"all", message.all},
                                        {"leaf", std::int64_t{message.all ? 0 : message.leaf}},
                                        {"confirmed", confirms},
                                        {"reason_hash", message.reason_hash}}});
  if (!staged) return refuse(staged.error());
  ++erasing_[message.customer];
  ledger_.with_log([this, message, actor, confirms](const Status& logged) {
    if (const auto own = erasing_.find(message.customer);
        own != erasing_.end() && --own->second == 0)
      erasing_.erase(own);
    if (!logged) return;
    if (message.all && !confirms) return propose_all(message.customer, actor);
    carry_out_erasure(message);
  });
  ledger_.write_rows();
  ledger_.after_log([reply, held = message.all && !confirms](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::FieldsErased{held ? keys::OrderOutcome::kHeld : keys::OrderOutcome::kAccepted});
  });
}

void Office::hold_customer(const keys::HoldCustomer& message, Reply<keys::Ack> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  if (auto may = may_act(message.actor, kLeads); !may) return refuse(may.error());
  if (auto given = check_reason(message.reason_hash); !given) return refuse(given.error());
  const auto found = book_.find(message.customer);
  if (!found) return refuse(found.error());
  auto staged = ledger_.stage({.type = message.on ? "customer_hold_set" : "customer_hold_lifted",
                               .actor = message.actor,
                               .subject = message.customer.hex(),
                               .data = {{"reason_hash", message.reason_hash}}});
  if (!staged) return refuse(staged.error());
  ledger_.with_log([this, id = message.customer, on = message.on](const Status& logged) {
    const auto still = book_.find(id);
    if (!logged || !still) return;
    if (on)
      (*still)->hold(true);
    else
      lift_hold(**still);
    book_.touch(**still);
  });
  ledger_.write_rows();
  ledger_.after_log([reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::Ack{});
  });
}

// What was kept for the hold alone goes: contacts of a customer without an open case, of which no
// token was made, and what was corrected meanwhile.
void Office::lift_hold(vault::Customer& customer) {
  customer.hold(false);
  for (const auto leaf : customer.to_compare()) customer.go(leaf, vault::GoneBy::kCaseClosed);
  note_going(customer);
}

// A technician sees the query of the open case that is theirs, and nothing else of the customer.
void Office::read_query(const keys::ReadQuery& message, Reply<keys::ValueRead> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  const auto may_read = [this, message]() -> Status {
    const auto* customer = TRY(book_.find(message.customer));
    const auto* open = customer->find_case(message.of_case);
    const auto* version = customer->find(message.query.leaf);
    const bool theirs = open != nullptr && open->closed_at == 0 &&
                        open->technician == message.person &&
                        chart_.is(message.person, Role::kTechnician);
    const bool query = version != nullptr && version->of_case == message.of_case &&
                       version->kind == vault::FieldKind::kQuery &&
                       version->state == vault::FieldState::kReadable;
    const auto* const who = "the technician of an open case reads its query";
    if (!theirs || !query) return fail(Errc::kDenied, who);
    if (!reads_with(message.person, message.reader_key))
      return tl::unexpected<Error>(no_reader(who));
    return {};
  };
  if (auto may = may_read(); !may) return refuse(may.error());
  const auto& customer = **book_.find(message.customer);
  auto value = vault::open_value(cipher_, customer, *customer.find(message.query.leaf),
                                 keys::RecordKind::kField, message.query.record);
  if (!value) return refuse(value.error());
  auto staged = ledger_.stage({.type = "query_read",
                               .actor = message.person.hex(),
                               .subject = message.customer.hex(),
                               .data = {{"case", std::int64_t{message.of_case}},
                                        {"leaf", std::int64_t{message.query.leaf}}}});
  if (!staged) return refuse(staged.error());
  ledger_.after_log([this, message, may_read,
                     value = std::make_shared<SecretBytes>(std::move(*value)),
                     reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    if (auto may = may_read(); !may) return reply(tl::unexpected<Error>(may.error()));
    Bytes aad(message.customer.bytes.begin(), message.customer.bytes.end());
    aad.resize(24);
    store_le(aad.data() + 16, message.of_case);
    store_le(aad.data() + 20, message.query.leaf);
    reply(seal_to(message.reader_key, aad, value->expose()));
  });
}

}  // namespace callward::disclose
