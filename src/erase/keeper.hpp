// The keeper: all calls' keys, the key store and the audit log behind one set of verbs. Sockets and
// the loop stand outside (app/keeper_process); time comes by Clock, so that tests and the simulator
// can drive it.
//
// One round of the loop: verbs stage log entries and leave what must wait for them in `after`;
// end_round() makes the log durable once for all, then runs what waited, then carries out erase
// orders:
//
//   taken: blocked
//      ── end_round ──▶ (1) erase_intended logged, OrderAccepted sent, punctured in memory
//      ──▶ (2)-(7) pages, epoch, superblock, reread, caches, destroy [if a leaf was persisted]
//      ──▶ recorder and listener have zeroed what they held, or were cut off ──▶ (8) erased logged
//
// INVARIANTS
//   (1) No log, no act: when the log fails, nothing is opened; ordered ranges stay blocked and are
//       tried again. A call that begins then is recorded all the same, and its start is logged when
//       the log is back.
//   (2) From the moment it is taken an ordered range opens to nobody and is never newly persisted.
//       It is answered only once it is durable in the log: a source repeats what was not answered,
//       so no order dies with us.
//   (3) Every commit of the key store writes every dirty row, so that rows say at least what the
//       log said at superblock.log_size; start-up replays the log from there.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>

#include "audit/log.hpp"
#include "base/clock.hpp"
#include "erase/call_keys.hpp"
#include "erase/handover.hpp"
#include "erase/retention.hpp"
#include "keys/keeper_acts.hpp"
#include "keys/keeper_retention.hpp"
#include "keys/key_store.hpp"
#include "keys/record.hpp"
#include "keys/tenant.hpp"

namespace callward::erase {

struct KeeperPolicy {
  std::int64_t clear_deadline_ms = 60'000;
  bool persist_unheard = true;  // else hold
  std::int64_t persist_every_ms = 30'000;
  std::int64_t question_open_ms_max = 90'000;
  std::int64_t listener_share_percent = 60;
  std::int64_t person_share_percent = 50;
  std::int64_t private_s_max = 180;         // an agent may stay private, at a time
  std::int64_t private_share_percent = 25;  // ... and of a call; once at full length in any
  std::int64_t wipe_wait_ms_max = 1'000;
  bool publish_beside = false;  // by a thread of the log's; without it a run is the same each time
  RetentionPolicy retention = {};
};

template <class T>
using Reply = std::function<void(Result<T>)>;

inline constexpr std::uint16_t kSpareRootsMax = 256;
// For calls that begin while no keeper can give them a row: random roots, held in memory only.
keys::SpareRootsGiven make_spare_roots(Entropy& entropy, std::uint16_t wanted);

class Keeper {
 public:
  // What the keeper wants of others; the process sends it to whoever is connected.
  struct Outbox {
    std::function<void(const keys::DerivedSealed&)> derived_sealed;
    std::function<void(const keys::ListeningDone&)> listening_done;
    std::function<void(const keys::OrderState&)> order_state;
    // Asks recorder and listener; `done` once both answered or nobody is there.
    std::function<void(const keys::WipeRanges&, std::function<void()> done)> wipe;
    // Asks the recorder to delete what no key opens any more. Without it nothing is deleted.
    std::function<void(const keys::RemoveObjects&,
                       std::function<void(Result<keys::ObjectsRemoved>)> done)>
        remove_objects = {};
    // The state of retention on a disk (kNotFound: none yet). Without them it lives in memory.
    std::function<Result<std::string>()> load_retention = {};
    std::function<Status(const std::string&)> save_retention = {};
  };
  Keeper(Clock& clock, Entropy& entropy, keys::KeyStore& store, audit::Log& log,
         KeeperPolicy policy, Outbox outbox);

  // Before start() or take_over(); lives as long as this.
  void set_tenant(keys::Tenant& tenant) { tenant_ = &tenant; }
  keys::Ledger& ledger() { return ledger_; }

  // Loads rows, replays the log beyond them, destroys stale epochs, finishes what was intended.
  // kCorrupt: the log is older than the key store.
  Status start();

  // Recorder
  void call_start(const keys::CallStart& message, Reply<keys::CallStarted> reply);
  void call_data_put(const keys::CallDataPut& message, Reply<keys::SealedRecord> reply);
  // The same of somebody else's, who knows nothing of what the call says of itself: a note.
  void note_put(const keys::CallDataPut& message, Reply<keys::SealedRecord> reply);
  void call_at(const keys::CallAt& message, Reply<keys::Ack> reply);
  void reissue(const keys::Reissue& message, Reply<keys::Reissued> reply);
  void adopt(keys::Adopt message, Reply<keys::Adopted> reply);
  void spare_roots(const keys::SpareRoots& message, Reply<keys::SpareRootsGiven> reply);
  void call_end(const keys::CallEnd& message, Reply<keys::Ack> reply);
  void call_sealed(const keys::CallSealed& message, Reply<keys::Ack> reply);
  // All that it has; others of which nothing was ever heard or persisted end here, without a
  // segment.
  void running_calls(const keys::RunningCalls& message, Reply<keys::Ack> reply);
  // Listener
  void erase_order(const keys::EraseOrder& message, bool from_listener,
                   Reply<keys::OrderAccepted> reply);
  void cleared(const keys::Cleared& message);
  Status derived_put(const keys::DerivedPut& message);
  void listen_done(const keys::ListenDone& message);
  [[nodiscard]] keys::UnheardList unheard() const;
  // Whether a stretch may be re-heard; then, with the ciphertext, its plaintext (entry
  // heard_again).
  Status may_hear_again(const keys::HearAgain& message);
  void hear_again(const keys::HearAgain& message, std::vector<Bytes> records,
                  Reply<keys::HeardAgain> reply);
  // Server
  void open(const keys::Open& message, Reply<keys::Opened> reply);
  Result<keys::CallState> call_state(const CallId& id);
  // A person decides about what is held.
  void decide_held(const keys::DecideHeld& message, Reply<keys::HeldDecided> reply);
  [[nodiscard]] keys::HeldCalls held_calls() const;
  void prove(const keys::Prove& message, Reply<keys::Proved> reply);
  void erase_call(const keys::EraseCall& message, Reply<keys::OrderAccepted> reply);
  void set_hold(const keys::SetHold& message, Reply<keys::Ack> reply);
  [[nodiscard]] keys::Holds holds() const;
  void private_mode(const keys::PrivateMode& message, Reply<keys::PrivateState> reply);
  void private_look(const keys::PrivateLook& message, Reply<keys::PrivateState> reply);
  void retire_mirror(const keys::RetireMirror& message, Reply<keys::MirrorRetired> reply);
  void retention_status(const keys::RetentionStatusRequest& message,
                        Reply<keys::RetentionStatus> reply);
  void run_retention(const keys::RunRetention& message, Reply<keys::RetentionStatus> reply);
  void confirm_retention(const keys::ConfirmRetention& message, Reply<keys::RetentionStatus> reply);
  [[nodiscard]] keys::HoldsAmong holds_among(const keys::HoldsAmongRequest& message) const;
  void log_append(const keys::LogAppend& message, std::uint8_t writer,
                  Reply<keys::LogAppended> reply);

  // The log had failed and was opened anew: what was not logged is logged now, orders are carried
  // out.
  void resume_log(audit::Log& fresh);
  // Mirrors that were left out are filled anew: what they had not confirmed is destroyed once more,
  // everywhere.
  void mirrors_are_back();
  // A retired one was destroyed and filled anew: nothing of what it held is unconfirmed any more.
  void retired_is_back(std::uint32_t number);
  void end_round();
  void tick();  // some times a second: persisting, deadlines, publishing
  // A planned stop: what may be persisted is.
  void stop();

  // A planned restart. The old one: rest(), and no orders are begun; when it is quiet, hand_over()
  // is what there is, and freeze() lets go of the log; then call nothing more, until
  // hand_over_failed() and a resume_log() make it go on with all it has.
  void rest(bool resting);
  [[nodiscard]] bool quiet() const;
  void freeze();
  [[nodiscard]] HandedState hand_over() const;
  void hand_over_failed(const std::string& why);
  // The new one, instead of start(). Then, once it is the keeper, serve_on().
  Status take_over(HandedState state);
  void serve_on();
  [[nodiscard]] std::string status_json() const;
  [[nodiscard]] bool has_work() const {
    return !after_.empty() || !effects_.empty() || orders_due() || log_->has_staged();
  }

 private:
  struct Order {
    OrderId id;
    CallId call;
    std::vector<SegmentRange> ranges;
    std::uint8_t reason = 0;
    std::string source;
    bool logged = false;
    std::vector<Reply<keys::OrderAccepted>> replies;  // sent when it is durable
  };
  struct Batch {  // destroyed, waiting for others' memory before `erased` is logged
    std::vector<Order> orders;
    std::vector<OrderId> of_tenant;
    std::uint64_t epoch = 0;
    std::uint32_t waiting = 0;
    std::int64_t deadline_ms = 0;
  };

  struct Private {  // a stretch that is on, or whose end is not logged yet
    OrderId order;
    std::string by;
    std::uint32_t first = 0, end = 0;
    std::uint16_t kept = 0;       // streams that were recorded all the same ...
    std::uint32_t kept_upto = 0;  // ... until here; `end` while they still are
    std::int64_t until_ms = 0;    // monotonic
    bool logged = false;          // that it began, or that it became both sides'
    bool over = false;            // its end is fixed
    std::string cause, ended_by;
    bool staged = false;  // its end is on its way to the log
    [[nodiscard]] bool one_side() const { return kept != 0 && kept_upto == end; }
  };
  struct Proposed {  // what one person orders, and another one must confirm
    OrderId order;
    std::uint8_t reason = 0;
    std::string actor;
    std::vector<SegmentRange> ranges;
    bool whole = false;  // its own data, too
  };
  struct PrivateUse {
    std::uint32_t segments = 0, times = 0, last_end = 0;
  };
  struct PrivateGrant {
    std::uint32_t segments = 0;
    std::string refused;  // why none
  };
  struct Refused {
    std::uint32_t count = 0;  // since the last entry
    std::int64_t at_ms = 0;
    bool said = false;
  };

  class OwnLedger final : public keys::Ledger {
   public:
    explicit OwnLedger(Keeper& keeper) : keeper_(keeper) {}
    Result<std::uint64_t> stage(audit::Entry entry) override;
    void with_log(std::function<void(const Status&)> effect) override {
      keeper_.with_log(std::move(effect));
    }
    void after_log(std::function<void(Status)> act) override;
    void write_rows() override { keeper_.new_rows_ = true; }
    Status replay(
        std::uint64_t first,
        const std::function<Status(std::uint64_t, const audit::Entry&)>& on_entry) override {
      return keeper_.log_->replay(first, on_entry);
    }
    [[nodiscard]] std::uint64_t log_size() const override { return keeper_.log_->size(); }
    [[nodiscard]] std::uint64_t rows_upto() const override { return keeper_.store_.log_size(); }
    [[nodiscard]] bool log_failed() const override { return keeper_.log_->failed(); }
    void note_call_back(const CallId& call, const keys::CallBackOf& of) override {
      keeper_.note_call_back(call, of);
    }
    [[nodiscard]] bool is_call_back(const CallId& call) override {
      const auto found = keeper_.find(call);
      return found && (*found)->is_call_back();
    }
    [[nodiscard]] std::int64_t kept_ms(const CallId& call, std::uint8_t stream) override {
      return keeper_.kept_ms(call, stream);
    }

   private:
    Keeper& keeper_;
  };

  Result<CallKeys*> find(const CallId& id);  // in memory, or loaded from its row
  Status stage_entry(std::string type, std::string actor, std::string subject,
                     boost::json::object data);
  // What waits for the entries staged so far: `act` answers, sends and stages; an effect changes
  // what is known, before any row is written that counts the entry as known (invariant 3).
  void after_log(std::function<void(Status)> act) { after_.push_back(std::move(act)); }
  void with_log(std::function<void(const Status&)> effect) {
    effects_.push_back(std::move(effect));
  }
  Status commit_log();
  Status commit_rows();
  // kTooLarge: a row is over its limit; the others are staged all the same.
  Status stage_dirty_rows();
  void commit_new_rows();
  CallKeys& add_without_root(std::unique_ptr<CallKeys> call);
  Status replay_started(const CallId& id, const audit::Entry& entry);
  Status stage_started(const CallKeys& call);
  Result<Bytes> seal_call_data(CallKeys& call, ByteView plain);
  void tell_tenant(const CallKeys& call, ByteView call_data);
  [[nodiscard]] std::uint32_t elapsed_segments(const CallKeys& call) const;
  [[nodiscard]] std::int64_t begun_ms(keys::CallSource source, std::int64_t started_at) const;
  [[nodiscard]] std::int64_t believed_start(keys::CallSource source, std::int64_t said) const;
  void has_lasted(CallKeys& call, std::uint32_t segments) const;
  [[nodiscard]] std::uint32_t index_limit(const CallKeys& call) const;

  Result<std::vector<SegmentRange>> ranges_of(const CallKeys& call,
                                              const keys::EraseOrder& message) const;
  static std::vector<SegmentRange> joined_with_neighbours(const CallKeys& call,
                                                          std::vector<SegmentRange> ranges);
  [[nodiscard]] bool within_typed(const CallKeys& call,
                                  const std::vector<SegmentRange>& ranges) const;
  [[nodiscard]] std::uint64_t length_of(const CallKeys& call, std::uint8_t stream) const;
  [[nodiscard]] bool within_share(const CallKeys& call, std::uint64_t asked, std::int64_t percent,
                                  std::uint64_t free) const;
  [[nodiscard]] bool within_bounds(const CallKeys& call, const std::vector<SegmentRange>& ranges,
                                   bool from_listener) const;
  using Refusal = std::function<void(tl::unexpected<Error>)>;
  void refuse_held(const CallKeys& call, const OrderId& order, const std::string& actor,
                   Refusal refusal);
  void propose(const CallKeys& call, const Proposed& proposed, std::function<void(Status)> done);
  std::function<void(Status)> answer_proposed(const OrderId& order, const CallId& call,
                                              const std::vector<SegmentRange>& ranges,
                                              const std::string& reason,
                                              Reply<keys::OrderAccepted> reply);
  void propose_decision(const CallKeys& call, const OrderId& order, const std::string& actor,
                        Reply<keys::HeldDecided> reply);
  [[nodiscard]] bool stopped_by_hold(const CallKeys& call, const Decision& decision) const;
  static bool may_act(std::string_view actor);
  [[nodiscard]] Status may_decide(const CallKeys& call, const keys::DecideHeld& message) const;
  void drop_husks();
  void hold_order(CallKeys& call, const keys::EraseOrder& message,
                  const std::vector<SegmentRange>& ranges, const std::string& source,
                  Reply<keys::OrderAccepted> reply);
  void answer_held(const OrderId& order, const CallId& call,
                   const std::vector<SegmentRange>& ranges, const std::string& reason,
                   Reply<keys::OrderAccepted> reply);
  bool answer_repeat(const OrderId& id, const Reply<keys::OrderAccepted>& reply);
  bool answer_decided(const keys::DecideHeld& message, const Reply<keys::HeldDecided>& reply);
  static Result<Decision> decision_of(const CallKeys& call, const keys::DecideHeld& message);
  keys::OrderOutcome carry_out(CallKeys& call, const Decision& decision, const std::string& actor);
  void note_waiting(const CallKeys& call);
  void note_held(const CallKeys& call);
  static void answer(Order& order, const Status& logged);
  void answer_unlogged(const Status& logged);
  [[nodiscard]] bool orders_due() const {
    const bool waits = !orders_.empty() || (tenant_ != nullptr && tenant_->erasure_due());
    return !resting_ && waits && clock_.monotonic_ms() >= retry_orders_ms_;
  }
  void run_orders();
  Status log_intended(std::vector<Order>& batch);
  Status destroy(const std::vector<Order>& batch);
  Status end_erased(const Batch& batch, std::uint32_t unconfirmed);
  void ask_wipes(const std::shared_ptr<Batch>& batch);
  void finish_batch(const std::shared_ptr<Batch>& batch);
  void settle_order(Order& order, std::uint32_t unconfirmed);
  void mark_erased(const Order& order);

  void watch_mirrors();
  Status holds_the_newest();
  static PrivateUse private_use(const CallKeys& call);
  static std::uint16_t not_private_at(const CallKeys& call, std::uint32_t index);
  [[nodiscard]] keys::PrivateState private_state(const CallKeys& call) const;
  [[nodiscard]] PrivateGrant private_grant(const CallKeys& call, const std::string& actor) const;
  static std::vector<SegmentRange> private_ranges(const CallKeys& call, const OrderId& order);
  void press_private(const keys::PrivateMode& message, Reply<keys::PrivateState> reply);
  void widen_private(CallKeys& call, Private& open);
  void begin_private(const CallKeys& call, Reply<keys::PrivateState> reply);
  void log_privates();
  void answer_ended(const CallId& id, Reply<keys::PrivateState> reply);
  Status stage_private_on(const CallKeys& call, const Private& open);
  void close_private(CallKeys& call);
  void end_private(CallKeys& call, const std::string& cause, const std::string& actor,
                   Reply<keys::PrivateState> reply);
  void settle_private(const CallId& id, const OrderId& order,
                      const std::vector<SegmentRange>& ranges, const Status& logged);
  static void trim_private(CallKeys& call, const OrderId& order,
                           const std::vector<SegmentRange>& ranges);
  void refuse_private(const CallKeys& call, const std::string& actor, const std::string& cause,
                      Result<keys::PrivateState> refused, const Reply<keys::PrivateState>& reply);
  void tick_private();
  static void replay_private(CallKeys& call, const audit::Entry& entry);
  [[nodiscard]] std::vector<HandedPrivate> handed_privates() const;
  void take_privates(const std::vector<HandedPrivate>& handed);
  // keeper_retention.cpp
  static bool of_retention(const Order& order) { return order.source == kRetentionSource; }
  void begin_retention();
  void note_age(const CallKeys& call);
  void note_husk(const CallKeys& call);
  [[nodiscard]] bool is_over(const RetentionWork::Age& age, std::int64_t now) const;
  [[nodiscard]] RetentionWork::Due due_at(std::int64_t now) const;
  [[nodiscard]] std::int64_t usual_calls() const;
  void tick_retention();
  void start_run(const std::string& actor);
  void retire_batch();
  [[nodiscard]] bool may_be_retired(const CallKeys& call) const;
  void refuse_holds();
  void run_over();
  void stop_retention(RetentionStop why, std::int64_t by);
  void log_stop();
  Status save_retention();
  Status stage_retention(const std::vector<Order*>& group);
  Status stage_retentions(std::vector<Order>& batch, std::vector<Order*>& staged);
  [[nodiscard]] keys::RemoveObjects next_to_remove() const;
  void remove_ciphertext();
  void ciphertext_removed(const std::vector<CallId>& asked,
                          const Result<keys::ObjectsRemoved>& done);
  void replay_retention(const audit::Entry& entry);
  [[nodiscard]] boost::json::object retention_json() const;
  [[nodiscard]] std::string retention_report(bool dry_run) const;

  [[nodiscard]] boost::json::array retired_unconfirmed() const;
  void replay_mirror(const audit::Entry& entry);
  void retire_as_logged();
  Status replay_entry(const audit::Entry& entry);
  void replay_ranges(CallKeys& call, const audit::Entry& entry);
  void replay_erased(const audit::Entry& entry);
  static std::optional<Decision> decision_in(const audit::Entry& entry);
  void replay_decision(CallKeys& call, const audit::Entry& entry);
  void replay_lost(CallKeys& call, const audit::Entry& entry);
  Status account_lost_ends();
  void account_missing(CallKeys& call);
  Status adopt_nodes(CallKeys& call, const keys::Cover& nodes, std::uint32_t first_index,
                     keys::Adopted& adopted);
  void resume_intended();
  Status take_missed();
  Status take_missed(const audit::Entry& entry);
  void log_unlogged();
  bool persist_round(bool everything);
  void persist_deadlines();
  void forget_finished();
  keys::KeyState key_state(const CallKeys& call, const keys::RecordHeader& header) const;
  // What the vault's people say of it; nothing where there are none.
  [[nodiscard]] Result<boost::json::object> right_to_open(
      const CallKeys& call, const std::string& actor,
      const std::array<std::uint8_t, 32>& reader_key, const keys::OpenAsked& asked) const;
  void note_call_back(const CallId& id, const keys::CallBackOf& of);
  std::int64_t kept_ms(const CallId& id, std::uint8_t stream);
  // Whether this person, or the operator, orders anything of this call.
  [[nodiscard]] Status may_order(const CallKeys& call, const std::string& actor) const;
  std::vector<Key32> keys_for(const CallKeys& call, const std::vector<keys::RecordHeader>& headers,
                              keys::Opened& opened) const;
  boost::json::array ranges_json(const std::vector<SegmentRange>& ranges) const;
  static std::vector<SegmentRange> parse_ranges(const boost::json::value& json);

  Clock& clock_;
  Entropy& entropy_;
  keys::KeyStore& store_;
  audit::Log* log_;
  KeeperPolicy policy_;
  Outbox outbox_;
  keys::RecordCipher cipher_;

  std::unordered_map<CallId, std::unique_ptr<CallKeys>>
      calls_;                                       // live, or touched and not yet let go
  std::unordered_map<CallId, std::uint64_t> rows_;  // every call that there is
  std::vector<std::function<void(Status)>> after_;
  std::vector<std::function<void(const Status&)>> effects_;
  std::deque<Order> orders_;
  std::unordered_map<OrderId, keys::OrderOutcome>
      known_orders_;  // since start: repeats are answered alike
  std::vector<std::shared_ptr<Batch>> batches_;
  std::vector<Order> unconfirmed_;          // done, but a mirror was away
  std::set<std::size_t> left_out_;          // mirrors, as it was logged
  std::set<std::uint64_t> retired_in_log_;  // at start: numbers of those that did not return
  std::set<CallId> sealed_;
  std::set<CallId> on_hold_;  // legal holds
  std::set<CallId> husks_;    // confirmed, and no key is left: their rows go
  std::set<CallId> waiting_;  // something of them is held
  // Erasures that a person has decided, on their way to the log: they count for the bounds already.
  std::unordered_map<OrderId, std::pair<CallId, std::vector<SegmentRange>>> deciding_;
  std::set<CallId> deciding_whole_;  // a decision about all of them is on its way to the log
  std::set<CallId> proposing_;       // what a second person must confirm is on its way there
  std::unordered_map<OrderId, keys::HeldDecision>
      decided_;  // since start, or in the log beyond rows
  std::unordered_map<CallId, Private> privates_;
  std::unordered_map<CallId, Refused> private_refused_;
  std::unordered_map<CallId, std::vector<SegmentRange>> lost_at_start_;
  std::vector<CallId> unlogged_listens_;  // heard to the end, and the log failed: said again later
  bool resting_ = false;
  bool new_rows_ =
      false;  // a call began or ended: its row must be on the disk before that is answered
  bool persist_again_ = false;  // the last round was refused
  std::int64_t last_persist_ms_ = 0, last_publish_ms_ = 0, retry_orders_ms_ = 0;
  std::uint64_t orders_done_ = 0, opened_ = 0;
  std::string log_error_, hand_over_failure_;
  std::uint64_t known_upto_ = 0;  // entries before it had their effects
  RetentionWork retention_;
  OwnLedger ledger_{*this};
  keys::Tenant* tenant_ = nullptr;

 public:
  // Of a call, at most, by the listener and one person together; more where the policy lets one of
  // them alone.
  static constexpr std::int64_t kTogetherPercent = 90;
  // Of each stream, at most, because somebody typed it while the call ran: who types chooses the
  // words. A password that is spelled, and read back on the other stream, takes 20 to 40 s of each;
  // with a PIN besides it is a minute, however short the call is. Of a long one a fifth.
  static constexpr std::uint64_t kTypedSharePercent = 20;
  static constexpr std::uint64_t kTypedFreeSegments = 600;
  static constexpr std::size_t kOrdersWaitingMax = 100'000;
  static constexpr std::size_t kUnconfirmedMax =
      100'000;  // beyond it the next start does them again
  static constexpr std::size_t kOrdersPerBatchMax = 10'000;
  static constexpr std::size_t kOrdersPerEntryMax =
      1'000;  // ids in one `erased`: an entry has its limit too
  static constexpr std::size_t kHeadersPerOpenMax = 4'096;
  static constexpr std::uint32_t kOpenSegmentsMax = 600;  // 60 s
  static constexpr std::uint32_t kHearAgainSegmentsMax = 150;
  static constexpr std::uint32_t kAheadSegmentsMax = 20;  // an index may run 2 s ahead of the clock
  static constexpr std::int64_t kRetryOrdersMs = 500;     // after a batch that failed
  // More erased ranges in one call, and new ones are joined with their neighbours: each costs up to
  // 24 nodes of the row.
  static constexpr std::size_t kRangesPerCallMax = 300;
  // Ranges of one call that wait for their erasure or for a person; more are refused for the time
  // being.
  static constexpr std::size_t kOpenBlocksPerCallMax = 8'192;
  static constexpr std::size_t kKnownOrdersMax = 1'000'000;
  static constexpr std::size_t kDecidedMax =
      100'000;  // beyond it a repeat is told that nothing is held
  static constexpr std::size_t kHeldListMax = 1'000;
  // Private: the pause before the next one, the shortest that is worth its entries, in how many
  // calls one person may be private at once (a consultation is a second one).
  static constexpr std::uint32_t kPrivatePauseSegments = 600;
  static constexpr std::uint32_t kPrivateSegmentsMin = 100;
  static constexpr std::size_t kPrivatePerPersonMax = 2;
  static constexpr std::int64_t kPrivateRefusedMs = 10'000;  // an entry a call in that time
  static constexpr std::size_t kPrivateRefusedMax = 10'000;  // calls whose refusals are counted
  static constexpr std::string_view kRetentionSource = "retention";
  static constexpr std::size_t kRetiredPerBatchMax = 500;  // one entry names their rows
  static constexpr std::size_t kRemovePerRequestMax = 64;
  static constexpr std::int64_t kRunEveryMs = kDayMs;
  static constexpr std::int64_t kRunAfterStartMs = 60'000;
};

}  // namespace callward::erase
