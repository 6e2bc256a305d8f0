// Any bytes as each message that a peer may send to the keeper: strict, and written back byte for
// byte.
#include <iterator>

#include "base/check.hpp"
#include "keys/keeper_protocol.hpp"

namespace {

using namespace callward;
using namespace callward::keys;

template <class T>
void read(ByteView raw) {
  if (const auto message = unpack<T>(raw)) CHECK(equal(pack(*message), raw));
}

using Reader = void (*)(ByteView);
constexpr Reader kReaders[] = {
    read<Hello>,
    read<LogAppend>,
    read<KeeperStatusRequest>,
    read<CallStart>,
    read<CallDataPut>,
    read<Reissue>,
    read<Adopt>,
    read<SpareRoots>,
    read<CallEnd>,
    read<CallSealed>,
    read<CipherFetched>,
    read<EraseOrder>,
    read<Cleared>,
    read<DerivedPut>,
    read<ListenDone>,
    read<UnheardRequest>,
    read<HearAgain>,
    read<Open>,
    read<CallStateRequest>,
    read<CallStarted>,
    read<Reissued>,
    read<Adopted>,
    read<CallState>,
    read<Opened>,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  kReaders[data[0] % std::size(kReaders)](ByteView(data + 1, size - 1));
  return 0;
}
