// Recording metadata (RFC 7865, RFC 7866 10): who speaks, and which stream carries whom.
//
// Read with expat. A document type declaration ends the reading (so there are no entities, in or
// out); depth, elements and text are bounded. Names are compared without prefix and case, because
// clients use other namespaces, other prefixes, and the element names of the drafts that came
// before the RFC:
//   <recording> or <recording_metadata>; <datamode> or <dataMode>; id= or participant_id= or
//   stream_id=; <nameID aor=…> or <aor>…</aor>; <send>X</send> or <send><id>X</id></send>, within
//   the participant or within <participantstreamassoc>.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace callward::wire {

inline constexpr std::size_t kMetadataBytesMax = 64 * 1024;
inline constexpr std::size_t kMetadataDepthMax = 32;
inline constexpr std::size_t kMetadataElementsMax = 4096;
inline constexpr std::size_t kMetadataTextBytesMax =
    1024;  // of one element or attribute; the rest is cut
inline constexpr std::size_t kMetadataItemsMax = 64;  // sessions, participants, streams: of each

struct RsSession {
  std::string id;
  std::string sip_session_id;  // RFC 7989, or what the vendor puts there
  std::string start_time;      // as it came
};
struct RsParticipant {
  std::string id;
  std::string session;  // empty if not said
  std::string aor;      // "sip:+15551234@example.net", as it came
  std::string name;
  std::vector<std::string> send, recv;  // stream ids
  std::optional<bool> calling;          // said by some vendors: this one began the call
};
struct RsStream {
  std::string id;  // may be empty in the field
  std::string session;
  std::string label;   // the SDP's a=label
  bool mixed = false;  // <mode>mixed</mode>
};
struct RsMetadata {
  bool partial = false;  // only what changed (RFC 7866, 9.1)
  std::vector<RsSession> sessions;
  std::vector<RsParticipant> participants;
  std::vector<RsStream> streams;
  std::string calling_number, called_number;  // BroadWorks: callingPartyNumber, calledPartyNumber
  std::vector<std::string>
      flags;  // "metadata_root", "metadata_empty", "metadata_stream_id", "metadata_cut"
};

// kMalformed: not well-formed XML, or with a document type. kTooLarge: over a limit above.
Result<RsMetadata> parse_rs_metadata(std::string_view text);

// The participant who sends the stream with this label; null if the metadata does not say.
const RsParticipant* sender_of(const RsMetadata& metadata, std::string_view label);

}  // namespace callward::wire
