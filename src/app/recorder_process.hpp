// The recorder: RTP in, sealed objects out. One loop thread owns every call; the spool has a
// writer's thread and the sealer has its own. Serves run/recorder.sock for signal, listener, server
// and importers; is a client of the keeper.
//
// INVARIANTS
//   (1) A segment's plaintext and key leave memory with the segment: what was recorded can't be
//       opened here.
//   (2) Once a call is live nothing but its end stops its capture: not the keeper's absence, not a
//       full disk (the loss is accounted), not a slow listener (its queue overflows, counted; it
//       hears the rest again).
//   (3) A call's frames leave the spool only after its object was verified and the log has its
//   root.
//   (4) What the keeper must be told (adopt, dial, end, sealed) is told in that order, once each,
//       however often it dies; but whose call-back it is, again to each keeper.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <unordered_map>

#include "app/process.hpp"
#include "app/recorder_process_call.hpp"
#include "base/queue.hpp"
#include "io/frame.hpp"
#include "keys/dial_protocol.hpp"
#include "keys/keeper_acts.hpp"
#include "keys/keeper_retention.hpp"
#include "store/object_store.hpp"

namespace callward::app {

inline constexpr std::size_t kSpareRootsKept = 64;
inline constexpr std::size_t kPendingLogMax = 10'000;
inline constexpr std::size_t kFreshDerivedMax =
    512;  // then the derived object is written, before the end
inline constexpr std::size_t kLiveRecordsMax = 600;
inline constexpr std::size_t kFetchRecordsMax = 150;
inline constexpr std::uint32_t kImportCreditSegments = 400;
inline constexpr std::size_t kListenerQueueBytesMax = 32u << 20;
inline constexpr int kObjectDaysBackMax = 4'000;
inline constexpr std::int64_t kTickMs = 10;  // each call has its turn every tenth
inline constexpr std::size_t kTicksPerTurn = 10;
inline constexpr int kSocketBufferBytes = 1 << 20;  // asked for; some seconds of G.711 either way
inline constexpr std::int64_t kKeeperTimeoutMs = 5'000;
inline constexpr std::int64_t kAskListenedMs = 10'000;
inline constexpr std::int64_t kCallStartTimeoutMs = 3'000;
inline constexpr std::size_t kEarlyFramesMax = 4'096;        // while the spool is read, of peers
inline constexpr std::size_t kEarlyPacketsMax = 3'000;       // ... of a stream: a minute of them
inline constexpr std::size_t kEarlyBytesMax = 256u << 20;    // ... of all; the rest waits in the
                                                             // kernel's buffers
inline constexpr std::uint32_t kSourceEventsPerMinute = 20;  // more would be a stranger's to write

class Recorder {
 public:
  Recorder(io::Loop& loop, Clock& clock, Entropy& entropy, Vfs& vfs, RecorderConfig config,
           std::string run_dir);
  ~Recorder();

  // Listens at run/recorder.sock and connects to the keeper. Before the sandbox.
  Status listen();
  // Takes an earlier recorder's sockets back, asks the keeper for the keys of their calls at once,
  // and reads meanwhile, on a thread of its own, what stands in the spool. What comes until that is
  // read waits here: how long it takes costs no audio. Then it begins to work: ready().
  void start(std::vector<std::pair<std::string, io::Fd>> sockets);
  // Called when the spool can't be opened: there will be no recording.
  void set_on_failed(std::function<void(Error)> failed) { on_failed_ = std::move(failed); }
  // Running calls stay in the spool and in the supervisor's hands; the next recorder goes on with
  // them.
  void stop();

  [[nodiscard]] std::string status_json() const;
  [[nodiscard]] bool ready() const { return ready_; }
  // Whether the process with this id is what it says that it is. Without one everybody is believed.
  void set_peer_check(std::function<bool(int pid, store::ClientRole role)> check) {
    peer_check_ = std::move(check);
  }
  // Sockets go here for safe keeping.
  void set_fd_store(std::function<void(const std::string& name, int fd)> put,
                    std::function<void(const std::string& name)> drop);

 private:
  using CallPtr = std::shared_ptr<RecorderCall>;
  struct Peer {
    std::unique_ptr<io::Channel> channel;
    store::ClientRole role{};
    std::uint64_t serial = 0;
  };
  // Objects of calls whose retention is over, deleted on the sealer's thread: it waits for disks.
  struct Removal {
    io::Frame request;
    std::vector<keys::RemovableCall> calls;
    std::vector<keys::ObjectFate> fates;
  };
  struct SealTask {
    CallId call;
    store::SpoolCall spooled;
    std::vector<Bytes> derived;  // to be added to the derived object
    bool seal = false;           // the recording object too
    std::uint64_t sequence = 0;
    std::shared_ptr<Removal> removal = {};  // instead of all that
  };
  struct Import {
    std::uint64_t peer = 0;
    std::uint32_t unheard = 0;     // sent to the listener, not credited
    std::uint32_t fresh = 0;       // appended since the last credit (when nobody listens)
    std::optional<io::Frame> end;  // to be answered when sealed
  };
  struct Rule {
    void (Recorder::*handler)(Peer&, io::Frame&);
    std::uint8_t roles;  // bits by ClientRole
  };
  static constexpr std::uint8_t bit(store::ClientRole role) {
    return static_cast<std::uint8_t>(1u << static_cast<unsigned>(role));
  }

  // recorder_process.cpp
  void on_accept(std::unique_ptr<io::Channel> channel);
  void on_frame(std::uint64_t serial, io::Frame frame);
  void on_peer_gone(std::uint64_t serial);
  void tick();
  void each_second();
  bool may_admit(std::string& why) const;
  bool may_tell_source();
  Peer* peer_of_role(store::ClientRole role);
  void refuse(Peer& peer, const io::Frame& request, Errc code, const std::string& message);
  RecorderCall* find(const CallId& id);
  RecorderCall* find_for_signal(const CallId& id);
  CallPtr find_shared(const CallId& id);
  void drop_soon(const CallId& id);

  // recorder_process_serve.cpp
  static const std::unordered_map<std::uint16_t, Rule>& handlers();
  void on_hello(Peer& peer, io::Frame& frame);
  void on_session_open(Peer& peer, io::Frame& frame);
  void on_call_back_open(Peer& peer, io::Frame& frame);
  void open_session(Peer& peer, io::Frame& frame, store::SessionOpen open,
                    std::optional<DialId> dial);
  void on_session_update(Peer& peer, io::Frame& frame);
  void on_session_end(Peer& peer, io::Frame& frame);
  void on_session_list(Peer& peer, io::Frame& frame);
  void on_session_resume(Peer& peer, io::Frame& frame);
  void on_session_telephone(Peer& peer, io::Frame& frame);
  void on_call_missed(Peer& peer, io::Frame& frame);
  void on_audio_credit(Peer& peer, io::Frame& frame);
  void on_call_list(Peer& peer, io::Frame& frame);
  void on_call_get(Peer& peer, io::Frame& frame);
  void on_live_agent(Peer& peer, io::Frame& frame);
  void on_live_records(Peer& peer, io::Frame& frame);
  void on_status(Peer& peer, io::Frame& frame);
  void on_import_open(Peer& peer, io::Frame& frame);
  void on_import_audio(Peer& peer, io::Frame& frame);
  void on_import_end(Peer& peer, io::Frame& frame);
  void push_audio(const RecorderCall& call, std::uint8_t stream, std::uint8_t codec,
                  std::uint32_t index, const segment::AudioPayload& payload);
  void open_audio(RecorderCall& call, bool from_now);
  void grant_credits();
  store::CallEvent event_of(const RecorderCall& call) const;
  void announce(const RecorderCall& call);

  // recorder_process_start.cpp
  struct Early {  // a call that runs, as its sockets' names say
    std::vector<WaitingSocket> sockets;
    bool asked = false;
    bool keeper_lost = false;  // since it answered
    std::optional<Result<keys::Reissued>> answer;
  };
  void read_spool();
  void spool_read(Result<std::unique_ptr<store::Spool>> spool, const store::RecoveryReport& report);
  void ask_early();
  void collect_early();
  void recovered_frame(const store::FrameView& frame, const store::FrameRef& ref);
  void recover();
  void recover_call(store::SpoolCall spooled);
  void take_waiting_sockets(RecorderCall& call);

  // recorder_process_calls.cpp
  using SocketMap = std::map<std::uint8_t, std::pair<io::Fd, std::uint16_t>>;
  struct Opening {
    std::uint64_t peer = 0;
    io::Frame request;
    keys::CallSource source{};
    keys::Direction direction{};
    std::int64_t started_at = 0;
    std::int64_t started_ns = 0;
    std::string media_address;
    std::vector<store::StreamSpec> streams;
    std::vector<store::StreamSource> sources;
    std::vector<std::string> flags;
    SecretBytes call_data;
    SecretBytes dialog;
    std::optional<DialId> dial;  // of a call-back
    std::optional<std::string> telephone;
    // A continuation: its streams and sockets are taken over, nobody waits for an answer.
    std::optional<CallId> continues;
    SocketMap sockets;
  };
  void continue_call(RecorderCall& call);
  void ask_listened(RecorderCall& call);
  void open_call(const std::shared_ptr<Opening>& opening);
  void begin_call(const std::shared_ptr<Opening>& opening, const CallId& id,
                  keys::CallStarted started, bool spare);
  Result<std::pair<io::Fd, std::uint16_t>> bind_port(const std::string& address);
  Result<std::vector<std::uint16_t>> apply_streams(RecorderCall& call,
                                                   const std::vector<store::StreamSpec>& streams,
                                                   SocketMap* given = nullptr);
  void end_call(RecorderCall& call, const std::string& cause);
  void advance_phase(const CallId& id);
  void seal(RecorderCall& call);
  void on_sealed(const CallId& id, Result<store::ObjectSummary> sealed, Status derived,
                 std::size_t derived_count, bool was_seal);
  void listening_over(RecorderCall& call);
  void add_derived(const CallId& id, Bytes record);
  void complete(RecorderCall& call);
  void run_sealer();
  void save_sequence(std::uint64_t sequence);
  Result<std::string> find_object(const CallId& id, store::ObjectKind kind);

  // recorder_process_keeper.cpp
  void on_keeper_connected();
  void on_keeper_lost();
  void on_keeper_event(io::Frame frame);
  void tell_all();
  void tell_running();
  void tell_keeper(RecorderCall& call);
  void adopt(RecorderCall& call);
  void not_adopted(RecorderCall& call, const Error& error);
  void on_adopted(RecorderCall& call, const keys::Adopted& adopted);
  void reissue(RecorderCall& call);
  static void keys_are_nowhere(RecorderCall& call);
  void reissue_answered(RecorderCall& call, Result<keys::Reissued> reissued);
  void on_reissued(RecorderCall& call, keys::Reissued reissued);
  void tell_dial(RecorderCall& call);
  void tell_at(RecorderCall& call);
  void tell_end(RecorderCall& call);
  void tell_sealed(RecorderCall& call);
  void refill_spares();
  bool append_log(keys::LogAppend entry);
  void send_log();
  void fetch_cipher(const io::Frame& request);
  void wipe_ranges(io::Frame request, int tries_left);
  void remove_objects(io::Frame request);
  void remove_now(const std::shared_ptr<Removal>& removal);

  io::Loop& loop_;
  Clock& clock_;
  Entropy& system_entropy_;
  PooledEntropy entropy_;
  Vfs& vfs_;
  RecorderConfig config_;
  std::string run_dir_;
  store::FileObjectStore objects_;
  std::unique_ptr<store::Spool> spool_;
  std::unique_ptr<RecorderTools> tools_;
  std::unique_ptr<io::ChannelServer> server_;
  std::unique_ptr<io::Client> keeper_;
  bool keeper_ready_ = false;   // Welcome has come
  bool keeper_locked_ = false;  // Welcome has come from one that cannot open its key store
  bool ready_ = false;

  std::map<std::uint64_t, Peer> peers_;
  std::uint64_t next_peer_ = 1;
  std::uint64_t listener_ = 0;  // serial of the listener's peer, 0 none

  std::unordered_map<CallId, CallPtr> calls_;
  std::array<std::vector<CallPtr>, kTicksPerTurn> turns_;
  std::size_t turn_ = 0;
  std::set<CallId> opening_;  // asked the keeper, no answer yet
  std::unordered_map<CallId, Import> imports_;
  std::unordered_map<CallId, CallId>
      continued_;               // signal's name of a call -> the call that goes on for it
  std::uint64_t sequence_ = 0;  // of the latest call
  std::uint32_t next_port_ = 0;
  bool disk_low_ = false;
  std::int64_t lag_ms_max_ = 0;  // the longest a turn came late, this second
  std::int64_t last_turn_ns_ = 0;
  std::int64_t source_events_minute_ = 0;
  std::uint32_t source_events_ = 0;

  std::deque<keys::SpareRoot> spares_;
  bool asking_spares_ = false;
  bool told_running_ = false, telling_running_ = false, tell_running_again_ = false;
  struct PendingLog {
    CallId id;
    keys::LogAppend entry;
  };
  std::deque<PendingLog> pending_log_;
  bool sending_log_ = false;

  struct Recovering {
    std::unordered_map<CallId, store::SpoolCall> calls;
    std::vector<CallId> order;
    std::map<CallId, keys::LogAppend> log;
  };
  // Where find_object looked through the days: the keeper asks for many ranges of one call.
  std::map<std::pair<CallId, store::ObjectKind>, std::string> found_objects_;

  std::unique_ptr<Recovering> recovering_;  // the reading thread's, until it is done
  std::thread reader_;
  std::map<CallId, Early> early_;
  std::size_t early_bytes_ = 0;
  std::uint64_t early_truncated_ = 0;
  io::UdpSweeper early_sweeper_;
  // What peers and keeper said before there was anything to answer with, in order.
  std::deque<std::pair<std::uint64_t, io::Frame>> early_frames_;
  std::deque<io::Frame> early_events_;
  std::int64_t start_ns_ = 0;
  std::function<void(Error)> on_failed_;

  std::vector<io::Loop::TimerId> timers_;
  SharedQueue<SealTask> seal_queue_{"recorder.sealer", 65'536};
  std::thread sealer_;
  std::uint64_t audio_overflows_ = 0, calls_refused_ = 0, calls_total_ = 0;
  std::function<bool(int, store::ClientRole)> peer_check_;
  std::function<void(const std::string&, int)> fd_put_;
  std::function<void(const std::string&)> fd_drop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace callward::app
