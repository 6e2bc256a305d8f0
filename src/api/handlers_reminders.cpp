// Where people are reminded by e-mail, and the break-glass alarms that an owner has not opened yet.
#include "api/customer_helpers.hpp"
#include "api/reminder_book.hpp"

namespace callward::api {
namespace {

using people::Role;

constexpr std::size_t kAddressBytesMax = 254;

Result<ReminderBook*> book_of(Service& service) {
  if (service.reminders == nullptr) return fail(Errc::kUnavailable, "there are no reminders here");
  return service.reminders;
}

Result<bool> is_owner(Service& service, const PersonId& person) {
  return TRY(service.roster.chart())->gives(person, Role::kOwner);
}

Result<Response> show_address(Service& service, const PersonId& person) {
  auto* book = TRY(book_of(service));
  return Response::json(
      {{"address", TRY(book->address_of(person, TRY(is_owner(service, person))))}});
}

// That it was changed is an entry; the address itself is in no log.
Result<Response> put_address(Service& service, const Request& request, const PersonId& person) {
  auto* book = TRY(book_of(service));
  auto body = TRY(BodyReader::parse(request.body));
  const auto address = TRY(body.text("address", 0, kAddressBytesMax));
  // An owner is alarmed there: whoever has a session alone does not send it elsewhere.
  std::optional<people::PersonSignature> signature;
  const bool owner = TRY(is_owner(service, person));
  if (owner) signature = TRY(signature_of(body));
  TRY(body.finish());
  // One of before somebody was an owner counts for nothing, and is taken away like any other.
  const bool lies_there = owner && address.empty() && !TRY(book->address_of(person, false)).empty();
  if (lies_there || TRY(book->address_of(person, owner)) != address) {
    TRY(ReminderBook::check_address(address));
    if (signature)
      TRY(confirm(service, request, OwnAct::kMail, *signature, about_mail(person, address)));
    TRY(service.log("mail_changed", request.actor(), person.hex(), {{"on", !address.empty()}}));
    const auto by = signature ? ReminderBook::SetBy::kPasskey : ReminderBook::SetBy::kSession;
    TRY(book->set_address(person, address, by));
  }
  return Response::json({{"address", address}});
}

Result<Response> show_own(Service& service, const Request& request) {
  return show_address(service, TRY(acting(request)).id);
}
Result<Response> put_own(Service& service, const Request& request) {
  return put_address(service, request, TRY(acting(request)).id);
}

// An owner's alarms go where an owner says: an administrator could send them elsewhere.
Result<PersonId> may_see_mail_of(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  const auto chart = TRY(founded_chart(service));
  const auto id = PersonId::parse(request.parameters.at("id"));
  const auto* member = id ? chart->here(*id) : nullptr;
  if (member == nullptr) return fail(Errc::kNotFound, "no such person");
  const auto& person = *id;
  if (chart->gives(person, Role::kOwner) && !who.is(Role::kOwner) && who.id != person)
    return fail(Errc::kDenied, "where owners are alarmed, owners say");
  return person;
}
Result<Response> show_anothers(Service& service, const Request& request) {
  return show_address(service, TRY(may_see_mail_of(service, request)));
}
Result<Response> put_anothers(Service& service, const Request& request) {
  return put_address(service, request, TRY(may_see_mail_of(service, request)));
}

Result<Response> alarms(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  auto* book = TRY(book_of(service));
  constexpr std::size_t kAlarmsMax = 20;
  boost::json::array list;
  const auto found = TRY(book->alarms(who.id));
  for (const auto& one : found) {
    if (list.size() >= kAlarmsMax) break;
    list.push_back({{"request", one.request.id.hex()},
                    {"state", disclose::to_text(one.request.state)},
                    {"since", one.since}});
  }
  return Response::json(
      {{"alarms", std::move(list)}, {"count", static_cast<std::int64_t>(found.size())}});
}

Result<Response> alarm_seen(Service& service, const Request& request) {
  const auto who = TRY(acting(request));
  auto* book = TRY(book_of(service));
  TRY(book->alarm_seen(who.id, TRY(request_of(request))));
  return Response::empty();
}

}  // namespace

void add_reminder_routes(Service& service, std::vector<Route>& routes) {
  const auto act = [&service](Result<Response> (*handler)(Service&, const Request&)) {
    return guarded([&service, handler](const Request& r) { return handler(service, r); });
  };
  routes.push_back({"GET", "/v1/own/mail", "getOwnMail", act(show_own)});
  routes.push_back({"PUT", "/v1/own/mail", "setOwnMail", act(put_own)});
  routes.push_back({"GET", "/v1/people/{id}/mail", "getMail", act(show_anothers)});
  routes.push_back({"PUT", "/v1/people/{id}/mail", "setMail", act(put_anothers)});
  routes.push_back({"GET", "/v1/own/alarms", "listAlarms", act(alarms)});
  routes.back().polls = true;
  routes.push_back({"PUT", "/v1/own/alarms/{id}", "alarmSeen", act(alarm_seen)});
}

}  // namespace callward::api
