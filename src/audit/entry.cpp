#include "audit/entry.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace callward::audit {
namespace {

using boost::json::value;

void write_string(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

constexpr int kDepthMax = 16;

Status write_value(const value& json, std::string& out, int depth) {
  if (depth > kDepthMax) return fail(Errc::kTooLarge, "entry is nested too deeply");
  switch (json.kind()) {
    case boost::json::kind::null: out += "null"; return {};
    case boost::json::kind::bool_: out += json.get_bool() ? "true" : "false"; return {};
    case boost::json::kind::int64: out += std::to_string(json.get_int64()); return {};
    case boost::json::kind::uint64: out += std::to_string(json.get_uint64()); return {};
    case boost::json::kind::double_: return fail(Errc::kMalformed, "entries hold whole numbers only");
    case boost::json::kind::string: write_string(json.get_string(), out); return {};
    case boost::json::kind::array: {
      out += '[';
      for (std::size_t i = 0; i < json.get_array().size(); ++i) {
        if (i > 0) out += ',';
        TRY(write_value(json.get_array()[i], out, depth + 1));
      }
      out += ']';
      return {};
    }
    case boost::json::kind::object: break;
  }
  // RFC 8785 sorts by UTF-16 code units; our keys are ASCII, for which bytes give the same order.
  std::vector<std::string_view> keys;
  for (const auto& item : json.get_object()) keys.push_back(item.key());
  std::sort(keys.begin(), keys.end());
  out += '{';
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i > 0) out += ',';
    write_string(keys[i], out);
    out += ':';
    TRY(write_value(json.get_object().at(keys[i]), out, depth + 1));
  }
  out += '}';
  return {};
}

bool is_whole(const value& json) { return json.is_int64() || json.is_uint64(); }

bool is_range_list(const value& json) {
  if (!json.is_array()) return false;
  return std::all_of(json.get_array().begin(), json.get_array().end(), [](const value& range) {
    return range.is_array() && range.get_array().size() == 3 &&
           std::all_of(range.get_array().begin(), range.get_array().end(), is_whole);
  });
}

bool fits(FieldKind kind, const value& json) {
  switch (kind) {
    case FieldKind::kNumber: return is_whole(json);
    case FieldKind::kText: return json.is_string();
    case FieldKind::kFlag: return json.is_bool();
    case FieldKind::kRanges: return is_range_list(json);
    case FieldKind::kHash: return json.is_string() && json.get_string().size() == 64;
    case FieldKind::kList: return json.is_array();
  }
  return false;
}

Status check_fields(const EntryType& type, const boost::json::object& data) {
  for (const auto& field : type.fields) {
    const auto* found = data.if_contains(field.name);
    if (found == nullptr)
      return fail(Errc::kMalformed, std::string(type.name) + " lacks " + std::string(field.name));
    if (!fits(field.kind, *found))
      return fail(Errc::kMalformed, std::string(type.name) + "." + std::string(field.name) + " is of a wrong kind");
  }
  if (data.size() != type.fields.size())
    return fail(Errc::kMalformed, std::string(type.name) + " has a field that its type does not know");
  return {};
}

}  // namespace

Result<std::string> canonical_json(const value& json) {
  std::string out;
  TRY(write_value(json, out, 0));
  return out;
}

Result<std::string> encode_entry(const Entry& entry) {
  const auto* type = find_entry_type(entry.type);
  if (type == nullptr) return fail(Errc::kMalformed, "no entry type " + entry.type);
  TRY(check_fields(*type, entry.data));
  auto text = TRY(canonical_json(boost::json::object{{"v", 1}, {"type", entry.type}, {"at", entry.at},
                                                     {"actor", entry.actor}, {"subject", entry.subject},
                                                     {"data", entry.data}}));
  if (text.size() > kEntryBytesMax) return fail(Errc::kTooLarge, "entry is over 64 KiB");
  return text;
}

Result<Entry> decode_entry(std::string_view text) {
  boost::system::error_code error;
  const auto json = boost::json::parse(text, error);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "entry is not a JSON object");
  const auto& object = json.get_object();
  const auto text_of = [&](const char* key) -> Result<std::string> {
    const auto* found = object.if_contains(key);
    if (found == nullptr || !found->is_string()) return fail(Errc::kMalformed, std::string("entry lacks ") + key);
    return std::string(found->get_string());
  };
  const auto* version = object.if_contains("v");
  if (version == nullptr || !version->is_int64()) return fail(Errc::kMalformed, "entry lacks v");
  if (version->get_int64() != 1) return fail(Errc::kUnsupported, "entry of an unknown version");
  Entry entry;
  entry.type = TRY(text_of("type"));
  entry.actor = TRY(text_of("actor"));
  entry.subject = TRY(text_of("subject"));
  const auto* at = object.if_contains("at");
  const auto* data = object.if_contains("data");
  if (at == nullptr || !at->is_int64() || data == nullptr || !data->is_object())
    return fail(Errc::kMalformed, "entry lacks at or data");
  entry.at = at->get_int64();
  entry.data = data->get_object();
  if (TRY(encode_entry(entry)) != text) return fail(Errc::kMalformed, "entry is not in canonical form");
  return entry;
}

const EntryType* find_entry_type(std::string_view name) {
  const auto& types = entry_types();
  const auto at = std::find_if(types.begin(), types.end(), [&](const EntryType& t) { return t.name == name; });
  return at == types.end() ? nullptr : &*at;
}

}  // namespace callward::audit
