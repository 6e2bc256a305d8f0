// Messages between the recorder and its peers, over run/recorder.sock (frames of io/frame.hpp).
// Requests, replies and events as in keys/keeper_protocol.hpp; errors come as keys::ErrorReply.
//
// Types 300-399 go to the recorder, 400-499 come from it.
#pragma once

#include "base/endpoint.hpp"
#include "base/pack.hpp"
#include "base/queue.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::store {

inline constexpr std::uint32_t kRecorderProtocolVersion = 2;
inline constexpr std::size_t kRecorderFrameBytesMax = 4u << 20;
inline constexpr std::size_t kTelephoneBytesMax = 64;

enum class ClientRole : std::uint8_t {
  kSignal = 1,
  kListener = 2,
  kServer = 3,
  kImporter = 4,
  kSupervisor = 5
};

struct Hello {  // -> Welcome
  static constexpr std::uint16_t kType = 300;
  std::uint32_t version = kRecorderProtocolVersion;
  ClientRole role{};
  template <class V>
  void visit(V& v) {
    v(version, role);
  }
};
struct Welcome {
  static constexpr std::uint16_t kType = 400;
  std::uint32_t version = kRecorderProtocolVersion;
  template <class V>
  void visit(V& v) {
    v(version);
  }
};
struct Ack {
  static constexpr std::uint16_t kType = 401;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};

// Signal ------------------------------------------------------------------------------------------

enum class Party : std::uint8_t { kCustomer = 0, kAgent = 1, kOther = 2, kMixed = 3 };
enum class StreamMode : std::uint8_t { kActive = 1, kOnHold = 2, kSilent = 3, kRemoved = 4 };

struct StreamSpec {
  std::uint8_t stream = 0;  // 0 customer, 1 agent, 2.. others
  Party party{};
  StreamMode mode{};
  std::uint8_t codec = 0;         // 0 PCMU, 8 PCMA: also the RTP payload type to expect ...
  std::uint8_t payload_type = 0;  // ... unless this says otherwise
  std::uint8_t event_payload_type = 0xFF;  // telephone-event, 0xFF none
  std::uint32_t clock_rate = 8000;
  template <class V>
  void visit(V& v) {
    v(stream, party, mode, codec, payload_type, event_payload_type, clock_rate);
  }
};
// Where a stream's packets come from, as the offer says: port 0 stands for any port, an empty list
// for an offer without a usable address. A stream that is not named comes from anywhere.
struct StreamSource {
  std::uint8_t stream = 0;
  std::vector<Endpoint> announced;
  template <class V>
  void visit(V& v) {
    v(stream, announced);
  }
};
// What the call's record says of its making; flags are words such as "metadata_unreadable",
// "mixed".
struct SessionOpen {  // -> SessionOpened, or ErrorReply (kFull, kBusy, kUnavailable)
  static constexpr std::uint16_t kType = 310;
  keys::Direction direction{};
  std::string media_address;  // local address for the RTP sockets
  std::vector<StreamSpec> streams;
  SecretBytes call_data;  // JSON: numbers, names, SIP ids, metadata as it came
  std::vector<std::string> flags;
  SecretBytes dialog;  // opaque: signal's own state, handed back after its restart
  std::vector<StreamSource> sources;
  template <class V>
  void visit(V& v) {
    v(direction, media_address, streams, call_data, flags, dialog, sources);
  }
};
// The recording of a call-back. Its own message, so that the protocol's version stays what it is.
struct CallBackOpen {  // -> SessionOpened, or ErrorReply as of SessionOpen
  static constexpr std::uint16_t kType = 316;
  SessionOpen session;
  DialId dial;  // told to the keeper with the call (keys::DialRecorded)
  template <class V>
  void visit(V& v) {
    v(session, dial);
  }
};
struct SessionOpened {
  static constexpr std::uint16_t kType = 410;
  CallId call;
  std::vector<std::uint16_t> ports;  // one a stream, in the order asked
  template <class V>
  void visit(V& v) {
    v(call, ports);
  }
};
struct SessionUpdate {  // -> SessionUpdated
  static constexpr std::uint16_t kType = 311;
  CallId call;
  std::vector<StreamSpec> streams;  // all that there are now; new ones get ports
  SecretBytes call_data;            // empty: unchanged
  SecretBytes dialog;
  std::vector<StreamSource> sources;  // as they are now
  template <class V>
  void visit(V& v) {
    v(call, streams, call_data, dialog, sources);
  }
};
struct SessionUpdated {
  static constexpr std::uint16_t kType = 411;
  std::vector<std::uint16_t> ports;
  template <class V>
  void visit(V& v) {
    v(ports);
  }
};
struct SessionEnd {  // -> Ack
  static constexpr std::uint16_t kType = 312;
  CallId call;
  std::string cause;  // "bye", "cancel", "session_timer"
  template <class V>
  void visit(V& v) {
    v(call, cause);
  }
};
struct SessionList {  // -> Sessions: what signal needs after its own restart
  static constexpr std::uint16_t kType = 313;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct Session {
  CallId call;
  std::vector<StreamSpec> streams;
  std::vector<std::uint16_t> ports;
  SecretBytes dialog;
  std::vector<StreamSource> sources;  // of SessionResume
  template <class V>
  void visit(V& v) {
    v(call, streams, ports, dialog, sources);
  }
};
struct Sessions {
  static constexpr std::uint16_t kType = 413;
  std::vector<Session> sessions;
  template <class V>
  void visit(V& v) {
    v(sessions);
  }
};
// After the recorder's restart: signal tells it again what it cannot know (dialog, modes).
struct SessionResume {  // -> SessionUpdated, or kNotFound
  static constexpr std::uint16_t kType = 314;
  Session session;
  template <class V>
  void visit(V& v) {
    v(session);
  }
};
// A call that could not be recorded, or `count` of them: becomes the log's call_missing.
struct CallMissed {  // -> Ack
  static constexpr std::uint16_t kType = 315;
  std::string cause;  // a word: "no_media", "bad_sdp", "overload", "no_ports", "keeper_away", ...
  std::uint16_t sip_status = 0;
  std::uint64_t count = 1;
  template <class V>
  void visit(V& v) {
    v(cause, sip_status, count);
  }
};
// Event from signal: at whose telephone a call is that the recorder has opened (see LiveAgent).
// Said once for each, when it changes, and to a recorder that comes back: it is kept in memory
// only. Its own message, so that the protocol's version stays what it is.
struct SessionTelephone {
  static constexpr std::uint16_t kType = 317;
  CallId call;
  std::string telephone;  // empty: nobody's, or several
  template <class V>
  void visit(V& v) {
    v(call, telephone);
  }
};
// Event to signal: the recorder ended the call (RTP time-out); send BYE.
struct SessionDead {
  static constexpr std::uint16_t kType = 414;
  CallId call;
  std::string cause;
  template <class V>
  void visit(V& v) {
    v(call, cause);
  }
};

// Listener (events) -------------------------------------------------------------------------------

struct AudioOpen {
  static constexpr std::uint16_t kType = 420;
  CallId call;
  std::vector<StreamSpec> streams;
  std::uint32_t first_index = 0;  // live audio comes from here on
  bool import = false;
  template <class V>
  void visit(V& v) {
    v(call, streams, first_index, import);
  }
};
struct Audio {
  static constexpr std::uint16_t kType = 421;
  CallId call;
  std::uint8_t stream = 0;
  std::uint8_t codec = 0;
  std::uint32_t index = 0;  // a jump means: overflow, hear the rest again through the keeper
  SecretBytes payload;      // as in segment/payload.hpp
  template <class V>
  void visit(V& v) {
    v(call, stream, codec, index, payload);
  }
};
struct AudioClose {
  static constexpr std::uint16_t kType = 422;
  CallId call;
  std::vector<keys::StreamEnd> ends;
  template <class V>
  void visit(V& v) {
    v(call, ends);
  }
};
// From the listener: heard so many segments of this call; paces imports.
struct AudioCredit {
  static constexpr std::uint16_t kType = 320;
  CallId call;
  std::uint32_t segments = 0;
  template <class V>
  void visit(V& v) {
    v(call, segments);
  }
};

// Server ------------------------------------------------------------------------------------------

enum class CallPhase : std::uint8_t { kLive = 1, kSealing = 2, kListening = 3, kComplete = 4 };

// An interval of the recorder's own account: what it knows without keys.
enum class RecorderState : std::uint8_t { kSealed = 1, kLost = 2, kOnHold = 3, kSilent = 4 };
struct RecorderInterval {
  std::uint8_t stream = 0;
  RecorderState state{};
  std::uint32_t start_ms = 0, end_ms = 0;
  // Of a loss: "network", "late", "refused", "recorder", "keeper", "spool_full", "damaged".
  std::string cause;
  template <class V>
  void visit(V& v) {
    v(stream, state, start_ms, end_ms, cause);
  }
};
// Event, and item of CallList: a call began or changed.
struct CallEvent {
  static constexpr std::uint16_t kType = 430;
  CallId call;
  std::uint64_t sequence = 0;  // the recorder's own running number
  CallPhase phase{};
  keys::CallSource source{};
  keys::Direction direction{};
  std::int64_t started_at = 0, ended_at = 0;  // UTC ms; ended_at 0 while live
  std::vector<StreamSpec> streams;
  std::vector<keys::StreamEnd> ends;
  std::vector<RecorderInterval> account;
  std::vector<std::string> flags;
  std::string object;  // path under the object store's root once sealed
  template <class V>
  void visit(V& v) {
    v(call, sequence, phase, source, direction, started_at, ended_at, streams, ends, account, flags,
      object);
  }
};
struct CallList {  // -> Calls: all that are not complete; the rest stands in the object store
  static constexpr std::uint16_t kType = 330;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct Calls {
  static constexpr std::uint16_t kType = 431;
  std::vector<CallEvent> calls;
  template <class V>
  void visit(V& v) {
    v(calls);
  }
};
struct CallGet {  // -> CallEvent (fresh account), or kNotFound: look into the object store
  static constexpr std::uint16_t kType = 332;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};
// At whose telephone a live call is, by the number that the telephone system gives it; nothing: not
// known, or several. `streams`: bit mask of those in which the agent alone speaks, where that is
// known and not guessed; 0 otherwise. kNotFound: no live call. kUnavailable: signal has yet to say
// it; a CallEvent follows when it has.
struct LiveAgentRequest {  // -> LiveAgent
  static constexpr std::uint16_t kType = 334;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};
struct LiveAgent {
  static constexpr std::uint16_t kType = 434;
  std::string extension;
  std::uint16_t streams = 0;
  template <class V>
  void visit(V& v) {
    v(extension, streams);
  }
};
// Ciphertext of a call that is not yet an object.
struct LiveRecords {  // -> Records
  static constexpr std::uint16_t kType = 331;
  CallId call;
  std::uint8_t kind = 0;  // keys::RecordKind
  std::uint8_t stream = 0;
  std::uint32_t first = 0, end = 0;  // at most 600 segments
  template <class V>
  void visit(V& v) {
    v(call, kind, stream, first, end);
  }
};
struct Records {
  static constexpr std::uint16_t kType = 432;
  std::vector<Bytes> records;
  template <class V>
  void visit(V& v) {
    v(records);
  }
};
struct RecorderStatusRequest {  // -> RecorderStatus
  static constexpr std::uint16_t kType = 333;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct RecorderStatus {
  static constexpr std::uint16_t kType = 433;
  std::string json;  // calls, ports, spool{bytes,free}, queues[], packets{...}, disks[]
  template <class V>
  void visit(V& v) {
    v(json);
  }
};

// Importer ----------------------------------------------------------------------------------------

struct ImportOpen {  // -> ImportOpened
  static constexpr std::uint16_t kType = 340;
  keys::Direction direction{};
  std::int64_t started_at = 0;  // UTC ms; 0: now
  std::vector<StreamSpec> streams;
  SecretBytes call_data;
  template <class V>
  void visit(V& v) {
    v(direction, started_at, streams, call_data);
  }
};
struct ImportOpened {
  static constexpr std::uint16_t kType = 440;
  CallId call;
  std::uint32_t credit_segments = 0;  // so many may be sent ahead; ImportCredit adds
  template <class V>
  void visit(V& v) {
    v(call, credit_segments);
  }
};
struct ImportAudio {  // event
  static constexpr std::uint16_t kType = 341;
  CallId call;
  std::uint8_t stream = 0;
  std::uint32_t index = 0;
  SecretBytes samples;  // 800 samples in the stream's codec; the last one may be shorter
  template <class V>
  void visit(V& v) {
    v(call, stream, index, samples);
  }
};
struct ImportCredit {  // event
  static constexpr std::uint16_t kType = 441;
  CallId call;
  std::uint32_t segments = 0;
  template <class V>
  void visit(V& v) {
    v(call, segments);
  }
};
struct ImportEnd {  // -> Ack when the recording object is sealed
  static constexpr std::uint16_t kType = 342;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};

// Supervisor: the fd store (run/supervisor.sock) --------------------------------------------------

inline constexpr std::size_t kStoredFdsMax = 16'384;

struct FdPut {  // recorder -> supervisor, with one file descriptor attached (SCM_RIGHTS)
  static constexpr std::uint16_t kType = 500;
  std::string name;  // "rtp:<call hex>:<stream>"
  template <class V>
  void visit(V& v) {
    v(name);
  }
};
struct FdDrop {
  static constexpr std::uint16_t kType = 501;
  std::string name;
  template <class V>
  void visit(V& v) {
    v(name);
  }
};
struct FdListRequest {  // -> one FdItem with its descriptor for each, then FdListEnd
  static constexpr std::uint16_t kType = 502;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct FdItem {
  static constexpr std::uint16_t kType = 600;
  std::string name;
  template <class V>
  void visit(V& v) {
    v(name);
  }
};
struct FdListEnd {
  static constexpr std::uint16_t kType = 601;
  std::uint32_t count = 0;
  template <class V>
  void visit(V& v) {
    v(count);
  }
};
// Every child -> supervisor, each second: alive, and what the system page shows.
struct Heartbeat {
  static constexpr std::uint16_t kType = 510;
  std::string process;
  std::string json;  // queues, gauges; no personal data
  template <class V>
  void visit(V& v) {
    v(process, json);
  }
};

// Keeper, recorder -> supervisor: which of its children has this process id? What a peer says of
// itself proves nothing: a captured server would call itself the listener.
struct WhoIs {  // -> ChildName
  static constexpr std::uint16_t kType = 512;
  std::uint32_t pid = 0;
  template <class V>
  void visit(V& v) {
    v(pid);
  }
};
struct ChildName {
  static constexpr std::uint16_t kType = 612;
  std::string name;  // empty: none of them
  template <class V>
  void visit(V& v) {
    v(name);
  }
};

// Command line -> supervisor: a planned restart, without loss. Not for the supervisor's own
// children.
struct RestartKeeper {  // -> KeeperRestarted, or ErrorReply: the one that ran goes on
  static constexpr std::uint16_t kType = 513;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct KeeperRestarted {
  static constexpr std::uint16_t kType = 613;
  std::uint32_t pid = 0;
  std::uint32_t ms = 0;  // from the request to the new one's first heartbeat
  template <class V>
  void visit(V& v) {
    v(pid, ms);
  }
};
// Supervisor -> keeper, with one descriptor: the new one is at the other end (app/keeper_handover).
struct HandOver {
  static constexpr std::uint16_t kType = 614;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
// Keeper -> supervisor: it came to nothing; I go on.
struct HandOverFailed {
  static constexpr std::uint16_t kType = 514;
  std::string why;
  template <class V>
  void visit(V& v) {
    v(why);
  }
};

// Server, command line -> supervisor.
struct SupervisorStatusRequest {  // -> SupervisorStatus
  static constexpr std::uint16_t kType = 511;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct SupervisorStatus {
  static constexpr std::uint16_t kType = 611;
  // {"ready":bool,"processes":[{"name","pid","state":"running|starting|waiting|stopped",
  //   "ready","heartbeat_ms":age of the last one,"restarts","since",
  //   "rss_bytes","last_exit","status":{the heartbeat's object}}],"fds_stored":N}
  std::string json;
  template <class V>
  void visit(V& v) {
    v(json);
  }
};

}  // namespace callward::store
