// A whole machine in one process and one thread of events: the real keeper with its key store and
// its log, the real spool, sealing and objects of a recorder, a listener, a person who decides; on
// simulated disks, a clock that moves by hand, and random numbers from a seed. Sockets are calls.
//
// What happens is drawn from the seed: calls begin and end, are heard, questions stay open, orders
// are given, held and decided; keeper, recorder or both are killed or lose power at any call to a
// disk; a call to a disk is refused; a mirror's disk goes away and comes back; the wall clock is
// set; the keeper hands over to another one.
//
// Beside it stands an account of what was *acknowledged* (SimCall): that is what must hold, after
// every recovery and at the end. The list is at `World::judge`.
//
// Not simulated: packets and signalling (capture/, segment/segmenter have tests of their own), spare
// roots, imports, derived data, readers' sessions.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "erase/keeper.hpp"
#include "segment/sealing_writer.hpp"
#include "sim/gate_vfs.hpp"
#include "store/spool_call.hpp"

namespace callward::sim {

inline constexpr std::uint8_t kSimStreams = 2;

template <class Id>
std::string name_of(const Id& id) {
  return id.hex().substr(0, 6);
}

// An order, and what its source was told of it.
struct SimOrder {
  OrderId id;
  std::vector<keys::SegmentRange> ranges;
  bool listener = true;
  bool answered = false, dropped = false;  // dropped: refused for good
  keys::OrderOutcome outcome{};
  std::optional<keys::HeldDecision> decision;
  bool decided = false;
  bool first_said = false;  // the operator has: it takes a second person
  bool moot = false;        // others had taken all of it before: gone, and under their names
  [[nodiscard]] bool held() const { return answered && outcome == keys::OrderOutcome::kHeld; }
  // It was said that these ranges go.
  [[nodiscard]] bool goes() const {
    if (!answered) return false;
    if (outcome == keys::OrderOutcome::kHeld)
      return decided && decision == keys::HeldDecision::kErase;
    return outcome != keys::OrderOutcome::kKept && outcome != keys::OrderOutcome::kRefused;
  }
};

struct SimRecord {
  crypto::Digest digest{};
  keys::HeaderBytes header{};
  bool durable = false;  // the spool said so
};

struct SimCall {
  CallId id;
  std::int64_t started_at = 0;  // UTC
  std::int64_t begun_ms = 0;    // monotonic
  std::uint64_t row = 0;

  // In the recorder's memory; lost with it.
  std::optional<store::SpoolCall> spooled;
  std::array<std::optional<segment::SealingWriter>, kSimStreams> writers;
  bool waits_for_keys = false;  // after the recorder's death
  bool needs_adoption = false;  // after the keeper's
  bool adopt_as_new = false;    // refused once: the keeper does not know it
  std::uint32_t frozen_index = 0;
  std::vector<keys::TreeNode> frozen;

  // What is true of it.
  std::uint32_t next = 0;                         // segments of each stream so far
  std::array<std::uint32_t, kSimStreams> ends{};  // once it has ended
  bool begin_durable = false;
  // Its start was answered while the log had failed, or no mirror took its row, and that was not
  // made good since: its keys are in memory only ("A keeper whose anchor is locked still issues
  // roots, in memory only": recording goes on). It is settled once the key store is beyond this
  // size of the log: every commit writes every changed row.
  bool start_unsettled = false;
  std::uint64_t settled_beyond = 0;
  bool keyless = false;  // then both died: no key of it is anywhere
  bool ended = false, end_told = false, sealed = false, seal_told = false;
  bool listened_told = false, listen_done_sent = false;
  store::ObjectSummary summary;
  std::map<std::pair<std::uint8_t, std::uint32_t>, std::vector<SimRecord>> records;
  std::vector<SimOrder> orders;
  std::uint32_t heard = 0;
  bool question_open = false;
  std::int64_t question_since_ms = 0, question_until_ms = 0;
  std::int64_t deaf_until_ms = 0;      // the listener is behind
  std::uint64_t keeper_loss_most = 0;  // segments a stream, by the bounds that are promised
  [[nodiscard]] bool live() const { return spooled && !ended; }
  [[nodiscard]] bool gone(std::uint8_t stream, std::uint32_t index) const;
};

struct SimCounts {
  std::uint64_t calls = 0, orders = 0, held = 0, records = 0, keeper_deaths = 0,
                recorder_deaths = 0, power_losses = 0, refusals = 0, handovers = 0, clock_jumps = 0,
                mirrors_away = 0, opened = 0, refused = 0, disk_calls = 0;
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  // Empty: all held. Else what did not, the first of it.
  std::vector<std::string> run();
  [[nodiscard]] const std::vector<std::string>& schedule() const { return schedule_; }
  [[nodiscard]] const SimCounts& counts() const { return counts_; }

 private:
  template <class T>
  struct Asked {
    bool came = false;
    Result<T> value = fail(Errc::kTimeout, "no answer");
  };
  // world.cpp
  void step();
  void draw_faults();
  void look_for_deaths();
  void lose_power();
  void come_back();
  void settle();
  std::uint64_t random(std::uint64_t below);
  bool chance(unsigned percent) { return random(100) < percent; }
  void note(const std::string& what);
  void expect(bool holds, const std::string& finding);
  void advance(std::uint32_t segments);
  // world_keeper.cpp
  void start_keeper();
  void keeper_died();
  void mend_keeper();
  void hand_keeper_over();
  erase::Keeper::Outbox outbox();
  template <class T, class M>
  std::optional<Result<T>> ask(void (erase::Keeper::*verb)(M, erase::Reply<T>),
                               std::remove_cvref_t<M> message);
  template <class T, class Verb>
  std::optional<Result<T>> ask(const Verb& verb);
  void listen(SimCall& call);
  void draw_order(SimCall& call);
  void send_order(SimCall& call, SimOrder& order);
  bool signs_in();
  void decide(SimCall& call, SimOrder& order);
  void listener_and_orders();
  // world_recorder.cpp
  void start_recorder();
  void recorder_died();
  void begin_call();
  void record(SimCall& call, std::uint32_t segments);
  bool put(SimCall& call, store::FrameType type, ByteView payload);
  void account_lost(SimCall& call, std::uint8_t stream, std::uint32_t first, std::uint32_t end,
                    std::string_view cause);
  bool commit();
  bool wait_durable();
  void tell_running();
  void adopt(SimCall& call);
  void reissue(SimCall& call);
  void lost_with_both(SimCall& call);
  void end_call(SimCall& call, const char* cause);
  void finish_call(SimCall& call);
  // world_judge.cpp
  // States of these headers as a reader gets them, and the keys of those that are given.
  struct Opened {
    std::vector<std::uint8_t> states;
    std::vector<Key32> keys;  // zero where none is given
  };
  std::optional<Opened> open(SimCall& call, const std::vector<keys::HeaderBytes>& headers);
  void judge_recovered_keeper();
  void judge();
  void judge_call(SimCall& call);
  void judge_records(SimCall& call, const store::ObjectReader& reader);
  void judge_account(SimCall& call, const store::ObjectReader& reader);
  void judge_log();
  void judge_pages();
  void judge_opening(SimCall& call, const store::ObjectReader& reader,
                     const std::vector<store::AccountedStream>& account);

  std::uint64_t seed_;
  SeededEntropy chance_, keeper_entropy_, recorder_entropy_;
  ManualClock clock_;
  SimVfs keeper_disk_, recorder_disk_;
  GateVfs keeper_vfs_, recorder_vfs_;
  Key32 wrap_, log_seed_, reader_;
  PersonId person_;  // who orders; the operator decides: two people
  std::vector<keys::MirrorPaths> mirrors_;
  std::unique_ptr<keys::KeyStore> keys_;
  std::unique_ptr<audit::Log> log_;
  std::unique_ptr<erase::Keeper> keeper_;
  std::vector<std::function<void()>> wipes_;  // asked for, not yet answered
  std::unique_ptr<store::Spool> spool_;
  store::FileObjectStore objects_;
  keys::RecordCipher cipher_;
  std::vector<std::unique_ptr<SimCall>> calls_;
  struct Uncommitted {
    SimCall* call;
    std::uint8_t stream;
    std::uint32_t index;
    std::size_t attempt;
  };
  std::vector<Uncommitted> uncommitted_;
  Fault keeper_fault_ = Fault::kNone, recorder_fault_ = Fault::kNone;  // planned
  std::set<std::array<std::uint8_t, 32>> commitments_;
  std::set<keys::Salt> salts_;
  std::uint32_t step_ = 0, keeper_back_at_ = 0, recorder_back_at_ = 0, mirror_back_at_ = 0;
  std::string mirror_away_;
  bool settling_ = false, told_running_ = false;
  std::int64_t last_mend_ms_ = 0;
  std::vector<std::string> schedule_, findings_;
  SimCounts counts_;
};

}  // namespace callward::sim
