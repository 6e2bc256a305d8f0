// SIP for the signal process: libsofia-sip-ua's transaction layer (nta) behind the few things that
// a recording server needs. Transactions, retransmissions, matching of dialogs and the sockets are
// the library's; what is said and when is capture::Session's.
//
// One thread: `step` waits on the library's sockets and on our loop at once. The library's own log
// is off, for it would print addresses of people.
#pragma once

// What the library hands back to its callbacks is a pointer of ours.
#define NTA_AGENT_MAGIC_T void
#define NTA_LEG_MAGIC_T void
#define NTA_OUTGOING_MAGIC_T void
#define NTA_INCOMING_MAGIC_T void
#include <sofia-sip/nta.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_tag.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "base/pack.hpp"
#include "capture/session.hpp"
#include "io/loop.hpp"

namespace callward::app {

// Over this a message is refused (413) before it is read. A body may have 64 KiB.
inline constexpr std::size_t kSipMessageBytesMax = 128 * 1024;

inline constexpr const char* kSipAllow = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, INFO";
inline constexpr const char* kSipSupported = "siprec, timer";
inline constexpr const char* kSipAccept =
    "application/sdp, application/rs-metadata+xml, multipart/mixed";
inline constexpr const char* kSipServer = "Callward";

// A dialog as the recorder keeps it for us over our own restart; header values as SIP writes them.
struct DialogState {
  std::string call_id, local, remote;  // local and remote with their tags
  std::string target;                  // the peer's Contact
  std::string route;                   // the route set, empty if there is none
  std::uint32_t local_seq = 0, remote_seq = 0;
  bool tcp = false;  // came over TCP: our Contact says so
  template <class V>
  void visit(V& v) {
    v(call_id, local, remote, target, route, local_seq, remote_seq, tcp);
  }
};

class SipStack {
 public:
  // A request outside of every dialog. The transaction is the callee's: it answers and destroys it.
  using OnRequest = std::function<void(nta_incoming_t*, const sip_t&)>;

  // Binds the sockets. kConfig: neither UDP nor TCP; kIo: the address is taken.
  static Result<std::unique_ptr<SipStack>> create(const SipConfig& config, OnRequest on_request);
  ~SipStack();
  SipStack(const SipStack&) = delete;
  SipStack& operator=(const SipStack&) = delete;

  // "127.0.0.1:5060", with the port that was really bound.
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] std::string contact(bool tcp) const;
  // Of a leg that we begin, where we are no recording server.
  [[nodiscard]] std::string call_contact(bool tcp) const;
  [[nodiscard]] std::uint64_t malformed() const;  // messages that were dropped or answered 400

  // One turn of both: waits for either, runs what is due. `wait_ms_max` bounds the wait.
  Status step(io::Loop& loop, std::int64_t wait_ms_max);

  // The server side of a dialog that begins with this request.
  nta_leg_t* create_leg(nta_incoming_t* irq, const sip_t& sip, nta_request_f* callback,
                        void* magic);
  // The client side: `from` and `to` as header values without tags. Null: one makes no sense.
  nta_leg_t* begin_leg(const std::string& from, const std::string& to, const std::string& call_id,
                       nta_request_f* callback, void* magic);
  // A peer that named no Contact: it is where it was called.
  void route_to(nta_leg_t* leg, const sip_record_route_t* route, const std::string& uri);
  // kMalformed: not a dialog that we saved.
  Result<nta_leg_t*> restore_leg(const DialogState& state, nta_request_f* callback, void* magic);
  DialogState save_leg(nta_leg_t* leg, const DialogState& known);

 private:
  explicit SipStack(OnRequest on_request) : on_request_(std::move(on_request)) {}
  Status bind(const SipConfig& config);
  static int on_default_leg(void* self, nta_leg_t* leg, nta_incoming_t* irq, const sip_t* sip);

  OnRequest on_request_;
  su_root_t* root_ = nullptr;
  nta_agent_t* agent_ = nullptr;
  nta_leg_t* default_leg_ = nullptr;
  int loop_registration_ = -1;
  std::string host_, address_;
};

// The INVITE or UPDATE as the session machine wants it.
capture::SipRequest read_sip_request(const sip_t& sip);
// Whose packet it was, or the other end of its connection.
std::optional<Endpoint> source_of(nta_incoming_t* irq);
bool came_over_tcp(const sip_t& sip);
// A header's value as text; empty for none.
std::string header_text(const void* header);

// A final answer of the session. `contact` is ours.
void send_reply(nta_incoming_t* irq, const capture::action::Reply& reply,
                const std::string& contact);
// A short answer that needs no session: 481, 405 with Allow, 200 to OPTIONS, ...; ends the
// transaction.
void answer(nta_incoming_t* irq, int status, std::uint32_t retry_after_s = 0);

}  // namespace callward::app
