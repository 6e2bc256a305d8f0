// Deaths, returns, bounds and numbers: what a keeper must hold besides its daily work.
#include <unistd.h>

#include <filesystem>

#include "base/failing_vfs_test.hpp"
#include "base/fresh_dir_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {
namespace {

struct RealDisk {
  RealVfs disk;
  std::string folder = ::testing::TempDir() + "cw-keeper2-" + std::to_string(::getpid());
};

class KeeperRecovery : public ::testing::Test, public RealDisk, public KeeperRig {
 protected:
  KeeperRecovery() : KeeperRig(disk, folder) {}
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
};

// A keeper that dies a moment after the start: the call can be adopted, because its row is on the
// disk already.
TEST_F(KeeperRecovery, ACallIsOnTheDiskBeforeItsStartIsAnswered) {
  const auto call = begin();
  boot();
  keys::Adopt adopt{.call = call,
                    .streams = 0b11,
                    .started_at = clock.utc_ms(),
                    .spare = false,
                    .first_index = 3};
  adopt.nodes = nodes.slice(keys::leaf_of(0, 3), keys::leaf_of(2, 0)).take_nodes();
  Answer<keys::Adopted> adopted;
  keeper->adopt(std::move(adopt), adopted.reply());
  keeper->end_round();
  ASSERT_TRUE(adopted.value) << adopted.value.error().message;
  record(call, 50);
  hear(call, 50);
  EXPECT_EQ(open(call, 0, 20), "audio");
  EXPECT_EQ(open(call, 0, 2), kErasedState);
  EXPECT_EQ(open_record(call, call_data), "{}");
}

// Nobody hands back its keys, and its end is told: what no key opens is lost, and said at once.
TEST_F(KeeperRecovery, WhenBothDieWhatTheyTookIsAccountedAtTheEndOfTheCall) {
  const auto call = begin();
  record(call, 700);
  hear(call, 350);
  clock.advance_ms(31'000);
  keeper->tick();
  hear(call, 600);
  boot();
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "recovered", {{0, 690}, {1, 700}}}, ended.reply());
  keeper->end_round();
  ASSERT_TRUE(ended.value);
  hear(call, 700);
  // A minute behind, what nobody had heard was kept all the same.
  const std::vector<SegmentRange> lost{{0, 410, 690}, {1, 410, 700}};
  EXPECT_EQ(join(keeper->call_state(call)->lost), lost);
  EXPECT_EQ(open(call, 0, 409), "audio");
  EXPECT_EQ(open(call, 0, 410), kErasedState);
  boot();
  EXPECT_EQ(join(keeper->call_state(call)->lost), lost);
}

// The keeper dies, and meanwhile the wall clock is set: how old a call is must not be taken from
// it.
class KeeperAfterAClockJump : public KeeperRecovery {
 protected:
  void live(std::int64_t jump_ms) {
    call = begin();
    const auto started_at = clock.utc_ms();
    record(call, 400);
    hear(call, 350);
    clock.jump_utc_ms(jump_ms);
    boot();
    keeper->tick();
    clock.advance_ms(20'000);  // until the recorder hands back
    keeper->tick();
    keys::Adopt adopt{.call = call,
                      .streams = 0b11,
                      .started_at = started_at,
                      .spare = false,
                      .first_index = 400};
    adopt.nodes = nodes.slice(keys::leaf_of(0, 400), keys::leaf_of(2, 0)).take_nodes();
    Answer<keys::Adopted> adopted;
    keeper->adopt(std::move(adopt), adopted.reply());
    keeper->end_round();
    ASSERT_TRUE(adopted.value) << adopted.value.error().message;
    record(call, 640);
  }
  CallId call;
};

TEST_F(KeeperAfterAClockJump, AnOrderIsTakenWholeThoughItWasSetBack) {
  clock.advance_ms(1);
  live(-3'600'000);
  order(call, {{0, 580, 620}, {1, 590, 640}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kAccepted);
  hear(call, 640);
  EXPECT_EQ(open(call, 0, 579), "audio");
  EXPECT_EQ(open(call, 0, 580), kErasedState);
  EXPECT_EQ(open(call, 0, 619), kErasedState);
  EXPECT_EQ(open(call, 1, 639), kErasedState);
  EXPECT_EQ(open(call, 0, 620), "audio");
}

// An hour ahead, everything would be long behind the deadline for what nobody heard: marks would
// pass over keys that the recorder is about to hand back, and those of the future would be kept.
TEST_F(KeeperAfterAClockJump, NothingIsKeptAheadOfTimeThoughItWasSetForward) {
  live(3'600'000);
  hear(call, 640);
  keeper->tick();
  EXPECT_EQ(log_types()["cleared_unheard"], 0);
  EXPECT_EQ(open(call, 0, 400), "audio");
  EXPECT_EQ(open(call, 0, 639), "audio");
}

// How much of a running call may go must not be taken from a clock either: a day ahead, all of it
// was within everybody's share until the recorder had handed back.
TEST_F(KeeperRecovery, AClockSetForwardMakesNoSharesLarger) {
  const auto call = begin();
  record(call, 1'000);
  hear(call, 1'000);
  clock.jump_utc_ms(86'400'000);
  boot();
  order(call, {{0, 0, 1'000}, {1, 0, 1'000}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kHeld);
}

// The recorder lost its socket, not its keeper: nothing is lost, and the account must not say so.
TEST_F(KeeperRecovery, ARecorderThatComesBackToALivingKeeperLosesNothing) {
  const auto call = begin();
  record(call, 100);
  keys::Adopt adopt{.call = call, .streams = 0b11, .first_index = 90};
  adopt.nodes = nodes.slice(keys::leaf_of(0, 90), keys::leaf_of(2, 0)).take_nodes();
  Answer<keys::Adopted> adopted;
  keeper->adopt(std::move(adopt), adopted.reply());
  keeper->end_round();
  ASSERT_TRUE(adopted.value) << adopted.value.error().message;
  EXPECT_EQ(adopted.value->lost_from[0], 90u);
  hear(call, 100);
  EXPECT_EQ(open(call, 0, 10), "audio");
  EXPECT_TRUE(keeper->call_state(call)->lost.empty());
}

TEST_F(KeeperRecovery, AdoptionsAndEndsOutOfTheTreeAreRefused) {
  const auto call = begin();
  keys::Adopt adopt{.call = call, .streams = 0b11, .first_index = 0xFFFF'FFFF};
  adopt.nodes = nodes.slice(keys::leaf_of(0, 90), keys::leaf_of(2, 0)).take_nodes();
  Answer<keys::Adopted> adopted;
  keeper->adopt(std::move(adopt), adopted.reply());
  keeper->end_round();
  EXPECT_EQ(adopted.value.error().code, Errc::kMalformed);
  for (const auto& end :
       {keys::StreamEnd{15, 3}, keys::StreamEnd{200, 3}, keys::StreamEnd{0, 2'000'000}}) {
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), "bye", {end}}, ended.reply());
    keeper->end_round();
    EXPECT_EQ(ended.value.error().code, Errc::kMalformed);
  }
  EXPECT_TRUE(keeper->call_state(call)->live);
  keys::DerivedPut put{
      .call = call, .kind = 2, .stream = 99, .streams = 1, .first = 20, .end = 0xFFFF'FFFF};
  EXPECT_FALSE(keeper->derived_put(put));
}

// Of a call that it did not begin the keeper takes the listener's word for no share.
TEST_F(KeeperRecovery, AListenerMakesItsOwnShareNoLarger) {
  const auto call = begin();
  record(call, 600);
  hear(call, 550);
  boot();
  keys::Adopt adopt{.call = call, .streams = 0b11, .first_index = 600};
  adopt.nodes = nodes.slice(keys::leaf_of(0, 600), keys::leaf_of(2, 0)).take_nodes();
  Answer<keys::Adopted> adopted;
  keeper->adopt(std::move(adopt), adopted.reply());
  keeper->end_round();
  ASSERT_TRUE(adopted.value);
  hear(call, 1u << 20);
  (void)order(call, {{0, 0, 600}, {1, 0, 600}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kHeld);
}

// Whoever sets the wall clock back gets no keys of what is past.
TEST_F(KeeperRecovery, ReissueNeverGoesBack) {
  const auto call = begin();
  record(call, 600);
  const auto reissue = [&] {
    Answer<keys::Reissued> answer;
    keeper->reissue({call}, answer.reply());
    EXPECT_TRUE(answer.value);
    return answer.value ? answer.value->first_index : 0;
  };
  EXPECT_EQ(reissue(), 595u);
  clock.jump_utc_ms(-50'000);
  EXPECT_EQ(reissue(), 595u);
  clock.jump_utc_ms(200'000);
  EXPECT_EQ(reissue(), 595u);
  clock.advance_ms(10'000);
  EXPECT_EQ(reissue(), 695u);
}

// What was only held is decided by a person: a restart between neither opens nor destroys it.
TEST_F(KeeperRecovery, WhatIsHeldStaysOnTheDiskUntilAPersonDecides) {
  policy.person_share_percent = 95;  // so much is one person's to decide
  boot();
  const auto call = begin();
  record(call, 1'000);
  hear(call, 1'000);
  clock.advance_ms(31'000);
  keeper->tick();  // persisted
  order(call, {{0, 0, 900}, {1, 0, 900}});
  ASSERT_EQ(outcome, keys::OrderOutcome::kHeld);
  keeper->stop();
  boot();
  EXPECT_EQ(open(call, 0, 10), kErasedState);
  const auto id = *keeper->call_state(call);
  ASSERT_EQ(id.erased.size(), 2u);
  EXPECT_EQ(id.erased[0].outcome, keys::OrderOutcome::kHeld);
  const auto kept = CallKeys::decode_row(0, (*store->get(0))->expose());
  ASSERT_TRUE(kept);
  EXPECT_TRUE(kept->cover.opens(keys::leaf_of(0, 10)))
      << "the listener alone does not destroy beyond its bounds";
  const auto epoch = store->epoch();
  order(call, {{0, 0, 900}, {1, 0, 900}}, false);  // the person agrees
  EXPECT_EQ(store->epoch(), epoch + 1);
  const auto gone = *keeper->call_state(call);
  ASSERT_EQ(gone.erased.size(), 2u);
  EXPECT_EQ(gone.erased[0].outcome, keys::OrderOutcome::kErased);
  keeper->stop();
  EXPECT_FALSE(
      CallKeys::decode_row(0, (*store->get(0))->expose())->cover.opens(keys::leaf_of(0, 10)));
}

TEST_F(KeeperRecovery, TheBoundSurvivesARestartAndCountsNothingTwice) {
  policy.listener_share_percent = 50;
  boot();
  const auto call = begin();
  record(call, 1'000);
  hear(call, 1'000);
  for (int i = 0; i < 5; ++i) order(call, {{0, 0, 600}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kAccepted) << "the same range again costs nothing";
  keeper->stop();
  boot();
  order(call, {{0, 600, 900}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kAccepted);
  order(call, {{1, 0, 200}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kHeld) << "600 + 300 + 200 is more than half of 2,000";
}

// The keeper dies before its rows say how much the listener has ordered: the log does.
TEST_F(KeeperRecovery, TheBoundSurvivesAKeeperThatDies) {
  policy.listener_share_percent = 50;
  boot();
  const auto call = begin();
  record(call, 1'000);
  for (std::uint32_t at = 0; at < 900; at += 300) {
    order(call, {{0, at, at + 300}});
    boot();
  }
  order(call, {{1, 0, 200}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kHeld) << "900 + 200 is more than half of 2,000";
}

TEST_F(KeeperRecovery, TheListenerOrdersOnlyWithinWhatItIsHearing) {
  const auto call = begin();
  record(call, 100);
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 100}, {1, 100}}}, ended.reply());
  hear(call, 100);
  keeper->listen_done({call});
  keeper->end_round();
  Answer<keys::OrderAccepted> answer;
  keeper->erase_order({OrderId::random(entropy), call, {{0, 1, 2}}, "pin", "x"}, true,
                      answer.reply());
  keeper->end_round();
  EXPECT_EQ(answer.value.error().code, Errc::kDenied);
}

// An order of a person on a finished call, and the keeper dies behind the destruction, before
// `erased` is in the log.
TEST_F(KeeperRecovery, AnUnfinishedOrderOnAFinishedCallIsFinished) {
  const auto call = begin();
  record(call, 100);
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 100}, {1, 100}}}, ended.reply());
  hear(call, 100);
  keeper->listen_done({call});
  keeper->end_round();
  answer_wipes = false;
  const auto id = order(call, {{0, 10, 20}}, false);
  EXPECT_EQ(log_types()["erased"], 0);
  answer_wipes = true;
  boot();
  EXPECT_EQ(log_types()["erased"], 1);
  EXPECT_EQ(keeper->call_state(call)->erased[0].outcome, keys::OrderOutcome::kErased);
  // Its source asks again, and is told.
  Answer<keys::OrderAccepted> again;
  keeper->erase_order({id, call, {{0, 10, 20}}, "password", "person"}, false, again.reply());
  keeper->end_round();
  EXPECT_EQ(again.value->outcome, keys::OrderOutcome::kErased);
}

// It asks for what another order has erased already: it is an order all the same, with its own end
// in the log.
TEST_F(KeeperRecovery, AnUnfinishedOrderForWhatIsGoneAlreadyIsFinishedToo) {
  const auto call = begin();
  record(call, 100);
  order(call, {{0, 10, 20}});
  ASSERT_EQ(log_types()["erased"], 1);
  answer_wipes = false;
  const auto id = order(call, {{0, 10, 20}});
  answer_wipes = true;
  boot();
  EXPECT_EQ(log_types()["erased"], 2);
  std::string last;
  ASSERT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
    if (entry.type == "erased") last = entry.data.at("orders").at(0).as_string();
    return {};
  }));
  EXPECT_EQ(last, id.hex());
}

// Of two held orders for the same range each is decided for itself, after a restart, too.
TEST_F(KeeperRecovery, TwoHeldOrdersForOneRangeAreBothHeldAfterIt) {
  policy.listener_share_percent = 1;
  boot();
  const auto call = begin();
  record(call, 400);
  const std::vector ids{order(call, {{0, 0, 350}}), order(call, {{0, 0, 350}})};
  ASSERT_EQ(outcome, keys::OrderOutcome::kHeld);
  boot();
  for (const auto& id : ids) {
    Answer<keys::HeldDecided> answer;
    keeper->decide_held({call, id, keys::HeldDecision::kKeep, "operator", std::string(64, 'a')},
                        answer.reply());
    keeper->end_round();
    EXPECT_TRUE(answer.value) << answer.value.error().message;
  }
}

// Done and logged, but no row was written since: the next start takes the log's word and does not
// do it again.
TEST_F(KeeperRecovery, AFinishedOrderIsNotDoneAgainAfterAStart) {
  const auto call = begin();
  record(call, 100);
  order(call, {{0, 10, 20}});
  ASSERT_EQ(log_types()["erased"], 1);
  boot();
  boot();
  EXPECT_EQ(log_types()["erase_intended"], 1);
  EXPECT_EQ(log_types()["erased"], 1);
  ASSERT_EQ(keeper->call_state(call)->erased.size(), 1u);
  EXPECT_EQ(keeper->call_state(call)->erased[0].outcome, keys::OrderOutcome::kErased);
}

// The batch with its end was refused, and was on the disk all the same; it was intended anew, and
// the keeper died: by the log something is to be done, so it is done again, and said.
TEST_F(KeeperRecovery, AFinishedOrderThatWasIntendedAnewGetsItsEndAnew) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  const auto done = order(call, {{0, 10, 20}});
  boost::json::object intended{{"order", done.hex()}, {"epoch", store->epoch()}};
  const boost::json::value range = boost::json::array{0, 10, 20};
  intended["ranges"] = boost::json::array(1, range);
  intended["reason"] = "password";
  intended["source"] = "listener";
  ASSERT_TRUE(log->stage({"erase_intended", "keeper", call.hex(), clock.utc_ms(), intended}));
  ASSERT_TRUE(log->commit());
  ASSERT_EQ(log_types()["erased"], 1);
  boot();
  EXPECT_EQ(log_types()["erased"], 2);
  EXPECT_EQ(open(call, 0, 12), kErasedState);
  boot();
  EXPECT_EQ(log_types()["erased"], 2);
}

TEST_F(KeeperRecovery, ThousandsOfOrdersAreOneEpochAndSeveralEntries) {
  const auto call = begin();
  record(call, 100);
  clock.advance_ms(3'600'000);
  hear(call, 36'000);
  keeper->stop();
  const auto epoch = store->epoch();
  std::size_t accepted = 0;
  for (std::uint32_t i = 0; i < 2'500; ++i)
    keeper->erase_order(
        {OrderId::random(entropy), call, {{0, 10 * i, 10 * i + 1}}, "reviewer", "person"}, false,
        [&accepted](Result<keys::OrderAccepted> answer) { accepted += answer.has_value(); });
  keeper->end_round();
  EXPECT_EQ(accepted, 2'500u);
  EXPECT_EQ(store->epoch(), epoch + 1);
  EXPECT_EQ(log_types()["erase_intended"], 2'500);
  EXPECT_EQ(log_types()["erased"], 3);
  // So many holes would not fit a row: beyond a number of them what lies between goes too.
  EXPECT_LE((*store->get(0))->size(), keys::kRowBytesMax);
  EXPECT_EQ(open(call, 0, 40), kErasedState);
  EXPECT_EQ(open(call, 0, 45), "audio");
}

// A recorder takes kExists and kState for "done before". What a log that is away did not take must
// be asked again, or the call would stay live for ever, its end and its root in no entry.
TEST(KeeperWithoutItsLog, EndsAndRootsAreAskedForAgain) {
  FailingVfs disk;
  KeeperRig rig(disk, callward::test::fresh_dir("keeper3"));
  ASSERT_TRUE(keys::KeyStore::create(disk, rig.entropy, rig.paths, rig.wrap));
  rig.boot();
  const auto call = rig.begin();
  rig.record(call, 10);
  disk.refuse = [&](const std::string& path, FileCall what) {
    return what != FileCall::kOpen && path.starts_with(rig.dir + "/log");
  };
  const keys::CallEnd end{call, rig.clock.utc_ms(), "bye", {{0, 10}, {1, 10}}};
  const keys::CallSealed sealed{.call = call, .root = {}, .leaves = 21, .object_bytes = 1};
  for (int tries = 0; tries < 3; ++tries) {  // the first finds it out, the others know
    Answer<keys::Ack> ended, rooted;
    rig.keeper->call_end(end, ended.reply());
    rig.keeper->call_sealed(sealed, rooted.reply());
    rig.keeper->end_round();
    for (const auto* answer : {&ended, &rooted}) {
      ASSERT_TRUE(answer->came && !answer->value);
      EXPECT_NE(answer->value.error().code, Errc::kState) << tries;
      EXPECT_NE(answer->value.error().code, Errc::kExists) << tries;
    }
  }
  disk.refuse = {};
  rig.mend();
  Answer<keys::Ack> ended, rooted;
  rig.keeper->call_end(end, ended.reply());
  rig.keeper->call_sealed(sealed, rooted.reply());
  rig.keeper->end_round();
  EXPECT_TRUE(ended.value && rooted.value);
  EXPECT_EQ(rig.log_types()["call_ended"], 1);
  EXPECT_EQ(rig.log_types()["call_sealed"], 1);
  std::filesystem::remove_all(rig.dir);
}

// One range ordered away again and again must not fill the row of its call: a row over its limit
// would stop the erasing of every other call too.
TEST_F(KeeperRecovery, ManyOrdersOnOneCallDoNotStopAnothers) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  keeper->stop();
  constexpr int kRounds = 9, kOrdersARound = 2'500;  // 14 bytes of a row each: beyond 256 KiB
  for (int round = 0; round < kRounds; ++round) {
    std::size_t accepted = 0;
    for (int i = 0; i < kOrdersARound; ++i)
      keeper->erase_order(
          {OrderId::random(entropy), call, {{0, 10, 20}}, "reviewer", "person"}, false,
          [&accepted](Result<keys::OrderAccepted> answer) { accepted += answer.has_value(); });
    keeper->end_round();
    EXPECT_EQ(accepted, std::size_t{kOrdersARound});
  }
  const auto other = begin();
  record(other, 100);
  hear(other, 100);
  order(other, {{0, 10, 20}});
  EXPECT_EQ(states.back(), keys::OrderOutcome::kErased);
  EXPECT_EQ(states.size(), std::size_t{kRounds * kOrdersARound} + 1);
  EXPECT_EQ(open(other, 0, 15), kErasedState);
  EXPECT_EQ(open(other, 0, 20), "audio");
  EXPECT_EQ(keeper->call_state(call)->erased.size(), 1u);
}

// The same for orders that wait for a person, and a bound for those that wait at one time.
TEST_F(KeeperRecovery, OrdersThatWaitInOneCallAreBounded) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  std::size_t accepted = 0, refused = 0;
  for (std::size_t i = 0; i < Keeper::kOpenBlocksPerCallMax + 10; ++i)
    keeper->erase_order({OrderId::random(entropy), call, {{0, 10, 20}}, "reviewer", "person"},
                        false, [&](Result<keys::OrderAccepted> answer) {
                          accepted += answer.has_value();
                          refused += !answer && answer.error().code == Errc::kFull;
                        });
  keeper->end_round();
  EXPECT_EQ(accepted, Keeper::kOpenBlocksPerCallMax);
  EXPECT_EQ(refused, 10u);
  order(call, {{1, 10, 20}});  // once they are done there is room again
  EXPECT_EQ(open(call, 1, 15), kErasedState);
}

// Someone puts back yesterday's mirrors with yesterday's anchors: keys that were erased are there
// again. The log knows better, and they are destroyed once more before anything is opened.
TEST_F(KeeperRecovery, ACopyOfAllMirrorsIsErasedAgain) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  keeper->stop();
  boot();
  const auto epoch = store->epoch();
  const auto copy = dir + ".copy";
  std::filesystem::remove_all(copy);
  std::filesystem::create_directories(copy);
  for (const char* mirror : {"/a", "/b"})
    std::filesystem::copy(dir + mirror, copy + mirror, std::filesystem::copy_options::recursive);
  order(call, {{0, 10, 20}});
  ASSERT_EQ(store->epoch(), epoch + 1);
  keeper.reset();
  store.reset();
  for (const char* mirror : {"/a", "/b"}) {
    std::filesystem::remove_all(dir + mirror);
    std::filesystem::rename(copy + mirror, dir + mirror);
  }
  boot();
  EXPECT_EQ(store->epoch(), epoch + 1) << "the epoch that led to them is gone again";
  EXPECT_EQ(log_types()["erased"], 2);
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  EXPECT_EQ(open(call, 0, 20), "audio");
  boot();
  EXPECT_EQ(log_types()["erased"], 2) << "and not once more with every start";
  std::filesystem::remove_all(copy);
}

// An order up to the last index that there is: of a stream with an odd number, too.
TEST_F(KeeperRecovery, AnOrderUpToTheLastIndexIsDone) {
  const auto call = begin();
  record(call, 100);
  clock.advance_ms(30ll * 3'600'000);
  hear(call, ~0u);  // what lies beyond is the next stream's, and not heard
  keeper->stop();
  order(call, {{1, 50, keys::kIndexMax + 1}});
  order(call, {{1, 20, keys::kIndexMax + 1}}, false);
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(open(call, 1, 60), kErasedState);
    EXPECT_EQ(open(call, 1, 19), "audio");
    EXPECT_EQ(open(call, 0, 60), "audio");
    boot();
  }
}

// A stream that a re-INVITE added is known by what is said of it, and lives like the others.
TEST_F(KeeperRecovery, AStreamThatCameLaterIsKept) {
  const auto call = begin();
  record(call, 100);
  keys::ForwardKeys forward(nodes, 2);
  for (std::uint32_t i = 0; i < 100; ++i)
    records[{2, i}] =
        cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = 2, .first = i}, call,
                    as_bytes("third"), *forward.take(i));
  keeper->cleared({call, {{0, 100}, {1, 100}, {2, 100}}, false});
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 100}, {1, 100}, {2, 100}}}, ended.reply());
  keeper->end_round();
  EXPECT_EQ(open(call, 2, 50), "third");
  keeper->stop();
  boot();
  EXPECT_EQ(open(call, 2, 50), "third");
}

}  // namespace
}  // namespace callward::erase
