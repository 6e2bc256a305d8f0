// A call's whole life, and the keeper dies at every single call that it makes to the disk: killed,
// or without power. Recorder, listener and reader live on and do what they do: the recorder hands
// back the nodes that it froze, the listener repeats what was not answered. At the end, whatever
// happened:
//   (1) what an answered order names opens to nobody, and no page ever written opens it with a key
//   that lives; (2) everything else opens, except what the keeper took with it, and that is
//   accounted as lost, and bounded; (3) no segment is unaccounted for; every answered order is in
//   the log as intended and as erased; (4) of two orders that were held, the one that a person
//   keeps opens again and the one that the person erases is an order as any other; (5) no record was
//   ever sealed with a key that another had.
#include "erase/keeper_rig_test.hpp"
#include "sim/sim_vfs.hpp"

namespace callward::erase {
namespace {

using sim::Fault;
using sim::SimVfs;
using sim::Survival;

constexpr std::uint32_t kSegments = 1'200;  // two minutes
constexpr std::uint32_t kStepSegments = 100;
constexpr std::uint32_t kListenerLag = 20;

struct Asked {
  OrderId id;
  SegmentRange range;
  bool from_listener = true;
  bool answered = false;
  std::optional<keys::HeldDecision> decision = {};  // it is held, and a person decides so
  bool decided = false, decision_sent = false;
  [[nodiscard]] bool goes() const { return decision != keys::HeldDecision::kKeep; }
};

class Life : public KeeperRig {
 public:
  Life(SimVfs& disk, std::uint64_t seed) : KeeperRig(disk, "/k"), sim_(disk), chance_(seed) {
    entropy = SeededEntropy(seed * 31 + 5);
    policy.listener_share_percent = 10;
  }

  void make_store() {
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    ASSERT_TRUE(start());
  }
  // The whole life; `survival` for the power loss that is planned, if any.
  void live(Survival survival) {
    survival_ = survival;
    begin_call();
    for (recorded_ = 0; recorded_ < kSegments;) {
      record_step();
      listen_step();
      settle();
      if (::testing::Test::HasFatalFailure()) return;
    }
    end_call();
    // A person, later, about what is on the disk since long.
    ask({OrderId::random(entropy), {0, 40, 60}, false});
    settle();
    for (auto& asked : asked_)
      if (asked.decision) decide(asked);
    deciding_ = true;
    settle();
    clock.advance_ms(60'000);
    tick();
    settle();
    if (dead()) settle();  // looking at the mirrors is a call to the disk, too
  }
  int deaths() const { return deaths_; }
  void verdict();

 private:
  static bool ordered_at(std::uint32_t step) { return step == 2 || step == 5 || step == 8; }
  bool dead() const { return sim_.down(); }

  void begin_call() {
    for (int tries = 0; tries < 3; ++tries) {
      id_ = CallId::random(entropy);
      Answer<keys::CallStarted> answer;
      keeper->call_start({id_, keys::CallSource::kSiprec, keys::Direction::kIncoming, 0b11,
                          clock.utc_ms(), to_bytes(as_bytes("{}"))},
                         answer.reply());
      keeper->end_round();
      if (answer.value && !dead()) {
        const auto given = *keys::Cover::from_nodes(std::move(answer.value->nodes));
        for (std::uint8_t stream = 0; stream < 2; ++stream)
          paths_[stream] = keys::ForwardKeys(given, stream);
        started_at_ = clock.utc_ms();
        return;
      }
      mend_or_begin_again();
    }
    FAIL() << "the call could not begin";
  }
  void record_step() {
    for (std::uint8_t stream = 0; stream < 2; ++stream)
      for (auto i = recorded_; i < recorded_ + kStepSegments; ++i) {
        const auto leaf = paths_[stream].take(i);
        auto& record = records[{stream, i}];
        record =
            cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = stream, .first = i},
                        id_, as_bytes("audio"), *leaf);
        expect_fresh(record, *leaf);
      }
    recorded_ += kStepSegments;
    clock.advance_ms(kStepSegments * 100);
  }
  // (5)
  void expect_fresh(const Bytes& record, const Key32& leaf) {
    const auto key =
        keys::record_key(keys::RecordKind::kAudio, keys::parse_record(record)->salt, leaf);
    const std::string bytes(as_text(key.expose()));
    EXPECT_TRUE(used_.insert(bytes).second) << "a key twice";
  }
  void listen_step() {
    const auto step = recorded_ / kStepSegments;
    if (ordered_at(step))
      ask({OrderId::random(entropy),
           {static_cast<std::uint8_t>(step % 2), recorded_ - 60, recorded_ - 30},
           true});
    // Beyond its share, about what stands on the disk by now.
    if (step == 9) {
      ask({OrderId::random(entropy), {0, 100, 400}, true, false, keys::HeldDecision::kKeep});
      ask({OrderId::random(entropy), {1, 100, 400}, true, false, keys::HeldDecision::kErase});
    }
    heard_ = recorded_ - kListenerLag;
    keeper->cleared({id_, {{0, heard_}, {1, heard_}}, false});
    tick();
  }
  void tick() {
    keeper->end_round();
    keeper->tick();
  }
  void ask(const Asked& asked) {
    asked_.push_back(asked);
    send(asked_.back());
  }
  void send(Asked& asked) {
    Answer<keys::OrderAccepted> answer;
    keeper->erase_order({asked.id, id_, {asked.range}, "password", "person"}, asked.from_listener,
                        answer.reply());
    keeper->end_round();
    // An answer of a machine that is off reached nobody.
    if (answer.value && !dead()) asked.answered = true;
  }
  void decide(Asked& asked) {
    Answer<keys::HeldDecided> answer;
    keeper->decide_held({id_, asked.id, *asked.decision, "person", "hash"}, answer.reply());
    keeper->end_round();
    // Done already, and only the answer was lost: then nothing is held any more.
    const bool over =
        !answer.value && asked.decision_sent && answer.value.error().code == Errc::kNotFound;
    if ((answer.value || over) && !dead()) asked.decided = true;
    asked.decision_sent = true;
  }
  // While the machine is off: a new keeper, the recorder hands back, the listener repeats.
  void settle() {
    for (int tries = 0; dead() || !all_answered() || log->failed() || !all_mirrors_good();
         ++tries) {
      ASSERT_LT(tries, 4);
      mend_or_begin_again();
      hand_back();
      for (auto& asked : asked_)
        if (!asked.answered && !dead()) send(asked);
      for (auto& asked : asked_)
        if (deciding_ && asked.decision && !asked.decided && !dead()) decide(asked);
      if (!dead()) keeper->cleared({id_, {{0, heard_}, {1, heard_}}, false});
    }
  }
  bool all_mirrors_good() const {
    const auto mirrors = store->mirrors();
    return std::all_of(mirrors.begin(), mirrors.end(), [](const keys::MirrorStatus& mirror) {
      return mirror.good && mirror.confirmed;
    });
  }
  bool all_answered() const {
    return std::all_of(asked_.begin(), asked_.end(), [this](const Asked& asked) {
      return asked.answered && (asked.decided || !deciding_ || !asked.decision);
    });
  }
  void mend_or_begin_again() {
    if (dead())
      be_born_again();
    else
      mend();
  }
  void be_born_again() {
    ++deaths_;
    sim_.restart(survival_);
    const auto begun = start();
    ASSERT_TRUE(begun) << begun.error().message;
    adopted_ = ended_;
  }
  void hand_back() {
    if (adopted_ || deaths_ == 0 || dead()) return;
    keys::Adopt adopt{.call = id_,
                      .streams = 0b11,
                      .started_at = started_at_,
                      .spare = false,
                      .first_index = recorded_,
                      .nodes = {}};
    for (auto& path : paths_)
      for (auto& node : path.remaining()) adopt.nodes.push_back(std::move(node));
    Answer<keys::Adopted> answer;
    keeper->adopt(std::move(adopt), answer.reply());
    keeper->end_round();
    if (dead()) return;
    // Its end may have been logged, and only the answer was lost.
    const bool over =
        !answer.value && answer.value.error().code == Errc::kState && recorded_ == kSegments;
    ASSERT_TRUE(answer.value || over) << answer.value.error().message;
    adopted_ = true;
  }
  void end_call() {
    for (int tries = 0; tries < 4 && !ended_; ++tries) {
      Answer<keys::Ack> answer;
      keeper->call_end({id_, clock.utc_ms(), "bye", {{0, kSegments}, {1, kSegments}}},
                       answer.reply());
      keeper->end_round();
      if (answer.value && !dead())
        ended_ = true;
      else
        settle();
    }
    ASSERT_TRUE(ended_);
    heard_ = kSegments;
    for (int tries = 0; tries < 4 && !keeper->call_state(id_)->listened; ++tries) {
      keeper->cleared({id_, {{0, heard_}, {1, heard_}}, false});
      keeper->listen_done({id_});
      keeper->end_round();
      settle();
    }
    EXPECT_TRUE(keeper->call_state(id_)->listened);
  }
  std::vector<std::uint8_t> open_all(std::uint8_t stream) {
    std::vector<std::uint8_t> states;
    for (std::uint32_t first = 0; first < kSegments; first += 600) {
      keys::Open message{.call = id_,
                         .actor = "reader",
                         .purpose = keys::OpenPurpose::kPlay,
                         .reason_hash = "",
                         .headers = {}};
      message.reader_key = *crypto::x25519_public(reader);
      for (auto i = first; i < first + 600; ++i) {
        auto& header = message.headers.emplace_back();
        std::copy_n(records.at({stream, i}).begin(), header.size(), header.begin());
      }
      Answer<keys::Opened> answer;
      keeper->open(message, answer.reply());
      keeper->end_round();
      EXPECT_TRUE(answer.value);
      if (answer.value)
        states.insert(states.end(), answer.value->states.begin(), answer.value->states.end());
    }
    return states;
  }
  void hunt();

  SimVfs& sim_;
  SeededEntropy chance_;
  Survival survival_{};
  CallId id_;
  std::int64_t started_at_ = 0;
  std::array<keys::ForwardKeys, 2> paths_;
  std::uint32_t recorded_ = 0, heard_ = 0;
  std::vector<Asked> asked_;
  std::set<std::string> used_;  // record keys
  int deaths_ = 0;
  bool adopted_ = false, ended_ = false, deciding_ = false;
};

bool within(const std::vector<SegmentRange>& ranges, std::uint8_t stream, std::uint32_t index) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const SegmentRange& range) {
    return range.stream == stream && range.first <= index && index < range.end;
  });
}

void Life::verdict() {
  const auto state = *keeper->call_state(id_);
  std::vector<SegmentRange> ordered, erased;
  for (const auto& asked : asked_)
    if (asked.goes()) ordered.push_back(asked.range);
  for (const auto& range : state.erased) {
    EXPECT_EQ(range.outcome, keys::OrderOutcome::kErased);
    erased.push_back(range.range);
  }
  EXPECT_EQ(join(erased), join(ordered));
  std::uint64_t lost = 0;
  for (std::uint8_t stream = 0; stream < 2; ++stream) {
    const auto states = open_all(stream);
    ASSERT_EQ(states.size(), kSegments);
    for (std::uint32_t i = 0; i < kSegments; ++i) {
      const bool opens = states[i] == static_cast<std::uint8_t>(keys::KeyState::kGiven);
      const bool gone = within(ordered, stream, i);
      const bool is_lost = within(state.lost, stream, i);
      if (gone)
        ASSERT_FALSE(opens) << "ordered and answered: stream " << int{stream} << " segment " << i;
      else
        ASSERT_EQ(opens, !is_lost) << "stream " << int{stream} << " segment " << i;
      lost += is_lost;
    }
  }
  // 30 s between two roundings of what was heard, and the listener's lag, for each death and
  // stream.
  EXPECT_LE(lost, static_cast<std::uint64_t>(deaths_) * 2 * (300 + kStepSegments + kListenerLag));
  EXPECT_EQ(state.ends.size(), 2u);
  std::set<std::string> intended, done;
  ASSERT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
    if (entry.type == "erase_intended")
      intended.insert(std::string(entry.data.at("order").as_string()));
    if (entry.type == "erased")
      for (const auto& one : entry.data.at("orders").as_array())
        done.insert(std::string(one.as_string()));
    return {};
  }));
  for (const auto& asked : asked_) {
    EXPECT_EQ(intended.contains(asked.id.hex()), asked.goes());
    EXPECT_EQ(done.contains(asked.id.hex()), asked.goes());
  }
  hunt();
}

// Every page ever written, every key that lives: no row that can be read so opens what was erased.
void Life::hunt() {
  std::size_t rows = 0;
  for (const auto& path : paths) {
    const auto anchor = keys::open_file_anchor(vfs, entropy, path.anchor_dir, wrap);
    ASSERT_TRUE(anchor);
    std::vector<Key32> epoch_keys;
    const auto epochs = *(*anchor)->epochs();
    for (const auto epoch : epochs) epoch_keys.push_back(*(*anchor)->get(epoch));
    EXPECT_EQ(epoch_keys.size(), 1u);
    const auto file = path.store_dir + "/pages";
    std::vector<std::pair<keys::PageId, Key32>> doors;
    for (auto& key : epoch_keys)
      doors.emplace_back(keys::page_id(keys::kRootLevel, 0), key.clone());
    for (std::size_t at = 0; at < doors.size(); ++at) {
      for (const auto& write : sim_.ever_written()) {
        if (write.path != file) continue;
        const auto id = doors[at].first;
        auto key = doors[at].second.clone();
        if (id.role == keys::PageRole::kRoot) {
          const auto salt = keys::page_salt(write.content);
          if (!salt) continue;
          key = keys::root_page_key(*salt, key);
        }
        const auto payload = keys::open_page(id, key, write.content);
        if (!payload) continue;
        const auto below = [&](const keys::Children& children) {
          for (const auto& [slot, child] : children)
            doors.emplace_back(
                keys::page_id(static_cast<std::uint8_t>(id.level - 1), id.index << 8 | slot),
                child.key.clone());
        };
        if (id.role == keys::PageRole::kRoot) {
          if (const auto root = keys::decode_root(payload->expose())) below(root->children);
        } else if (id.role == keys::PageRole::kInner) {
          if (const auto children = keys::decode_children(payload->expose())) below(*children);
        } else if (const auto found = keys::decode_rows(payload->expose())) {
          for (const auto& [slot, raw] : *found) {
            const auto call = CallKeys::decode_row(0, raw.expose());
            ASSERT_TRUE(call);
            if (call->id != id_) continue;
            ++rows;
            for (const auto& asked : asked_)
              for (auto i = asked.range.first; asked.goes() && i < asked.range.end; ++i)
                ASSERT_FALSE(call->cover.opens(keys::leaf_of(asked.range.stream, i)));
          }
        }
      }
    }
  }
  EXPECT_GE(rows, 2u) << "a hunter that finds no row at all would prove nothing";
}

void live_with(std::uint64_t at, Fault fault, Survival survival, std::uint64_t* calls = nullptr) {
  SimVfs disk(at + 1);
  for (const char* folder : {"/k", "/k/a", "/k/b"}) ASSERT_TRUE(disk.make_dirs(folder));
  for (const char* folder : {"/", "/k"}) ASSERT_TRUE(disk.sync_dir(folder));
  Life life(disk, at + 7);
  life.make_store();
  if (::testing::Test::HasFatalFailure()) return;
  disk.plan(at, fault);
  life.live(survival);
  if (calls != nullptr) *calls = disk.calls();
  if (::testing::Test::HasFailure()) return;
  // Another seed may lay its pages otherwise and get by with some calls less.
  const bool reached = disk.calls() > at;
  const bool kills = fault == Fault::kKill || fault == Fault::kPowerLoss;
  EXPECT_EQ(life.deaths(), kills && reached ? 1 : 0);
  life.verdict();
}

TEST(KeeperDies, NotAtAll) {
  std::uint64_t calls = 0;
  live_with(0, Fault::kNone, Survival::kSome, &calls);
  EXPECT_GT(calls, 100u);
}

void at_every_call(Fault fault, Survival survival) {
  std::uint64_t calls = 0;
  live_with(0, Fault::kNone, Survival::kSome, &calls);
  for (std::uint64_t at = 0; at < calls; ++at) {
    SCOPED_TRACE("dies at call " + std::to_string(at) + " of " + std::to_string(calls));
    live_with(at, fault, survival);
    if (::testing::Test::HasFailure()) return;
  }
  std::printf("calls to the disk, a life for each: %llu\n", static_cast<unsigned long long>(calls));
}

TEST(KeeperDies, KilledAtEveryCall) { at_every_call(Fault::kKill, Survival::kEverything); }
TEST(KeeperDies, WithoutPowerAtEveryCallAndNothingVolatileSurvives) {
  at_every_call(Fault::kPowerLoss, Survival::kNothing);
}
TEST(KeeperDies, WithoutPowerAtEveryCallAndSomeSectorsSurvive) {
  at_every_call(Fault::kPowerLoss, Survival::kSome);
}

// The machine runs on and one call was refused: nothing at all is lost, and every order is carried
// out.
TEST(KeeperLives, WithAnErrorAtEveryCall) { at_every_call(Fault::kIoError, Survival::kSome); }
TEST(KeeperLives, WithoutSpaceAtEveryCall) { at_every_call(Fault::kNoSpace, Survival::kSome); }

}  // namespace
}  // namespace callward::erase
