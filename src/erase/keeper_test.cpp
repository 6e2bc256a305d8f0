#include "erase/keeper.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "crypto/hpke.hpp"

namespace callward::erase {
namespace {

template <class T>
struct Answer {
  bool came = false;
  Result<T> value = fail(Errc::kTimeout, "no answer");
  Reply<T> reply() {
    return [this](Result<T> outcome) {
      came = true;
      value = std::move(outcome);
    };
  }
};

class Keepers : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "cw-keeper-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    paths = {{dir + "/a/store", dir + "/a/anchor"}, {dir + "/b/store", dir + "/b/anchor"}};
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  void boot() {
    keeper.reset();
    log.reset();
    store.reset();
    store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
    log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", seed));
    Keeper::Outbox outbox{.derived_sealed = [this](const keys::DerivedSealed& m) { derived.push_back(m.record); },
                          .listening_done = [](const keys::ListeningDone&) {},
                          .order_state = [this](const keys::OrderState& m) { states.push_back(m.outcome); },
                          .wipe = [this](const keys::WipeRanges&, std::function<void()> done) {
                            if (answer_wipes) done();
                          }};
    keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, outbox);
    const auto started = keeper->start();
    ASSERT_TRUE(started) << started.error().message;
  }

  CallId begin() {
    const auto id = CallId::random(entropy);
    Answer<keys::CallStarted> answer;
    keeper->call_start({id, keys::CallSource::kSiprec, keys::Direction::kIncoming, 0b11, clock.utc_ms(), to_bytes(as_bytes("{}"))}, answer.reply());
    keeper->end_round();
    EXPECT_TRUE(answer.value);
    nodes = *keys::Cover::from_nodes(std::move(answer.value->nodes));
    call_data = answer.value->call_data_record;
    return id;
  }
  // Records [0, count) of both streams, as the recorder would.
  void record(const CallId& id, std::uint32_t count) {
    for (std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}}) {
      keys::ForwardKeys forward(nodes, stream);
      for (std::uint32_t i = 0; i < count; ++i)
        records[{stream, i}] = cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = stream, .first = i}, id,
                                           as_bytes("audio"), *forward.take(i));
    }
    clock.advance_ms(count * 100);
  }
  void hear(const CallId& id, std::uint32_t upto) {
    keeper->cleared({id, {{0, upto}, {1, upto}}, false});
    keeper->end_round();
  }
  OrderId order(const CallId& id, std::vector<SegmentRange> ranges, bool listener = true) {
    const auto order = OrderId::random(entropy);
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order({order, id, std::move(ranges), "password", "person"}, listener, answer.reply());
    EXPECT_TRUE(answer.value) << answer.value.error().message;
    if (answer.value) outcome = answer.value->outcome;
    return order;
  }
  // What a reader gets for one segment: its plaintext, or the state's number.
  std::string open(const CallId& id, std::uint8_t stream, std::uint32_t index) {
    return open_record(id, records.at({stream, index}));
  }
  std::string open_record(const CallId& id, const Bytes& record) {
    keys::Open message{.call = id, .actor = "reader", .purpose = keys::OpenPurpose::kPlay, .reason_hash = "", .headers = {}};
    message.reader_key = *crypto::x25519_public(reader);
    keys::HeaderBytes header{};
    std::copy_n(record.begin(), header.size(), header.begin());
    message.headers.push_back(header);
    Answer<keys::Opened> answer;
    keeper->open(message, answer.reply());
    keeper->end_round();
    if (!answer.value) return "error " + std::string(to_string(answer.value.error().code));
    if (answer.value->states[0] != static_cast<std::uint8_t>(keys::KeyState::kGiven)) return "state " + std::to_string(answer.value->states[0]);
    crypto::PublicKey enc{};
    std::copy(answer.value->enc.begin(), answer.value->enc.end(), enc.begin());
    const auto plain = crypto::hpke_open(reader, enc, as_bytes("callward open v1"), id.bytes, answer.value->sealed);
    if (!plain) return "hpke";
    const Key32 key(std::span<const std::uint8_t, 32>(plain->expose().data(), 32));
    const auto opened = cipher.open(record, id, key);
    return opened ? std::string(as_text(opened->expose())) : "not opened";
  }
  std::map<std::string, int> log_types() {
    std::map<std::string, int> counts;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      ++counts[entry.type];
      return {};
    }));
    return counts;
  }

  ManualClock clock;
  SeededEntropy entropy{11};
  RealVfs vfs;
  Key32 wrap = entropy.key(), seed = entropy.key(), reader = entropy.key();
  std::string dir;
  std::vector<keys::MirrorPaths> paths;
  KeeperPolicy policy;
  std::unique_ptr<keys::KeyStore> store;
  std::unique_ptr<audit::Log> log;
  std::unique_ptr<Keeper> keeper;
  keys::RecordCipher cipher;
  keys::Cover nodes;
  Bytes call_data;
  std::map<std::pair<std::uint8_t, std::uint32_t>, Bytes> records;
  std::vector<Bytes> derived;
  std::vector<keys::OrderOutcome> states;
  keys::OrderOutcome outcome{};
  bool answer_wipes = true;
};

constexpr const char* kErasedState = "state 2";
constexpr const char* kUnheardState = "state 3";

TEST_F(Keepers, OnlyHeardSegmentsOpen) {
  const auto call = begin();
  record(call, 100);
  EXPECT_EQ(open(call, 0, 5), kUnheardState);
  hear(call, 50);
  EXPECT_EQ(open(call, 0, 5), "audio");
  EXPECT_EQ(open(call, 1, 49), "audio");
  EXPECT_EQ(open(call, 1, 50), kUnheardState);
  EXPECT_EQ(open_record(call, call_data), "{}");
  EXPECT_GE(log_types()["opened"], 4);
}

TEST_F(Keepers, ASecretFoundInTimeNeverTouchesADisk) {
  const auto call = begin();
  record(call, 200);
  const auto epoch = store->epoch();
  order(call, {{0, 20, 40}, {1, 20, 40}});
  keeper->end_round();
  hear(call, 200);
  EXPECT_EQ(store->epoch(), epoch);  // no switch was needed
  EXPECT_EQ(open(call, 0, 30), kErasedState);
  EXPECT_EQ(open(call, 0, 40), "audio");
  const auto types = log_types();
  EXPECT_EQ(types.at("erase_intended"), 1);
  EXPECT_EQ(types.at("erased"), 1);
  EXPECT_EQ(states.back(), keys::OrderOutcome::kErased);
}

TEST_F(Keepers, APersistedSecretCostsAnEpochAndStaysGoneOverARestart) {
  const auto call = begin();
  record(call, 100);
  Answer<keys::Ack> ended;
  keeper->call_end({call, clock.utc_ms(), "bye", {{0, 100}, {1, 100}}}, ended.reply());
  hear(call, 100);
  keeper->listen_done({call});
  keeper->end_round();
  const auto epoch = store->epoch();
  order(call, {{0, 10, 20}}, false);
  keeper->end_round();
  EXPECT_EQ(store->epoch(), epoch + 1);
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  boot();
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  EXPECT_EQ(open(call, 0, 20), "audio");
  EXPECT_EQ(open(call, 1, 15), "audio");
  const auto state = *keeper->call_state(call);
  ASSERT_EQ(state.erased.size(), 1u);
  EXPECT_EQ(state.erased[0].reason, "password");
  EXPECT_EQ(state.erased[0].outcome, keys::OrderOutcome::kErased);
}

TEST_F(Keepers, AcceptedMeansClosedEvenBeforeItIsLogged) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  order(call, {{0, 10, 20}});  // no end_round yet
  EXPECT_EQ(open(call, 0, 15), kErasedState);
}

TEST_F(Keepers, DerivedDataIsSealedUnderItsSourceAndDiesWithIt) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  keys::DerivedPut put{.call = call, .kind = 2, .stream = 0, .streams = 1, .first = 20, .end = 40};
  put.plaintext = SecretBytes(as_bytes("words"));
  ASSERT_TRUE(keeper->derived_put(put));
  ASSERT_EQ(derived.size(), 1u);
  EXPECT_EQ(open_record(call, derived[0]), "words");
  order(call, {{0, 39, 45}});
  keeper->end_round();
  EXPECT_EQ(open_record(call, derived[0]), kErasedState);
  ASSERT_TRUE(keeper->derived_put(put));  // refused silently: its source is gone
  EXPECT_EQ(derived.size(), 1u);
}

TEST_F(Keepers, TheListenerHasBoundsAPersonHasNot) {
  const auto call = begin();
  record(call, 1'000);
  hear(call, 1'000);
  order(call, {{0, 0, 900}, {1, 0, 400}});
  EXPECT_EQ(outcome, keys::OrderOutcome::kHeld);
  keeper->end_round();
  EXPECT_EQ(open(call, 0, 10), kErasedState);  // closed, though a person must still decide
  EXPECT_EQ(log_types()["order_held"], 1);
  order(call, {{0, 0, 900}}, false);
  EXPECT_EQ(outcome, keys::OrderOutcome::kAccepted);
}

TEST_F(Keepers, OrdersOutsideACallAreRefused) {
  const auto call = begin();
  record(call, 10);
  const auto refused = [&](std::vector<SegmentRange> ranges, const char* reason) {
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order({OrderId::random(entropy), call, std::move(ranges), reason, "x"}, true, answer.reply());
    return !answer.value.has_value();
  };
  EXPECT_TRUE(refused({{2, 0, 1}}, "pin"));
  EXPECT_TRUE(refused({{15, 0, 1}}, "pin"));
  EXPECT_TRUE(refused({{0, 5, 5}}, "pin"));
  EXPECT_TRUE(refused({{0, 0, 500}}, "pin"));
  EXPECT_TRUE(refused({{0, 0, 1}}, "because"));
  EXPECT_TRUE(refused({}, "pin"));
}

TEST_F(Keepers, RepeatedOrdersAreAnsweredAndDoneOnce) {
  const auto call = begin();
  record(call, 50);
  const auto id = order(call, {{0, 1, 2}});
  keeper->end_round();
  Answer<keys::OrderAccepted> again;
  keeper->erase_order({id, call, {{0, 1, 2}}, "password", "x"}, true, again.reply());
  EXPECT_EQ(again.value->outcome, keys::OrderOutcome::kErased);
  keeper->end_round();
  EXPECT_EQ(log_types()["erase_intended"], 1);
}

TEST_F(Keepers, UnfinishedOrdersAreFinishedAfterADeath) {
  const auto call = begin();
  record(call, 100);
  hear(call, 100);
  keeper->stop();  // persisted
  boot();
  answer_wipes = false;  // dies between intended and erased
  order(call, {{0, 10, 20}}, false);
  keeper->end_round();
  EXPECT_EQ(log_types()["erased"], 0);
  answer_wipes = true;
  boot();
  EXPECT_GE(log_types()["erased"], 1);
  EXPECT_EQ(open(call, 0, 15), kErasedState);
  EXPECT_EQ(open(call, 0, 25), "audio");
}

TEST_F(Keepers, AdoptionTakesOnlyWhatIsPastAndPuncturesOrders) {
  const auto call = begin();
  record(call, 100);
  hear(call, 60);
  clock.advance_ms(31'000);
  keeper->tick();  // persists [0, 60)
  order(call, {{0, 70, 80}});
  keeper->end_round();
  // The keeper dies; the recorder froze nodes from index 100.
  keys::Adopt adopt{.call = call, .source = keys::CallSource::kSiprec, .direction = keys::Direction::kIncoming, .streams = 0b11,
                    .started_at = 0, .spare = false, .first_index = 65};
  adopt.nodes = nodes.slice(keys::leaf_of(0, 65), keys::leaf_of(2, 0)).take_nodes();
  boot();
  EXPECT_EQ(open(call, 0, 10), "audio");
  Answer<keys::Adopted> adopted;
  keeper->adopt(std::move(adopt), adopted.reply());
  keeper->end_round();
  ASSERT_TRUE(adopted.value) << adopted.value.error().message;
  EXPECT_EQ(adopted.value->lost_from[0], 60u);
  hear(call, 100);
  EXPECT_EQ(open(call, 0, 75), kErasedState);   // logged order
  EXPECT_EQ(open(call, 0, 62), kErasedState);   // lost with the keeper
  EXPECT_EQ(open(call, 0, 90), "audio");
  EXPECT_EQ(open(call, 1, 75), "audio");
  // A second time, or of a call nobody began: refused.
  for (const auto& id : {call, CallId::random(entropy)}) {
    keys::Adopt more{.call = id, .streams = 0b11, .first_index = 65};
    more.nodes = nodes.slice(keys::leaf_of(0, 65), keys::leaf_of(2, 0)).take_nodes();
    Answer<keys::Adopted> refused;
    keeper->adopt(std::move(more), refused.reply());
    EXPECT_FALSE(refused.value);
  }
}

TEST_F(Keepers, ALogOlderThanTheKeysIsRefused) {
  const auto call = begin();
  record(call, 10);
  hear(call, 10);
  keeper->stop();
  keeper.reset();
  log.reset();
  store.reset();
  std::filesystem::remove_all(dir + "/log");
  store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
  log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", seed));
  keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, Keeper::Outbox{});
  EXPECT_EQ(keeper->start().error().code, Errc::kCorrupt);
}

TEST_F(Keepers, ALateListenerIsPersistedPastAndItIsSaid) {
  const auto call = begin();
  record(call, 2'000);
  keeper->tick();
  EXPECT_EQ(log_types()["cleared_unheard"], 1);
  EXPECT_EQ(open(call, 0, 5), kUnheardState);  // kept, but for nobody's ears
  boot();
  hear(call, 100);
  EXPECT_EQ(open(call, 0, 5), "audio");
}

}  // namespace
}  // namespace callward::erase
