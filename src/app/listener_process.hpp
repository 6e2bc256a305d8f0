// The listener: audio of every live and imported call in, words out of the recognisers, erase
// orders, clearance, words and peaks to the keeper. One loop thread; recognisers are processes of
// their own. It has no key, no disk and no network, and what it holds dies with it.
//
//   recorder ── Audio ──▶ ListenedCall ─▶ CallListener ◀─▶ WorkerPool
//   keeper ── HeardAgain ──▶ (gaps)            │
//      ▲── EraseOrder, until acknowledged ◀────┤
//      ╰── Cleared, DerivedPut, ListenDone ◀───╯ only when no order of the call is open
//
// INVARIANTS
//   (1) No clearance, no derived data and no ListenDone of a call is sent while one of its orders
//   is not acknowledged, nor before this keeper has said that it knows the call.
//   (2) Without a recogniser nothing is cleared: audio waits, then is left to be heard again.
//   (3) A listener that restarts hears again what was not cleared, and some before it for context.
#pragma once

#include <unordered_map>

#include "app/listener_process_call.hpp"
#include "app/listener_process_workers.hpp"
#include "app/process.hpp"

namespace callward::app {

inline constexpr std::size_t kListenedCallsMax = 20'000;
inline constexpr std::size_t kCatchUpCallsMax = 16;  // ended ones that are heard at the same time
inline constexpr std::size_t kHearAgainsOpenMax = 4;
// Of the fullest stream of each call, over all calls: four hours are 230 MB a stream. Beyond it
// calls that hold more than kCreditBelowMs take no more, and hear it again later.
inline constexpr std::uint64_t kBufferedMsTotalMax = 4ull * 3'600'000;
// Words that are remembered for typed values, over all calls: some 100 MB. Beyond it the call that
// has most forgets the older half of them, and says so if a value comes (TypedFound::missed).
inline constexpr std::size_t kRememberedWordsMax = 2'000'000;
inline constexpr std::size_t kDerivedWaitingMax = 4'096;  // of a call; then it waits
inline constexpr std::int64_t kUnknownMsMax = 600'000;    // no keeper knows it: let go
inline constexpr int kDoneRepeatsMax = 8;  // then the keeper's view of the end differs: anew

class Listener {
 public:
  Listener(io::Loop& loop, Clock& clock, Entropy& entropy, ListenerConfig config,
           const std::string& run_dir, listen::Grammar grammar, Bytes worker_filter,
           WorkerLimits worker_limits = {}, WorkerCheck check = {});
  ~Listener();
  void start();
  void stop();

  [[nodiscard]] std::string status_json() const;
  [[nodiscard]] std::size_t calls() const { return calls_.size(); }

 private:
  using CallPtr = std::unique_ptr<ListenedCall>;

  // listener_process.cpp
  void on_recorder_connected();
  void on_recorder_event(io::Frame frame);
  ListenedCall* find(const CallId& id, std::uint64_t serial);
  ListenedCall* find_or_make(const CallId& id);
  void drop(const CallId& id);
  void round_end();
  void collect(ListenedCall& call);
  void grant_credit(ListenedCall& call);
  void dispatch(std::size_t worker);
  void ask_vad(std::size_t worker, ListenedCall& call, std::uint8_t stream);
  void ask_turn(std::size_t worker, ListenedCall& call);
  void on_vad(const CallId& id, std::uint64_t serial, std::uint8_t stream, std::size_t worker,
              std::size_t windows, Result<io::Frame> answer);
  void on_turn(const CallId& id, std::uint64_t serial, std::uint64_t turn, std::size_t worker,
               Result<io::Frame> answer);
  void on_worker_lost(std::size_t worker);
  [[nodiscard]] std::uint32_t lag_ms() const;
  [[nodiscard]] std::string degraded() const;

  // listener_process_typed.cpp
  void search_typed(const io::Frame& frame);
  void answer_typed(const CallId& call, const SearchId& search, std::uint32_t places, bool done,
                    bool missed);
  void tell_typed(ListenedCall& call, bool done);
  void bound_memory();

  // listener_process_keeper.cpp
  void on_keeper_connected();
  void on_keeper_lost();
  void on_keeper_event(io::Frame frame);
  void tick();
  void poll_unheard();
  void on_unheard(std::uint64_t asked_at, const keys::UnheardList& list);
  void on_listed(const keys::UnheardCall& item);
  void on_not_listed(ListenedCall& call, std::uint64_t asked_at);
  void send_orders(ListenedCall& call);
  void on_order_answer(const CallId& id, std::uint64_t serial, const OrderId& order,
                       Result<io::Frame> answer);
  void refused(ListenedCall& call, const OrderId& order, const Error& error);
  void send_results(ListenedCall& call);
  bool send_clearance(const ListenedCall& call, const listen::Clearance& clearance);
  void hear_again(ListenedCall& call);
  void on_heard_again(const CallId& id, std::uint64_t serial, const keys::SegmentRange& range,
                      Result<io::Frame> answer);
  void wipe_ranges(const io::Frame& request);

  io::Loop& loop_;
  Clock& clock_;
  Entropy& entropy_;
  ListenerConfig config_;
  listen::Grammar grammar_;
  WorkerPool pool_;
  io::Client recorder_, keeper_;
  bool recorder_ready_ = false, keeper_ready_ = false;  // Welcome has come
  bool running_ = false, started_ = false;
  io::Loop::TimerId timer_ = 0;

  std::unordered_map<CallId, CallPtr> calls_;
  std::uint64_t next_serial_ = 1, handles_ = 0;
  std::size_t hear_agains_open_ = 0;
  bool polling_ = false;
  std::string degraded_ = "starting";
  std::int64_t next_poll_ms_ = 0;

  CallCounters counters_;
  std::uint64_t orders_sent_ = 0, orders_erased_ = 0, orders_refused_ = 0;
  std::uint64_t turns_ = 0, turns_failed_ = 0, recognised_ms_ = 0, calls_done_ = 0,
                calls_refused_ = 0;
  std::uint64_t typed_searches_ = 0, typed_places_ = 0, words_forgotten_ = 0;
};

Result<listen::Grammar> load_grammar(Vfs& vfs, const std::string& dir);

}  // namespace callward::app
