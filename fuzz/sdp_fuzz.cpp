// Any text as an offer: what we answer to it must be readable by ourselves, with as many m-lines,
// and no line of it may come from the offer's.
#include "base/bytes.hpp"
#include "base/check.hpp"
#include "wire/sdp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
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
