// Any bytes as what people and browsers say about who may see what: a policy, a change of the role
// chart, a signature, a step of a request, what an authenticator said; and as a customer's row. What
// is read is written back the same.
#include <boost/json.hpp>

#include "audit/entry.hpp"
#include "base/check.hpp"
#include "disclose/chain.hpp"
#include "vault/policy.hpp"

namespace {

using namespace callward;

void read_policy(std::string_view text) {
  const auto policy = vault::parse_policy(std::string(text), "/x/policy.toml");
  if (!policy) {
    CHECK(policy.error().code == Errc::kConfig && !policy.error().message.empty());
    return;
  }
  CHECK(policy->keep.secret_hours >= 1 && policy->keep.secret_hours <= 24);
  CHECK(policy->limits.checks_min >= 2 && policy->limits.call_seconds_min >= 30);
  CHECK(vault::relaxes(*policy, *policy).empty());
}

void read_json(std::string_view text) {
  boost::system::error_code error;
  const auto value = boost::json::parse(text, error);
  if (error || !value.is_object()) return;
  const auto& json = value.get_object();
  const auto same = [&](const boost::json::object& again) {
    CHECK(*audit::canonical_json(again) == *audit::canonical_json(json));
  };
  if (const auto change = people::change_from_json(json)) {
    same(people::to_json(*change));
    people::Chart chart({"calls.example", "https://calls.example"});
    CHECK(!chart.apply({*change, {}}));
  }
  if (const auto signature = people::signature_from_json(json)) {
    same(people::to_json(*signature));
    const people::RelyingParty party{"calls.example", "https://calls.example"};
    const people::Passkey key{signature->said.passkey, people::kEs256, Bytes(64, 4)};
    CHECK(!people::check_assertion(party, {}, key, signature->said));
  }
  if (const auto step = disclose::step_from_json(json)) {
    same(disclose::to_json(*step));
    CHECK(disclose::hash_of(*step).has_value());
  }
}

void read_authenticator(ByteView raw) {
  const people::RelyingParty party{"a", "b"};
  const std::string said = R"({"type":"webauthn.create","challenge":")" +
                           people::to_base64url(people::Challenge{}) + R"(","origin":"b"})";
  auto data = to_bytes(raw);
  const auto host = crypto::sha256(as_bytes(party.id));
  std::copy_n(host.begin(), std::min(host.size(), data.size()), data.begin());
  const auto key = people::check_registration(party, {}, {said, data});
  if (key) CHECK(!key->id.empty() && !key->key.empty());
  (void)people::check_registration(party, {}, {std::string(as_text(raw)), data});
}

void read_row(ByteView raw) {
  // Most rows are in another's place: then nothing beyond the id is read.
  if (raw.size() < 17) return;
  CustomerId id;
  std::memcpy(id.bytes.data(), raw.data() + 1, 16);
  const auto row = vault::row_of(id);
  const auto customer = vault::Customer::decode(row ? *row : 0, raw);
  if (!customer) return;
  const auto written = customer->encode();
  // One of the version before is written as the newer one, and then stays as it is.
  if (raw[0] == vault::kCustomerRowVersion) CHECK(equal(written.expose(), raw));
  const auto again = vault::Customer::decode(*row, written.expose());
  CHECK(again && equal(again->encode().expose(), written.expose()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto raw = ByteView(data, size).subspan(1);
  switch (data[0] % 4) {
    case 0:
      read_policy(as_text(raw));
      break;
    case 1:
      read_json(as_text(raw));
      break;
    case 2:
      read_authenticator(raw);
      break;
    default:
      read_row(raw);
  }
  return 0;
}
