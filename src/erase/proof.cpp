#include "erase/proof.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "audit/entry.hpp"
#include "base/check.hpp"

namespace callward::erase {
namespace {

namespace json = boost::json;
using keys::SegmentRange;

constexpr std::int64_t kStatementVersion = 1;
constexpr std::int64_t kProofVersion = 1;

// A JSON object that is read field by field; the first thing that does not fit is remembered.
class Fields {
 public:
  explicit Fields(const json::value& value)
      : object_(value.is_object() ? &value.get_object() : nullptr) {
    if (object_ == nullptr) wrong_ = "not a JSON object";
  }
  std::int64_t number(const char* name, std::int64_t most = audit::kEntryNumberMax) {
    const auto* value = get(name);
    if (value == nullptr || !value->is_int64() || value->get_int64() < 0 ||
        value->get_int64() > most)
      return miss(name), 0;
    return value->get_int64();
  }
  bool flag(const char* name) {
    const auto* value = get(name);
    if (value == nullptr || !value->is_bool()) return miss(name), false;
    return value->get_bool();
  }
  std::string text(const char* name) {
    const auto* value = get(name);
    if (value == nullptr || !value->is_string()) return miss(name), std::string();
    return std::string(value->get_string());
  }
  const json::array& list(const char* name) {
    static const json::array kEmpty;
    const auto* value = get(name);
    if (value == nullptr || !value->is_array()) return miss(name), kEmpty;
    return value->get_array();
  }
  void miss(const char* name) {
    if (wrong_.empty()) wrong_ = std::string(name) + " is missing or not as it should be";
  }
  // Nothing besides: what a reader does not understand may change what it means.
  Status done(std::size_t fields, const char* what) {
    if (wrong_.empty() && object_->size() != fields) wrong_ = "a field too many";
    if (wrong_.empty()) return {};
    return fail(Errc::kMalformed, std::string(what) + ": " + wrong_);
  }

 private:
  const json::value* get(const char* name) {
    return object_ == nullptr ? nullptr : object_->if_contains(name);
  }
  const json::object* object_;
  std::string wrong_;
};

bool is_number(const json::value& value, std::int64_t most) {
  return value.is_int64() && value.get_int64() >= 0 && value.get_int64() <= most;
}

Result<std::vector<SegmentRange>> ranges_of(const json::array& list) {
  std::vector<SegmentRange> out;
  for (const auto& item : list) {
    const auto range = read_range(item);
    if (!range) return fail(Errc::kMalformed, "a range is [stream, first, end)");
    out.push_back(*range);
  }
  return out;
}

json::array to_json(const std::vector<SegmentRange>& ranges) {
  json::array out;
  for (const auto& range : ranges) out.push_back(json::array{range.stream, range.first, range.end});
  return out;
}

Result<json::value> parse(const std::string& text, std::size_t most, const char* what) {
  if (text.size() > most) return fail(Errc::kTooLarge, std::string(what) + " is over its limit");
  boost::system::error_code error;
  auto value = json::parse(text, error);
  if (error) return fail(Errc::kMalformed, std::string(what) + " is not JSON");
  return value;
}

Result<std::vector<NodePlace>> nodes_of(const json::array& list) {
  std::vector<NodePlace> out;
  std::uint64_t behind = 0;
  for (const auto& item : list) {
    const auto* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !is_number((*pair)[0], keys::kTreeLevels) ||
        !is_number((*pair)[1], (std::int64_t{1} << (*pair)[0].get_int64()) - 1))
      return fail(Errc::kMalformed, "a node is [level, index]");
    const NodePlace node{static_cast<std::uint8_t>((*pair)[0].get_int64()),
                         static_cast<std::uint32_t>((*pair)[1].get_int64())};
    const auto first = std::uint64_t{node.index} << (keys::kTreeLevels - node.level);
    if (first < behind) return fail(Errc::kMalformed, "nodes overlap or are not in order");
    behind = first + (std::uint64_t{1} << (keys::kTreeLevels - node.level));
    out.push_back(node);
  }
  return out;
}

Result<KeyStatement::Mirror> mirror_of(const json::value& value) {
  Fields fields(value);
  KeyStatement::Mirror mirror;
  mirror.state = fields.text("state");
  mirror.confirmed = fields.flag("confirmed");
  mirror.epoch = static_cast<std::uint64_t>(fields.number("epoch"));
  mirror.assurance = fields.text("assurance");
  TRY(fields.done(4, "mirror"));
  if (mirror.state != "good" && mirror.state != "left_out" && mirror.state != "retired")
    return fail(Errc::kMalformed, "mirror: no such state");
  return mirror;
}

Result<audit::Hash> hash_of(const json::value& value) {
  if (!value.is_string()) return fail(Errc::kMalformed, "a hash is base64");
  const auto raw = TRY(from_base64(std::string_view(value.get_string())));
  audit::Hash hash{};
  if (raw.size() != hash.size()) return fail(Errc::kMalformed, "a hash has 32 bytes");
  std::copy(raw.begin(), raw.end(), hash.begin());
  return hash;
}

}  // namespace

std::optional<SegmentRange> read_range(const json::value& item) {
  const auto* range = item.if_array();
  if (range == nullptr || range->size() != 3 ||
      !is_number((*range)[0], keys::kCallDataStream - 1) ||
      !is_number((*range)[1], keys::kIndexMax) || !is_number((*range)[2], keys::kIndexMax + 1) ||
      (*range)[1].get_int64() >= (*range)[2].get_int64())
    return std::nullopt;
  return SegmentRange{static_cast<std::uint8_t>((*range)[0].get_int64()),
                      static_cast<std::uint32_t>((*range)[1].get_int64()),
                      static_cast<std::uint32_t>((*range)[2].get_int64())};
}

bool names_row(const json::value& rows, std::int64_t row) {
  const auto* list = rows.if_array();
  if (list == nullptr) return false;
  return std::any_of(list->begin(), list->end(), [row](const json::value& item) {
    const auto* pair = item.if_array();
    return pair != nullptr && pair->size() == 2 && (*pair)[0].is_int64() && (*pair)[1].is_int64() &&
           (*pair)[0].get_int64() <= row && row < (*pair)[1].get_int64();
  });
}

bool KeyStatement::operator==(const KeyStatement& other) const {
  return encode_statement(*this) == encode_statement(other);
}

std::string encode_statement(const KeyStatement& statement) {
  json::array mirrors, streams, nodes;
  for (const auto& mirror : statement.mirrors)
    mirrors.push_back({{"state", mirror.state},
                       {"confirmed", mirror.confirmed},
                       {"epoch", mirror.epoch},
                       {"assurance", mirror.assurance}});
  for (const auto& end : statement.streams)
    streams.push_back(json::array{end.stream, end.end, end.heard});
  for (const auto& node : statement.nodes) nodes.push_back(json::array{node.level, node.index});
  auto text = audit::canonical_json(json::object{{"v", kStatementVersion},
                                                 {"call", statement.call.hex()},
                                                 {"at", statement.at},
                                                 {"epoch", statement.epoch},
                                                 {"row", statement.row},
                                                 {"live", statement.live},
                                                 {"mirrors", std::move(mirrors)},
                                                 {"streams", std::move(streams)},
                                                 {"nodes", std::move(nodes)},
                                                 {"erased", to_json(statement.erased)},
                                                 {"ordered", to_json(statement.ordered)},
                                                 {"held", to_json(statement.held)}});
  CHECK(text.has_value());  // numbers and ASCII of our own
  return std::move(*text);
}

Result<KeyStatement> decode_statement(const std::string& text) {
  const auto value = TRY(parse(text, kStatementBytesMax, "statement"));
  Fields fields(value);
  if (const auto version = fields.number("v"); version > kStatementVersion)
    return fail(Errc::kUnsupported,
                "a statement of version " + std::to_string(version) + ": take a newer Callward");
  KeyStatement statement;
  if (const auto id = CallId::parse(fields.text("call")))
    statement.call = *id;
  else
    fields.miss("call");
  statement.at = fields.number("at");
  statement.epoch = static_cast<std::uint64_t>(fields.number("epoch"));
  statement.row = fields.flag("row");
  statement.live = fields.flag("live");
  const auto& mirrors = fields.list("mirrors");
  const auto& streams = fields.list("streams");
  const auto& nodes = fields.list("nodes");
  const auto& erased = fields.list("erased");
  const auto& ordered = fields.list("ordered");
  const auto& held = fields.list("held");
  TRY(fields.done(12, "statement"));
  for (const auto& item : mirrors) statement.mirrors.push_back(TRY(mirror_of(item)));
  for (const auto& item : streams) {
    const auto* one = item.if_array();
    if (one == nullptr || one->size() != 3 || !is_number((*one)[0], keys::kCallDataStream - 1) ||
        !is_number((*one)[1], keys::kIndexMax + 1) || !is_number((*one)[2], keys::kIndexMax + 1))
      return fail(Errc::kMalformed, "statement: a stream is [stream, end, heard]");
    statement.streams.push_back({static_cast<std::uint8_t>((*one)[0].get_int64()),
                                 static_cast<std::uint32_t>((*one)[1].get_int64()),
                                 static_cast<std::uint32_t>((*one)[2].get_int64())});
  }
  statement.nodes = TRY(nodes_of(nodes));
  statement.erased = TRY(ranges_of(erased));
  statement.ordered = TRY(ranges_of(ordered));
  statement.held = TRY(ranges_of(held));
  if (encode_statement(statement) != text)
    return fail(Errc::kMalformed, "statement: not in canonical form");
  return statement;
}

std::string encode_proof(const ErasureProof& proof) {
  json::array entries;
  for (const auto& entry : proof.entries) {
    json::array path;
    for (const auto& hash : entry.path) path.emplace_back(to_base64(hash));
    entries.push_back({{"index", entry.index}, {"entry", entry.text}, {"path", std::move(path)}});
  }
  return json::serialize(json::object{{"callward_erasure_proof", kProofVersion},
                                      {"statement", proof.statement},
                                      {"entries", std::move(entries)},
                                      {"checkpoint", proof.checkpoint},
                                      {"verifier_key", proof.verifier_key}});
}

Result<ErasureProof> decode_proof(const std::string& text) {
  const auto value = TRY(parse(text, kProofBytesMax, "proof"));
  Fields fields(value);
  if (const auto version = fields.number("callward_erasure_proof"); version > kProofVersion)
    return fail(Errc::kUnsupported,
                "a proof of version " + std::to_string(version) + ": take a newer Callward");
  else if (version < kProofVersion)
    fields.miss("callward_erasure_proof");
  ErasureProof proof;
  proof.statement = fields.text("statement");
  proof.checkpoint = fields.text("checkpoint");
  proof.verifier_key = fields.text("verifier_key");
  const auto& entries = fields.list("entries");
  TRY(fields.done(5, "proof"));
  if (entries.size() > kProofEntriesMax)
    return fail(Errc::kTooLarge, "proof: more entries than it may have");
  for (const auto& item : entries) {
    Fields one(item);
    ErasureProof::LoggedEntry entry;
    entry.index = static_cast<std::uint64_t>(one.number("index"));
    entry.text = one.text("entry");
    for (const auto& hash : one.list("path")) entry.path.push_back(TRY(hash_of(hash)));
    TRY(one.done(3, "proof's entry"));
    if (!proof.entries.empty() && proof.entries.back().index >= entry.index)
      return fail(Errc::kMalformed, "proof: entries are not in the log's order");
    proof.entries.push_back(std::move(entry));
  }
  return proof;
}

}  // namespace callward::erase
