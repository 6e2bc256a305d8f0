// Any text as an offer: what we answer to it must be readable by ourselves, with as many m-lines,
// and no line of it may come from the offer's. The same text as what a call-back's phone says, and as
// a proxy's challenge.
#include "app/sip_digest.hpp"
#include "base/bytes.hpp"
#include "base/check.hpp"
#include "capture/callback_media.hpp"
#include "wire/sdp.hpp"

namespace {

using namespace callward;

void as_a_leg(std::string_view text) {
  const auto read = capture::read_call_media(text, {0, 8});
  if (!read) return;
  const capture::OwnMedia own{"192.0.2.9", 30'000, 1, 1};
  const auto answer = capture::write_call_answer(text, read->codec, own);
  CHECK(answer.has_value());
  if (answer->size() > wire::kSdpBytesMax) return;
  const auto back = capture::read_call_media(*answer, {read->codec});
  CHECK(back.has_value() && back->rtp == parse_endpoint("192.0.2.9", 30'000));
}

void as_a_challenge(std::string_view text) {
  const auto read = app::parse_challenge(text);
  if (!read) return;
  const auto who = app::DigestCredential::create("us", read->realm.empty() ? "r" : read->realm,
                                                 SecretBytes(as_bytes(std::string_view("p"))));
  const auto said = who->answer({std::string(text)}, "INVITE", "sip:a@b", "c", 1);
  CHECK(said.has_value() == !read->realm.empty());
  if (said) CHECK(said->find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  as_a_leg(as_text({data, size}));
  as_a_challenge(as_text({data, size}));
  const auto offer = wire::parse_sdp(as_text({data, size}));
  if (!offer) return 0;
  wire::SdpAnswer answer{.address = "127.0.0.1", .session_id = 1, .version = 1, .media = {}};
  for (const auto& media : offer->media) {
    const auto* codec = media.codecs.empty() ? nullptr : &media.codecs.front();
    const auto port = static_cast<std::uint16_t>(codec != nullptr && media.port != 0 ? 4000 : 0);
    answer.media.push_back(
        {&media, port, port != 0 ? codec : nullptr, wire::find_telephone_event(media, 8000)});
  }
  const auto text = wire::write_sdp_answer(answer);
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1))
    CHECK(at > 0 && text[at - 1] == '\r');
  const auto back = wire::parse_sdp(text);
  if (text.size() > wire::kSdpBytesMax) return 0;
  CHECK(back.has_value());
  CHECK(back->media.size() == offer->media.size());
  for (std::size_t i = 0; i < back->media.size(); ++i)
    CHECK(back->media[i].port == answer.media[i].port);
  return 0;
}
