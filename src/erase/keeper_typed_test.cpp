// What is erased because somebody typed it has a share of its own: whoever types chooses the words.
#include <unistd.h>

#include <filesystem>

#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

using keys::OrderOutcome;

struct TypedDisk {
  RealVfs disk;
  std::string folder = ::testing::TempDir() + "cw-typed-" + std::to_string(::getpid());
};

class Typed : public ::testing::Test, public TypedDisk, public KeeperRig {
 protected:
  Typed() : KeeperRig(disk, folder) {}
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  CallId call_of(std::uint32_t segments) {
    const auto call = begin();
    record(call, segments);
    hear(call, segments);
    return call;
  }
  OrderOutcome typed(const CallId& call, std::vector<SegmentRange> ranges) {
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order(
        {OrderId::random(entropy), call, std::move(ranges), std::string(kTypedReason), ""}, true,
        answer.reply());
    keeper->end_round();
    EXPECT_TRUE(answer.value) << answer.value.error().message;
    return answer.value ? answer.value->outcome : OrderOutcome{};
  }
};

// A password spelled and read back, and a PIN: on both sides, in a call that is about them.
TEST_F(Typed, AMinuteOfEachSideIsTakenOfAnyCall) {
  const auto call = call_of(1'000);
  EXPECT_EQ(typed(call, {{0, 0, 400}, {1, 100, 500}}), OrderOutcome::kAccepted);
  EXPECT_EQ(typed(call, {{0, 700, 900}}), OrderOutcome::kAccepted);
  EXPECT_EQ(typed(call, {{0, 950, 951}}), OrderOutcome::kHeld);
  EXPECT_EQ(open(call, 0, 950),
            std::string("state ") + std::to_string(static_cast<int>(keys::KeyState::kErased)))
      << "closed meanwhile";
  EXPECT_EQ(log_types()["order_held"], 1);
  EXPECT_EQ(typed(call, {{1, 500, 700}}), OrderOutcome::kAccepted) << "the other side's own";
}

TEST_F(Typed, OfALongCallAFifthOfEachSideIs) {
  const auto call = call_of(6'000);
  EXPECT_EQ(typed(call, {{0, 0, 1'200}}), OrderOutcome::kAccepted);
  EXPECT_EQ(typed(call, {{0, 100, 1'200}}), OrderOutcome::kAccepted) << "the same once more";
  EXPECT_EQ(typed(call, {{0, 1'200, 1'210}}), OrderOutcome::kHeld);
  EXPECT_EQ(typed(call, {{0, 1'300, 1'310}, {1, 0, 10}}), OrderOutcome::kHeld) << "as one order";
  // What the listener hears by itself has its own share, and makes this one no smaller.
  order(call, {{0, 2'000, 3'000}, {1, 2'000, 3'000}});
  EXPECT_EQ(outcome, OrderOutcome::kAccepted);
  EXPECT_EQ(typed(call, {{0, 2'500, 2'900}}), OrderOutcome::kAccepted) << "gone already";
  EXPECT_EQ(typed(call, {{1, 0, 1'200}}), OrderOutcome::kAccepted);
}

TEST_F(Typed, AKeeperThatBeginsKnowsWhatWasTaken) {
  const auto call = call_of(1'000);
  clock.advance_ms(31'000);
  keeper->tick();
  EXPECT_EQ(typed(call, {{0, 0, 600}}), OrderOutcome::kAccepted);
  boot();
  EXPECT_EQ(typed(call, {{0, 600, 700}}), OrderOutcome::kHeld);
}

}  // namespace
}  // namespace callward::erase
