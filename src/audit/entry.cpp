#include "audit/entry.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

namespace callward::audit {
namespace {

using boost::json::value;

constexpr std::size_t kSignatureBytesMax = 8u << 10;  // canonical

// Length of the well-formed UTF-8 character in front (RFC 3629), 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xC0) == 0x80; };
  const auto lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF && tail(1)) return 2;
  if ((lead & 0xF0) == 0xE0 && tail(1) && tail(2)) {
    const bool overlong = lead == 0xE0 && at(1) < 0xA0;
    const bool surrogate = lead == 0xED && at(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4 && tail(1) && tail(2) && tail(3)) {
    const bool overlong = lead == 0xF0 && at(1) < 0x90;
    const bool beyond = lead == 0xF4 && at(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

// RFC 8785, 3.2.2.2.
void write_escaped(char c, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  out += "\\u00";
  out += kHex[static_cast<unsigned char>(c) >> 4];
  out += kHex[c & 15];
}

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

Status write_string(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    // Most strings need nothing: copied in one piece.
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto length = utf8_length(text);
    if (length == 0) return fail(Errc::kMalformed, "entry holds a string that is not UTF-8");
    if (length == 1)
      write_escaped(text[0], out);
    else
      out += text.substr(0, length);
    text.remove_prefix(length);
  }
  out += '"';
  return {};
}

Status write_number(std::int64_t number, std::string& out) {
  if (number > kEntryNumberMax || number < -kEntryNumberMax)
    return fail(Errc::kMalformed, "entry holds a number that not every reader can hold");
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
  return {};
}

constexpr int kDepthMax = 16;

Status write_value(const value& json, std::string& out, int depth) {
  if (depth > kDepthMax) return fail(Errc::kTooLarge, "entry is nested too deeply");
  switch (json.kind()) {
    case boost::json::kind::null:
      return fail(Errc::kMalformed, "entries hold no null");
    case boost::json::kind::bool_:
      out += json.get_bool() ? "true" : "false";
      return {};
    case boost::json::kind::int64:
      return write_number(json.get_int64(), out);
    case boost::json::kind::uint64:
      // What does not fit is beyond the limit anyway.
      return write_number(
          static_cast<std::int64_t>(std::min(json.get_uint64(), std::uint64_t{1} << 62)), out);
    case boost::json::kind::double_:
      return fail(Errc::kMalformed, "entries hold whole numbers only");
    case boost::json::kind::string:
      return write_string(json.get_string(), out);
    case boost::json::kind::array: {
      out += '[';
      for (std::size_t i = 0; i < json.get_array().size(); ++i) {
        if (i > 0) out += ',';
        TRY(write_value(json.get_array()[i], out, depth + 1));
      }
      out += ']';
      return {};
    }
    case boost::json::kind::object:
      break;
  }
  // RFC 8785 sorts by UTF-16 code units; our keys are ASCII, for which bytes give the same order.
  std::vector<const boost::json::key_value_pair*> items;
  items.reserve(json.get_object().size());
  for (const auto& item : json.get_object()) {
    if (std::any_of(item.key().begin(), item.key().end(),
                    [](char c) { return !is_plain(c) || c == 0x7F; }))
      return fail(Errc::kMalformed, "entry holds a key that is not printable ASCII");
    items.push_back(&item);
  }
  std::sort(items.begin(), items.end(),
            [](const auto* a, const auto* b) { return a->key() < b->key(); });
  out += '{';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    TRY(write_string(items[i]->key(), out));
    out += ':';
    TRY(write_value(items[i]->value(), out, depth + 1));
  }
  out += '}';
  return {};
}

// Whole, and never below zero: sizes, counts, indices, times. What is too large for every reader
// write_number refuses.
bool is_count(const value& json) {
  return json.is_uint64() || (json.is_int64() && json.get_int64() >= 0);
}

bool is_range_list(const value& json) {
  if (!json.is_array()) return false;
  return std::all_of(json.get_array().begin(), json.get_array().end(), [](const value& range) {
    return range.is_array() && range.get_array().size() == 3 &&
           std::all_of(range.get_array().begin(), range.get_array().end(), is_count);
  });
}

bool is_hash(const value& json) {
  if (!json.is_string() || json.get_string().size() != 64) return false;
  return std::all_of(json.get_string().begin(), json.get_string().end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool fits(FieldKind kind, const value& json) {
  switch (kind) {
    case FieldKind::kNumber:
      return is_count(json);
    case FieldKind::kSigned:
      return json.is_int64();
    case FieldKind::kText:
      return json.is_string() && json.get_string().size() <= kEntryTextBytesMax;
    case FieldKind::kFlag:
      return json.is_bool();
    case FieldKind::kRanges:
      return is_range_list(json);
    case FieldKind::kHash:
      return is_hash(json);
    case FieldKind::kList:
      return json.is_array();
  }
  return false;
}

Status check_fields(const EntryType& type, const boost::json::object& data) {
  std::size_t known = 0;
  for (const auto& field : type.fields) {
    const auto* found = data.if_contains(field.name);
    if (found == nullptr && field.added) continue;
    ++known;
    if (found == nullptr)
      return fail(Errc::kMalformed, std::string(type.name) + " lacks " + std::string(field.name));
    if (!fits(field.kind, *found))
      return fail(Errc::kMalformed,
                  std::string(type.name) + "." + std::string(field.name) + " is of a wrong kind");
  }
  if (data.size() != known)
    return fail(Errc::kMalformed,
                std::string(type.name) + " has a field that its type does not know");
  return {};
}

// The frame around `data`: exact fields, each of its kind. Order and form are canonical_json's.
Status check_frame(const boost::json::object& entry) {
  const auto lacks = [](std::string_view key) {
    return fail(Errc::kMalformed, "entry lacks " + std::string(key));
  };
  const auto* version = entry.if_contains("v");
  if (version == nullptr || !version->is_int64()) return lacks("v");
  if (version->get_int64() != 1) return fail(Errc::kUnsupported, "entry of an unknown version");
  for (const auto* key : {"type", "actor", "subject"}) {
    const auto* found = entry.if_contains(key);
    if (found == nullptr || !fits(FieldKind::kText, *found)) return lacks(key);
  }
  const auto* at = entry.if_contains("at");
  const auto* data = entry.if_contains("data");
  if (at == nullptr || !at->is_int64()) return lacks("at");
  if (data == nullptr || !data->is_object()) return lacks("data");
  std::size_t fields = 6;
  if (const auto* step = entry.if_contains("prev_step")) {
    if (!step->is_int64() || step->get_int64() < 0)
      return fail(Errc::kMalformed, "entry's prev_step is no index");
    ++fields;
  }
  if (const auto* signature = entry.if_contains("signature")) {
    if (!signature->is_object()) return fail(Errc::kMalformed, "entry's signature is no object");
    std::string text;
    TRY(write_value(*signature, text, 1));
    if (text.size() > kSignatureBytesMax)
      return fail(Errc::kTooLarge, "entry's signature is over its limit");
    ++fields;
  }
  if (entry.size() != fields)
    return fail(Errc::kMalformed, "entry has a field that its version does not know");
  const auto* type = find_entry_type(entry.at("type").get_string());
  if (type == nullptr) return fail(Errc::kMalformed, "no such entry type");
  return check_fields(*type, data->get_object());
}

// Parses into `storage` and holds the text to every rule.
Result<value> parse_checked(std::string_view text, boost::json::storage_ptr storage) {
  if (text.size() > kEntryBytesMax) return fail(Errc::kTooLarge, "entry is over 64 KiB");
  boost::system::error_code error;
  auto json = boost::json::parse(text, error, std::move(storage));
  if (error || !json.is_object()) return fail(Errc::kMalformed, "entry is not a JSON object");
  TRY(check_frame(json.get_object()));
  std::string again;
  again.reserve(text.size());
  TRY(write_value(json, again, 0));
  if (again != text) return fail(Errc::kMalformed, "entry is not in canonical form");
  return json;
}

}  // namespace

Result<std::string> canonical_json(const value& json) {
  std::string out;
  TRY(write_value(json, out, 0));
  return out;
}

Result<std::string> encode_entry(const Entry& entry) {
  if (find_entry_type(entry.type) == nullptr)
    return fail(Errc::kMalformed, "no entry type " + entry.type);
  boost::json::object json{{"v", 1},
                           {"type", entry.type},
                           {"at", entry.at},
                           {"actor", entry.actor},
                           {"subject", entry.subject},
                           {"data", entry.data}};
  if (entry.prev_step)
    json["prev_step"] =
        static_cast<std::int64_t>(std::min(*entry.prev_step, std::uint64_t{1} << 62));
  if (entry.signature) json["signature"] = *entry.signature;
  TRY(check_frame(json));
  auto text = TRY(canonical_json(json));
  if (text.size() > kEntryBytesMax) return fail(Errc::kTooLarge, "entry is over 64 KiB");
  return text;
}

Result<Entry> decode_entry(std::string_view text) {
  const auto json = TRY(parse_checked(text, {}));
  const auto& object = json.get_object();
  Entry entry;
  entry.type = object.at("type").get_string();
  entry.actor = object.at("actor").get_string();
  entry.subject = object.at("subject").get_string();
  entry.at = object.at("at").get_int64();
  entry.data = object.at("data").get_object();
  if (const auto* step = object.if_contains("prev_step"))
    entry.prev_step = static_cast<std::uint64_t>(step->get_int64());
  if (const auto* signature = object.if_contains("signature"))
    entry.signature = signature->get_object();
  return entry;
}

Result<std::int64_t> check_entry(std::string_view text) {
  std::array<unsigned char, 4096> room;
  boost::json::monotonic_resource storage(room.data(), room.size());
  const auto json = TRY(parse_checked(text, &storage));
  return json.get_object().at("at").get_int64();
}

const EntryType* find_entry_type(std::string_view name) {
  const auto& types = entry_types();
  const auto at =
      std::find_if(types.begin(), types.end(), [&](const EntryType& t) { return t.name == name; });
  return at == types.end() ? nullptr : &*at;
}

namespace {

std::string_view last_text(std::string_view text, std::string_view name) {
  const auto at = text.rfind(name);
  if (at == std::string_view::npos) return {};
  const auto rest = text.substr(at + name.size());
  return rest.substr(0, rest.find('"'));
}

}  // namespace

std::string_view type_in(std::string_view text) { return last_text(text, "\"type\":\""); }
std::string_view subject_in(std::string_view text) { return last_text(text, "\"subject\":\""); }

}  // namespace callward::audit
