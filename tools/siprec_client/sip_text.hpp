// SIP messages as a test client needs them: read into lines, written from them. Not a parser for
// what an enemy sends.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace callward::siprec_client {

struct SipMessage {
  int status = 0;      // of a response; 0: it is a request
  std::string method;  // of the request, or from CSeq
  std::string start_line;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const;  // the first; empty if none
  [[nodiscard]] unsigned cseq() const;
  [[nodiscard]] std::string to_tag() const;
};
std::optional<SipMessage> parse_sip(const std::string& text);

// Cuts whole messages off the front of a TCP stream.
std::vector<std::string> cut_messages(std::string& stream);

struct OfferedStream {
  std::uint16_t port = 0;
  std::string label;
  bool active = true;
};
std::string offer_sdp(const std::string& address, std::uint64_t version, std::uint8_t payload_type,
                      const std::vector<OfferedStream>& streams);

struct Party {
  std::string uri, label;
  bool calling = false;
};
std::string rs_metadata(const std::string& session, const std::vector<Party>& parties);
inline constexpr const char* kBoundary = "recording-client-part";
std::string multipart(const std::string& sdp, const std::string& metadata);

}  // namespace callward::siprec_client
