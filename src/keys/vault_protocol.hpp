// Messages between server and keeper about customers and who may see what of them. Types 300-399 go
// to the keeper, 400-499 come from it; the rules are those of keeper_protocol.hpp.
//
// What people type comes sealed to the keeper's intake key (HPKE, info "callward intake v1"); its
// associated data says what for, so that it serves nothing else (`intake_aad`). What people may
// read goes sealed to their reader's key (info "callward reader v1"), which their passkey has
// signed. What is signed travels as the JSON of docs/formats/chart.md and steps.md.
#pragma once

#include "keys/keeper_protocol.hpp"

namespace callward::keys {

struct SealedValue {
  std::uint32_t key = 0;  // IntakeKey::key
  std::array<std::uint8_t, 32> enc{};
  Bytes ciphertext;  // with its tag
  template <class V>
  void visit(V& v) {
    v(key, enc, ciphertext);
  }
};
// Purposes: field, find, check, code, words; `about`: what it belongs to, each part as its text.
std::string intake_aad(std::string_view purpose, std::initializer_list<std::string_view> about);

struct IntakeKeyRequest {  // -> IntakeKey
  static constexpr std::uint16_t kType = 300;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct IntakeKey {  // lives in the keeper's memory only
  static constexpr std::uint16_t kType = 400;
  std::uint32_t key = 0;
  std::array<std::uint8_t, 32> public_key{};
  std::int64_t seconds = 0;  // that it is taken, still
  template <class V>
  void visit(V& v) {
    v(key, public_key, seconds);
  }
};

// Fields -----------------------------------------------------------------------------------------

using IntakeId = Id<struct IntakeTag>;
struct TypedField {
  std::string field;  // id in the policy
  SealedValue value;  // aad: intake_aad("field", {intake, field})
  template <class V>
  void visit(V& v) {
    v(field, value);
  }
};
// What was typed, all of it or nothing. kMalformed names the field. kExists: this intake was taken.
struct StoreFields {  // -> FieldsStored
  static constexpr std::uint16_t kType = 301;
  IntakeId intake;
  std::string actor;          // the person's id, or "customer" (a one-time form)
  CallId call;                // the live one in which it was typed; zero: none
  CustomerId customer;        // zero: a new one
  std::uint32_t of_case = 0;  // 0: a new one
  std::vector<TypedField> fields;
  template <class V>
  void visit(V& v) {
    v(intake, actor, call, customer, of_case, fields);
  }
};
struct StoredField {
  std::string field;
  std::uint32_t leaf = 0;
  std::uint8_t of_class = 0;  // vault::FieldClass
  std::int64_t gone_at = 0;   // of a secret: at the latest, UTC ms; else 0
  Bytes record;               // to be kept by the server; empty: nothing readable is left of it
  template <class V>
  void visit(V& v) {
    v(field, leaf, of_class, gone_at, record);
  }
};
struct FieldsStored {
  static constexpr std::uint16_t kType = 401;
  CustomerId customer;
  std::uint32_t of_case = 0;
  std::vector<StoredField> fields;
  template <class V>
  void visit(V& v) {
    v(customer, of_case, fields);
  }
};

// Who has this value. Exact; logged; so many a minute and person.
struct LookUp {  // -> FoundCustomers
  static constexpr std::uint16_t kType = 302;
  std::string actor;
  std::string field;  // id in the policy of one that is searched by
  SealedValue value;  // aad: intake_aad("find", {actor, field})
  template <class V>
  void visit(V& v) {
    v(actor, field, value);
  }
};
// Who has the number that the customer of this call, which runs, rings from or is rung at. As
// above, and the keeper alone knows the number. kNotFound: it has none, or it runs no more.
struct LookUpCaller {  // -> FoundCustomers
  static constexpr std::uint16_t kType = 330;
  std::string actor;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(actor, call);
  }
};
struct FoundCustomer {
  CustomerId customer;
  std::vector<std::uint32_t> open_cases;
  template <class V>
  void visit(V& v) {
    v(customer, open_cases);
  }
};
struct FoundCustomers {
  static constexpr std::uint16_t kType = 402;
  std::vector<FoundCustomer> customers;  // at most 20
  template <class V>
  void visit(V& v) {
    v(customers);
  }
};

struct FieldRecord {
  std::uint32_t leaf = 0;
  Bytes record;
  template <class V>
  void visit(V& v) {
    v(leaf, record);
  }
};
// With the customer's contacts as records: from the last case's end they can only be compared, and
// of one that is not here nothing is left.
struct CloseCase {  // -> Ack
  static constexpr std::uint16_t kType = 303;
  CustomerId customer;
  std::uint32_t of_case = 0;
  std::string actor;
  std::vector<FieldRecord> contacts;
  template <class V>
  void visit(V& v) {
    v(customer, of_case, actor, contacts);
  }
};
// Who may read the case's query while it is open; zero: nobody.
struct AssignCase {  // -> Ack
  static constexpr std::uint16_t kType = 304;
  CustomerId customer;
  std::uint32_t of_case = 0;
  PersonId technician;
  std::string actor;
  template <class V>
  void visit(V& v) {
    v(customer, of_case, technician, actor);
  }
};
struct CustomerStateRequest {  // -> CustomerState
  static constexpr std::uint16_t kType = 305;
  CustomerId customer;
  template <class V>
  void visit(V& v) {
    v(customer);
  }
};
struct FieldState {
  std::string field;
  std::uint32_t of_case = 0, leaf = 0;
  std::uint8_t kind = 0, of_class = 0, state = 0;  // vault::FieldKind, FieldClass, FieldState
  std::int64_t stored_at = 0, gone_at = 0;
  std::uint32_t kept_days = 0;  // after the end of the customer's last case; 0 of a secret
  template <class V>
  void visit(V& v) {
    v(field, of_case, leaf, kind, of_class, state, stored_at, gone_at, kept_days);
  }
};
struct CaseState {
  std::uint32_t number = 0;
  std::int64_t opened_at = 0, closed_at = 0, reference_until = 0, contact_until = 0;
  PersonId technician;
  template <class V>
  void visit(V& v) {
    v(number, opened_at, closed_at, reference_until, contact_until, technician);
  }
};
struct CustomerState {
  static constexpr std::uint16_t kType = 405;
  bool held = false;
  std::vector<CaseState> cases;
  std::vector<FieldState> fields;
  template <class V>
  void visit(V& v) {
    v(held, cases, fields);
  }
};
// By the customer's wish. One field: at once. All: ordered by one person, done when another says
// the same. kDenied: a legal hold.
struct EraseFields {  // -> FieldsErased
  static constexpr std::uint16_t kType = 306;
  CustomerId customer;
  bool all = false;
  std::uint32_t leaf = 0;
  std::string actor, reason_hash;
  template <class V>
  void visit(V& v) {
    v(customer, all, leaf, actor, reason_hash);
  }
};
struct FieldsErased {
  static constexpr std::uint16_t kType = 406;
  OrderOutcome outcome{};  // kHeld: a second person must say so; kAccepted
  template <class V>
  void visit(V& v) {
    v(outcome);
  }
};
struct HoldCustomer {  // -> Ack
  static constexpr std::uint16_t kType = 307;
  CustomerId customer;
  bool on = false;
  std::string actor, reason_hash;
  template <class V>
  void visit(V& v) {
    v(customer, on, actor, reason_hash);
  }
};
// The query of an open case, for the technician whose it is.
struct ReadQuery {  // -> ValueRead
  static constexpr std::uint16_t kType = 308;
  CustomerId customer;
  std::uint32_t of_case = 0;
  PersonId person;
  std::array<std::uint8_t, 32> reader_key{};
  FieldRecord query;
  template <class V>
  void visit(V& v) {
    v(customer, of_case, person, reader_key, query);
  }
};
struct ValueRead {
  static constexpr std::uint16_t kType = 408;
  std::array<std::uint8_t, 32> enc{};
  Bytes sealed;  // HPKE to the reader's key, info "callward reader v1", aad as said with each
  template <class V>
  void visit(V& v) {
    v(enc, sealed);
  }
};
// Event, after a keeper's death: the log says that these were stored, the rows do not have them
// yet. What the server has of them it sends; of what it has not nobody was told that it was stored.
struct RecordsWanted {
  static constexpr std::uint16_t kType = 424;
  CustomerId customer;
  std::vector<std::uint32_t> leaves;
  template <class V>
  void visit(V& v) {
    v(customer, leaves);
  }
};
struct RecordsPut {  // -> Ack
  static constexpr std::uint16_t kType = 309;
  CustomerId customer;
  std::vector<FieldRecord> records;
  template <class V>
  void visit(V& v) {
    v(customer, records);
  }
};
// Event: no key opens these any more; their records may go.
struct FieldsGone {
  static constexpr std::uint16_t kType = 420;
  CustomerId customer;
  std::vector<std::uint32_t> leaves;
  template <class V>
  void visit(V& v) {
    v(customer, leaves);
  }
};

// People -----------------------------------------------------------------------------------------

// A signed change of the role chart.
struct ChartPut {  // -> ChartTaken
  static constexpr std::uint16_t kType = 310;
  std::string change;                   // JSON
  std::vector<std::string> signatures;  // JSON, one or two
  template <class V>
  void visit(V& v) {
    v(change, signatures);
  }
};
struct ChartTaken {
  static constexpr std::uint16_t kType = 410;
  std::uint64_t number = 0;
  std::array<std::uint8_t, 32> head{};
  template <class V>
  void visit(V& v) {
    v(number, head);
  }
};
// What a reader's key is for, where it is not for all that its person may see in a browser: one
// call, for one purpose, for kConsentMs. Zero: for all.
struct ReaderScope {
  CallId call;
  OpenPurpose purpose{};
  [[nodiscard]] bool is_some() const { return !call.is_zero() || purpose != OpenPurpose{}; }
  bool operator==(const ReaderScope&) const = default;
  template <class V>
  void visit(V& v) {
    v(call, purpose);
  }
};
inline constexpr std::int64_t kConsentMs = 10 * 60'000;
// What the passkey signs: SHA-256("CWS1 reader" || person || key || at i64), and where it is for
// one call SHA-256("CWS2 reader" || person || key || at i64 || call || purpose u8).
std::array<std::uint8_t, 32> reader_challenge(const PersonId& person,
                                              const std::array<std::uint8_t, 32>& key,
                                              std::int64_t at, const ReaderScope& scope);
// The first 8 bytes of SHA-256("CWS2 fingerprint" || key || call || purpose u8), for two screens:
// each makes it of what it has itself.
std::array<std::uint8_t, 8> reader_fingerprint(const std::array<std::uint8_t, 32>& key,
                                               const ReaderScope& scope);

// The key of somebody's browser, or of their command line, signed by their passkey.
struct ReaderPut {  // -> Ack
  static constexpr std::uint16_t kType = 311;
  PersonId person;
  std::array<std::uint8_t, 32> key{};
  std::int64_t at = 0;    // UTC ms
  std::string signature;  // JSON
  ReaderScope scope;
  template <class V>
  void visit(V& v) {
    v(person, key, at, signature, scope);
  }
};
// Their session has ended.
struct ReaderDrop {  // -> Ack
  static constexpr std::uint16_t kType = 313;
  PersonId person;
  std::array<std::uint8_t, 32> key{};
  template <class V>
  void visit(V& v) {
    v(person, key);
  }
};
// An expert takes requests, or no more.
struct DutyPut {  // -> Ack
  static constexpr std::uint16_t kType = 312;
  PersonId person;
  bool on = false;
  template <class V>
  void visit(V& v) {
    v(person, on);
  }
};

// Both are in a keeper's memory alone. Event to the server: one that took over, with the
// connections as they were, has neither, and nobody else would say so.
struct PeopleWanted {
  static constexpr std::uint16_t kType = 432;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
// To each keeper, once it has taken every key that holds, or everybody who is on duty: there are no
// others. Until then it does not judge who is missing.
struct PeopleTold {  // -> Ack
  static constexpr std::uint16_t kType = 314;
  bool readers = false, duty = false;
  template <class V>
  void visit(V& v) {
    v(readers, duty);
  }
};

// Requests ---------------------------------------------------------------------------------------

// What would be signed: the step as the keeper sees it now.
struct StepDraft {  // -> StepDrafted
  static constexpr std::uint16_t kType = 320;
  RequestId request;  // zero: a new one
  std::string kind;   // "ask", or a word of disclose::to_text(EventKind)
  PersonId by;
  CustomerId customer;        // of a new one
  std::uint32_t of_case = 0;  // of a new one
  std::vector<std::uint32_t> fields;
  std::int64_t window_ms = 0;  // of a release; of a new one what is wished
  std::array<std::uint8_t, 32> words{}, reader_key{};
  std::string category{};                               // of a new one, which has one
  bool answered = false, needed = false, used = false;  // of a review, which answers both
  template <class V>
  void visit(V& v) {
    v(request, kind, by, customer, of_case, fields, window_ms, words, reader_key, category,
      answered, needed, used);
  }
};
struct StepDrafted {
  static constexpr std::uint16_t kType = 421;
  std::string step;  // JSON, canonical
  template <class V>
  void visit(V& v) {
    v(step);
  }
};
// A draft, signed. `words`: r[16] || what was said, for a step that needs words; aad:
// intake_aad("words", {request, number}). `record`: of a ring the number on file, of a view the
// field. kState: another step came first.
struct StepPut {  // -> StepTaken
  static constexpr std::uint16_t kType = 321;
  std::string step, signature;  // JSON
  SealedValue words;
  FieldRecord record;
  template <class V>
  void visit(V& v) {
    v(step, signature, words, record);
  }
};
struct StepTaken {
  static constexpr std::uint16_t kType = 422;
  RequestId request;
  std::uint32_t number = 0;
  FieldRecord statement;  // to be kept by the server; no record: nothing was said
  ValueRead value;        // of a view; aad: request || number u32 || leaf u32
  template <class V>
  void visit(V& v) {
    v(request, number, statement, value);
  }
};
// The expert types what the customer says; the keeper says whether it is so.
struct CheckField {  // -> Checked
  static constexpr std::uint16_t kType = 322;
  RequestId request;
  PersonId expert;
  FieldRecord field;
  SealedValue given;  // aad: intake_aad("check", {request, leaf})
  template <class V>
  void visit(V& v) {
    v(request, expert, field, given);
  }
};
struct Checked {
  static constexpr std::uint16_t kType = 423;
  bool match = false;
  std::uint8_t tries_left = 0;
  std::uint32_t passed = 0;  // of this request, so far
  template <class V>
  void visit(V& v) {
    v(match, tries_left, passed);
  }
};
// A one-time code to an address on file, never to the number that was dialled.
struct SendCode {  // -> Ack
  static constexpr std::uint16_t kType = 323;
  RequestId request;
  PersonId expert;
  FieldRecord field;
  template <class V>
  void visit(V& v) {
    v(request, expert, field);
  }
};
struct CheckCode {  // -> Checked
  static constexpr std::uint16_t kType = 324;
  RequestId request;
  PersonId expert;
  SealedValue given;  // aad: intake_aad("code", {request})
  template <class V>
  void visit(V& v) {
    v(request, expert, given);
  }
};
// What was said with a step, for who has a part in the request. aad: request || number u32.
struct ReadWords {  // -> ValueRead
  static constexpr std::uint16_t kType = 325;
  RequestId request;
  std::uint32_t number = 0;
  PersonId person;
  std::array<std::uint8_t, 32> reader_key{};
  FieldRecord statement;
  template <class V>
  void visit(V& v) {
    v(request, number, person, reader_key, statement);
  }
};
// How it stands, and what who may do next.
struct RequestStateRequest {  // -> RequestState
  static constexpr std::uint16_t kType = 326;
  RequestId request;
  template <class V>
  void visit(V& v) {
    v(request);
  }
};
struct RequestState {
  static constexpr std::uint16_t kType = 426;
  std::string json;  // docs/disclosure.md
  template <class V>
  void visit(V& v) {
    v(json);
  }
};

// Retention of fields: how far it is, and what the last dry run said.
struct FieldRetentionRequest {  // -> FieldRetention
  static constexpr std::uint16_t kType = 327;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct FieldRetention {
  static constexpr std::uint16_t kType = 427;
  std::string json;  // FieldRetention in api/openapi.yaml
  template <class V>
  void visit(V& v) {
    v(json);
  }
};
// A dry run: what would go by when, by these days and hours or by those in force. Nothing changes.
// kBusy: one goes on. kMalformed: beyond the bounds of a policy.
struct ForecastFields {  // -> FieldRetention, when it has begun
  static constexpr std::uint16_t kType = 328;
  bool in_force = true;
  std::uint32_t reference_days = 0, contact_days = 0, secret_hours = 0;
  template <class V>
  void visit(V& v) {
    v(in_force, reference_days, contact_days, secret_hours);
  }
};
// An owner's word on the retention of fields: by this policy's days from now on, what has stopped
// goes on, and so many customers may lose something at once. Signed by the passkey of `by`
// (disclose/owners_word.hpp). kState: nothing waits for it, or it is of another policy, stop,
// number or nonce than FieldRetention says now. kDenied: not signed by an owner.
struct ConfirmFieldRetention {  // -> FieldRetention, after field_retention_confirmed is durable
  static constexpr std::uint16_t kType = 329;
  PersonId by;
  std::uint64_t customers = 0;
  std::uint32_t reference_days = 0, contact_days = 0, secret_hours = 0;
  std::string stop;  // keys/retention_guard.hpp; nothing: it has not stopped
  std::array<std::uint8_t, 16> nonce{};
  std::array<std::uint8_t, 32> reason_hash{};  // SHA-256(r || reason)
  std::string signature;                       // JSON
  template <class V>
  void visit(V& v) {
    v(by, customers, reference_days, contact_days, secret_hours, stop, nonce, reason_hash,
      signature);
  }
};

// The keeper's own time, by which it judges every step: one line, whatever a wall clock says.
struct TimeRequest {  // -> TimeTold
  static constexpr std::uint16_t kType = 331;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct TimeTold {
  static constexpr std::uint16_t kType = 431;
  std::int64_t utc_ms = 0;
  template <class V>
  void visit(V& v) {
    v(utc_ms);
  }
};

}  // namespace callward::keys
