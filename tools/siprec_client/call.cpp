#include "call.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

namespace callward::siprec_client {
namespace {

constexpr std::int64_t kT1Ms = 500, kT2Ms = 4'000, kGiveUpMs = 32'000;  // RFC 3261, 17
constexpr const char* kNames[] = {"customer", "agent"};

std::string random_word(std::mt19937_64& random) {
  Bytes raw(8);
  store_le(raw.data(), random());
  return to_hex(raw);
}

std::string target_of(const std::string& contact) {
  const auto open = contact.find('<'), close = contact.find('>');
  if (open == std::string::npos || close == std::string::npos) return {};
  return contact.substr(open + 1, close - open - 1);
}

}  // namespace

Call::Call(const Options& options, SipSocket& sip, Clock& clock, std::size_t index,
           const std::vector<std::shared_ptr<const Bytes>>& sounds)
    : options_(options), sip_(sip), clock_(clock) {
  // Names must differ from those of every other run; the media's chances are the seed's.
  std::random_device device;
  std::mt19937_64 names((static_cast<std::uint64_t>(device()) << 32) ^ device());
  call_id_ = random_word(names) + random_word(names);
  tag_ = random_word(names);
  session_ = random_word(names);
  for (std::size_t i = 0; i < 2; ++i)
    streams_.emplace_back(options, sounds[i], options.seed * 1'000'003 + index * 2 + i);
  if (!options.digits.empty())
    streams_[0].set_digits(options.digits, options.digits_at_ms, options.digits_every_ms);
}

// ---- requests -----------------------------------------------------------------------------------

std::string Call::request(const std::string& method, unsigned cseq, const std::string& branch,
                          const std::string& headers, const std::string& body) const {
  const auto server = options_.host + ":" + std::to_string(options_.port);
  const auto target = remote_target_.empty() || method == "CANCEL"
                          ? "sip:recorder@" + server + (options_.tcp ? ";transport=tcp" : "")
                          : remote_target_;
  const auto to =
      remote_to_.empty() || method == "CANCEL" ? "<sip:recorder@" + server + ">" : remote_to_;
  return method + " " + target + " SIP/2.0\r\nVia: " + sip_.via(branch) +
         "\r\nMax-Forwards: 70\r\nFrom: <sip:recording-client@" + sip_.address() + ">;tag=" + tag_ +
         "\r\nTo: " + to + "\r\nCall-ID: " + call_id_ + "\r\nCSeq: " + std::to_string(cseq) + " " +
         method + "\r\nContact: <sip:recording-client@" + sip_.contact() +
         ">;+sip.src\r\nUser-Agent: siprec-client\r\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE, "
         "OPTIONS\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void Call::ask(const std::string& method, const std::string& headers, const std::string& body) {
  const auto now = clock_.monotonic_ms();
  Outstanding one;
  one.method = method;
  one.cseq = method == "CANCEL" ? invite_cseq_ : ++cseq_;
  const auto branch = method == "CANCEL" ? invite_branch_
                                         : "z9hG4bK" + call_id_ + "-" + std::to_string(++branches_);
  one.message = request(method, one.cseq, branch, headers, body);
  one.interval_ms = kT1Ms;
  one.next_ms = now + kT1Ms;
  one.deadline_ms = now + kGiveUpMs;
  if (method == "INVITE") {
    invite_cseq_ = one.cseq;
    invite_branch_ = branch;
  }
  sip_.send(one.message);
  outstanding_.push_back(std::move(one));
}

void Call::invite(bool active) {
  const auto sdp =
      offer_sdp(sip_.address(), ++sdp_version_, static_cast<std::uint8_t>(options_.law),
                {{streams_[0].port(), "1", active}, {streams_[1].port(), "2", active}});
  const Party customer{options_.customer, "1", !options_.outgoing};
  const Party agent{options_.agent, "2", options_.outgoing};
  const auto metadata =
      rs_metadata(session_, options_.outgoing ? std::vector<Party>{agent, customer}
                                              : std::vector<Party>{customer, agent});
  ask("INVITE",
      std::string("Require: siprec\r\nAccept: application/sdp\r\nContent-Type: "
                  "multipart/mixed;boundary=") +
          kBoundary + "\r\n",
      multipart(sdp, metadata));
}

Status Call::begin() {
  for (auto& stream : streams_) TRY(stream.open(sip_.address()));
  state_ = State::kInviting;
  invited_ms_ = clock_.monotonic_ms();
  began_utc_ = clock_.utc_ms();
  invite(true);
  return {};
}

void Call::bye() {
  for (auto& stream : streams_) stream.finish();
  state_ = State::kEnding;
  ask("BYE");
}

void Call::end(std::string how) {
  ended_ = std::move(how);
  ended_utc_ = clock_.utc_ms();
  outstanding_.clear();
  state_ = State::kDone;
}

// ---- time ---------------------------------------------------------------------------------------

void Call::tick() {
  if (state_ == State::kIdle || state_ == State::kDone) return;
  const auto now = clock_.monotonic_ms();
  if (state_ == State::kTalking)
    for (std::size_t i = 0; i < streams_.size(); ++i)
      if (taken_[i]) streams_[i].send_due(now);
  plan(now);
  repeat(now);
}

void Call::plan(std::int64_t now_ms) {
  if (state_ == State::kInviting) {
    cancel_wanted_ = cancel_wanted_ ||
                     (options_.cancel_at_ms >= 0 && now_ms >= invited_ms_ + options_.cancel_at_ms);
    // Only after a provisional answer (RFC 3261, 9.1).
    if (cancel_wanted_ && !cancelled_ && !outstanding_.empty() && outstanding_[0].provisional) {
      cancelled_ = true;
      ask("CANCEL");
    }
    return;
  }
  if (state_ != State::kTalking) return;
  const auto talked = now_ms - answered_ms_;
  const bool over = options_.bye_at_ms >= 0
                        ? talked >= options_.bye_at_ms
                        : (streams_[0].done() || !taken_[0]) && (streams_[1].done() || !taken_[1]);
  if (over || cancel_wanted_) return bye();  // a CANCEL that came too late ends so
  if (!outstanding_.empty()) return;
  if (hold_ == Hold::kNone && options_.hold_at_ms >= 0 && talked >= options_.hold_at_ms) {
    hold_ = Hold::kAsked;
    for (auto& stream : streams_) {
      stream.finish();
      stream.hold(true);
    }
    invite(false);
  } else if (hold_ == Hold::kHeld && now_ms >= held_ms_ + options_.hold_ms) {
    hold_ = Hold::kResuming;
    invite(true);
  }
}

void Call::repeat(std::int64_t now_ms) {
  for (auto& one : outstanding_) {
    if (now_ms >= one.deadline_ms && !(one.method == "INVITE" && one.provisional))
      return end("timeout");
    const bool invite = one.method == "INVITE";
    if (options_.tcp || now_ms < one.next_ms || (invite && one.provisional)) continue;
    one.interval_ms = invite ? one.interval_ms * 2 : std::min(one.interval_ms * 2, kT2Ms);
    one.next_ms = now_ms + one.interval_ms;
    sip_.send(one.message);
  }
}

void Call::say_again() {
  for (const auto& one : outstanding_) sip_.send(one.message);
}

// ---- what the server says -----------------------------------------------------------------------

void Call::on_message(const SipMessage& message) {
  if (message.status == 0)
    on_request(message);
  else
    on_answer(message);
}

void Call::on_answer(const SipMessage& answer) {
  const auto known =
      std::find_if(outstanding_.begin(), outstanding_.end(), [&](const Outstanding& one) {
        return one.method == answer.method && one.cseq == answer.cseq();
      });
  if (known == outstanding_.end()) {  // a 2xx again: its ACK was lost
    if (answer.method == "INVITE" && answer.status >= 200 && !last_ack_.empty())
      sip_.send(last_ack_);
    return;
  }
  if (answer.status < 200) {
    known->provisional = true;
    return;
  }
  outstanding_.erase(known);
  if (answer.method == "INVITE") return on_invite_answer(answer);
  if (answer.method == "BYE") end(cancelled_ || cancel_wanted_ ? "bye_after_cancel" : "bye");
}

void Call::acknowledge(const SipMessage& answer) {
  const bool good = answer.status < 300;
  const auto to = std::exchange(remote_to_, answer.header("to"));
  // A refusal is acknowledged within its transaction (RFC 3261, 17.1.1.3).
  last_ack_ =
      request("ACK", answer.cseq(),
              good ? "z9hG4bK" + call_id_ + "-" + std::to_string(++branches_) : invite_branch_);
  sip_.send(last_ack_);
  if (!good && state_ != State::kInviting) remote_to_ = to;
}

void Call::on_invite_answer(const SipMessage& answer) {
  const bool good = answer.status < 300;
  if (good && !target_of(answer.header("contact")).empty())
    remote_target_ = target_of(answer.header("contact"));
  acknowledge(answer);
  if (state_ == State::kInviting) {
    sip_status_ = answer.status;
    if (!good) return end(cancelled_ && answer.status == 487 ? "cancel" : "refused");
    state_ = State::kTalking;
    answered_ms_ = clock_.monotonic_ms();
    answered_utc_ = clock_.utc_ms();
    take_sdp(answer.body);
    for (auto& stream : streams_) stream.begin(answered_ms_);
    return;
  }
  if (state_ != State::kTalking) return;
  change_status_ = answer.status;
  if (good) take_sdp(answer.body);
  if (hold_ == Hold::kAsked && good) {
    hold_ = Hold::kHeld;
    held_ms_ = clock_.monotonic_ms();
  } else if (hold_ == Hold::kAsked || hold_ == Hold::kResuming) {
    hold_ = Hold::kOver;
    for (auto& stream : streams_) stream.hold(false);
  }
}

void Call::take_sdp(const std::string& body) {
  const auto sdp = wire::parse_sdp(body);
  if (!sdp) return;
  for (std::size_t i = 0; i < streams_.size() && i < sdp->media.size(); ++i) {
    taken_[i] = sdp->media[i].port != 0;
    if (taken_[i]) streams_[i].set_remote(sdp->media[i].address, sdp->media[i].port);
  }
}

void Call::reply(const SipMessage& request, int status, const std::string& phrase,
                 const std::string& body) {
  std::string out = "SIP/2.0 " + std::to_string(status) + " " + phrase + "\r\n";
  for (const auto& [name, value] : request.headers)
    if (name == "via" || name == "from" || name == "to" || name == "call-id" || name == "cseq")
      out += name + ": " + value + "\r\n";
  out += "Contact: <sip:recording-client@" + sip_.contact() + ">;+sip.src\r\n";
  if (!body.empty()) out += "Content-Type: application/sdp\r\n";
  // The server's timer goes on as it asked.
  if (const auto expires = request.header("session-expires"); !expires.empty())
    out += "Session-Expires: " + expires + "\r\n";
  sip_.send(out + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

void Call::on_request(const SipMessage& request) {
  if (request.method == "ACK") return;
  if (state_ == State::kDone) return reply(request, 481, "No Such Call");
  if (request.method == "BYE") {
    reply(request, 200, "OK");
    return end("bye_by_server");
  }
  if (request.method == "INVITE" || request.method == "UPDATE") {
    if (request.body.empty()) return reply(request, 200, "OK");
    take_sdp(request.body);
    const bool active = hold_ != Hold::kAsked && hold_ != Hold::kHeld;
    return reply(request, 200, "OK",
                 offer_sdp(sip_.address(), ++sdp_version_, static_cast<std::uint8_t>(options_.law),
                           {{streams_[0].port(), "1", active}, {streams_[1].port(), "2", active}}));
  }
  if (request.method == "OPTIONS") return reply(request, 200, "OK");
  reply(request, 501, "Not Implemented");
}

// ---- what became of it --------------------------------------------------------------------------

bool Call::as_intended() const {
  if (options_.cancel_at_ms >= 0) return ended_ == "cancel" || ended_ == "bye_after_cancel";
  return ended_ == "bye";
}

namespace {
boost::json::array ranges_json(const std::vector<MediaStream::Range>& ranges) {
  boost::json::array out;
  for (const auto& range : ranges) out.push_back(boost::json::array{range.start, range.end});
  return out;
}
}  // namespace

std::string Call::result() const {
  boost::json::object sent;
  std::uint64_t lost = 0, reordered = 0, duplicated = 0;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const auto& stream = streams_[i];
    const auto& counts = stream.counts();
    lost += counts.lost;
    reordered += counts.reordered;
    duplicated += counts.duplicated;
    sent[kNames[i]] = {{"packets", counts.packets},
                       {"event_packets", counts.events},
                       {"first_seq", stream.first_sequence()},
                       {"first_timestamp", stream.first_timestamp()},
                       {"ssrc", stream.ssrc()},
                       {"samples", stream.timeline().size()},
                       {"port", stream.port()}};
  }
  return boost::json::serialize(
      boost::json::object{{"call_id", call_id_},
                          {"sip_status", sip_status_},
                          {"ended", ended_},
                          {"intended", as_intended()},
                          {"sent", sent},
                          {"lost", lost},
                          {"reordered", reordered},
                          {"duplicated", duplicated},
                          {"codec", options_.law == codec::G711::kALaw ? "pcma" : "pcmu"},
                          {"direction", options_.outgoing ? "out" : "in"},
                          {"digits", options_.digits},
                          {"change_status", change_status_},
                          {"invited_at", began_utc_},
                          {"answered_at", answered_utc_},
                          {"ended_at", ended_utc_}});
}

// CALL-ID.customer.ul (or .al) and CALL-ID.agent.ul: the codes from the first packet on;
// CALL-ID.json says what of it was never sent, in samples.
Status Call::write_sent(const std::string& dir) const {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  const std::string end = options_.law == codec::G711::kALaw ? ".al" : ".ul";
  boost::json::object about{{"call_id", call_id_}, {"codec", end == ".al" ? "pcma" : "pcmu"}};
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const auto name = call_id_ + "." + kNames[i] + end;
    std::ofstream out(std::filesystem::path(dir) / name, std::ios::binary);
    const auto& timeline = streams_[i].timeline();
    out.write(reinterpret_cast<const char*>(timeline.data()),
              static_cast<std::streamsize>(timeline.size()));
    if (!out) return fail_errno("write " + name);
    about[kNames[i]] = {{"file", name},
                        {"samples", timeline.size()},
                        {"lost", ranges_json(streams_[i].lost())},
                        {"held", ranges_json(streams_[i].held())}};
  }
  std::ofstream out(std::filesystem::path(dir) / (call_id_ + ".json"));
  out << boost::json::serialize(about) << "\n";
  if (!out) return fail_errno("write " + call_id_ + ".json");
  return {};
}

}  // namespace callward::siprec_client
