#include "app/signal_sip.hpp"

#include <arpa/inet.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_tagarg.h>
#include <sofia-sip/tport_tag.h>

#include <algorithm>
#include <climits>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include "base/check.hpp"

extern "C" su_log_t tport_log[];  // of libsofia-sip-ua; none of its headers says so

namespace callward::app {
namespace {

constexpr std::uint32_t kTcpIdleMs = 3'600'000;        // a connection without a word: let go
constexpr std::uint32_t kTcpMessageMs = 60'000;        // for the rest of a message that has begun
constexpr std::uint32_t kUdpRequestBytesMax = 65'000;  // no switch to TCP for a large re-INVITE
constexpr std::uint32_t kRestartSeqGap = 100;  // CSeq numbers that may have been used after saving

void no_log(void*, const char*, va_list) {}

// The library prints messages when its environment variables say so, or when something is odd.
void silence_library() {
  for (const char* name : {"TPORT_LOG", "TPORT_DUMP", "NTA_DEBUG", "TPORT_DEBUG", "SOFIA_DEBUG",
                           "SU_DEBUG", "SRESOLV_DEBUG", "SU_LOG"})
    ::unsetenv(name);
  ::su_log_redirect(su_log_default, no_log, nullptr);
  ::su_log_redirect(su_log_global, no_log, nullptr);
  ::su_log_redirect(tport_log, no_log, nullptr);
  ::su_log_set_level(su_log_default, 0);
}

int loop_is_ready(su_root_magic_t*, su_wait_t*, su_wakeup_arg_t*) { return 0; }

class Home {
 public:
  Home() : home_{} { ::su_home_init(&home_); }
  ~Home() { ::su_home_deinit(&home_); }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  su_home_t* get() { return &home_; }

 private:
  su_home_t home_;
};

std::string text_of(const char* text) { return text == nullptr ? std::string() : text; }

bool is_wildcard(const std::string& host) {
  return host.empty() || host == "0.0.0.0" || host == "::" || host == "[::]" || host == "*";
}

std::string url_host(const std::string& host) {
  return host.find(':') != std::string::npos && host[0] != '[' ? "[" + host + "]" : host;
}

}  // namespace

std::string header_text(const void* header) {
  if (header == nullptr) return {};
  Home home;
  return text_of(::sip_header_as_string(home.get(), static_cast<const sip_header_t*>(header)));
}

// ---- sockets and the loop -----------------------------------------------------------------------

Result<std::unique_ptr<SipStack>> SipStack::create(const SipConfig& config, OnRequest on_request) {
  if (!config.udp && !config.tcp)
    return fail(Errc::kConfig, "sip.udp and sip.tcp are both off: nothing can reach us");
  static const bool initialised = [] {
    silence_library();
    return ::su_init() == 0;
  }();
  if (!initialised) return fail(Errc::kIo, "su_init failed");
  std::unique_ptr<SipStack> stack(new SipStack(std::move(on_request)));
  TRY(stack->bind(config));
  return stack;
}

Status SipStack::bind(const SipConfig& config) {
  root_ = ::su_root_create(this);
  if (root_ == nullptr) return fail_errno("su_root_create");
  ::su_root_threading(root_, 0);
  std::string url = "sip:" + (is_wildcard(config.listen) ? "*" : url_host(config.listen)) + ":" +
                    (config.port == 0 ? "*" : std::to_string(config.port));
  if (!config.tcp) url += ";transport=udp";
  if (!config.udp) url += ";transport=tcp";
  agent_ = ::nta_agent_create(
      root_, reinterpret_cast<const url_string_t*>(url.c_str()), nullptr, nullptr, NTATAG_UA(1),
      NTATAG_MAXSIZE(kSipMessageBytesMax), NTATAG_UDP_MTU(kUdpRequestBytesMax),
      NTATAG_CANCEL_487(0), NTATAG_USE_NAPTR(0), NTATAG_MAX_PROCEEDING(UINT_MAX),
      NTATAG_MERGE_482(1), TPTAG_IDLE(kTcpIdleMs), TPTAG_TIMEOUT(kTcpMessageMs), TAG_END());
  if (agent_ == nullptr)
    return fail_errno("sip.listen " + config.listen + ":" + std::to_string(config.port));
  default_leg_ = ::nta_leg_tcreate(agent_, on_default_leg, this, NTATAG_NO_DIALOG(1), TAG_END());
  if (default_leg_ == nullptr) return fail_errno("nta_leg_tcreate");
  const auto* via = ::nta_agent_via(agent_);
  if (via == nullptr || via->v_host == nullptr) return fail(Errc::kIo, "no SIP address was bound");
  host_ = is_wildcard(config.listen) ? text_of(via->v_host) : url_host(config.listen);
  const auto port = text_of(via->v_port);
  address_ = host_ + ":" + (port.empty() ? "5060" : port);
  return {};
}

SipStack::~SipStack() {
  if (default_leg_ != nullptr) ::nta_leg_destroy(default_leg_);
  if (agent_ != nullptr) ::nta_agent_destroy(agent_);
  if (root_ != nullptr) ::su_root_destroy(root_);
}

std::string SipStack::contact(bool tcp) const {
  return "<sip:" + address_ + (tcp ? ";transport=tcp" : "") + ">;+sip.srs";
}

std::string SipStack::call_contact(bool tcp) const {
  return "<sip:" + address_ + (tcp ? ";transport=tcp" : "") + ">";
}

std::uint64_t SipStack::malformed() const {
  usize_t messages = 0, requests = 0, dropped = 0;
  ::nta_agent_get_stats(agent_, NTATAG_S_BAD_MESSAGE_REF(messages),
                        NTATAG_S_BAD_REQUEST_REF(requests), NTATAG_S_DROP_REQUEST_REF(dropped),
                        TAG_END());
  return messages + requests + dropped;
}

Status SipStack::step(io::Loop& loop, std::int64_t wait_ms_max) {
  if (loop_registration_ < 0) {
    su_wait_t wait;
    if (::su_wait_create(&wait, loop.poll_fd(), SU_WAIT_IN) != 0)
      return fail_errno("su_wait_create");
    loop_registration_ = ::su_root_register(root_, &wait, loop_is_ready, nullptr, 0);
    if (loop_registration_ < 0) return fail_errno("su_root_register");
  }
  TRY(loop.run_once(0));
  auto wait = loop.next_due_ms();
  if (wait < 0 || wait > wait_ms_max) wait = wait_ms_max;
  ::su_root_step(root_, static_cast<su_duration_t>(wait));
  return loop.run_once(0);
}

int SipStack::on_default_leg(void* self, nta_leg_t*, nta_incoming_t* irq, const sip_t* sip) {
  static_cast<SipStack*>(self)->on_request_(irq, *sip);
  return 0;
}

// ---- dialogs ------------------------------------------------------------------------------------

nta_leg_t* SipStack::create_leg(nta_incoming_t* irq, const sip_t& sip, nta_request_f* callback,
                                void* magic) {
  auto* leg = ::nta_leg_tcreate(agent_, callback, magic, SIPTAG_CALL_ID(sip.sip_call_id),
                                SIPTAG_FROM(sip.sip_to), SIPTAG_TO(sip.sip_from),
                                NTATAG_REMOTE_CSEQ(sip.sip_cseq->cs_seq), TAG_END());
  if (leg == nullptr) return nullptr;
  if (::nta_leg_tag(leg, ::nta_incoming_tag(irq, nullptr)) == nullptr) {
    ::nta_leg_destroy(leg);
    return nullptr;
  }
  Home home;
  // Without a Contact, which RFC 3261 requires, the peer is where From says.
  const auto* target =
      sip.sip_contact != nullptr
          ? sip.sip_contact
          : ::sip_contact_create(
                home.get(), reinterpret_cast<const url_string_t*>(sip.sip_from->a_url), nullptr);
  ::nta_leg_server_route(leg, sip.sip_record_route, target);
  return leg;
}

nta_leg_t* SipStack::begin_leg(const std::string& from, const std::string& to,
                               const std::string& call_id, nta_request_f* callback, void* magic) {
  auto* leg =
      ::nta_leg_tcreate(agent_, callback, magic, SIPTAG_CALL_ID_STR(call_id.c_str()),
                        SIPTAG_FROM_STR(from.c_str()), SIPTAG_TO_STR(to.c_str()), TAG_END());
  if (leg == nullptr) return nullptr;
  if (::nta_leg_tag(leg, nullptr) != nullptr) return leg;
  ::nta_leg_destroy(leg);
  return nullptr;
}

void SipStack::route_to(nta_leg_t* leg, const sip_record_route_t* route, const std::string& uri) {
  Home home;
  const auto* target =
      ::sip_contact_create(home.get(), reinterpret_cast<const url_string_t*>(uri.c_str()), nullptr);
  ::nta_leg_client_route(leg, route, target);
}

Result<nta_leg_t*> SipStack::restore_leg(const DialogState& state, nta_request_f* callback,
                                         void* magic) {
  Home home;
  const auto* target = ::sip_contact_make(home.get(), state.target.c_str());
  auto* route = state.route.empty() ? nullptr : ::sip_route_make(home.get(), state.route.c_str());
  auto* cseq = ::sip_cseq_create(home.get(), state.local_seq + kRestartSeqGap, SIP_METHOD_INVITE);
  if (target == nullptr || cseq == nullptr || (route == nullptr && !state.route.empty()))
    return fail(Errc::kMalformed, "saved dialog is not readable");
  auto* leg =
      ::nta_leg_tcreate(agent_, callback, magic, SIPTAG_CALL_ID_STR(state.call_id.c_str()),
                        SIPTAG_FROM_STR(state.local.c_str()), SIPTAG_TO_STR(state.remote.c_str()),
                        TAG_IF(route != nullptr, SIPTAG_ROUTE(route)), NTATAG_TARGET(target),
                        SIPTAG_CSEQ(cseq), NTATAG_REMOTE_CSEQ(state.remote_seq), TAG_END());
  if (leg == nullptr) return fail(Errc::kMalformed, "saved dialog is not readable");
  return leg;
}

DialogState SipStack::save_leg(nta_leg_t* leg, const DialogState& known) {
  DialogState state = known;
  const sip_route_t* route = nullptr;
  const sip_contact_t* target = nullptr;
  if (::nta_leg_get_route(leg, &route, &target) >= 0) {
    state.route = header_text(route);
    for (const auto* next = route == nullptr ? nullptr : route->r_next; next != nullptr;
         next = next->r_next)
      state.route += "," + header_text(next);
    if (target != nullptr) state.target = header_text(target);
  }
  state.local_seq = ::nta_leg_get_seq(leg);
  state.remote_seq = ::nta_leg_get_rseq(leg);
  return state;
}

// ---- messages -----------------------------------------------------------------------------------

bool came_over_tcp(const sip_t& sip) {
  return sip.sip_via != nullptr && sip.sip_via->v_protocol != nullptr &&
         ::strcasecmp(sip.sip_via->v_protocol, sip_transport_tcp) == 0;
}

std::optional<Endpoint> source_of(nta_incoming_t* irq) {
  msg_t* message = ::nta_incoming_getrequest(irq);
  if (message == nullptr) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto* address = ::msg_addr(message);
  const bool readable = address != nullptr && ::su_inet_ntop(address->su_family, SU_ADDR(address),
                                                             text.data(), text.size()) != nullptr;
  const auto out = readable ? parse_endpoint(text.data(), ntohs(address->su_port)) : std::nullopt;
  ::msg_destroy(message);
  return out;
}

capture::SipRequest read_sip_request(const sip_t& sip) {
  capture::SipRequest out;
  out.is_update = sip.sip_request->rq_method == sip_method_update;
  out.call_id = text_of(sip.sip_call_id->i_id);
  out.from = header_text(sip.sip_from);
  out.to = header_text(sip.sip_to);
  out.contact = header_text(sip.sip_contact);
  out.user_agent = header_text(sip.sip_user_agent);
  for (const auto* other = sip.sip_unknown; other != nullptr; other = other->un_next)
    if (other->un_name != nullptr && ::strcasecmp(other->un_name, "Session-ID") == 0)
      out.session_id = text_of(other->un_value);
  out.content_type = header_text(sip.sip_content_type);
  if (sip.sip_payload != nullptr && sip.sip_payload->pl_data != nullptr)
    out.body.assign(sip.sip_payload->pl_data, sip.sip_payload->pl_len);
  for (const auto* require = sip.sip_require; require != nullptr; require = require->k_next)
    for (auto* item = require->k_items; item != nullptr && *item != nullptr; ++item) {
      std::string tag = *item;
      std::transform(tag.begin(), tag.end(), tag.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      out.require.push_back(std::move(tag));
    }
  out.recording_client = ::sip_has_feature(sip.sip_require, "siprec") ||
                         (sip.sip_contact != nullptr &&
                          ::msg_params_find(sip.sip_contact->m_params, "+sip.src") != nullptr);
  out.supports_timer =
      ::sip_has_feature(sip.sip_supported, "timer") || ::sip_has_feature(sip.sip_require, "timer");
  out.allows_update = ::sip_is_allowed(sip.sip_allow, SIP_METHOD_UPDATE);
  if (const auto* expires = sip.sip_session_expires) {
    out.session_expires_s = static_cast<std::uint32_t>(expires->x_delta);
    const auto refresher = text_of(expires->x_refresher);
    if (refresher == "uac") out.refresher = capture::Refresher::kPeer;
    if (refresher == "uas") out.refresher = capture::Refresher::kUs;
  }
  return out;
}

void send_reply(nta_incoming_t* irq, const capture::action::Reply& reply,
                const std::string& contact) {
  const bool good = reply.status < 300;
  std::string expires, unsupported;
  if (reply.session_expires_s != 0)
    expires = std::to_string(reply.session_expires_s) +
              (reply.refresher == capture::Refresher::kUs ? ";refresher=uas" : ";refresher=uac");
  for (const auto& tag : reply.unsupported) unsupported += (unsupported.empty() ? "" : ", ") + tag;
  const auto retry = std::to_string(reply.retry_after_s);
  // The side that refreshes must support timers: said only when that is the peer (RFC 4028, 9).
  const bool require_timer = !expires.empty() && reply.refresher == capture::Refresher::kPeer;
  ::nta_incoming_treply(
      irq, reply.status, ::sip_status_phrase(reply.status), SIPTAG_SERVER_STR(kSipServer),
      TAG_IF(good, SIPTAG_CONTACT_STR(contact.c_str())), TAG_IF(good, SIPTAG_ALLOW_STR(kSipAllow)),
      TAG_IF(good, SIPTAG_SUPPORTED_STR(kSipSupported)),
      TAG_IF(good || reply.status == 415, SIPTAG_ACCEPT_STR(kSipAccept)),
      TAG_IF(!expires.empty(), SIPTAG_SESSION_EXPIRES_STR(expires.c_str())),
      TAG_IF(require_timer, SIPTAG_REQUIRE_STR("timer")),
      TAG_IF(reply.retry_after_s != 0, SIPTAG_RETRY_AFTER_STR(retry.c_str())),
      TAG_IF(!unsupported.empty(), SIPTAG_UNSUPPORTED_STR(unsupported.c_str())),
      TAG_IF(!reply.sdp.empty(), SIPTAG_CONTENT_TYPE_STR("application/sdp")),
      TAG_IF(!reply.sdp.empty(), SIPTAG_PAYLOAD_STR(reply.sdp.c_str())), TAG_END());
}

void answer(nta_incoming_t* irq, int status, std::uint32_t retry_after_s) {
  const bool lists = status == 200 || status == 405 || status == 501;
  const auto retry = std::to_string(retry_after_s);
  ::nta_incoming_treply(irq, status, ::sip_status_phrase(status), SIPTAG_SERVER_STR(kSipServer),
                        TAG_IF(lists, SIPTAG_ALLOW_STR(kSipAllow)),
                        TAG_IF(status == 200, SIPTAG_SUPPORTED_STR(kSipSupported)),
                        TAG_IF(status == 200, SIPTAG_ACCEPT_STR(kSipAccept)),
                        TAG_IF(retry_after_s != 0, SIPTAG_RETRY_AFTER_STR(retry.c_str())),
                        TAG_END());
  ::nta_incoming_destroy(irq);
}

}  // namespace callward::app
