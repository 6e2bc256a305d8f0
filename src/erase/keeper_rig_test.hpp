// A keeper on a disk, with a recorder, a listener and a reader played by hand.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "crypto/hpke.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {

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

class KeeperRig {
 public:
  KeeperRig(Vfs& disk, std::string folder) : vfs(disk), dir(std::move(folder)) {
    paths = {{dir + "/a/store", dir + "/a/anchor"}, {dir + "/b/store", dir + "/b/anchor"}};
  }

  // A keeper begins, as its process does it. What the last one had in memory is gone.
  Status start() {
    keeper.reset();
    log.reset();
    store.reset();
    auto opened = keys::KeyStore::open(vfs, entropy, paths, wrap);
    if (!opened) return tl::unexpected<Error>(opened.error());
    store = std::move(*opened);
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (!store->mirrors()[i].good) TRY(store->repair_mirror(i));
    log = TRY(audit::Log::open(vfs, dir + "/log", "test/log", seed));
    keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, outbox());
    return keeper->start();
  }
  Keeper::Outbox outbox() {
    return {.derived_sealed = [this](const keys::DerivedSealed& m) { derived.push_back(m.record); },
            .listening_done = [](const keys::ListeningDone&) {},
            .order_state = [this](const keys::OrderState& m) { states.push_back(m.outcome); },
            .wipe =
                [this](const keys::WipeRanges&, std::function<void()> done) {
                  if (answer_wipes) done();
                }};
  }
  // As the process does it every few seconds: what failed is tried again.
  void mend() {
    clock.advance_ms(5'000);
    if (log->failed()) {
      auto fresh = audit::Log::open(vfs, dir + "/log", "test/log", seed);
      if (!fresh) return;
      keeper->resume_log(**fresh);
      log = std::move(*fresh);
    }
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (!store->mirrors()[i].good) (void)store->repair_mirror(i);
    (void)store->destroy_stale();
    keeper->mirrors_are_back();
    keeper->end_round();
  }
  void boot() {
    const auto started = start();
    ASSERT_TRUE(started) << started.error().message;
  }

  CallId begin() {
    const auto id = CallId::random(entropy);
    Answer<keys::CallStarted> answer;
    keeper->call_start({id, keys::CallSource::kSiprec, keys::Direction::kIncoming, 0b11,
                        clock.utc_ms(), to_bytes(as_bytes("{}"))},
                       answer.reply());
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
        records[{stream, i}] =
            cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = stream, .first = i},
                        id, as_bytes("audio"), *forward.take(i));
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
    keeper->erase_order({order, id, std::move(ranges), "password", "person"}, listener,
                        answer.reply());
    EXPECT_FALSE(answer.came) << "before it is durable";
    keeper->end_round();
    EXPECT_TRUE(answer.value) << answer.value.error().message;
    if (answer.value) outcome = answer.value->outcome;
    return order;
  }
  // What a reader gets for one segment: its plaintext, or the state's number.
  std::string open(const CallId& id, std::uint8_t stream, std::uint32_t index) {
    return open_record(id, records.at({stream, index}));
  }
  std::string open_record(const CallId& id, const Bytes& record) {
    keys::Open message{.call = id,
                       .actor = "reader",
                       .purpose = keys::OpenPurpose::kPlay,
                       .reason_hash = "",
                       .headers = {}};
    message.reader_key = *crypto::x25519_public(reader);
    keys::HeaderBytes header{};
    std::copy_n(record.begin(), header.size(), header.begin());
    message.headers.push_back(header);
    Answer<keys::Opened> answer;
    keeper->open(message, answer.reply());
    keeper->end_round();
    if (!answer.value) return "error " + std::string(to_string(answer.value.error().code));
    if (answer.value->states[0] != static_cast<std::uint8_t>(keys::KeyState::kGiven))
      return "state " + std::to_string(answer.value->states[0]);
    crypto::PublicKey enc{};
    std::copy(answer.value->enc.begin(), answer.value->enc.end(), enc.begin());
    const auto plain = crypto::hpke_open(reader, enc, as_bytes("callward open v1"), id.bytes,
                                         answer.value->sealed);
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

  Vfs& vfs;
  std::string dir;
  ManualClock clock;
  SeededEntropy entropy{11};
  Key32 wrap = entropy.key(), seed = entropy.key(), reader = entropy.key();
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

inline constexpr const char* kErasedState = "state 2";
inline constexpr const char* kUnheardState = "state 3";

}  // namespace callward::erase
