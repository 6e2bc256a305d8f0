// Who may say what to the keeper.
#include <gtest/gtest.h>

#include "app/process.hpp"
#include "keys/dial_protocol.hpp"
#include "keys/keeper_acts.hpp"
#include "keys/vault_protocol.hpp"

namespace callward::app {
namespace {

using keys::PeerRole;

TEST(KeeperProcess, APersonsDecisionsComeFromTheServerAlone) {
  for (const auto type : {keys::DecideHeld::kType, keys::HeldCallsRequest::kType, keys::Open::kType,
                          keys::CallStateRequest::kType}) {
    EXPECT_TRUE(keeper_hears(type, PeerRole::kServer)) << type;
    for (const auto role : {PeerRole::kListener, PeerRole::kRecorder, PeerRole::kSupervisor})
      EXPECT_FALSE(keeper_hears(type, role)) << type;
  }
  EXPECT_TRUE(keeper_hears(keys::EraseOrder::kType, PeerRole::kListener));
  EXPECT_FALSE(keeper_hears(keys::EraseOrder::kType, PeerRole::kRecorder));
  EXPECT_FALSE(keeper_hears(999, PeerRole::kServer));
}

// It is asked, and asks for nothing: neither keys nor an entry of the log.
TEST(KeeperProcess, TheCourierSaysHelloAndNothingElse) {
  for (std::uint16_t type = 100; type < 200; ++type)
    EXPECT_EQ(keeper_hears(type, PeerRole::kCourier), type == keys::Hello::kType) << type;
}

TEST(KeeperProcess, OfACallBackSignalTellsTheWayAndTheRecorderTheCall) {
  EXPECT_TRUE(keeper_hears(keys::DialProgress::kType, PeerRole::kSignal));
  EXPECT_TRUE(keeper_hears(keys::DialRecorded::kType, PeerRole::kRecorder));
  EXPECT_FALSE(keeper_hears(keys::DialRecorded::kType, PeerRole::kSignal));
  for (const auto type : {keys::CallStart::kType, keys::Open::kType, keys::LogAppend::kType,
                          keys::EraseOrder::kType, keys::HearAgain::kType, keys::Prove::kType})
    EXPECT_FALSE(keeper_hears(type, PeerRole::kSignal)) << type;
}

// Whose call it is who asks for it has no say in.
TEST(KeeperProcess, AtWhoseTelephoneACallIsTheRecorderAloneSays) {
  for (const auto role : {PeerRole::kServer, PeerRole::kListener, PeerRole::kSupervisor,
                          PeerRole::kSignal, PeerRole::kCourier})
    EXPECT_FALSE(keeper_hears(keys::CallAt::kType, role)) << static_cast<unsigned>(role);
  EXPECT_TRUE(keeper_hears(keys::CallAt::kType, PeerRole::kRecorder));
}

// Who pressed just before a planned restart waits for the recorder's word, and the restart for them.
TEST(KeeperProcess, OfAllMessagesOnlyWhoseCallItIsIsHeardAtRest) {
  for (std::uint16_t type = 100; type < 300; ++type)
    for (const auto role : {PeerRole::kRecorder, PeerRole::kListener, PeerRole::kServer,
                            PeerRole::kSupervisor, PeerRole::kSignal, PeerRole::kCourier})
      EXPECT_EQ(keeper_hears_at_rest(type, role),
                type == keys::CallAt::kType && role == PeerRole::kRecorder)
          << type;
}

TEST(KeeperProcess, WhoIsOnDutyAndWhoseKeysHoldTheServerAloneSays) {
  for (const auto type : {keys::ReaderPut::kType, keys::ReaderDrop::kType, keys::DutyPut::kType,
                          keys::PeopleTold::kType}) {
    EXPECT_TRUE(keeper_hears(type, PeerRole::kServer)) << type;
    for (const auto role : {PeerRole::kListener, PeerRole::kRecorder, PeerRole::kSupervisor,
                            PeerRole::kSignal, PeerRole::kCourier})
      EXPECT_FALSE(keeper_hears(type, role)) << type;
  }
}

}  // namespace
}  // namespace callward::app
