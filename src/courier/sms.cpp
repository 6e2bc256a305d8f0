#include "courier/sms.hpp"

#include "base/clock.hpp"
#include "courier/secret_text.hpp"
#include "crypto/sha256.hpp"

namespace callward::courier {
namespace {

constexpr std::size_t kFrameMax = 160;  // names, id, number, time

// RFC 8259; the text has no control characters but line ends and tabs (refusal_of).
void add_quoted(SecretText& out, std::string_view text) {
  out.add('"');
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        out.add('\\');
        out.add(c);
        break;
      case '\n':
        out.add("\\n");
        break;
      case '\r':
        out.add("\\r");
        break;
      case '\t':
        out.add("\\t");
        break;
      default:
        out.add(c);
    }
  }
  out.add('"');
}

}  // namespace

SecretBytes build_sms(const Letter& letter) {
  const auto& message = letter.message;
  SecretText out(kFrameMax + 2 * (message.text.size() + message.address.size()));
  out.add("{\"id\":\"" + message.id.hex() + "\",\"to\":");
  add_quoted(out, as_text(message.address.expose()));
  out.add(",\"text\":");
  add_quoted(out, as_text(message.text.expose()));
  out.add(",\"sent_at\":\"" + format_utc(letter.taken_in) + "\"}");
  return out.take();
}

std::string sms_signature(ByteView key, std::string_view timestamp, ByteView body) {
  return to_hex(crypto::hmac_sha256(key, {as_bytes(timestamp), body}));
}

}  // namespace callward::courier
