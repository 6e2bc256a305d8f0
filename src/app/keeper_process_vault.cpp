// The office in the keeper's process: its messages, and what it wants of other processes.
#include <algorithm>
#include <array>

#include "app/keeper_process.hpp"
#include "app/vault_policy.hpp"

namespace callward::app {
namespace {

constexpr std::int64_t kDialWaitMs = 5'000;
constexpr std::uint32_t kRingExpertMs = 40'000, kRingCustomerMs = 60'000;
constexpr std::string_view kCodeTextBefore = "Your code: ";
constexpr std::string_view kCodeTextAfter =
    "\n\nTell it to the person who is calling you just now, and to nobody else.\nIf nobody is "
    "calling "
    "you, do nothing.\n\n";

}  // namespace

const std::vector<KeeperProcess::Rule>& KeeperProcess::vault_rules() {
  using O = disclose::Office;
  using P = KeeperProcess;
  constexpr auto kServer = bit(PeerRole::kServer);
  static const std::vector<Rule> table = {
      {keys::IntakeKeyRequest::kType, kServer,
       &P::office<keys::IntakeKeyRequest, keys::IntakeKey, &O::intake_key>},
      {keys::StoreFields::kType, kServer,
       &P::office<keys::StoreFields, keys::FieldsStored, &O::store_fields>},
      {keys::LookUp::kType, kServer, &P::office<keys::LookUp, keys::FoundCustomers, &O::look_up>},
      {keys::LookUpCaller::kType, kServer,
       &P::office<keys::LookUpCaller, keys::FoundCustomers, &O::look_up_caller>},
      {keys::RecordsPut::kType, kServer, &P::office<keys::RecordsPut, keys::Ack, &O::records_put>},
      {keys::CustomerStateRequest::kType, kServer,
       &P::office<keys::CustomerStateRequest, keys::CustomerState, &O::customer_state>},
      {keys::CloseCase::kType, kServer, &P::office<keys::CloseCase, keys::Ack, &O::close_case>},
      {keys::AssignCase::kType, kServer, &P::office<keys::AssignCase, keys::Ack, &O::assign_case>},
      {keys::EraseFields::kType, kServer,
       &P::office<keys::EraseFields, keys::FieldsErased, &O::erase_fields>},
      {keys::HoldCustomer::kType, kServer,
       &P::office<keys::HoldCustomer, keys::Ack, &O::hold_customer>},
      {keys::ReadQuery::kType, kServer,
       &P::office<keys::ReadQuery, keys::ValueRead, &O::read_query>},
      {keys::ChartPut::kType, kServer, &P::office<keys::ChartPut, keys::ChartTaken, &O::chart_put>},
      {keys::ReaderPut::kType, kServer, &P::office<keys::ReaderPut, keys::Ack, &O::reader_put>},
      {keys::ReaderDrop::kType, kServer, &P::office<keys::ReaderDrop, keys::Ack, &O::reader_drop>},
      {keys::DutyPut::kType, kServer, &P::office<keys::DutyPut, keys::Ack, &O::duty_put>},
      {keys::PeopleTold::kType, kServer, &P::office<keys::PeopleTold, keys::Ack, &O::people_told>},
      {keys::StepDraft::kType, kServer,
       &P::office<keys::StepDraft, keys::StepDrafted, &O::step_draft>},
      {keys::StepPut::kType, kServer, &P::office<keys::StepPut, keys::StepTaken, &O::step_put>},
      {keys::CheckField::kType, kServer,
       &P::office<keys::CheckField, keys::Checked, &O::check_field>},
      {keys::SendCode::kType, kServer, &P::office<keys::SendCode, keys::Ack, &O::send_code>},
      {keys::CheckCode::kType, kServer, &P::office<keys::CheckCode, keys::Checked, &O::check_code>},
      {keys::ReadWords::kType, kServer,
       &P::office<keys::ReadWords, keys::ValueRead, &O::read_words>},
      {keys::RequestStateRequest::kType, kServer,
       &P::office<keys::RequestStateRequest, keys::RequestState, &O::request_state>},
      {keys::TimeRequest::kType, kServer,
       &P::office<keys::TimeRequest, keys::TimeTold, &O::tell_time>},
      {keys::FieldRetentionRequest::kType, kServer,
       &P::office<keys::FieldRetentionRequest, keys::FieldRetention, &O::field_retention>},
      {keys::ConfirmFieldRetention::kType, kServer,
       &P::office<keys::ConfirmFieldRetention, keys::FieldRetention, &O::confirm_field_retention>},
      {keys::ForecastFields::kType, kServer,
       &P::office<keys::ForecastFields, keys::FieldRetention, &O::forecast_fields>},
  };
  return table;
}

const KeeperProcess::Rule* KeeperProcess::find_rule(std::uint16_t type) {
  for (const auto* table : {&rules(), &vault_rules()}) {
    const auto at = std::ranges::find(*table, type, &Rule::type);
    if (at != table->end()) return &*at;
  }
  return nullptr;
}

Status KeeperProcess::open_office() {
  office_ = std::make_unique<disclose::Office>(clock_, entropy_, *store_, keeper_->ledger(),
                                               TRY(load_office_policy(vfs_, context_.config)),
                                               office_outbox());
  keeper_->set_tenant(*office_);
  return {};
}

disclose::Office::Outbox KeeperProcess::office_outbox() {
  return {.fields_gone =
              [this](const keys::FieldsGone& message) { broadcast(PeerRole::kServer, message); },
          .records_wanted =
              [this](const keys::RecordsWanted& message) { broadcast(PeerRole::kServer, message); },
          .typed_secret = [this](const CallId& call, std::string_view kind,
                                 SecretBytes value) { search_typed(call, kind, std::move(value)); },
          .dial = [this](const DialId& dial, const std::string& expert,
                         SecretBytes number) { return dial_out(dial, expert, std::move(number)); },
          .hang_up = [this](const DialId& dial) { (void)dials_.hang_up(dial); },  // or it is over
          .is_recorded =
              [this](const CallId& call) {
                const auto state = keeper_->call_state(call);
                return state && state->known && !state->ends.empty();
              },
          .deliver =
              [this](std::string_view channel, SecretBytes address, SecretBytes code) {
                return deliver_code(channel, std::move(address), std::move(code));
              },
          .founding = [this] { return load_founding(vfs_, context_.config); }};
}

// What the customer gets: the code, what it is for, and that nobody else is to have it.
Status KeeperProcess::deliver_code(std::string_view channel, SecretBytes address,
                                   SecretBytes code) {
  // Said at once: who waits for it on the telephone is not told later.
  const bool mail = channel == disclose::kByMail;
  const auto& courier = context_.config.courier;
  if (mail ? !courier.smtp : !courier.sms)
    return fail(Errc::kState,
                mail ? "no e-mails are sent from here: courier.smtp_url is not set"
                     : "no text messages are sent from here: courier.sms_url is not set");
  const auto& company = office_->policy().company;
  SecretBytes text(kCodeTextBefore.size() + code.size() + kCodeTextAfter.size() + company.size());
  auto* at = text.expose_mut().data();
  const auto put = [&at](ByteView part) { at = std::ranges::copy(part, at).out; };
  put(as_bytes(kCodeTextBefore));
  put(code.expose());
  put(as_bytes(kCodeTextAfter));
  put(as_bytes(company));
  return courier_.deliver(
      {.id = keys::DeliveryId::random(entropy_),
       .channel = mail ? keys::DeliveryChannel::kEmail : keys::DeliveryChannel::kSms,
       .address = std::move(address),
       .subject = mail ? company + ": your code" : std::string(),
       .text = std::move(text),
       .deadline = clock_.utc_ms() + disclose::Office::kCodeMs});
}

// ---- call-backs ---------------------------------------------------------------------------------

DialDesk::Ways KeeperProcess::dial_ways() {
  const auto signal = [this]() -> Peer* {
    for (auto& [id, peer] : peers_)
      if (peer->greeted && peer->role == PeerRole::kSignal && peer->channel->open())
        return peer.get();
    return nullptr;
  };
  return {.dial =
              [this, signal](const keys::Dial& order,
                             std::function<void(Result<keys::DialTaken>)> done) {
                if (!context_.config.callback.enabled())
                  return done(keys::DialTaken{order.dial, keys::DialRefusal::kNotConfigured});
                auto* peer = signal();
                if (peer == nullptr) return done(fail(Errc::kUnavailable, "signal is not there"));
                ask(*peer, order, kDialWaitMs, [done](Result<io::Frame> reply) {
                  done(reply ? unpack<keys::DialTaken>(reply->body)
                             : Result<keys::DialTaken>(tl::unexpected<Error>(reply.error())));
                });
              },
          .hang_up = [this](const keys::HangUp& order) { broadcast(PeerRole::kSignal, order); },
          .news =
              [this](const DialNews& news) {
                log_event("keeper.dial", {{"dial", news.dial.hex()},
                                          {"call", news.call.hex()},
                                          {"state", to_text(news.state)},
                                          {"cause", to_text(news.cause)}});
                tell_office(news);
              }};
}

void KeeperProcess::dial_progress(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::DialProgress>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  dials_.progress(*message);
}

void KeeperProcess::dial_recorded(Peer& peer, io::Frame frame) {
  const auto message = unpack<keys::DialRecorded>(frame.body);
  if (!message) return refuse(peer, frame, message.error());
  dials_.recorded(*message);
  peer.channel->reply(frame, keys::Ack{});
}

// In a call that is still being heard; later there is nobody who would look.
void KeeperProcess::search_typed(const CallId& call, std::string_view kind, SecretBytes value) {
  const auto state = keeper_->call_state(call);
  if (!state || !state->known || state->listened) return;
  if (const auto taken = typed_.search({.call = call,
                                        .search = SearchId::random(entropy_),
                                        .value = std::move(value),
                                        .kind = std::string(kind)});
      !taken)
    log_event("keeper.typed_not_searched", {{"call", call.hex()}, {"why", taken.error().message}});
}

Status KeeperProcess::dial_out(const DialId& dial, const std::string& expert, SecretBytes number) {
  const auto call_ms = office_->policy().limits.call_ms;
  dials_.dial(
      {.dial = dial,
       .expert = expert,
       .number = std::move(number),
       .deadline_ms = static_cast<std::uint32_t>(std::min<std::int64_t>(call_ms, keys::kDialMsMax)),
       .ring_expert_ms = kRingExpertMs,
       .ring_customer_ms = kRingCustomerMs},
      [this, dial](const Status& taken) {
        if (taken) return;
        log_event("keeper.not_dialled", {{"why", taken.error().message}});
        office_->dial_over(dial, {.cause = "failed"});
      });
  return {};
}

void KeeperProcess::tell_office(const DialNews& news) {
  if (!news.call.is_zero()) office_->dial_recorded(news.dial, news.call);
  if (news.state == keys::DialState::kConnected) office_->dial_connected(news.dial);
  if (news.state == keys::DialState::kEnded)
    office_->dial_over(news.dial, {.answered = news.talked_ms != 0,
                                   .talked_ms = news.talked_ms,
                                   .cause = to_text(news.cause)});
}

}  // namespace callward::app
