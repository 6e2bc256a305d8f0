// What the handlers of customers and requests share: who acts, what they may see, how sealed values
// travel as JSON.
#pragma once

#include "api/customer_tables.hpp"
#include "api/service.hpp"

namespace callward::api {

// Who acts, and as what. The one place that takes it from the session. kDenied: the command line,
// which is nobody in the role chart.
struct Acting {
  PersonId id;
  people::Roles roles = 0;
  [[nodiscard]] bool is(people::Role role) const { return people::has(roles, role); }
};
Result<Acting> acting(const Request& request);

// A path's ids. kNotFound: it is none.
Result<CustomerId> customer_of(const Request& request);
Result<RequestId> request_of(const Request& request);
Result<std::uint32_t> number_of(const Request& request, const char* name);

// Whether this person has to do with the customer: who serves callers, and who has a part in a
// request, or works on an open case. kNotFound: as if there were none.
Status may_see(Service& service, const Acting& who, const CustomerId& customer);
// ... with the request: who has a part in it, whose role it is to look at all of them, or whom the
// requester answers to.
Status may_see(Service& service, const Acting& who, const disclose::Request& request);
// Those of them who are told of its news by name, and the roles that are.
inline constexpr people::Roles kLookAtAll =
    roles_of({people::Role::kAuthorised, people::Role::kSupervisor, people::Role::kOwner,
              people::Role::kAuditor});
std::set<PersonId> who_see(const people::Chart& chart, const disclose::Request& request);

// What the keeper says as JSON. kMalformed: it is no object.
template <class T>
Result<boost::json::object> object_of(const Result<T>& said) {
  if (!said) return tl::unexpected<Error>(said.error());
  boost::system::error_code error;
  auto json = boost::json::parse(said->json, error);
  if (error || !json.is_object())
    return fail(Errc::kMalformed, "the keeper's answer is no JSON object");
  return std::move(json.get_object());
}

// One that this person may see. What was just put the log may not have told yet: it is read.
Result<disclose::Request> visible(Service& service, const Acting& who, const RequestId& id);
// The request as the keeper has it, docs/formats/disclosure.md; nothing: it is done with it.
Result<std::optional<boost::json::object>> running_of(Service& service, const RequestId& id);

// {"key": number, "enc": base64, "ciphertext": base64}; kMalformed, kTooLarge.
Result<keys::SealedValue> sealed_value(BodyReader body);
boost::json::object to_json(const keys::ValueRead& value);
// Whoever looked has them at hand from here on.
boost::json::object found_json(Service& service, const Acting& who,
                               const keys::FoundCustomers& found);
// Where the keeper opens nothing but what was sent: what does not open is the sender's mistake, and
// nothing that is broken here.
template <class T>
Result<T> of_sender(Result<T> answer) {
  if (answer || (answer.error().code != Errc::kCorrupt && answer.error().code != Errc::kCrypto))
    return answer;
  return fail(Errc::kMalformed, answer.error().message);
}
Result<std::array<std::uint8_t, 32>> reader_key(BodyReader& body);
template <std::size_t N>
std::array<std::uint8_t, N> fixed(const std::string& hex) {  // of checked digits
  std::array<std::uint8_t, N> out{};
  if (const auto raw = from_hex(hex); raw && raw->size() == N)
    std::copy(raw->begin(), raw->end(), out.begin());
  return out;
}

// SHA-256(r || reason) for the log, and r, which with the reason proves it: there is no call whose
// data the reason could be sealed with, so who acts keeps it.
struct Reason {
  std::string r, hash;
};
Result<Reason> reason_of(Service& service, BodyReader& body);

// How long it is kept, as a sentence without its full stop.
std::string kept_for(const keys::FieldState& field, const vault::Policy& policy);
// The chips of a field: what it is, what it is kept as, when it goes. Never a value.
boost::json::object field_json(const Service& service, const keys::FieldState& field);

// Of a call's flags the one that says what the carriers say of the caller's number; empty: nothing.
std::string attestation_in(const std::vector<std::string>& flags);

// Names of those whose ids come up, for screens: {id: name}; who is not known here is left out.
boost::json::object names_of(Service& service, const std::set<std::string>& ids);

// The role chart, the limits and the time as they are now: what the table is asked with; and who is
// on duty.
struct Today {
  std::shared_ptr<const people::Chart> chart;
  disclose::World world;
  std::vector<PersonId> on_duty;
};
Result<Today> today(Service& service);  // kUnavailable: the chart is not known
// What may happen to the request, who may do it, and why not who asks: by the table itself.
boost::json::array next_json(const disclose::Request& request, const PersonId& who,
                             const Today& today);
// It waits for an expert to come on duty: none who may take it is.
bool no_expert_on_duty(const disclose::Request& request, const Today& today);
// ... or nobody who may release it: nobody is there who could go on with it.
bool lacks_somebody(const disclose::Request& request, const Today& today);

constexpr std::size_t kSealedBytesMax = 4'200;  // of a value, with its tag

}  // namespace callward::api
