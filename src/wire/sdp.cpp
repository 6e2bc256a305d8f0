#include "wire/sdp.hpp"

#include <algorithm>
#include <array>

#include "wire/text.hpp"

namespace callward::wire {
namespace {

struct StaticCodec {
  std::uint8_t payload_type;
  std::string_view name;
  std::uint32_t clock_rate;
};
// RFC 3551, table 4: those that telephone systems use without an rtpmap.
constexpr std::array<StaticCodec, 8> kStaticCodecs{{{0, "PCMU", 8000},
                                                    {3, "GSM", 8000},
                                                    {4, "G723", 8000},
                                                    {8, "PCMA", 8000},
                                                    {9, "G722", 8000},
                                                    {13, "CN", 8000},
                                                    {15, "G728", 8000},
                                                    {18, "G729", 8000}}};

std::optional<MediaDirection> direction_of(std::string_view word) {
  if (same_word(word, "sendrecv")) return MediaDirection::kSendRecv;
  if (same_word(word, "sendonly")) return MediaDirection::kSendOnly;
  if (same_word(word, "recvonly")) return MediaDirection::kRecvOnly;
  if (same_word(word, "inactive")) return MediaDirection::kInactive;
  return std::nullopt;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

SdpCodec* codec_of(SdpMedia& media, std::string_view payload_type) {
  const auto type = number<std::uint8_t>(payload_type);
  for (auto& codec : media.codecs)
    if (type && codec.payload_type == *type) return &codec;
  return nullptr;
}

// "m=audio 49170[/2] RTP/AVP 0 8 101"
Result<SdpMedia> read_media(std::string_view value) {
  SdpMedia media;
  media.kind = lower(next_word(value));
  const auto ports = next_word(value);
  const auto port = number<std::uint16_t>(ports.substr(0, ports.find('/')));
  media.protocol = upper(next_word(value));
  if (media.kind.empty() || !port || media.protocol.empty())
    return fail(Errc::kMalformed, "SDP m-line is not readable");
  media.port = *port;
  while (!trim(value).empty()) {
    if (media.formats.size() == kSdpFormatsMax)
      return fail(Errc::kTooLarge, "too many formats in an m-line");
    const auto format = next_word(value);
    media.formats.emplace_back(format);
    const auto type = number<std::uint8_t>(format);
    if (!type || *type > 127) continue;
    SdpCodec codec{.payload_type = *type};
    for (const auto& known : kStaticCodecs) {
      if (known.payload_type != *type) continue;
      codec.name = known.name;
      codec.clock_rate = known.clock_rate;
    }
    media.codecs.push_back(std::move(codec));
  }
  return media;
}

// "IN IP4 192.0.2.1[/ttl]"
std::string connection_address(std::string_view value) {
  next_word(value);
  next_word(value);
  const auto address = next_word(value);
  return std::string(address.substr(0, address.find('/')));
}

// "0 PCMU/8000[/1]"
void read_rtpmap(std::string_view value, SdpMedia& media) {
  auto* codec = codec_of(media, next_word(value));
  if (codec == nullptr) return;
  const auto name = next_word(value, "/");
  const auto rate = number<std::uint32_t>(trim(next_word(value, "/")));
  if (!rate) return;
  codec->name = upper(trim(name));
  codec->clock_rate = *rate;
  codec->channels = number<std::uint8_t>(trim(value)).value_or(1);
}

void read_media_attribute(std::string_view name, std::string_view value, SdpMedia& media) {
  if (const auto direction = direction_of(name)) {
    media.direction = *direction;
  } else if (same_word(name, "rtpmap")) {
    read_rtpmap(value, media);
  } else if (same_word(name, "fmtp")) {
    if (auto* codec = codec_of(media, next_word(value))) codec->parameters = trim(value);
  } else if (same_word(name, "label")) {
    media.label = trim(value);
  } else if (same_word(name, "record")) {
    media.record = lower(trim(value));
  } else if (same_word(name, "rtcp-mux")) {
    media.rtcp_mux = true;
  } else if (same_word(name, "ptime")) {
    media.ptime_ms = number<std::uint16_t>(trim(value)).value_or(0);
  }
}

class Reader {
 public:
  Status read(std::string_view text) {
    text = trim(text);
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (text.size() > kSdpBytesMax) return fail(Errc::kTooLarge, "SDP too large");
    if (!text.starts_with("v=0")) return fail(Errc::kMalformed, "SDP does not begin with v=0");
    for (std::size_t lines = 0; !text.empty(); ++lines) {
      if (lines == kSdpLinesMax) return fail(Errc::kTooLarge, "too many lines in SDP");
      auto line = trim(next_line(text));
      if (line.empty()) continue;
      // Some of this is repeated in our answer: nothing in it may end a line or a text.
      std::string cleaned;
      if (std::any_of(line.begin(), line.end(), is_control)) {
        cleaned = line;
        std::replace_if(cleaned.begin(), cleaned.end(), is_control, ' ');
        line = trim(cleaned);
        flag("sdp_control_characters");
      }
      if (line.size() > kSdpLineBytesMax) {
        line = line.substr(0, kSdpLineBytesMax);
        flag("sdp_line_cut");
      }
      if (line.size() < 2 || line[1] != '=') {
        flag("sdp_line_skipped");
        continue;
      }
      TRY(read_line(line[0], trim(line.substr(2))));
    }
    finish();
    return {};
  }
  Sdp take() { return std::move(sdp_); }

 private:
  void flag(std::string_view word) {
    if (std::find(sdp_.flags.begin(), sdp_.flags.end(), word) == sdp_.flags.end())
      sdp_.flags.emplace_back(word);
  }

  Status read_line(char type, std::string_view value) {
    auto* media = sdp_.media.empty() ? nullptr : &sdp_.media.back();
    switch (type) {
      case 'o':
        sdp_.origin_user = next_word(value);
        sdp_.origin_id = next_word(value);
        sdp_.origin_version = next_word(value);
        sdp_.origin_address = connection_address(value);
        return {};
      case 'c':
        (media != nullptr ? media->address : session_address_) = connection_address(value);
        return {};
      case 'm':
        if (sdp_.media.size() == kSdpMediaMax)
          return fail(Errc::kTooLarge, "too many m-lines in SDP");
        sdp_.media.push_back(TRY(read_media(value)));
        own_direction_.push_back(false);
        return {};
      case 'a':
        return read_attribute(value, media);
      default:
        return {};
    }
  }

  Status read_attribute(std::string_view value, SdpMedia* media) {
    const auto colon = value.find(':');
    const auto name = trim(value.substr(0, colon));
    const auto rest =
        colon == std::string_view::npos ? std::string_view{} : value.substr(colon + 1);
    const auto direction = direction_of(name);
    if (media != nullptr) {
      if (direction) own_direction_.back() = true;
      read_media_attribute(name, rest, *media);
    } else if (direction) {
      session_direction_ = direction;
    } else if (same_word(name, "record")) {
      session_record_ = lower(trim(rest));
    }
    return {};
  }

  // What stands at the session's level holds for each m-line that does not say otherwise.
  void finish() {
    for (std::size_t i = 0; i < sdp_.media.size(); ++i) {
      auto& media = sdp_.media[i];
      if (media.address.empty()) media.address = session_address_;
      if (!own_direction_[i] && session_direction_) media.direction = *session_direction_;
      if (media.record.empty()) media.record = session_record_;
      media.zero_address = media.address == "0.0.0.0";
    }
  }

  Sdp sdp_;
  std::string session_address_, session_record_;
  std::optional<MediaDirection> session_direction_;
  std::vector<bool> own_direction_;
};

void write_codec(std::string& out, const SdpCodec& codec) {
  const auto type = std::to_string(codec.payload_type);
  out += "a=rtpmap:" + type + " " +
         (codec.name == "TELEPHONE-EVENT" ? "telephone-event" : codec.name) + "/" +
         std::to_string(codec.clock_rate) + "\r\n";
  if (codec.name == "TELEPHONE-EVENT") out += "a=fmtp:" + type + " 0-15\r\n";
}

bool sends_to_us(MediaDirection direction) {
  return direction == MediaDirection::kSendOnly || direction == MediaDirection::kSendRecv;
}

void write_media(std::string& out, const AnswerMedia& media) {
  const auto& offered = *media.offered;
  out += "m=" + offered.kind + " " + std::to_string(media.port) + " " + offered.protocol;
  if (media.port == 0 || media.codec == nullptr) {
    // A refused m-line keeps its place, with the formats of the offer (RFC 3264, 6).
    for (const auto& format : offered.formats) out += " " + format;
    if (offered.formats.empty()) out += " 0";
    out += "\r\n";
    if (!offered.label.empty()) out += "a=label:" + offered.label + "\r\n";
    out += "a=inactive\r\n";
    return;
  }
  out += " " + std::to_string(media.codec->payload_type);
  if (media.events != nullptr) out += " " + std::to_string(media.events->payload_type);
  out += "\r\n";
  write_codec(out, *media.codec);
  if (media.events != nullptr) write_codec(out, *media.events);
  if (!offered.label.empty()) out += "a=label:" + offered.label + "\r\n";
  out += sends_to_us(offered.direction) ? "a=recvonly\r\na=record:on\r\n" : "a=inactive\r\n";
}

}  // namespace

Result<Sdp> parse_sdp(std::string_view text) {
  Reader reader;
  TRY(reader.read(text));
  return reader.take();
}

const SdpCodec* find_codec(const SdpMedia& media, std::string_view name, std::uint32_t clock_rate) {
  for (const auto& codec : media.codecs)
    if (codec.name == name && codec.clock_rate == clock_rate && codec.channels == 1) return &codec;
  return nullptr;
}

const SdpCodec* find_telephone_event(const SdpMedia& media, std::uint32_t clock_rate) {
  return find_codec(media, "TELEPHONE-EVENT", clock_rate);
}

std::string write_sdp_answer(const SdpAnswer& answer) {
  const std::string net = answer.address.find(':') == std::string::npos ? "IN IP4 " : "IN IP6 ";
  std::string out = "v=0\r\no=callward " + std::to_string(answer.session_id) + " " +
                    std::to_string(answer.version) + " " + net + answer.address +
                    "\r\ns=-\r\nc=" + net + answer.address + "\r\nt=0 0\r\n";
  for (const auto& media : answer.media) write_media(out, media);
  return out;
}

}  // namespace callward::wire
