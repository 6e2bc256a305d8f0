// Bodies that the tests of this folder send.
#pragma once

#include <string>
#include <vector>

namespace callward::capture {

struct TestStream {
  std::string label = "1", direction = "sendonly", formats = "0 8 101", protocol = "RTP/AVP";
  int port = 4000;
};
inline std::string test_sdp(const std::vector<TestStream>& streams) {
  std::string out = "v=0\r\no=src 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
  for (const auto& stream : streams)
    out += "m=audio " + std::to_string(stream.port) + " " + stream.protocol + " " + stream.formats +
           "\r\na=rtpmap:101 telephone-event/8000\r\na=label:" + stream.label +
           "\r\na=" + stream.direction + "\r\n";
  return out;
}

struct TestParty {
  std::string aor, name, label;
  std::string calling;  // "true", "false" or empty
};
inline std::string test_metadata(const std::vector<TestParty>& parties) {
  std::string out =
      "<?xml version=\"1.0\"?><recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><session "
      "session_id=\"S\"/>";
  for (const auto& party : parties) {
    const auto id = "p" + party.label;
    out += "<participant participant_id=\"" + id + "\"><nameID aor=\"" + party.aor + "\"><name>" +
           party.name + "</name></nameID>";
    if (!party.calling.empty())
      out += "<extensiondata><callingParty>" + party.calling + "</callingParty></extensiondata>";
    out += "</participant><stream stream_id=\"s" + party.label + "\"><label>" + party.label +
           "</label></stream>";
    out += "<participantstreamassoc participant_id=\"" + id + "\"><send>s" + party.label +
           "</send></participantstreamassoc>";
  }
  return out + "</recording>";
}

inline std::string test_body(const std::string& sdp, const std::string& metadata) {
  return "--b\r\nContent-Type: application/sdp\r\n\r\n" + sdp +
         "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" + metadata +
         "\r\n--b--\r\n";
}
inline constexpr const char* kMultipart = "multipart/mixed;boundary=b";

}  // namespace callward::capture
