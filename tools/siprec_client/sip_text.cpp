#include "sip_text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>

namespace callward::siprec_client {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

}  // namespace

std::string SipMessage::header(const std::string& name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

unsigned SipMessage::cseq() const {
  return static_cast<unsigned>(std::strtoul(header("cseq").c_str(), nullptr, 10));
}

std::string SipMessage::to_tag() const {
  const auto to = header("to");
  const auto tag = to.find(";tag=");
  return tag == std::string::npos ? "" : to.substr(tag + 5, to.find(';', tag + 5) - tag - 5);
}

std::optional<SipMessage> parse_sip(const std::string& text) {
  const auto head_end = text.find("\r\n\r\n");
  if (head_end == std::string::npos) return std::nullopt;
  SipMessage out;
  out.body = text.substr(head_end + 4);
  std::size_t at = 0;
  while (at < head_end) {
    const auto end = std::min(text.find("\r\n", at), head_end);
    const auto line = text.substr(at, end - at);
    at = end + 2;
    if (out.start_line.empty()) {
      out.start_line = line;
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    out.headers.emplace_back(lower(trimmed(line.substr(0, colon))),
                             trimmed(line.substr(colon + 1)));
  }
  if (out.start_line.compare(0, 8, "SIP/2.0 ") == 0) {
    const auto* line = out.start_line.data();
    (void)std::from_chars(line + 8, line + out.start_line.size(), out.status);  // 0: refused below
    const auto cseq = out.header("cseq");
    out.method = trimmed(cseq.substr(std::min(cseq.find(' '), cseq.size())));
    if (out.status < 100 || out.method.empty()) return std::nullopt;
    return out;
  }
  out.method = out.start_line.substr(0, out.start_line.find(' '));
  return out;
}

std::vector<std::string> cut_messages(std::string& stream) {
  std::vector<std::string> out;
  for (;;) {
    const auto start = stream.find_first_not_of("\r\n");  // keep-alives
    if (start == std::string::npos) return out;
    stream.erase(0, start);
    const auto head = stream.find("\r\n\r\n");
    if (head == std::string::npos) return out;
    const auto message = parse_sip(stream.substr(0, head + 4));
    const auto length =
        message ? std::strtoul(message->header("content-length").c_str(), nullptr, 10) : 0;
    if (stream.size() < head + 4 + length) return out;
    out.push_back(stream.substr(0, head + 4 + length));
    stream.erase(0, head + 4 + length);
  }
}

std::string offer_sdp(const std::string& address, std::uint64_t version, std::uint8_t payload_type,
                      const std::vector<OfferedStream>& streams) {
  std::string out = "v=0\r\no=- 1 " + std::to_string(version) + " IN IP4 " + address +
                    "\r\ns=-\r\nc=IN IP4 " + address + "\r\nt=0 0\r\n";
  const std::string codec = payload_type == 8 ? "8 PCMA/8000" : "0 PCMU/8000";
  for (const auto& stream : streams)
    out += "m=audio " + std::to_string(stream.port) + " RTP/AVP " + std::to_string(payload_type) +
           " 101\r\na=rtpmap:" + codec +
           "\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=label:" +
           stream.label + "\r\na=" + (stream.active ? "sendonly" : "inactive") + "\r\n";
  return out;
}

std::string rs_metadata(const std::string& session, const std::vector<Party>& parties) {
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
      "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n"
      "  <datamode>complete</datamode>\r\n  <session session_id=\"" +
      session + "\"/>\r\n";
  for (const auto& party : parties) {
    const auto person = "participant-" + party.label, stream = "stream-" + party.label;
    out += "  <participant participant_id=\"" + person + "\">\r\n    <nameID aor=\"" +
           escaped(party.uri) + "\"/>\r\n    <extensiondata><callingParty>" +
           (party.calling ? "true" : "false") +
           "</callingParty></extensiondata>\r\n  </participant>\r\n  <stream stream_id=\"" +
           stream + "\" session_id=\"" + session + "\"><label>" + party.label +
           "</label></stream>\r\n  <participantsessionassoc participant_id=\"" + person +
           "\" session_id=\"" + session + "\"/>\r\n  <participantstreamassoc participant_id=\"" +
           person + "\"><send>" + stream + "</send></participantstreamassoc>\r\n";
  }
  return out + "</recording>\r\n";
}

std::string multipart(const std::string& sdp, const std::string& metadata) {
  const std::string line = std::string("--") + kBoundary;
  return line + "\r\nContent-Type: application/sdp\r\n\r\n" + sdp + "\r\n" + line +
         "\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: "
         "recording-session\r\n\r\n" +
         metadata + "\r\n" + line + "--\r\n";
}

}  // namespace callward::siprec_client
