#include "capture/offer.hpp"

#include <algorithm>
#include <optional>

#include "wire/multipart.hpp"

namespace callward::capture {
namespace {

constexpr std::uint32_t kClockRate = 8000;

tl::unexpected<Refusal> refuse(std::uint16_t status, std::string cause) {
  return tl::unexpected<Refusal>(Refusal{status, std::move(cause)});
}

void add_flags(std::vector<std::string>& flags, const std::vector<std::string>& more) {
  for (const auto& flag : more) add_flag(flags, flag);
}

// The offerer's first choice among what we record.
const wire::SdpCodec* choose_codec(const wire::SdpMedia& media) {
  for (const auto& codec : media.codecs)
    if ((codec.name == "PCMU" || codec.name == "PCMA") && codec.clock_rate == kClockRate &&
        codec.channels <= 1)
      return &codec;
  return nullptr;
}

bool is_plain_rtp(const wire::SdpMedia& media) {
  return media.protocol == "RTP/AVP" || media.protocol == "RTP/AVPF";
}

const wire::SdpCodec* recordable(const wire::SdpMedia& media) {
  return media.kind == "audio" && is_plain_rtp(media) && media.port != 0 ? choose_codec(media)
                                                                         : nullptr;
}

Mode mode_of(const wire::SdpMedia& media, bool was_active) {
  if (media.port == 0) return Mode::kRemoved;
  const bool sends = media.direction == wire::MediaDirection::kSendOnly ||
                     media.direction == wire::MediaDirection::kSendRecv;
  const bool paused = media.record == "off" || media.record == "paused";
  if (sends && !media.zero_address && !paused) return Mode::kActive;
  return was_active ? Mode::kOnHold : Mode::kSilent;
}

constexpr std::uint16_t kDiscardPort = 9;  // "no port yet" (RFC 8866, 5.14 and RFC 863)

// A hold by c=0.0.0.0, and a stream that is taken away, say nothing of who sends: as before.
void set_sources(Lane& lane, const wire::SdpMedia& media,
                 const std::optional<Endpoint>& signalling) {
  if (media.port == 0 || (media.zero_address && !lane.sources.empty())) return;
  lane.sources.clear();
  const auto said = parse_endpoint(media.address, media.port == kDiscardPort ? 0 : media.port);
  if (!said) return;
  lane.sources.push_back(*said);
  if (signalling && is_private(*said) && !said->same_address(*signalling))
    lane.sources.push_back({signalling->address, 0});
}

// Codec, mode and sources of `lane` as this m-line wants them now.
void set_media(Lane& lane, const wire::SdpMedia& media, const std::optional<Endpoint>& signalling) {
  set_sources(lane, media, signalling);
  lane.mode = mode_of(media, lane.was_active);
  if (const auto* codec = recordable(media)) {
    lane.codec = codec->name == "PCMA" ? 8 : 0;
    lane.payload_type = codec->payload_type;
    const auto* events = wire::find_telephone_event(media, kClockRate);
    lane.event_payload_type = events != nullptr ? events->payload_type : 0xFF;
  } else if (lane.mode != Mode::kRemoved) {
    lane.mode = Mode::kRemoved;  // it changed to a codec that we can't take: refused in the answer
  }
  lane.was_active = lane.was_active || lane.mode == Mode::kActive;
}

// Why nothing can be recorded, in one word and one code.
Refusal why_nothing(const Offer& offer) {
  bool audio = false, secure = false, codec = false;
  for (const auto& media : offer.sdp.media) {
    if (media.kind != "audio" || media.port == 0) continue;
    audio = true;
    secure = secure || !is_plain_rtp(media);
    codec = codec || choose_codec(media) != nullptr;
  }
  if (!audio) return {488, "no_media"};
  if (secure && codec) return {488, "unsupported_transport"};
  return {488, "no_codec"};
}

// The participant heard on this m-line; null if the metadata does not say.
const wire::RsParticipant* speaker(const wire::RsMetadata& metadata, const Offer& offer,
                                   std::size_t line, const std::vector<std::size_t>& lines,
                                   bool& by_order) {
  if (const auto* sender = wire::sender_of(metadata, offer.sdp.media[line].label)) return sender;
  if (lines.size() != metadata.participants.size()) return nullptr;
  const bool any_said = std::any_of(lines.begin(), lines.end(), [&](std::size_t other) {
    return wire::sender_of(metadata, offer.sdp.media[other].label) != nullptr;
  });
  if (any_said) return nullptr;
  // Some clients list participants and streams in one order and leave out what ties them.
  by_order = true;
  const auto at = std::find(lines.begin(), lines.end(), line) - lines.begin();
  return &metadata.participants[static_cast<std::size_t>(at)];
}

bool same_party(std::string_view a, std::string_view b) {
  const auto left = parse_address(a), right = parse_address(b);
  return !left.user.empty() && OwnParties({left.user}, {}).owns({right.user, {}});
}

// Which recorded lane belongs to whoever began the call: lane index, or nothing if it can't be
// told.
std::optional<std::size_t> caller_lane(const wire::RsMetadata& metadata, const Plan& plan,
                                       bool& guessed) {
  for (std::size_t i = 0; i < plan.lanes.size(); ++i)
    for (const auto& who : metadata.participants)
      if (plan.lanes[i].recorded && who.calling == true && !who.aor.empty() &&
          who.aor == plan.speakers[i].uri)
        return i;
  if (!metadata.calling_number.empty()) {
    for (std::size_t i = 0; i < plan.lanes.size(); ++i)
      if (plan.lanes[i].recorded && same_party(metadata.calling_number, plan.speakers[i].uri))
        return i;
  }
  // Clients list the caller first; that is a habit, not a rule.
  guessed = true;
  for (const auto& who : metadata.participants)
    for (std::size_t i = 0; i < plan.lanes.size(); ++i)
      if (plan.lanes[i].recorded && !who.aor.empty() && who.aor == plan.speakers[i].uri) return i;
  return std::nullopt;
}

struct Roles {
  std::size_t customer = 0, agent = 0;  // positions among the recorded lanes
  bool guessed = false;
};
Roles choose_roles(const std::vector<bool>& known, const std::vector<bool>& own) {
  const auto count = own.size();
  std::size_t agent = count, customer = count;
  for (std::size_t i = 0; i < count; ++i) {
    if (own[i] && agent == count) agent = i;
    if (!own[i] && known[i] && customer == count) customer = i;
  }
  if (agent < count && customer < count) return {customer, agent, false};
  // One side is known to be ours, of the other nothing is known: then it is the customer's.
  if (agent < count && count == 2 && !own[1 - agent]) return {1 - agent, agent, false};
  return {0, 1, true};
}

void set_direction(const Offer& offer, bool roles_sure, Plan& plan) {
  if (!offer.metadata || !roles_sure) return;
  bool guessed = false;
  const auto caller = caller_lane(*offer.metadata, plan, guessed);
  if (!caller) return;
  if (plan.lanes[*caller].party == Party::kCustomer) plan.direction = Direction::kIncoming;
  if (plan.lanes[*caller].party == Party::kAgent) plan.direction = Direction::kOutgoing;
  if (guessed && plan.direction != Direction::kUnknown) add_flag(plan.flags, "direction_guessed");
}

// A single stream with both parties: who called is known from its numbers alone.
void set_mixed(const Offer& offer, const OwnParties& own, Lane& lane, Plan& plan) {
  lane.stream = 0;
  lane.party = Party::kMixed;
  add_flag(plan.flags, "mixed");
  if (!offer.metadata) return;
  std::string caller = offer.metadata->calling_number, called = offer.metadata->called_number;
  if (caller.empty() && offer.metadata->participants.size() == 2) {
    caller = offer.metadata->participants[0].aor;
    called = offer.metadata->participants[1].aor;
    add_flag(plan.flags, "direction_guessed");
  }
  const bool ours = own.owns(parse_address(caller)), theirs = own.owns(parse_address(called));
  if (ours != theirs) plan.direction = ours ? Direction::kOutgoing : Direction::kIncoming;
}

void assign_roles(const Offer& offer, const OwnParties& own, const std::vector<std::size_t>& lines,
                  Plan& plan) {
  if (lines.size() == 1) return set_mixed(offer, own, plan.lanes[lines[0]], plan);
  std::vector<bool> known, ours;
  for (const auto line : lines) {
    const auto address = parse_address(plan.speakers[line].uri);
    known.push_back(!address.user.empty() || !address.host.empty());
    ours.push_back(own.owns(address));
  }
  const auto roles = choose_roles(known, ours);
  if (roles.guessed) add_flag(plan.flags, "roles_guessed");
  std::uint8_t next = 2;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto& lane = plan.lanes[lines[i]];
    lane.party = i == roles.customer ? Party::kCustomer
                 : i == roles.agent  ? Party::kAgent
                                     : Party::kOther;
    lane.stream = i == roles.customer ? 0 : i == roles.agent ? 1 : next++;
  }
  set_direction(offer, !roles.guessed, plan);
}

// Of two who may both have rung: what is said of both, or the worse.
Attestation of_both(Attestation one, Attestation other) {
  if (one == other) return one;
  const bool failed = one == Attestation::kFailed || other == Attestation::kFailed;
  return failed ? Attestation::kFailed : Attestation::kNone;
}

// Of whoever is not one of us, and rang: of a number that was dialled nobody vouches. Where it is
// not said who rang, any of them may have.
void set_attestation(const Offer& offer, const OwnParties& own, Plan& plan) {
  if (!offer.metadata || plan.direction == Direction::kOutgoing) return;
  const auto& all = offer.metadata->participants;
  const bool known = std::ranges::any_of(all, [](const auto& who) { return who.calling == true; });
  std::optional<Attestation> said;
  for (const auto& who : all) {
    if (who.calling == false || (known && who.calling != true)) continue;
    if (own.owns(parse_address(who.aor))) continue;
    const auto now = attestation_of(who.aor);
    said = said ? of_both(*said, now) : now;
  }
  const auto flag = to_flag(said.value_or(Attestation::kNone));
  if (!flag.empty()) add_flag(plan.flags, flag);
}

void find_speakers(const Offer& offer, const std::vector<std::size_t>& lines, Plan& plan) {
  plan.speakers.resize(plan.lanes.size());
  if (!offer.metadata) return;
  bool by_order = false;
  for (const auto line : lines)
    if (const auto* who = speaker(*offer.metadata, offer, line, lines, by_order))
      plan.speakers[line] = {who->aor, who->name};
  if (by_order) add_flag(plan.flags, "streams_by_order");
}

}  // namespace

void add_flag(std::vector<std::string>& flags, std::string_view flag) {
  if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.emplace_back(flag);
}

Accepted<Offer> read_sdp_parts(const std::vector<std::string>& parts) {
  Offer offer;
  for (const auto& part : parts) {
    auto sdp = wire::parse_sdp(part);
    if (!sdp) return refuse(400, "bad_sdp");
    offer.sdp_text.push_back(part);
    add_flags(offer.flags, sdp->flags);
    if (!offer.has_sdp) {
      offer.sdp = std::move(*sdp);
    } else {
      for (auto& media : sdp->media) offer.sdp.media.push_back(std::move(media));
    }
    offer.has_sdp = true;
  }
  if (offer.sdp.media.size() > wire::kSdpMediaMax) return refuse(400, "bad_sdp");
  return offer;
}

Accepted<Offer> read_offer(std::string_view content_type, std::string_view body) {
  const auto parsed = wire::parse_siprec_body(content_type, body);
  if (!parsed) {
    switch (parsed.error().code) {
      case Errc::kUnsupported:
        return refuse(415, "unsupported_body");
      case Errc::kTooLarge:
        return refuse(513, "body_too_large");
      default:
        return refuse(400, "bad_body");
    }
  }
  std::vector<std::string> parts(parsed->sdp.begin(), parsed->sdp.end());
  auto offer = read_sdp_parts(parts);
  if (!offer) return offer;
  add_flags(offer->flags, parsed->flags);
  for (const auto text : parsed->metadata) {
    offer->metadata_raw.emplace_back(text);
    auto metadata = wire::parse_rs_metadata(text);
    if (!metadata) {
      add_flag(offer->flags, "metadata_unreadable");
      continue;
    }
    add_flags(offer->flags, metadata->flags);
    if (!offer->metadata) offer->metadata = std::move(*metadata);
  }
  return offer;
}

Accepted<Plan> plan_first(const Offer& offer, const OwnParties& own) {
  Plan plan;
  plan.lanes.resize(offer.sdp.media.size());
  std::vector<std::size_t> lines;
  for (std::size_t i = 0; i < plan.lanes.size(); ++i) {
    const auto& media = offer.sdp.media[i];
    if (recordable(media) != nullptr && lines.size() < kStreamsMax) {
      lines.push_back(i);
      plan.lanes[i].recorded = true;
      set_media(plan.lanes[i], media, offer.signalling);
    } else if (media.kind == "audio" && media.port != 0) {
      add_flag(plan.flags, "stream_refused");
    }
  }
  if (lines.empty()) {
    auto refusal = why_nothing(offer);
    return tl::unexpected<Refusal>(std::move(refusal));
  }
  if (offer.metadata_raw.empty()) add_flag(plan.flags, "no_metadata");
  find_speakers(offer, lines, plan);
  assign_roles(offer, own, lines, plan);
  set_attestation(offer, own, plan);
  return plan;
}

Plan plan_next(const Offer& offer, const std::vector<Lane>& lanes) {
  // An m-line is never dropped from a later offer (RFC 3264, 8); one who does it has no stream
  // there.
  Plan plan;
  plan.lanes = lanes;
  plan.lanes.resize(std::max(lanes.size(), offer.sdp.media.size()));
  std::vector<std::size_t> lines;
  std::size_t next = 0;
  for (const auto& lane : lanes)
    if (lane.recorded) next = std::max<std::size_t>(next, lane.stream + 1u);
  for (std::size_t i = 0; i < plan.lanes.size(); ++i) {
    auto& lane = plan.lanes[i];
    if (i >= offer.sdp.media.size()) {
      lane.mode = Mode::kRemoved;
      continue;
    }
    const auto& media = offer.sdp.media[i];
    const bool fresh = !lane.recorded && recordable(media) != nullptr && next < kStreamsMax;
    if (fresh) {
      lane = Lane{.recorded = true, .stream = static_cast<std::uint8_t>(next)};
      lane.party = next == 0 ? Party::kMixed : next == 1 ? Party::kAgent : Party::kOther;
      ++next;
      add_flag(plan.flags, "stream_added");
    }
    if (lane.recorded) {
      lines.push_back(i);
      set_media(lane, media, offer.signalling);
    } else if (media.kind == "audio" && media.port != 0) {
      add_flag(plan.flags, "stream_refused");
    }
  }
  find_speakers(offer, lines, plan);
  return plan;
}

std::string write_answer(const Offer& offer, const std::vector<Lane>& lanes,
                         const std::string& address, std::uint64_t session_id,
                         std::uint64_t version) {
  wire::SdpAnswer answer{
      .address = address, .session_id = session_id, .version = version, .media = {}};
  for (std::size_t i = 0; i < offer.sdp.media.size(); ++i) {
    const auto& media = offer.sdp.media[i];
    wire::AnswerMedia out{.offered = &media, .port = 0, .codec = nullptr, .events = nullptr};
    const bool taken = i < lanes.size() && lanes[i].recorded && lanes[i].mode != Mode::kRemoved &&
                       lanes[i].port != 0;
    if (const auto* codec = taken ? recordable(media) : nullptr) {
      out.port = lanes[i].port;
      out.codec = codec;
      out.events = wire::find_telephone_event(media, kClockRate);
    }
    answer.media.push_back(out);
  }
  return wire::write_sdp_answer(answer);
}

}  // namespace callward::capture
