#include "disclose/owners_word.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace callward::disclose {

crypto::Digest hash_of(const OwnersWord& word) {
  ByteWriter out;
  out.bytes(as_bytes("CWS1 retention"));
  out.bytes(word.by.bytes);
  out.bytes(word.nonce);
  out.u64(word.customers);
  out.u32(static_cast<std::uint32_t>(word.keep.reference_days));
  out.u32(static_cast<std::uint32_t>(word.keep.contact_days));
  out.u32(static_cast<std::uint32_t>(word.keep.secret_hours));
  out.bytes(word.reason_hash);
  out.bytes(as_bytes(word.stop));
  return crypto::sha256(out.view());
}

boost::json::object to_json(const OwnersWord& word) {
  return {{"cause", word.stop},
          {"customers", word.customers},
          {"keep", keep_to_json(word.keep)},
          {"nonce", to_hex(word.nonce)},
          {"reason_hash", to_hex(word.reason_hash)}};
}

Result<OwnersWord> owners_word_from_json(const PersonId& by, const boost::json::object& data) {
  const auto malformed = fail(Errc::kMalformed, "no word of an owner's");
  const auto text = [&data](const char* name) -> std::string {
    const auto* value = data.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
  };
  OwnersWord word{.by = by, .stop = text("cause")};
  const auto* customers = data.if_contains("customers");
  const auto* keep = data.if_contains("keep");
  const auto nonce = from_hex(text("nonce")), reason = from_hex(text("reason_hash"));
  if (customers == nullptr || !customers->is_int64() || customers->get_int64() < 0 ||
      keep == nullptr || !nonce || nonce->size() != word.nonce.size() || !reason ||
      reason->size() != word.reason_hash.size())
    return malformed;
  word.customers = static_cast<std::uint64_t>(customers->get_int64());
  word.keep = TRY(keep_from_json(*keep));
  std::ranges::copy(*nonce, word.nonce.begin());
  std::ranges::copy(*reason, word.reason_hash.begin());
  return word;
}

boost::json::array keep_to_json(const vault::Keep& keep) {
  boost::json::array list;
  list.emplace_back(keep.reference_days);
  list.emplace_back(keep.contact_days);
  list.emplace_back(keep.secret_hours);
  return list;
}

Result<vault::Keep> keep_from_json(const boost::json::value& list) {
  const auto malformed = fail(Errc::kMalformed, "days or hours that no policy may have");
  const auto* of = list.if_array();
  if (of == nullptr || of->size() != 3) return malformed;
  for (const auto& number : *of)
    if (!number.is_int64()) return malformed;
  const vault::Keep keep{.reference_days = of->at(0).get_int64(),
                         .contact_days = of->at(1).get_int64(),
                         .secret_hours = of->at(2).get_int64()};
  return vault::check_keep(keep) ? Result<vault::Keep>(keep) : malformed;
}

}  // namespace callward::disclose
