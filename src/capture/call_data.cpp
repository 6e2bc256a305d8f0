#include "capture/call_data.hpp"

#include "base/event_log.hpp"

namespace callward::capture {
namespace {

// Length of the UTF-8 sequence at the front of `text`; 0 if there is none (RFC 3629, 4).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (byte(i) >> 6 != 2) return 0;
  const unsigned char second = byte(1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return 0;
  if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return 0;
  return length;
}

std::string quote(std::string_view text) { return json_quote(valid_utf8(text)); }

// "name":"value" pairs between braces.
std::string object(std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  std::string out = "{";
  for (const auto& [name, value] : members) {
    if (out.size() > 1) out += ",";
    out += json_quote(name) + ":" + quote(value);
  }
  return out + "}";
}

template <class Items, class Write>
std::string array(const Items& items, const Write& write) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ",";
    out += write(item);
  }
  return out + "]";
}

std::string person(const Plan& plan, Party party) {
  for (std::size_t i = 0; i < plan.speakers.size() && i < plan.lanes.size(); ++i) {
    if (!plan.lanes[i].recorded || plan.lanes[i].party != party) continue;
    const auto& who = plan.speakers[i];
    return object({{"number", parse_address(who.uri).user}, {"name", who.name}, {"uri", who.uri}});
  }
  return object({{"number", ""}, {"name", ""}, {"uri", ""}});
}

std::string streams(const Offer& offer, const Plan& plan) {
  std::string out = "[";
  for (std::size_t i = 0; i < plan.lanes.size(); ++i) {
    const auto& lane = plan.lanes[i];
    if (!lane.recorded) continue;
    const auto who = i < plan.speakers.size() ? plan.speakers[i] : Who{};
    const auto label = i < offer.sdp.media.size() ? offer.sdp.media[i].label : std::string();
    if (out.size() > 1) out += ",";
    out += "{\"stream\":" + std::to_string(lane.stream) + "," +
           object({{"party", to_string(lane.party)},
                   {"label", label},
                   {"number", parse_address(who.uri).user},
                   {"name", who.name},
                   {"uri", who.uri}})
               .substr(1);
  }
  return out + "]";
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0)
      out += "\xEF\xBF\xBD";
    else
      out += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string_view to_string(Party party) {
  switch (party) {
    case Party::kCustomer:
      return "customer";
    case Party::kAgent:
      return "agent";
    case Party::kOther:
      return "other";
    case Party::kMixed:
      return "mixed";
  }
  return "other";
}

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::kUnknown:
      return "unknown";
    case Direction::kIncoming:
      return "in";
    case Direction::kOutgoing:
      return "out";
  }
  return "unknown";
}

SecretBytes write_call_data(const SipIdentity& sip, const Offer& offer, const Plan& plan,
                            const std::vector<std::string>& flags) {
  std::string out = "{\"version\":1,\"direction\":" + quote(to_string(plan.direction)) +
                    ",\"customer\":" + person(plan, Party::kCustomer) +
                    ",\"agent\":" + person(plan, Party::kAgent) +
                    ",\"streams\":" + streams(offer, plan);
  const auto metadata = offer.metadata.value_or(wire::RsMetadata{});
  out += ",\"participants\":" + array(metadata.participants, [](const auto& who) {
           return object({{"uri", who.aor}, {"name", who.name}});
         });
  out +=
      ",\"session_ids\":" + array(metadata.sessions, [](const auto& in) { return quote(in.id); });
  out += ",\"sip\":" + object({{"call_id", sip.call_id},
                               {"from", sip.from},
                               {"to", sip.to},
                               {"contact", sip.contact},
                               {"user_agent", sip.user_agent},
                               {"session_id", sip.session_id}});
  out += ",\"flags\":" + array(flags, [](const auto& flag) { return quote(flag); });
  out += ",\"metadata\":" +
         array(offer.metadata_raw, [](const auto& raw) { return quote(to_base64(as_bytes(raw))); });
  out += "}";
  SecretBytes sealed(as_bytes(out));
  wipe(out.data(), out.size());
  return sealed;
}

}  // namespace callward::capture
