// One call in the recorder: its streams with their sockets, segmenters and forward-only keys, and
// what the spool holds of it. Knows nothing of the keeper, of signalling or of other clients:
// recorder_process.cpp moves it from phase to phase.
//
//   kStarting --[keeper: CallStarted, or a spare root]--> kLive --[bye, time-out, import's end]-->
//   kEnding kEnding --[frames durable, keeper: call_ended logged]--> kSealing --[object verified,
//   keeper: call_sealed logged]--> kListening --[keeper: ListeningDone, derived object written]-->
//   kComplete recovered after a crash: kReissue --[keeper: Reissued]--> kLive, or --[no sockets,
//   keeper refuses]--> kEnding
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/clock.hpp"
#include "io/udp.hpp"
#include "keys/keeper_protocol.hpp"
#include "segment/kept_packets.hpp"
#include "segment/rtp_source.hpp"
#include "segment/sealing_writer.hpp"
#include "segment/segmenter.hpp"
#include "store/spool_call.hpp"

namespace callward::app {

enum class RecorderPhase : std::uint8_t {
  kStarting,
  kReissue,
  kLive,
  kEnding,
  kSealing,
  kListening,
  kComplete
};

// Random bytes of the kernel's generator, fetched 4 kB at a time: a salt a record would be a system
// call a record.
class PooledEntropy final : public Entropy {
 public:
  explicit PooledEntropy(Entropy& source) : source_(source) {}
  ~PooledEntropy() override { wipe(pool_.data(), pool_.size()); }
  void fill(MutByteView out) override;

 private:
  Entropy& source_;
  std::array<std::uint8_t, 4096> pool_{};
  std::size_t used_ = 4096;
};

struct PacketCounters {
  std::uint64_t received = 0, malformed = 0, truncated = 0, socket_errors = 0;
  std::uint64_t foreign = 0, sources_latched = 0;  // refused by its source; taken from a stranger
  std::uint64_t segments = 0, unsealed = 0, unspooled = 0;
};

// A packet that came before its call was read from the spool.
struct WaitingPacket {
  SecretBytes datagram;
  std::int64_t arrival_ns = 0;  // monotonic
  Endpoint from;
};
struct WaitingSocket {
  std::string name;
  std::uint8_t stream = 0;
  io::Fd fd;
  std::vector<WaitingPacket> packets;
};

// How a stream's socket is called in the supervisor's keeping.
std::string socket_name(const CallId& call, std::uint8_t stream);

class RecorderCall;
// What a call needs of the process.
struct RecorderTools {
  Clock& clock;
  store::Spool& spool;
  Entropy& entropy;
  keys::RecordCipher cipher;
  io::UdpSweeper sweeper;
  PacketCounters counters;
  segment::SourcePolicy source_policy = segment::SourcePolicy::kLatch;
  std::function<bool()> may_tell_source;  // false: enough was said of strangers for now
  // A finished segment's plaintext, for the listener; wiped by whoever takes it.
  std::function<void(const RecorderCall& call, std::uint8_t stream, std::uint8_t codec,
                     std::uint32_t index, const segment::AudioPayload& payload)>
      on_audio;
};

class RecorderCall {
 public:
  class Line final : public segment::SegmentSink {
   public:
    Line(RecorderCall& call, const store::StreamSpec& spec, keys::ForwardKeys path)
        : spec(spec), writer(call.id(), spec.stream, std::move(path)), call_(call) {}
    void on_segment(std::uint32_t index, std::uint8_t codec,
                    const segment::AudioSegment& segment) override;
    void on_account(std::uint32_t start_ms, std::uint32_t end_ms, store::AccountState state,
                    std::string_view reason) override;

    store::StreamSpec spec;
    io::Fd socket;  // none for an import, or once removed
    std::uint16_t port = 0;
    segment::SealingWriter writer;
    std::unique_ptr<segment::Segmenter> segmenter;  // none for an import
    std::uint32_t next_index = 0;                   // of an import
    std::vector<WaitingPacket> waiting;             // until it has keys again
    segment::KeptPackets kept;                      // of who may turn out to be its client
    std::int64_t drained_ns = 0;                    // all that came before was read
    // Where packets of its client were refused and are gone, ms; accounted once it is finished.
    std::uint32_t refused_from_ms = 0, refused_upto_ms = 0;

   private:
    RecorderCall& call_;
  };

  RecorderCall(RecorderTools& tools, const CallId& id) : spooled(id), tools_(tools) {}
  RecorderCall(const RecorderCall&) = delete;
  RecorderCall& operator=(const RecorderCall&) = delete;

  [[nodiscard]] const CallId& id() const { return spooled.id(); }
  [[nodiscard]] bool imported() const {
    return spooled.begin && spooled.begin->source == keys::CallSource::kImport;
  }
  [[nodiscard]] std::int64_t elapsed_ns() const { return tools_.clock.monotonic_ns() - started_ns; }

  // Takes the nodes that the keeper gave. Streams that have begun continue at `first_index`.
  Status take_keys(std::vector<keys::TreeNode> nodes);
  // A stream begins at `first_index`; what was before is accounted as silent (`lost` by `cause` if
  // given).
  Line& add_line(const store::StreamSpec& spec, io::Fd socket, std::uint16_t port,
                 std::uint32_t first_index, std::uint32_t jitter_ms,
                 std::string_view lost_cause = {});
  Line* line(std::uint8_t stream);
  // Whose packets each stream takes from now on, as signalling says.
  void announce_sources(const std::vector<store::StreamSource>& sources);
  // It is active again, or was: whoever is to be heard has its time anew.
  void streams_wait_again(std::uint8_t stream) {
    sources_[stream].wait_again(std::max<std::int64_t>(elapsed_ns(), 0));
  }
  // As an earlier recorder left it in the spool.
  void restore_sources();
  [[nodiscard]] std::vector<store::StreamSource> announced_sources() const;
  [[nodiscard]] std::uint64_t foreign_packets() const;

  // What came while it had no keys, as if it came when it did.
  void hear_waiting(Line& line, const std::vector<WaitingPacket>& packets);
  // Reads what has come, finishes what is due, writes the account's changes. Every 100 ms.
  void tick();
  // All streams end here. Returns each one's end.
  std::vector<keys::StreamEnd> finish();
  [[nodiscard]] std::vector<keys::StreamEnd> ends() const;
  // One segment of an import; indices of a stream follow each other. kMalformed otherwise.
  Status import_audio(std::uint8_t stream, std::uint32_t index, ByteView samples);
  // -1: no packet yet.
  [[nodiscard]] std::int64_t last_packet_ns() const;

  // A frame into the spool, and noted. A refusal is counted and logged once per call.
  Status put(store::FrameType type, ByteView payload);
  void flush_account();
  void account_lost(std::uint8_t stream, std::uint32_t first_index, std::uint32_t end_index,
                    std::string_view cause);

  // What could still be derived now, copied: for the keeper that comes after this one.
  void freeze();
  [[nodiscard]] std::uint32_t next_index() const;
  void drop_keys();

  store::SpoolCall spooled;
  RecorderPhase phase = RecorderPhase::kStarting;
  std::int64_t started_ns = 0;  // monotonic, of index 0
  std::string media_address;    // where its sockets stand
  std::vector<std::unique_ptr<Line>> lines;

  // Towards the keeper.
  bool adopt_as_new = false;   // the keeper knows no such call: told as one of a spare root
  bool adopt_refused = false;  // ... once
  bool asked_listened = false;
  bool needs_adoption = false;  // its keeper died; `frozen` opens what came after
  std::vector<keys::TreeNode> frozen;
  std::uint32_t frozen_index = 0;
  SecretBytes call_data;   // of a call on a spare root, until adopted
  bool asking = false;     // one request at a time
  bool dial_told = false;  // to this keeper: whose recording it is
  bool at_told = false;    // ... at whose telephone it is
  bool telling_at = false;
  bool end_logged = false, sealed_logged = false;

  // After the end.
  bool durable = false;
  bool sealing = false;
  std::optional<store::ObjectSummary> sealed;
  std::vector<Bytes> fresh_derived;  // not yet in the derived object
  bool writing_derived = false;

  // Towards signal.
  SecretBytes dialog;
  std::optional<std::string> telephone;  // of the agent; nothing: it has not said it yet

 private:
  // Until when all packets are known now.
  std::int64_t sweep(Line& line);
  void on_datagram(Line& line, ByteView datagram, std::int64_t arrival_ns, const Endpoint& from);
  bool take_from(Line& line, const Endpoint& from, const wire::RtpPacket& packet, ByteView datagram,
                 std::int64_t arrival_ns);
  void hear_kept(Line& line, const segment::KeptOfSource& kept);
  void account_refused(Line& line);
  void note_source(std::uint8_t stream, std::string_view event, std::string_view flag);
  void put_sources();
  void seal(Line& line, std::uint32_t index, std::uint8_t codec,
            const segment::AudioSegment& segment);

  RecorderTools& tools_;
  keys::Cover unused_keys_;  // of streams that have not begun
  std::array<segment::SourceRule, store::kAudioStreamsMax> sources_;
  std::vector<store::RecorderInterval> changes_;
  bool refusal_logged_ = false;
  friend class Line;
};

}  // namespace callward::app
