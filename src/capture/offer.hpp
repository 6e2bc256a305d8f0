// What a recording client asks for: its body read, and its m-lines turned into streams of a call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "base/pack.hpp"
#include "capture/party.hpp"
#include "wire/rs_metadata.hpp"
#include "wire/sdp.hpp"

namespace callward::capture {

inline constexpr std::size_t kStreamsMax = 15;  // streams 0..14 of a call's key tree

// A SIP answer that refuses, and the word under which the call is logged as missing.
struct Refusal {
  std::uint16_t status = 0;
  std::string cause;  // "bad_body", "bad_sdp", "no_media", "no_codec", "unsupported_body", ...
};
template <class T>
using Accepted = tl::expected<T, Refusal>;

struct Offer {
  bool has_sdp = false;
  wire::Sdp sdp;                      // of all SDP parts, their m-lines in order
  std::vector<std::string> sdp_text;  // as it came
  std::optional<wire::RsMetadata>
      metadata;                           // nothing: none came, or it can't be read (then a flag)
  std::vector<std::string> metadata_raw;  // as it came, readable or not
  std::vector<std::string> flags;
  std::optional<Endpoint> signalling;  // where the request came from, if the shell knows
};
Accepted<Offer> read_offer(std::string_view content_type, std::string_view body);
// The same from SDP texts that were kept.
Accepted<Offer> read_sdp_parts(const std::vector<std::string>& parts);

// These have the meaning and the values of the recorder's protocol.
enum class Party : std::uint8_t { kCustomer = 0, kAgent = 1, kOther = 2, kMixed = 3 };
enum class Mode : std::uint8_t { kActive = 1, kOnHold = 2, kSilent = 3, kRemoved = 4 };
enum class Direction : std::uint8_t { kUnknown = 0, kIncoming = 1, kOutgoing = 2 };

// One m-line of the session, and the stream that it feeds.
struct Lane {
  bool recorded = false;  // false: refused (not audio, no codec of ours, ...)
  std::uint8_t stream = 0;
  Party party = Party::kOther;
  Mode mode = Mode::kActive;
  std::uint8_t codec = 0;  // 0 PCMU, 8 PCMA
  std::uint8_t payload_type = 0;
  std::uint8_t event_payload_type = 0xFF;  // 0xFF: no telephone-event
  std::uint16_t port = 0;                  // ours; 0 until the recorder has said it
  bool was_active = false;  // has ever had media: then "inactive" is a hold, else silence
  // Where its packets come from: what the offer says (port 0: any port), and the signalling's own
  // address where the offer's is private and another one, as behind a NAT. Empty: nobody knows.
  std::vector<Endpoint> sources;
  template <class V>
  void visit(V& v) {
    v(recorded, stream, party, mode, codec, payload_type, event_payload_type, port, was_active,
      sources);
  }
};

struct Who {
  std::string uri, name;
  template <class V>
  void visit(V& v) {
    v(uri, name);
  }
};
struct Plan {
  std::vector<Lane> lanes;    // one per m-line, in order
  std::vector<Who> speakers;  // one per lane; empty texts where nobody is known
  Direction direction = Direction::kUnknown;
  std::vector<std::string>
      flags;  // "mixed", "roles_guessed", "direction_guessed", "stream_refused", "attested_a", ...
};
// First offer: roles are chosen. kRefusal: no m-line that we can record.
Accepted<Plan> plan_first(const Offer& offer, const OwnParties& own);
// A later offer: lanes keep their streams and parties, new ones get the next numbers.
Plan plan_next(const Offer& offer, const std::vector<Lane>& lanes);

// The answer to `offer` with the lanes' ports.
std::string write_answer(const Offer& offer, const std::vector<Lane>& lanes,
                         const std::string& address, std::uint64_t session_id,
                         std::uint64_t version);

void add_flag(std::vector<std::string>& flags, std::string_view flag);  // once each

}  // namespace callward::capture
