// Any bytes as each message that a peer may send to the keeper, to the courier or to the recorder: strict, and what
// unpacks packs to the same bytes. The first byte names the protocol, the second the message.
#include <array>

#include "base/check.hpp"
#include "keys/courier_protocol.hpp"
#include "keys/dial_protocol.hpp"
#include "keys/keeper_acts.hpp"
#include "keys/keeper_protocol.hpp"
#include "keys/typed_protocol.hpp"
#include "store/recorder_protocol.hpp"

namespace {

using namespace callward;

template <class Message>
void round_trip(ByteView raw) {
  if (const auto message = unpack<Message>(raw)) CHECK(equal(pack(*message), raw));
}

template <class... Messages>
void one_of(std::uint8_t which, ByteView raw) {
  using RoundTrip = void (*)(ByteView);
  constexpr std::array<RoundTrip, sizeof...(Messages)> all = {&round_trip<Messages>...};
  all[which % all.size()](raw);
}

void keeper(std::uint8_t which, ByteView raw) {
  using namespace keys;
  one_of<Hello, LogAppend, KeeperStatusRequest, CallStart, CallDataPut, Reissue, Adopt, SpareRoots,
         CallEnd, CallSealed, CipherFetched, EraseOrder, Cleared, DerivedPut, ListenDone,
         UnheardRequest, HearAgain, Open, CallStateRequest, CallStarted, Reissued, Adopted,
         CallState, Opened, Deliver, Delivered, Dial, DialTaken, DialProgress, HangUp, DialRecorded,
         SearchTyped, TypedFound, CallAt, CallsAtWanted>(which, raw);
}

void recorder(std::uint8_t which, ByteView raw) {
  using namespace store;
  one_of<Hello, Welcome, SessionOpen, SessionOpened, SessionUpdate, SessionUpdated, SessionEnd,
         Sessions, SessionResume, CallMissed, SessionDead, AudioOpen, Audio, AudioClose,
         AudioCredit, CallEvent, Calls, CallGet, LiveRecords, Records, RecorderStatus, ImportOpen,
         ImportOpened, ImportAudio, ImportCredit, ImportEnd, FdPut, FdDrop, FdItem, FdListEnd,
         Heartbeat, SupervisorStatus, CallBackOpen, SessionTelephone, LiveAgentRequest, LiveAgent>(
      which, raw);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView raw(data + 2, size - 2);
  data[0] % 2 == 0 ? keeper(data[1], raw) : recorder(data[1], raw);
  return 0;
}
