// Entries of the audit log: canonical JSON (RFC 8785, the subset of objects, arrays, strings, whole
// numbers, booleans) of at most 64 KiB:
//
//   {"actor":…,"at":UTC ms,"data":{…},"prev_step"?:…,"signature"?:{…},"subject":…,"type":…,"v":1}
//
// Actors and subjects are random ids or process names. No personal data, no free text, no telephone
// number, no hash of a value that could be guessed: the log can never be erased.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace callward::audit {

inline constexpr std::size_t kEntryBytesMax = 65'535;     // encoded
inline constexpr std::size_t kEntryTextBytesMax = 1'024;  // one string
inline constexpr std::int64_t kEntryNumberMax =
    (std::int64_t{1} << 53) - 1;  // RFC 7493, 2.2; either sign

struct Entry {
  std::string type, actor, subject;
  std::int64_t at = 0;  // UTC ms
  boost::json::object data;
  std::optional<std::uint64_t>
      prev_step;  // index of the entry that this one follows in its workflow
  std::optional<boost::json::object> signature;  // a person's, over the entry without this field
};

// kMalformed for what the subset lacks: null, numbers that are not whole or beyond kEntryNumberMax,
// keys that are not ASCII, strings that are not UTF-8.
Result<std::string> canonical_json(const boost::json::value& value);
// Checked against the table of types; canonical. kMalformed says what is missing or surplus.
Result<std::string> encode_entry(const Entry& entry);
// Strict: canonical form, known type, exact fields. kUnsupported for another version.
Result<Entry> decode_entry(std::string_view text);
// The same, for who only wants to know that it holds: its time.
Result<std::int64_t> check_entry(std::string_view text);

// Of its text, without reading all of it: in canonical JSON `subject` and `type` are the last
// of their names, behind `data`. Empty for what has none.
std::string_view type_in(std::string_view text);
std::string_view subject_in(std::string_view text);

// Who may append a type, by process. Bits of `writers`.
inline constexpr std::uint8_t kByKeeper = 1, kByRecorder = 2, kByListener = 4, kByServer = 8,
                              kBySupervisor = 16;

enum class FieldKind : std::uint8_t { kNumber, kSigned, kText, kFlag, kRanges, kHash, kList };
struct FieldRule {
  std::string_view name;
  FieldKind kind;
  bool added = false;  // after entries of this type were written: those lack it
};
struct EntryType {
  std::string_view name;
  std::uint8_t writers;
  std::string_view meaning;
  std::vector<FieldRule> fields;  // all required but what was added, none besides
};
const std::vector<EntryType>& entry_types();
const EntryType* find_entry_type(std::string_view name);
// docs/log-entries.md is this text.
std::string entry_types_markdown();

}  // namespace callward::audit
