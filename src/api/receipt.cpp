#include "api/receipt.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "api/customer_helpers.hpp"
#include "base/clock.hpp"
#include "keys/segment_range.hpp"
#include "store/account.hpp"
#include "vault/customer.hpp"

namespace callward::api {
namespace {

struct Stored {
  std::string field;
  vault::FieldClass of_class{};
  std::int64_t at = 0, of_case = 0;
};
using Leaves = std::map<std::int64_t, Stored>;

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
    if (row.type == "fields_stored") add(text_at(row.data, "call"), row.at, "your call");
    if (row.type == "call_back_made") add(text_at(row.data, "call"), row.at, "our call to you");
  }
  return out;
}

boost::json::array recorded_of(const ReceiptSource& source) {
  auto calls = recorded(source.log);
  for (const auto& one : source.requests)
    for (auto& call : recorded(one.log)) calls.push_back(std::move(call));
  return calls;
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
                   // A hold keeps no secret.
                   {"kept", source.held && of_class != vault::FieldClass::kSecret
                                ? std::string("until a legal hold is lifted")
                                : kept_for(field, policy)}});
  }
  return out;
}

// When the keys that an order names were gone.
std::map<std::string, std::int64_t> done_in(const std::vector<LogRow>& log) {
  std::map<std::string, std::int64_t> done;
  for (const auto& row : log)
    if (row.type == "erased")
      for (const auto& order : list_of(row.data, "orders"))
        if (order.is_string()) done.emplace(order.get_string(), row.at);
  return done;
}

// `done_at` 0: ordered, opens to nobody, and its keys are about to be destroyed.
boost::json::array erased(const ReceiptSource& source, const Leaves& leaves,
                          const vault::Policy& policy) {
  const auto done = done_in(source.log);
  boost::json::array out;
  for (const auto& row : source.log) {
    if (row.type != "fields_erase_intended") continue;
    const auto at = done.find(text_at(row.data, "order"));
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
      if (row.type != "disclosure_step" || text_at(row.data, "kind") != "view") continue;
      for (const auto& leaf : list_of(row.data, "fields"))
        if (leaf.is_int64()) add(row, leaf.get_int64(), asked.request.id.hex());
    }
  boost::json::array out;
  for (auto& [at, one] : by_time) out.push_back(std::move(one));
  return out;
}

// ---- recordings ---------------------------------------------------------------------------------

constexpr std::int64_t kSegmentMs = keys::SegmentRange::kSegmentMs;
constexpr std::int64_t kOneHearingMs = 30 * 60'000;  // between two openings that are one hearing
constexpr std::int64_t kEndless = std::int64_t{keys::kIndexMax};

// Of a recording: stretches of a stream; with no stream, all of the call. `to_ms` 0: to its end.
boost::json::array erased_sound(const ReceiptSource& source) {
  boost::json::array out;
  for (const auto& [call, log] : source.calls) {
    const auto done = done_in(log);
    const auto add = [&](const LogRow& row, const std::string& stream, std::int64_t from,
                         std::int64_t to, const std::string& reason) {
      const auto at = done.find(text_at(row.data, "order"));
      out.push_back({{"call", call},
                     {"stream", stream},
                     {"from_ms", from},
                     {"to_ms", to},
                     {"reason", reason},
                     {"intended_at", row.at},
                     {"done_at", at == done.end() ? 0 : at->second}});
    };
    for (const auto& row : log) {
      if (row.type == "retention_intended") add(row, "", 0, 0, "retention");
      if (row.type != "erase_intended") continue;
      for (const auto& item : list_of(row.data, "ranges")) {
        const auto* range = item.if_array();
        if (range == nullptr || range->size() != 3 ||
            !std::ranges::all_of(*range, [](const auto& n) { return n.is_int64(); }))
          continue;
        const auto end = (*range)[2].get_int64();
        add(row, store::stream_name(static_cast<std::uint8_t>((*range)[0].get_int64())),
            (*range)[1].get_int64() * kSegmentMs, end >= kEndless ? 0 : end * kSegmentMs,
            text_at(row.data, "reason"));
      }
    }
  }
  return out;
}

const char* what_was_opened(const LogRow& row) {
  const auto has = [&](std::string_view kind) {
    return std::ranges::any_of(list_of(row.data, "kinds"), [&](const auto& one) {
      return one.is_string() && one.get_string() == kind;
    });
  };
  if (row.type == "exported") return "exported";
  return has("audio") ? "heard" : has("words") ? "read" : "looked at";
}

// A player asks for keys of a minute at a time, and for words besides: what one person opens in one
// go is one line.
struct Hearing {
  std::int64_t at = 0, until = 0;
  std::set<std::string> what;
};
boost::json::array heard(const ReceiptSource& source) {
  std::multimap<std::int64_t, boost::json::object> by_time;
  for (const auto& [call, log] : source.calls) {
    std::map<std::string, Hearing> going;  // by who
    const auto close = [&](const std::string& who, const Hearing& one) {
      by_time.emplace(one.at, boost::json::object{
                                  {"call", call},
                                  {"by", who},
                                  {"what", boost::json::array(one.what.begin(), one.what.end())},
                                  {"at", one.at},
                                  {"until", one.until}});
    };
    for (const auto& row : log) {
      if (row.type != "opened" && row.type != "exported") continue;
      if (number_of(row.data, "given") == 0) continue;  // nothing of it opens any more
      auto& one = going[row.actor];
      if (!one.what.empty() && row.at - one.until > kOneHearingMs)
        close(row.actor, std::exchange(one, {}));
      if (one.what.empty()) one.at = row.at;
      one.until = row.at;
      one.what.insert(what_was_opened(row));
    }
    for (const auto& [who, one] : going) close(who, one);
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
// Minutes, seconds and tenths, from the call's beginning.
std::string clock_of(std::int64_t ms) {
  const auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return std::to_string(ms / 60'000) + ":" + two(ms / 1'000 % 60) + "." +
         std::to_string(ms / 100 % 10);
}
std::string stretch_of(const boost::json::object& item) {
  const auto stream = shown(item, "stream");
  if (stream.empty()) return "all";
  const auto to = number_of(item, "to_ms");
  const auto side = stream == "customer" ? "your side" : stream == "agent" ? "our side" : stream;
  return side + " from " + clock_of(number_of(item, "from_ms")) +
         (to == 0 ? std::string(" to its end") : " to " + clock_of(to));
}

constexpr const char* kRecordingsStay =
    "  The recordings of these calls are kept for a time of their own. Erasing what is stored of "
    "a\n"
    "  customer leaves them: they go when that time is over, or earlier when two people order "
    "it.\n";

constexpr const char* kNotWhole =
    "This receipt is not whole: more was done than one receipt lists. What is oldest stands here; "
    "the\naudit log has the rest.\n";

// A code, as words.
std::string reason_of(const boost::json::object& item) {
  auto reason = shown(item, "reason");
  std::ranges::replace(reason, '_', ' ');
  return reason;
}
std::string by_of(const boost::json::object& item) { return shown(item, "by").substr(0, 8); }

}  // namespace

std::vector<std::string> recorded_calls(const ReceiptSource& source) {
  std::vector<std::string> calls;
  for (const auto& one : recorded_of(source)) calls.push_back(text_at(one.as_object(), "call"));
  return calls;
}

boost::json::object receipt(const ReceiptSource& source, const vault::Policy& policy) {
  const auto leaves = stored_of(source.log);
  return {{"company", policy.company},
          {"contact", policy.contact},
          {"customer", source.customer.hex()},
          {"made_at", source.made_at},
          {"hold", source.held},
          {"whole", source.whole},
          {"recorded", recorded_of(source)},
          {"kept", kept(source, policy)},
          {"erased", erased(source, leaves, policy)},
          {"erased_sound", erased_sound(source)},
          {"read", read(source, leaves, policy)},
          {"heard", heard(source)},
          {"asked", asked(source)}};
}

std::string receipt_text(const boost::json::object& json) {
  std::string out = "Receipt for customer " + shown(json, "customer") + "\nof " +
                    shown(json, "company") + ", " + shown(json, "contact") + "\nmade " +
                    time_of(json, "made_at") + "; times are UTC\n";
  const auto* whole = json.if_contains("whole");
  if (whole != nullptr && whole->is_bool() && !whole->get_bool()) out += kNotWhole;
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
           ", because: " + reason_of(item) + ", keys destroyed: " + time_of(item, "done_at");
  });
  section("Erased of recordings", "erased_sound", [](const auto& item) {
    return stretch_of(item) + " of call " + shown(item, "call").substr(0, 8) +
           ", because: " + reason_of(item) + ", opens to nobody since " +
           time_of(item, "intended_at") + ", keys destroyed: " + time_of(item, "done_at");
  });
  section("Read", "read", [](const auto& item) {
    const auto request = shown(item, "request");
    return shown(item, "label") + ", " + time_of(item, "at") + ", by employee " + by_of(item) +
           (request.empty() ? ", who works on the case" : ", request " + request.substr(0, 8));
  });
  section("Heard", "heard", [](const auto& item) {
    std::string what;
    for (const auto& one : list_of(item, "what"))
      if (one.is_string()) what += (what.empty() ? "" : " and ") + std::string(one.get_string());
    return "call " + shown(item, "call").substr(0, 8) + ", " + what + " by employee " +
           by_of(item) + ", " + time_of(item, "at");
  });
  section("Asked for", "asked", [](const auto& item) {
    const auto* broken = item.if_contains("break_glass");
    return "request " + shown(item, "request").substr(0, 8) + ", " + time_of(item, "asked_at") +
           ", by employee " + by_of(item) + ": " + shown(item, "state") +
           (broken != nullptr && broken->is_bool() && broken->get_bool()
                ? ", opened without a call because life or property was at stake"
                : "");
  });
  return out;
}

}  // namespace callward::api
