// Any body as any message of the recorder's protocol: what unpacks packs to the same bytes.
#include "base/check.hpp"
#include "store/recorder_protocol.hpp"

namespace {

using namespace callward;

template <class Message>
void round_trip(ByteView raw) {
  auto message = unpack<Message>(raw);
  if (!message) return;
  const auto again = pack(*message);
  CHECK(equal(again, raw));
}

template <class... Messages>
void one_of(std::uint8_t which, ByteView raw) {
  using RoundTrip = void (*)(ByteView);
  constexpr std::array<RoundTrip, sizeof...(Messages)> all = {&round_trip<Messages>...};
  all[which % all.size()](raw);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace store;
  if (size == 0) return 0;
  one_of<Hello, Welcome, SessionOpen, SessionOpened, SessionUpdate, SessionUpdated, SessionEnd,
         Sessions, SessionResume, CallMissed, SessionDead, AudioOpen, Audio, AudioClose,
         AudioCredit, CallEvent, Calls, CallGet, LiveRecords, Records, RecorderStatus, ImportOpen,
         ImportOpened, ImportAudio, ImportCredit, ImportEnd, FdPut, FdDrop, FdItem, FdListEnd,
         Heartbeat, SupervisorStatus>(data[0], {data + 1, size - 1});
  return 0;
}
