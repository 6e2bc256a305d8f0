// Any body as a first INVITE and as a re-INVITE: whatever the machine makes of it, its own table
// holds, and what it saves can be restored.
#include "base/bytes.hpp"
#include "base/check.hpp"
#include "capture/session.hpp"

namespace {

// What is told of its telephone, if anything is.
std::optional<std::string> telephone(const callward::capture::Actions& actions) {
  for (const auto& one : actions)
    if (const auto* tell = std::get_if<callward::capture::action::TellTelephone>(&one))
      return tell->telephone;
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  using namespace callward::capture;
  const auto text = as_text({data, size});
  const auto split = text.find('\n');
  if (split == std::string_view::npos) return 0;
  SessionConfig config;
  config.own = OwnParties({"7*"}, {"pbx.example"});
  Session session(config, 1);
  SipRequest sip;
  sip.content_type = text.substr(0, split);
  sip.body = text.substr(split + 1);
  (void)session.on(event::Request{sip}, 1);
  if (session.phase() != Phase::kOpening) return 0;
  std::vector<std::uint16_t> ports(session.streams().size(), 30'000);
  const auto told = telephone(session.on(event::Opened{{}, ports}, 2));
  CHECK(told && told->size() <= kTelephoneBytesMax);
  (void)session.on(event::Ack{}, 3);
  auto restored = Session::restore(config, session.save().expose(), {}, ports, 4);
  CHECK(restored.has_value());
  (void)restored->on(event::RecorderLost{}, 5);
  CHECK(telephone(restored->on(event::RecorderBack{}, 5)) == told);
  (void)restored->on(event::Request{sip}, 5);
  (void)restored->on(event::Updated{ports}, 6);
  (void)restored->on(event::Bye{}, 7);
  CHECK(restored->phase() == Phase::kEnded);
  return 0;
}
