// Our check of passkeys and the test's authenticator, for tests/interop/passkey_test.py: a JSON
// object a line in, one out. Bytes are hexadecimal.
//   {"do": "check_registration", "party", "origin", "challenge", "client_data",
//    "authenticator_data"}                    {"ok", "why" | "id", "algorithm", "key", "count"}
//   {"do": "check_assertion", ..., "signature", "id", "passkey": {"id", "algorithm", "key",
//    "count"}}                                {"ok", "why" | "count"}
//   {"do": "enrol" | "sign", "algorithm", "party", "origin", "challenge"; further: "verifies",
//    "present", "count", "type", "said_origin", "more"}
//   {"do": "sign_over", "algorithm", "client_data", "authenticator_data"}
#include <boost/json.hpp>
#include <iostream>

#include "base/check.hpp"
#include "people/passkey_rig_test.hpp"

namespace callward {
namespace {

namespace json = boost::json;
using people::test::Authenticator;

std::string text(const json::object& from, std::string_view field) {
  const auto* value = from.if_contains(field);
  return value == nullptr ? std::string() : std::string(value->as_string());
}
Bytes bytes(const json::object& from, std::string_view field) {
  auto raw = from_hex(text(from, field));
  CHECK(raw.has_value());
  return *raw;
}
std::string characters(const json::object& from, std::string_view field) {
  const auto raw = bytes(from, field);
  return std::string(as_text(raw));
}
bool flag(const json::object& from, std::string_view field) {
  const auto* value = from.if_contains(field);
  return value == nullptr || value->as_bool();
}
template <class Int>
Int number(const json::object& from, std::string_view field) {
  const auto* value = from.if_contains(field);
  return value == nullptr ? Int{0} : value->to_number<Int>();
}

people::RelyingParty party_of(const json::object& asked) {
  return {text(asked, "party"), text(asked, "origin")};
}
people::Challenge challenge_of(const json::object& asked) {
  people::Challenge challenge{};
  const auto raw = bytes(asked, "challenge");
  CHECK(raw.size() == challenge.size());
  std::copy(raw.begin(), raw.end(), challenge.begin());
  return challenge;
}
json::object refusal(const Error& error) {
  return {{"ok", false}, {"why", to_string(error.code)}, {"detail", error.message}};
}

json::object check_registration(const json::object& asked) {
  const auto passkey = people::check_registration(
      party_of(asked), challenge_of(asked),
      {characters(asked, "client_data"), bytes(asked, "authenticator_data")});
  if (!passkey) return refusal(passkey.error());
  return {{"ok", true},
          {"id", to_hex(passkey->id)},
          {"algorithm", passkey->algorithm},
          {"key", to_hex(passkey->key)},
          {"count", passkey->count}};
}

json::object check_assertion(const json::object& asked) {
  const auto& known = asked.at("passkey").as_object();
  const people::Passkey passkey{bytes(known, "id"), number<std::int32_t>(known, "algorithm"),
                                bytes(known, "key"), number<std::uint32_t>(known, "count")};
  const auto count =
      people::check_assertion(party_of(asked), challenge_of(asked), passkey,
                              {bytes(asked, "id"), characters(asked, "client_data"),
                               bytes(asked, "authenticator_data"), bytes(asked, "signature")});
  if (!count) return refusal(count.error());
  return {{"ok", true}, {"count", *count}};
}

json::object said_by(const people::Assertion& said) {
  return {{"id", to_hex(said.passkey)},
          {"client_data", to_hex(as_bytes(said.client_data))},
          {"authenticator_data", to_hex(said.authenticator_data)},
          {"signature", to_hex(said.signature)}};
}

json::object act(Authenticator& device, const json::object& asked) {
  if (text(asked, "do") == "sign_over")
    return said_by(
        device.sign_over(characters(asked, "client_data"), bytes(asked, "authenticator_data")));
  device.verifies = flag(asked, "verifies");
  device.present = flag(asked, "present");
  device.count = number<std::uint32_t>(asked, "count");
  device.type = text(asked, "type");
  device.origin = text(asked, "said_origin");
  device.more = text(asked, "more");
  if (text(asked, "do") == "sign")
    return said_by(device.sign(party_of(asked), challenge_of(asked)));
  const auto given = device.enrol(party_of(asked), challenge_of(asked));
  return {{"client_data", to_hex(as_bytes(given.client_data))},
          {"authenticator_data", to_hex(given.authenticator_data)}};
}

int serve() {
  Authenticator es256(7, people::kEs256), ed_dsa(8, people::kEdDsa);
  for (std::string line; std::getline(std::cin, line);) {
    const auto asked = json::parse(line).as_object();
    const auto what = text(asked, "do");
    auto& device = number<int>(asked, "algorithm") == people::kEdDsa ? ed_dsa : es256;
    std::cout << (what == "check_registration" ? check_registration(asked)
                  : what == "check_assertion"  ? check_assertion(asked)
                                               : act(device, asked))
              << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace callward

int main() { return callward::serve(); }
