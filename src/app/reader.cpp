#include "app/reader.hpp"

#include <algorithm>
#include <set>

#include "crypto/hpke.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kPieceMs = 60'000;

// A record is found again by its salt: it is random, and the opening names it.
Status split_records(ByteView raw, std::map<std::string, Bytes>& by_salt) {
  while (!raw.empty()) {
    const auto header = TRY(keys::RecordHeader::parse(raw));
    if (header.record_bytes() > raw.size()) return fail(Errc::kMalformed, "records are cut off");
    by_salt[to_hex(header.salt)] = to_bytes(raw.first(header.record_bytes()));
    raw = raw.subspan(header.record_bytes());
  }
  return {};
}

std::string text_of(const boost::json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

Status CallReader::read(const std::vector<std::string>& kinds, std::int64_t start_ms,
                        std::int64_t end_ms, const std::function<void(OpenedRecord)>& on_record) {
  for (auto at = start_ms; at < end_ms; at += kPieceMs)
    TRY(read_piece(kinds, at, std::min(end_ms, at + kPieceMs), on_record));
  return {};
}

Status CallReader::read_piece(const std::vector<std::string>& kinds, std::int64_t start_ms,
                              std::int64_t end_ms,
                              const std::function<void(OpenedRecord)>& on_record) {
  const auto fresh = entropy_.key();
  const auto& secret = consent_ != nullptr ? consent_->key() : fresh;
  boost::json::array kind_list;
  for (const auto& kind : kinds) kind_list.emplace_back(kind);
  boost::json::object wanted{{"kinds", std::move(kind_list)},
                             {"start_ms", start_ms},
                             {"end_ms", end_ms},
                             {"reader_key", to_base64(TRY(crypto::x25519_public(secret)))},
                             {"purpose", purpose_},
                             {"reason", reason_}};
  if (consent_ != nullptr) wanted["reader_request"] = consent_->id();
  const auto answer = TRY(http_.post("/v1/calls/" + call_.hex() + "/openings", std::move(wanted)));
  if (!answer.is_object() || !answer.get_object().contains("records") ||
      !answer.at("records").is_array())
    return fail(Errc::kMalformed, "an opening that cannot be read");
  const auto& listed = answer.at("records").get_array();
  if (listed.empty()) return {};
  const auto enc_raw = TRY(from_base64(text_of(answer.get_object(), "enc")));
  const auto sealed = TRY(from_base64(text_of(answer.get_object(), "sealed")));
  crypto::PublicKey enc{};
  if (enc_raw.size() != enc.size()) return fail(Errc::kMalformed, "an opening that cannot be read");
  std::copy(enc_raw.begin(), enc_raw.end(), enc.begin());
  const auto keys_plain =
      TRY(crypto::hpke_open(secret, enc, as_bytes("callward open v1"), call_.bytes, sealed));
  const auto records = TRY(fetch(listed, start_ms, end_ms));
  std::size_t next_key = 0;
  for (const auto& item : listed) {
    if (!item.is_object()) return fail(Errc::kMalformed, "an opening that cannot be read");
    OpenedRecord opened;
    opened.state = text_of(item.get_object(), "state");
    const auto found = records.find(text_of(item.get_object(), "salt"));
    const bool given = opened.state == "given";
    if (given && next_key + 32 > keys_plain.size())
      return fail(Errc::kMalformed, "the opening has too few keys");
    const auto key_at = next_key;
    next_key += given ? 32 : 0;
    if (found == records.end()) continue;
    opened.header = TRY(keys::parse_record(found->second));
    if (given) {
      const Key32 key(std::span<const std::uint8_t, 32>(keys_plain.expose().data() + key_at, 32));
      opened.plain = TRY(cipher_.open(found->second, call_, key));
    }
    on_record(std::move(opened));
  }
  return {};
}

Result<std::map<std::string, Bytes>> CallReader::fetch(const boost::json::array& listed,
                                                       std::int64_t start_ms, std::int64_t end_ms) {
  std::set<std::pair<std::string, std::int64_t>> wanted;
  for (const auto& item : listed)
    if (item.is_object() && item.as_object().contains("stream"))
      wanted.emplace(text_of(item.get_object(), "kind"),
                     item.at("stream").to_number<std::int64_t>());
  std::map<std::string, Bytes> records;
  for (const auto& [kind, stream] : wanted) {
    auto path =
        "/v1/calls/" + call_.hex() + "/records?kind=" + kind + "&stream=" + std::to_string(stream);
    if (kind != "call_data" && kind != "notes")
      path += "&first=" + std::to_string(start_ms / 100) +
              "&end=" + std::to_string((end_ms + 99) / 100);
    TRY(split_records(TRY(http_.get_bytes(path)), records));
  }
  return records;
}

}  // namespace callward::app
