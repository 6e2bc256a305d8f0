// The office in the keeper's process: its messages, and what it wants of other processes.
#include <algorithm>
#include <array>

#include "app/keeper_process.hpp"
#include "app/vault_policy.hpp"

namespace callward::app {
namespace {

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
          .typed_secret = [](const CallId&, std::string_view, SecretBytes) {},
          .dial = [](const DialId&, const std::string&, SecretBytes) -> Status {
            return fail(Errc::kUnavailable, "nobody dials");
          },
          .hang_up = [](const DialId&) {},
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
  const auto& company = office_->policy().company;
  SecretBytes text(kCodeTextBefore.size() + code.size() + kCodeTextAfter.size() + company.size());
  auto* at = text.expose_mut().data();
  const auto put = [&at](ByteView part) { at = std::ranges::copy(part, at).out; };
  put(as_bytes(kCodeTextBefore));
  put(code.expose());
  put(as_bytes(kCodeTextAfter));
  put(as_bytes(company));
  const bool mail = channel == "email";
  return courier_.deliver(
      {.id = keys::DeliveryId::random(entropy_),
       .channel = mail ? keys::DeliveryChannel::kEmail : keys::DeliveryChannel::kSms,
       .address = std::move(address),
       .subject = mail ? company + ": your code" : std::string(),
       .text = std::move(text),
       .deadline = clock_.utc_ms() + disclose::Office::kCodeMs});
}

}  // namespace callward::app
