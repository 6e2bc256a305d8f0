// Retention of customers' fields: what it says of itself, what the log says that went, and an owner
// who says that it may.
#pragma once

#include "tests/attack/page_rig.hpp"

namespace callward::attack {

inline constexpr std::int64_t kHour = 3'600'000, kDay = 24 * kHour;

struct RetentionRig : ::testing::Test, PageRig {
  boost::json::object progress() {
    Answer<keys::FieldRetention> answer;  // within a round: looking erases nothing
    office->field_retention({}, answer.reply());
    EXPECT_TRUE(answer.value);
    return boost::json::parse(answer.value->json).as_object();
  }
  static std::int64_t number(const boost::json::object& json, std::string_view name) {
    return json.at(name).to_number<std::int64_t>();
  }
  boost::json::object dry_run(const keys::ForecastFields& message = {}) {
    EXPECT_TRUE(ask(&Office::forecast_fields, message));
    for (int i = 0; i < 100 && progress().at("dry_run").at("state") == "running"; ++i)
      keeper->tick();
    return progress().at("dry_run").as_object();
  }
  static std::int64_t goes(const boost::json::object& run, std::string_view of_class,
                           std::string_view when) {
    std::int64_t sum = 0;
    for (const auto& row : run.at("classes").as_array())
      if (std::string_view(row.at("class").as_string()) == of_class)
        sum += row.at("goes").at(when).to_number<std::int64_t>();
    return sum;
  }
  static std::string keeping(int reference, int contact) {
    return std::string(kPolicy) + "[keep]\nreference_days = " + std::to_string(reference) +
           "\ncontact_days = " + std::to_string(contact) + "\n";
  }
  // What the owner's browser shows and has them sign.
  disclose::OwnersWord word(const Someone& by) {
    const auto at = progress();
    disclose::OwnersWord said{.by = by.id, .stop = std::string(at.at("stop").as_string())};
    said.customers = static_cast<std::uint64_t>(number(at, "to_confirm"));
    const auto& keep = at.at("keep").as_object();
    said.keep = {.reference_days = number(keep, "reference_days"),
                 .contact_days = number(keep, "contact_days"),
                 .secret_hours = number(keep, "secret_hours")};
    if (const auto raw = from_hex(std::string_view(at.at("nonce").as_string())); raw)
      std::copy_n(raw->begin(), std::min(raw->size(), said.nonce.size()), said.nonce.begin());
    said.reason_hash = crypto::sha256(as_bytes("the new contract says so"));
    return said;
  }
  static people::PersonSignature sign(const disclose::OwnersWord& said, const Someone& by) {
    return {by.id, by.device->sign(people::test::kParty, disclose::hash_of(said))};
  }
  static keys::ConfirmFieldRetention message_of(const disclose::OwnersWord& said,
                                                const people::PersonSignature& signature) {
    keys::ConfirmFieldRetention message{
        .by = said.by,
        .customers = said.customers,
        .reference_days = static_cast<std::uint32_t>(said.keep.reference_days),
        .contact_days = static_cast<std::uint32_t>(said.keep.contact_days),
        .secret_hours = static_cast<std::uint32_t>(said.keep.secret_hours),
        .stop = said.stop,
        .nonce = said.nonce,
        .reason_hash = said.reason_hash,
        .signature = boost::json::serialize(people::to_json(signature))};
    return message;
  }
  Result<keys::FieldRetention> put_signed_word(const disclose::OwnersWord& said,
                                               const people::PersonSignature& signature) {
    return ask(&Office::confirm_field_retention, message_of(said, signature));
  }
  Result<keys::FieldRetention> put_word(const disclose::OwnersWord& said, const Someone& by) {
    return put_signed_word(said, sign(said, by));
  }
  Result<keys::FieldRetention> confirm(const Someone& by) { return put_word(word(by), by); }
  static std::set<std::string> broken(const std::vector<audit::Entry>& log_entries) {
    std::set<std::string> names;
    for (const auto& found : judge(log_entries).findings)
      if (found.rule->weight == audit::RuleWeight::kBreach) names.emplace(found.rule->name);
    return names;
  }
  CustomerId known(int number) {
    std::string surname = "N";
    for (int rest = number + 26; rest != 0; rest /= 26)
      surname.push_back(static_cast<char>('a' + rest % 26));
    const auto stored = store_values({{"name", "Nora " + surname},
                                      {"phone", "+1650253" + std::to_string(1'000 + number)},
                                      {"password", "sunshine" + std::to_string(number)}});
    EXPECT_TRUE(stored) << stored.error().message;
    return stored->customer;
  }
  std::size_t fields_of(const CustomerId& customer) {
    const auto there = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
    return there ? there->fields.size() : 0;
  }
  void close(const CustomerId& customer, std::vector<keys::FieldRecord> contacts = {}) {
    ASSERT_TRUE(
        ask(&Office::close_case, keys::CloseCase{customer, 1, agent().hex(), std::move(contacts)}));
    keeper->tick();
  }
  // Each leaf that the log says went by its time, and how often.
  std::map<std::pair<std::string, std::int64_t>, int> went(std::string_view why) {
    std::map<std::pair<std::string, std::int64_t>, int> leaves;
    for (const auto& entry : entries())
      if (entry.type == "fields_erase_intended")
        for (const auto& item : entry.data.at("fields").as_array())
          if (std::string_view(item.at(1).as_string()) == why)
            ++leaves[{entry.subject, item.at(0).as_int64()}];
    return leaves;
  }
  // Rows of this customer on pages that a living key opens, which still have a token to compare by.
  int rows_with_a_token(const CustomerId& customer, std::uint32_t leaf) {
    int rows = 0;
    hunt(customer, [&](const vault::Customer& row) {
      const auto* version = row.find(leaf);
      rows += version != nullptr && version->compare;
    });
    return rows;
  }
};

}  // namespace callward::attack
