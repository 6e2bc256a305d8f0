#include "api/receipt.hpp"

#include <map>

#include "api/customer_helpers.hpp"
#include "base/clock.hpp"
#include "vault/customer.hpp"

namespace callward::api {
namespace {

struct Stored {
  std::string field;
  vault::FieldClass of_class{};
  std::int64_t at = 0, of_case = 0;
};
using Leaves = std::map<std::int64_t, Stored>;

std::string text_of(const boost::json::object& data, const char* name) {
  const auto* value = data.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
std::int64_t number_of(const boost::json::object& data, const char* name) {
  const auto* value = data.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}
const boost::json::array& list_of(const boost::json::object& data, const char* name) {
  static const boost::json::array none;
  const auto* value = data.if_contains(name);
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

std::string label_of(const vault::Policy& policy, const std::string& field) {
  const auto* spec = policy.find(field);
  return spec != nullptr ? spec->label : field;
}

vault::FieldClass class_of(std::string_view word) {
  using enum vault::FieldClass;
  for (const auto one : {kReference, kContact, kSecret, vault::FieldClass::kServiceWord})
    if (word == vault::to_text(one)) return one;
  return kSecret;
}

// What was stored, by leaf; what nobody was given (`fields_void`) was not.
Leaves stored_of(const std::vector<LogRow>& log) {
  std::set<std::int64_t> never;
  for (const auto& row : log)
    if (row.type == "fields_void")
      for (const auto& leaf : list_of(row.data, "leaves"))
        if (leaf.is_int64()) never.insert(leaf.get_int64());
  Leaves leaves;
  for (const auto& row : log) {
    if (row.type != "fields_stored") continue;
    for (const auto& field : list_of(row.data, "fields")) {
      if (!field.is_array() || field.get_array().size() != 5) continue;
      const auto& item = field.get_array();
      if (!item[0].is_int64() || !item[1].is_string() || !item[3].is_string()) continue;
      if (never.contains(item[0].get_int64())) continue;
      leaves[item[0].get_int64()] = {std::string(item[1].get_string()),
                                     class_of(item[3].get_string()), row.at,
                                     number_of(row.data, "case")};
    }
  }
  return leaves;
}

boost::json::array recorded(const std::vector<LogRow>& log) {
  boost::json::array out;
  std::set<std::string> calls;
  const auto add = [&](const std::string& call, std::int64_t at, const char* what) {
    if (!call.empty() && calls.insert(call).second)
      out.push_back({{"call", call}, {"at", at}, {"what", what}});
  };
  for (const auto& row : log) {
    if (row.type == "fields_stored") add(text_of(row.data, "call"), row.at, "your call");
    if (row.type == "call_back_made") add(text_of(row.data, "call"), row.at, "our call to you");
  }
  return out;
}

boost::json::array kept(const ReceiptSource& source, const vault::Policy& policy) {
  boost::json::array out;
  for (const auto& field : source.fields) {
    if (field.field.empty() || field.field.front() == '~' ||
        field.state == static_cast<std::uint8_t>(vault::FieldState::kGone))
      continue;
    const auto of_class = static_cast<vault::FieldClass>(field.of_class);
    out.push_back({{"field", field.field},
                   {"label", label_of(policy, field.field)},
                   {"leaf", std::int64_t{field.leaf}},
                   {"case", std::int64_t{field.of_case}},
                   {"class", vault::to_text(of_class)},
                   {"state", vault::to_text(static_cast<vault::FieldState>(field.state))},
                   {"stored_at", field.stored_at},
                   {"gone_at", field.gone_at},
                   {"kept", source.held ? std::string("until a legal hold is lifted")
                                        : kept_for(field, policy)}});
  }
  return out;
}

// `done_at` 0: ordered, opens to nobody, and its keys are about to be destroyed.
boost::json::array erased(const ReceiptSource& source, const Leaves& leaves,
                          const vault::Policy& policy) {
  std::map<std::string, std::int64_t> done;
  for (const auto& row : source.log)
    if (row.type == "erased")
      for (const auto& order : list_of(row.data, "orders"))
        if (order.is_string()) done.emplace(order.get_string(), row.at);
  boost::json::array out;
  for (const auto& row : source.log) {
    if (row.type != "fields_erase_intended") continue;
    const auto at = done.find(text_of(row.data, "order"));
    for (const auto& field : list_of(row.data, "fields")) {
      if (!field.is_array() || field.get_array().size() != 2) continue;
      const auto& item = field.get_array();
      if (!item[0].is_int64() || !item[1].is_string()) continue;
      // Of what was said about a request, which is the company's own, there is no label.
      const auto stored = leaves.find(item[0].get_int64());
      if (stored == leaves.end()) continue;
      out.push_back({{"field", stored->second.field},
                     {"label", label_of(policy, stored->second.field)},
                     {"leaf", item[0].get_int64()},
                     {"stored_at", stored->second.at},
                     {"reason", item[1].get_string()},
                     {"intended_at", row.at},
                     {"done_at", at == done.end() ? 0 : at->second},
                     // What can be compared still is not readable, and not gone.
                     {"compares", item[1].get_string() == "case_closed" &&
                                      stored->second.of_class == vault::FieldClass::kContact}});
    }
  }
  return out;
}

boost::json::array read(const ReceiptSource& source, const Leaves& leaves,
                        const vault::Policy& policy) {
  std::multimap<std::int64_t, boost::json::object> by_time;
  const auto add = [&](const LogRow& row, std::int64_t leaf, const std::string& request) {
    const auto stored = leaves.find(leaf);
    const auto field = stored == leaves.end() ? std::string() : stored->second.field;
    by_time.emplace(row.at, boost::json::object{{"at", row.at},
                                                {"by", row.actor},
                                                {"field", field},
                                                {"label", label_of(policy, field)},
                                                {"leaf", leaf},
                                                {"request", request}});
  };
  for (const auto& row : source.log)
    if (row.type == "query_read") add(row, number_of(row.data, "leaf"), "");
  for (const auto& asked : source.requests)
    for (const auto& row : asked.log) {
      if (row.type != "disclosure_step" || text_of(row.data, "kind") != "view") continue;
      for (const auto& leaf : list_of(row.data, "fields"))
        if (leaf.is_int64()) add(row, leaf.get_int64(), asked.request.id.hex());
    }
  boost::json::array out;
  for (auto& [at, one] : by_time) out.push_back(std::move(one));
  return out;
}

boost::json::array asked(const ReceiptSource& source) {
  boost::json::array out;
  for (const auto& one : source.requests)
    out.push_back({{"request", one.request.id.hex()},
                   {"asked_at", one.request.asked_at},
                   {"by", one.request.requester.hex()},
                   {"state", disclose::to_text(one.request.state)},
                   {"opened_at", one.request.opened_at},
                   {"views", std::int64_t{one.request.views}},
                   {"break_glass", one.request.broken}});
  return out;
}

// ---- as text ------------------------------------------------------------------------------------

std::string shown(const boost::json::object& item, const char* name) {
  const auto* value = item.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  std::string out;
  for (const char c : value->get_string())
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) out += c;
  return out;
}
std::string time_of(const boost::json::object& item, const char* name) {
  const auto at = number_of(item, name);
  return at == 0 ? "not yet" : format_utc(at);
}
constexpr const char* kRecordingsStay =
    "  The recordings of these calls are kept for a time of their own. Erasing what is stored of "
    "a\n"
    "  customer leaves them: they go when that time is over, or earlier when two people order "
    "it.\n";

std::string by_of(const boost::json::object& item) { return shown(item, "by").substr(0, 8); }

}  // namespace

boost::json::object receipt(const ReceiptSource& source, const vault::Policy& policy) {
  const auto leaves = stored_of(source.log);
  auto calls = recorded(source.log);
  for (const auto& one : source.requests)
    for (auto& call : recorded(one.log)) calls.push_back(std::move(call));
  return {{"company", policy.company},
          {"contact", policy.contact},
          {"customer", source.customer.hex()},
          {"made_at", source.made_at},
          {"hold", source.held},
          {"recorded", std::move(calls)},
          {"kept", kept(source, policy)},
          {"erased", erased(source, leaves, policy)},
          {"read", read(source, leaves, policy)},
          {"asked", asked(source)}};
}

std::string receipt_text(const boost::json::object& json) {
  std::string out = "Receipt for customer " + shown(json, "customer") + "\nof " +
                    shown(json, "company") + ", " + shown(json, "contact") + "\nmade " +
                    time_of(json, "made_at") + "; times are UTC\n";
  const auto section = [&](const char* title, const char* name, const auto& line) {
    out += std::string("\n") + title + "\n";
    for (const auto& item : list_of(json, name))
      if (item.is_object()) out += "  * " + line(item.get_object()) + "\n";
    if (list_of(json, name).empty()) out += "  nothing\n";
  };
  section("Recorded", "recorded", [](const auto& item) {
    return shown(item, "what") + ", " + time_of(item, "at") + ", number " + shown(item, "call");
  });
  if (!list_of(json, "recorded").empty()) out += kRecordingsStay;
  section("Kept", "kept", [](const auto& item) {
    return shown(item, "label") + ", since " + time_of(item, "stored_at") + ", " +
           shown(item, "kept") +
           (shown(item, "state") == "compare_only" ? "; can only be compared" : "");
  });
  section("Erased", "erased", [](const auto& item) {
    return shown(item, "label") + ", stored " + time_of(item, "stored_at") +
           ", because: " + shown(item, "reason") + ", keys destroyed: " + time_of(item, "done_at");
  });
  section("Read", "read", [](const auto& item) {
    const auto request = shown(item, "request");
    return shown(item, "label") + ", " + time_of(item, "at") + ", by employee " + by_of(item) +
           (request.empty() ? ", who works on the case" : ", request " + request.substr(0, 8));
  });
  section("Asked for", "asked", [](const auto& item) {
    return "request " + shown(item, "request").substr(0, 8) + ", " + time_of(item, "asked_at") +
           ", by employee " + by_of(item) + ": " + shown(item, "state");
  });
  return out;
}

}  // namespace callward::api
