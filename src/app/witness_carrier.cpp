#include "app/witness_carrier.hpp"

#include <curl/curl.h>

#include <algorithm>

#include "audit/tiles.hpp"
#include "base/event_log.hpp"

namespace callward::app {
namespace {

std::size_t collect(char* data, std::size_t, std::size_t count, void* target) {
  auto& body = *static_cast<std::string*>(target);
  // One byte beyond the limit is kept, so that the reader sees that it was too long.
  const auto room = audit::WitnessClient::kAnswerBytesMax + 1 - body.size();
  body.append(data, std::min(count, room));
  return count <= room ? count : 0;  // 0 ends the transfer
}

struct FreeCurl {
  void operator()(CURL* curl) const { ::curl_easy_cleanup(curl); }
};
struct FreeHeaders {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

}  // namespace

Result<audit::WitnessClient::Answer> post_to_witness(const std::string& url,
                                                     const std::string& body) {
  static const auto initialised = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, FreeCurl> curl(::curl_easy_init());
  if (initialised != CURLE_OK || !curl) return fail(Errc::kIo, "curl cannot start");
  audit::WitnessClient::Answer answer;
  const std::unique_ptr<curl_slist, FreeHeaders> headers(
      ::curl_slist_append(::curl_slist_append(nullptr, "Content-Type: text/plain"), "Expect:"));
  const auto set = [&](CURLoption option, auto value) {
    ::curl_easy_setopt(curl.get(), option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDS, body.c_str());
  set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
  set(CURLOPT_TIMEOUT, kRequestSecondsMax);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_WRITEFUNCTION, collect);
  set(CURLOPT_WRITEDATA, &answer.body);
  const auto rc = ::curl_easy_perform(curl.get());
  const bool too_long = answer.body.size() > audit::WitnessClient::kAnswerBytesMax;
  if (rc != CURLE_OK && !too_long)
    return fail(rc == CURLE_OPERATION_TIMEDOUT ? Errc::kTimeout : Errc::kUnavailable,
                std::string("cannot be reached: ") + ::curl_easy_strerror(rc));
  ::curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

WitnessCarrier::WitnessCarrier(Setup setup)
    : setup_(std::move(setup)),
      shown_(setup_.log.witnesses.size()),
      known_(setup_.log.witnesses.size()) {
  const auto path = setup_.log.dir + "/" + audit::kWitnessedFile;
  const auto before = audit::read_checkpoint(setup_.vfs, path, setup_.key);
  if (!before) return;
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const auto line = audit::find_cosignature(before->note, setup_.log.witnesses[i].key);
    if (!line) continue;
    known_[i] = before->checkpoint.size;
    witnessed_size_ = before->checkpoint.size;
    witnessed_at_s_ = std::max(witnessed_at_s_, line->at_s);
  }
}

WitnessCarrier::~WitnessCarrier() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void WitnessCarrier::start() {
  for (std::size_t i = 0; i < shown_.size(); ++i) threads_.emplace_back([this, i] { run(i); });
}

void WitnessCarrier::tick() {
  if (shown_.empty()) return;
  const auto now = setup_.clock.monotonic_ms();
  if (now < next_round_ms_) return;
  next_round_ms_ = now + setup_.log.witness_every_s * 1'000;
  auto newest = audit::read_checkpoint(setup_.vfs, setup_.log.dir + "/checkpoint", setup_.key);
  if (!newest) return;  // not there yet; one that is damaged the keeper reports
  const std::lock_guard lock(mutex_);
  const bool all_signed = round_.lines.size() == shown_.size();
  if (round_.number > 0 && newest->checkpoint.size == round_.checkpoint.size && all_signed &&
      now - round_began_ms_ < kRefreshMs)
    return;
  round_ = {round_.number + 1, std::move(newest->note), std::move(newest->checkpoint), {}};
  round_began_ms_ = now;
  changed_.notify_all();
}

void WitnessCarrier::run(std::size_t which) {
  audit::WitnessClient client(setup_.log.witnesses[which], setup_.post);
  client.set_known_size(known_[which]);
  std::uint64_t done = 0;
  for (;;) {
    Round asked;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || round_.number > done; });
      if (stop_) return;
      asked = round_;
    }
    done = asked.number;
    const auto outcome =
        client.ask(asked.note, asked.checkpoint,
                   audit::tile_nodes(setup_.vfs, setup_.log.dir, asked.checkpoint.size));
    take(which, asked, client, outcome);
  }
}

void WitnessCarrier::take(std::size_t which, const Round& asked, const audit::WitnessClient& client,
                          const Result<audit::Cosignature>& outcome) {
  const auto& name = client.config().name;
  bool turned = false, said = false;
  std::optional<Round> enough;
  {
    const std::lock_guard lock(mutex_);
    ++asked_;
    auto& shown = shown_[which];
    turned = shown.state != client.state() &&
             (audit::is_alarm(shown.state) || audit::is_alarm(client.state()));
    said = shown.state != client.state() && client.state() != audit::WitnessState::kGood;
    shown = {client.state(), client.why(), client.signed_size(), client.signed_at_s()};
    // A late answer to an earlier round is let go: its checkpoint is no longer the newest asked.
    if (outcome && asked.number == round_.number) {
      round_.lines[name] = outcome->line;
      if (round_.lines.size() >= static_cast<std::size_t>(setup_.log.witness_quorum))
        enough = round_;
    }
  }
  if (said)
    log_event(
        "server.witness",
        {{"witness", name}, {"state", audit::to_text(client.state())}, {"why", client.why()}});
  if (enough) write_witnessed(*enough, outcome->at_s);
  if (turned && setup_.on_alarm) setup_.on_alarm();
}

// The lines in the configuration's order. The disk may be slow: what the loop asks for is under
// another lock. Of two threads that come with one round, the one that has more lines is right.
void WitnessCarrier::write_witnessed(const Round& round, std::uint64_t at_s) {
  const std::lock_guard writing(write_mutex_);
  const auto newness = std::make_pair(round.number, round.lines.size());
  if (newness <= written_) return;
  auto note = round.note;
  for (const auto& witness : setup_.log.witnesses)
    if (const auto line = round.lines.find(witness.name); line != round.lines.end())
      note += line->second;
  if (const auto done = setup_.vfs.write_file_atomic(setup_.log.dir + "/" + audit::kWitnessedFile,
                                                     as_bytes(note));
      !done)
    return log_event("server.witnessed_not_written", {{"why", done.error().message}});
  written_ = newness;
  const std::lock_guard lock(mutex_);
  witnessed_size_ = round.checkpoint.size;
  witnessed_at_s_ = at_s;
}

boost::json::object WitnessCarrier::status() const {
  const std::lock_guard lock(mutex_);
  boost::json::array list;
  std::uint64_t alarms = 0, good = 0;
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    const auto& shown = shown_[i];
    const bool alarm = audit::is_alarm(shown.state);
    alarms += alarm ? 1 : 0;
    good += shown.state == audit::WitnessState::kGood ? 1 : 0;
    list.push_back({{"name", setup_.log.witnesses[i].name},
                    {"state", audit::to_text(shown.state)},
                    {"alarm", alarm},
                    {"why", shown.why},
                    {"size", shown.size},
                    {"at", shown.at_s * 1'000}});
  }
  return {{"quorum", setup_.log.witness_quorum},
          {"size", witnessed_size_},
          {"at", witnessed_at_s_ * 1'000},
          {"asked", asked_},
          {"good", good},
          {"alarms", alarms},
          {"list", std::move(list)}};
}

}  // namespace callward::app
