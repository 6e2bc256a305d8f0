// The keeper's other half: customers' data, and who may see what of it. Behind verbs as those of
// erase::Keeper, whose log and key store it shares (keys/tenant.hpp): a verb checks, stages its
// entry, and answers when that is durable.
//
// INVARIANTS
//   (1) No entry, no act: what is to be read leaves only after its entry is durable, and after a
//       second look that nothing changed meanwhile. When the log fails, all that is known of people
//       and requests is forgotten, and read from it again.
//   (2) Whoever asks, the server included, is believed nothing that the log does not say: not the
//       role, not the call-back, not a check, not the time.
//   (3) A value leaves sealed to a key that a passkey in the role chart has signed, or not at all.
//   (4) Time goes on by the monotonic clock, from the latest of wall clock, last entry, last step
//       and what the keeper before it had counted: a wall clock that is set back lengthens no
//       window, though the keeper is started anew. Within a boot of the machine that is exact;
//       after another one it is up to kTimeAheadMs too much. (Not covered: time in which the
//       machine was off, told by no clock.)
//   (5) What is kept for days goes no sooner than by the days that were in force, nor in numbers
//       that are not usual, nor by a clock that jumped, until an owner has said so. Secrets go by
//       the policy as it is, whatever has stopped.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.hpp"
#include "crypto/hpke.hpp"
#include "disclose/chain.hpp"
#include "disclose/owners_word.hpp"
#include "disclose/recordings.hpp"
#include "keys/record.hpp"
#include "keys/retention_guard.hpp"
#include "keys/tenant.hpp"
#include "keys/vault_protocol.hpp"
#include "vault/book.hpp"
#include "vault/forecast.hpp"

namespace callward::disclose {

template <class T>
using Reply = std::function<void(Result<T>)>;

struct OfficePolicy {
  vault::Policy policy;
  crypto::Digest hash{};  // of its file
  people::RelyingParty party;
  std::array<std::uint8_t, 16> boot{};  // of the machine; zero: not known
};

// How a call-back went, as who dialled says it; the recording is the recorder's word.
struct DialEnd {
  bool answered = false;       // by the customer
  std::int64_t talked_ms = 0;  // both
  std::string cause;
};

class Office final : public keys::Tenant {
 public:
  // What it wants of others.
  struct Outbox {
    std::function<void(const keys::FieldsGone&)> fields_gone;
    std::function<void(const keys::RecordsWanted&)> records_wanted;
    // A secret that was typed in a live call, to be looked for in what is said there.
    std::function<void(const CallId& call, std::string_view kind, SecretBytes value)> typed_secret;
    // Rings the expert, then the number (E.164). How it went comes by dial_recorded(), dial_over().
    std::function<Status(const DialId& dial, const std::string& expert, SecretBytes number)> dial;
    std::function<void(const DialId& dial)> hang_up;
    // Whether this call is being recorded, or was.
    std::function<bool(const CallId& call)> is_recorded;
    // A one-time code to an address ("email", "sms"). An error: nobody is there who would take it.
    std::function<Status(std::string_view channel, SecretBytes address, SecretBytes code)> deliver;
    // SHA-256 of the token that founds the role chart (`callward init`); nothing: none was made.
    std::function<std::optional<crypto::Digest>()> founding = {};
  };
  Office(Clock& clock, Entropy& entropy, keys::KeyStore& store, keys::Ledger& ledger,
         OfficePolicy policy, Outbox outbox);

  // What people type (office_fields.cpp).
  void intake_key(const keys::IntakeKeyRequest& message, Reply<keys::IntakeKey> reply);
  void store_fields(const keys::StoreFields& message, Reply<keys::FieldsStored> reply);
  void look_up(const keys::LookUp& message, Reply<keys::FoundCustomers> reply);
  void look_up_caller(const keys::LookUpCaller& message, Reply<keys::FoundCustomers> reply);
  void records_put(const keys::RecordsPut& message, Reply<keys::Ack> reply);
  void customer_state(const keys::CustomerStateRequest& message, Reply<keys::CustomerState> reply);
  // What becomes of it (office_cases.cpp).
  void close_case(const keys::CloseCase& message, Reply<keys::Ack> reply);
  void assign_case(const keys::AssignCase& message, Reply<keys::Ack> reply);
  void erase_fields(const keys::EraseFields& message, Reply<keys::FieldsErased> reply);
  void hold_customer(const keys::HoldCustomer& message, Reply<keys::Ack> reply);
  void read_query(const keys::ReadQuery& message, Reply<keys::ValueRead> reply);
  // What its time is over for (office_retention.cpp).
  void field_retention(const keys::FieldRetentionRequest& message,
                       Reply<keys::FieldRetention> reply);
  void forecast_fields(const keys::ForecastFields& message, Reply<keys::FieldRetention> reply);
  // An owner's word on it (office_keep.cpp).
  void confirm_field_retention(const keys::ConfirmFieldRetention& message,
                               Reply<keys::FieldRetention> reply);
  // People (office_people.cpp).
  void chart_put(const keys::ChartPut& message, Reply<keys::ChartTaken> reply);
  void reader_put(const keys::ReaderPut& message, Reply<keys::Ack> reply);
  void reader_drop(const keys::ReaderDrop& message, Reply<keys::Ack> reply);
  void duty_put(const keys::DutyPut& message, Reply<keys::Ack> reply);
  void people_told(const keys::PeopleTold& message, Reply<keys::Ack> reply);
  // Requests (office_requests.cpp).
  void step_draft(const keys::StepDraft& message, Reply<keys::StepDrafted> reply);
  void step_put(const keys::StepPut& message, Reply<keys::StepTaken> reply);
  void read_words(const keys::ReadWords& message, Reply<keys::ValueRead> reply);
  void request_state(const keys::RequestStateRequest& message, Reply<keys::RequestState> reply);
  // What time it is here, for who shows what may be done (office_time.cpp).
  void tell_time(const keys::TimeRequest& message, Reply<keys::TimeTold> reply);
  // The verification (office_checks.cpp).
  void check_field(const keys::CheckField& message, Reply<keys::Checked> reply);
  void send_code(const keys::SendCode& message, Reply<keys::Ack> reply);
  void check_code(const keys::CheckCode& message, Reply<keys::Checked> reply);
  void dial_connected(const DialId& dial);
  void dial_recorded(const DialId& dial, const CallId& call);
  void dial_over(const DialId& dial, const DialEnd& end);

  // keys::Tenant (office.cpp)
  Status begin() override;
  Status log_is_back(std::uint64_t known_upto) override;
  Status stage_rows() override;
  void rows_written() override { book_.committed(); }
  [[nodiscard]] bool erasure_due() const override;
  Status intend() override;
  Status puncture() override;
  std::vector<OrderId> destroyed() override;
  void erased(const std::vector<OrderId>& orders, bool confirmed) override;
  void erase_again(const std::vector<OrderId>& orders) override;
  void mirrors_are_back() override;
  void tick() override;
  // Recordings (office_recordings.cpp).
  Result<boost::json::object> may_open(const keys::CallAsked& call, std::string_view actor,
                                       const std::array<std::uint8_t, 32>& reader_key,
                                       const keys::OpenAsked& asked) override;
  void was_opened(const keys::CallAsked& call, std::string_view actor,
                  const std::vector<keys::SegmentRange>& sound) override;
  Status may_erase(const keys::CallAsked& call, std::string_view actor) override;
  // Who is on the line (office_callers.cpp).
  void call_says(const CallId& call, ByteView call_data) override;
  // At whose telephone it is (office_calls.cpp).
  void call_is_over(const CallId& call) override;
  void call_is_at(const CallId& call, std::string_view telephone, bool begun,
                  std::function<void(Status)> done) override;
  void log_calls_at() override;
  void when_at(const CallId& call, std::string_view actor,
               std::function<void(const Status&)> then) override;
  [[nodiscard]] bool has_waiting() const override;

  // Whether this is the key of a browser of theirs, signed by a passkey that they still have. The
  // command line's, which is for one call alone, is none.
  [[nodiscard]] bool reads_with(const PersonId& person,
                                const std::array<std::uint8_t, 32>& key) const;
  [[nodiscard]] const people::Chart& chart() const { return chart_; }
  [[nodiscard]] const vault::Policy& policy() const { return policy_.policy; }
  [[nodiscard]] std::int64_t now() const;  // UTC ms (4)
  [[nodiscard]] std::string status_json() const;
  void forget_rates() {  // for a bench: people look up slower
    rates_.clear();
    looked_.reset();
  }

  static constexpr std::int64_t kIntakeKeyMs = 3'600'000;  // then a new one; taken as long again
  static constexpr std::size_t kIntakesMax = 200'000;      // remembered while their key is taken
  static constexpr std::size_t kFieldsPerIntakeMax = 32;
  static constexpr std::size_t kLookUpsPerMinute = 30;  // of one person
  static constexpr std::size_t kLookUpsPerMinuteAll = 6'000;
  // Of a day: 24 hours from the first that is counted, by the monotonic clock, each keeper for
  // itself. Only what is typed counts: whoever has the server seals guesses of its own, in
  // everybody's name; the number of a call that runs is none. (disclose/parts.hpp has how many.)
  // Such days, of each person, have what is found by a call's number, and what is ordered erased.
  static constexpr std::int64_t kLookUpDayMs = 24 * 3'600'000;
  static constexpr std::size_t kCallersMax = 20'000;    // calls at a time whose number is looked up
  static constexpr std::size_t kCallsAtMax = 20'000;    // ... at whose telephone they are
  static constexpr std::size_t kWereAtMax = 32;         // of one call; the first ones go
  static constexpr std::int64_t kAfterCallMs = 60'000;  // what was typed in it is still taken
  // An act waits so long to hear that the call is at whose telephone it takes. More are answered
  // at once, by what is known: of one person in one call, and in all calls, presses for privacy
  // and other acts each on their own; of everybody's, of which some places are for presses alone.
  static constexpr std::int64_t kActWaitsMs = 2'000;
  static constexpr std::size_t kActsWaitingInCallMax = 4;
  static constexpr std::size_t kActsWaitingByMax = 16;
  static constexpr std::size_t kActsWaitingMax = 256;
  static constexpr std::size_t kPressesWaitingMin = 64;
  static constexpr std::int64_t kReaderMs = 12 * 3'600'000;
  static constexpr std::size_t kReadersPerPersonMax = 8;
  static constexpr std::size_t kKeysKnownMax = 50'000;  // whose they were; the oldest go
  // A keeper that begins is told who is on duty, one after the other, and then that this was all:
  // so long after that it counts whom it was not told of.
  static constexpr std::int64_t kDutyToldMs = 30'000;
  static constexpr std::int64_t kDraftMs = 5 * 60'000;  // between the draft and its signature
  static constexpr std::int64_t kCodeMs = 10 * 60'000;
  // A field of the vault's own: what was said about a request.
  static bool is_words(const vault::Version& version) { return version.field.front() == '~'; }
  static constexpr std::uint8_t kTriesMax = 3;    // of each field and each code, then it is locked
  static constexpr std::size_t kCodesMax = 3;     // of one request
  static constexpr std::size_t kRangMax = 1'000;  // dials of which it is known whose they are
  static constexpr std::size_t kRequestsMax = 5'000;  // not over, or not reviewed
  static constexpr std::size_t kSettledMax = 1'000;   // known for their words' sake; the oldest go
  static constexpr std::int64_t kSettledKeptMs = 7 * 86'400'000ll;
  static constexpr std::size_t kRequestsPerPersonMax = 20;
  // What may be said of one request by its end: asked, broken open by two, or a verdict and a
  // decline; revoked; reviewed. Whoever asks leaves room for it, of each that is not settled.
  static constexpr std::size_t kWordsOfRequestMax = 6;
  static constexpr std::size_t kRequestsPerCustomerMax =
      vault::Customer::kWordsKept / kWordsOfRequestMax;
  static_assert(kRequestsPerCustomerMax >= 100);
  static constexpr std::size_t kProposedMax = 10'000;      // customers whom one person wants gone
  static constexpr std::size_t kErasuresPerTurnMax = 500;  // customers
  // Customers of whom something is over by its time, in hand at once; the others wait for the next
  // round over all.
  static constexpr std::size_t kPassingMax = 2 * kErasuresPerTurnMax;
  // Erasures that are done here and wait for a mirror. Beyond it they are not remembered, and stay
  // unconfirmed in the log.
  static constexpr std::size_t kUnconfirmedMax = 100'000;
  static constexpr std::size_t kDirtyMax = 2'000;  // rows: then they are written
  static constexpr std::int64_t kWantedEveryMs = 5'000;
  static constexpr std::size_t kWantedPerTurnMax = 200;  // customers
  static constexpr std::int64_t kScanPauseMs = 60'000;   // between two rounds over all customers
  // Customers who may lose something by retention on a day on which nothing is usual yet.
  static constexpr std::int64_t kFreeCustomers = 100;
  static constexpr std::int64_t kNonceMs = 10 * 60'000;  // then a new one; taken as long again
  static constexpr std::size_t kDraftsMax = 20'000;      // requests that nobody has signed yet
  static constexpr std::int64_t kTimeAheadMs = 60'000;   // that another boot adds to an open window
  static constexpr std::int64_t kTimeKeptMs = 10 * 60'000;  // and takes off an idle night's count

 private:
  struct IntakeSecret {
    std::uint32_t number = 0;
    Key32 secret;
    crypto::PublicKey public_key{};
    std::int64_t begun_ms = 0;  // monotonic
  };
  struct Reader {
    std::array<std::uint8_t, 32> key{};
    Bytes passkey;              // that signed it
    std::int64_t until_ms = 0;  // monotonic
    keys::ReaderScope scope;
  };
  struct Code {
    SecretBytes value;
    vault::Leaf leaf = 0;
    std::int64_t until_ms = 0;  // monotonic
    std::uint8_t misses = 0;
  };
  struct Dialling {
    DialId dial;
    CallId call;
    vault::Leaf leaf = 0;
    std::int64_t number_age_days = 0;
    std::optional<std::int64_t> connected_ms;  // monotonic
  };
  struct Running {
    Chain chain;
    CustomerId asked_of;                  // while its first step is on its way to the log
    std::uint64_t entry = 0;              // its last one, which may be on its way to the log
    std::optional<std::uint64_t> logged;  // its last one that is there
    std::set<std::string> passed;         // what was compared and fits, as it counts
    std::map<vault::Leaf, std::uint8_t> misses;
    CallBack call_back;                       // the last that is over
    std::map<std::uint32_t, PersonId> words;  // steps that said something, and who
    std::optional<Code> code;
    std::size_t codes = 0;
    bool code_by_mail = false;  // the last one
    SecretBytes dialled;        // the number of the last call-back
    std::optional<Dialling> dialling;
    std::set<PersonId> read, heard;          // the concern; the call-back, since the verdict
    std::map<PersonId, HeardSound> hearing;  // of who has not heard enough of it yet
    bool staged = false;                     // a step of it is on its way to the log
  };
  struct Going {  // an erasure of one customer's leaves
    CustomerId customer;
    std::vector<vault::Leaf> leaves;
    bool whole = false;
    bool chosen = false, logged = false, punctured = false;  // how far it is
    bool taken = false;                                      // done, and on its way to the log
    bool unconfirmed = false;                                // but a mirror is away
  };
  struct Passing {                              // what is over by its time, and how far it is
    std::map<CustomerId, std::size_t> in_hand;  // fields that go
    std::size_t taking = 0;                     // customers of this turn
    std::uint64_t left = 0, counted = 0;  // fields beyond kPassingMax: of the last round, of this
    std::int64_t since = 0;               // UTC ms; 0: nothing is being erased
    std::uint64_t fields = 0, customers = 0;  // erased since then
    std::int64_t batch_at = 0;
    std::uint64_t batch = 0;
    std::uint64_t errors = 0;  // rows that could not be read, rounds that could not be made
    std::string why;           // the last one
  };
  struct Done {  // the last time that something was erased
    std::int64_t since = 0, until = 0;
    std::uint64_t fields = 0, customers = 0;
  };
  // A round counts before the next one erases: customers of whom something is over by the days in
  // force, and by those that the policy states.
  struct Tally {
    std::int64_t at = 0;  // UTC ms; 0: none was counted to its end
    std::uint64_t customers = 0, fields = 0, to_confirm = 0;
  };
  struct Keeping {  // of what is kept for days
    keys::RetentionGuard guard{keys::RetentionState{}, kFreeCustomers};
    bool dirty = false;         // the head lacks what the guard knows
    std::int64_t saved_ms = 0;  // monotonic
    Tally counting, counted;    // this round, the last whole one
    bool erasing = false;       // this round takes, at most `budget` customers more
    std::uint64_t budget = 0, taken = 0;
    std::array<std::uint8_t, 16> nonce{}, nonce_before{};
    std::optional<std::int64_t> nonce_ms;  // monotonic
  };
  struct Foreseen {  // a dry run
    vault::Forecast forecast;
    std::optional<std::uint64_t> next;  // row; nothing: it is through
    std::string failed;
  };
  struct At {                                // a call
    std::string telephone;                   // as it was said last
    bool told = false;                       // by who has to say it, not read from its data
    std::optional<PersonId> person, staged;  // in the log; on its way there. Zero: nobody's
    std::vector<PersonId> were;              // at whose it has been, the newest last
    std::vector<PersonId> owed;           // private by the recorder's word: the log is to have it
    std::optional<std::int64_t> over_ms;  // monotonic
  };
  enum class InCall : std::uint8_t {
    kNow,
    kWas,    // it is enough that it has been at theirs
    kPress,  // for privacy
  };
  struct WaitingAct {
    CallId call;
    std::string actor;
    InCall as = InCall::kNow;
    std::int64_t until_ms = 0;  // monotonic
    std::function<void(const Status&)> then;
  };
  struct Rate {
    std::int64_t minute = 0;
    std::size_t count = 0;
  };

  struct LookedUp {
    std::int64_t since_ms = 0;  // monotonic
    std::size_t all = 0;
    std::map<std::string, std::size_t> by;
    std::set<std::string> said;  // whose bound the event log has; "": of all
  };
  struct OwnDay {                          // what each person did in it
    std::optional<std::int64_t> since_ms;  // monotonic
    std::map<std::string, std::size_t> by;
    std::set<std::string> said;
  };
  struct ProposedAll {
    PersonId by;
    std::int64_t at = 0;  // UTC ms
  };

  // office_replay.cpp (ready, note_going: office.cpp)
  void forget();
  Status reload(std::uint64_t rows_upto);
  Status ready();  // kUnavailable: the log cannot be written
  using Entries = std::map<std::uint64_t, audit::Entry>;
  Status walk_back(std::uint64_t from, Entries& entries);
  Status replay_known(std::uint64_t index, const audit::Entry& entry);
  Status replay_step(std::uint64_t index, const RequestId& id, const audit::Entry& entry);
  Status replay_customer(const audit::Entry& entry);
  Status replay_stored(const CustomerId& id, const audit::Entry& entry);
  void void_fields(const CustomerId& id, const std::vector<vault::Leaf>& leaves);
  void want_records();
  void replay_going(const CustomerId& id, vault::Customer* customer, const audit::Entry& entry);
  Result<audit::Entry> entry_at(std::uint64_t index);
  void note_going(vault::Customer& customer, bool whole = false);
  // office_retention.cpp
  void scan_customers();
  bool has_passed(const vault::Customer& customer);
  void pass_customer(vault::Customer& customer);
  std::uint64_t count_passed(const CustomerId& customer);
  void note_batch(std::uint64_t fields);
  void end_round();
  void forecast_on();
  // office_keep.cpp
  Status begin_keep();
  Status settle_keep();
  Result<vault::Keep> keep_of_log();
  [[nodiscard]] crypto::Digest policy_stated() const;
  Status state_policy();
  [[nodiscard]] boost::json::array days_in_force() const;
  [[nodiscard]] vault::Keep keep_in_force() const;
  [[nodiscard]] vault::Times times() const;
  [[nodiscard]] bool waits_for_owner() const;
  void count_kept(const vault::Customer& customer);
  void decide_round();
  void stop_kept(keys::RetentionStop why, std::int64_t by);
  void watch_kept();
  void log_kept_stop();
  void replay_passed(const vault::Customer& customer, const audit::Entry& entry);
  Status replay_word(const audit::Entry& entry);
  void days_by(const OwnersWord& word);
  Status check_word(const OwnersWord& word) const;
  void renew_nonce();
  void add_kept(boost::json::object& json) const;
  // office_retention.cpp
  [[nodiscard]] boost::json::object retention_json() const;
  // office.cpp
  void keep_running();
  void use_up(vault::Customer& customer, vault::Leaf leaf);
  // office_cases.cpp
  void lift_hold(vault::Customer& customer);
  [[nodiscard]] std::size_t unsettled_of(const CustomerId& customer) const;
  Status may_erase_fields(const keys::EraseFields& message);
  [[nodiscard]] bool confirms_all(const CustomerId& customer, const PersonId& actor) const;
  void propose_all(const CustomerId& customer, const PersonId& actor);
  void carry_out_erasure(const keys::EraseFields& message);
  [[nodiscard]] bool is_being_erased(const CustomerId& customer) const;
  // office_people.cpp
  [[nodiscard]] const Reader* find_reader(const PersonId& person,
                                          const std::array<std::uint8_t, 32>& key) const;
  [[nodiscard]] Result<people::PersonSignature> check_reader(const keys::ReaderPut& message) const;
  [[nodiscard]] bool is_anothers(const std::array<std::uint8_t, 32>& key,
                                 const PersonId& person) const;
  void note_bound(const std::array<std::uint8_t, 32>& key, const PersonId& person);
  [[nodiscard]] Error no_reader(std::string why) const;
  [[nodiscard]] bool is_off(const PersonId& person) const;
  // office_time.cpp
  Status begin_time();
  void keep_time();
  // office_fields.cpp
  IntakeSecret* intake_secret(std::uint32_t number);
  // What a sender's context goes on with, where several values are its messages.
  struct IntakeContext {
    std::uint32_t key;
    crypto::PublicKey enc;
    crypto::HpkeReceiver receiver;
  };
  Result<SecretBytes> open_intake(const keys::SealedValue& value, std::string_view purpose,
                                  std::initializer_list<std::string_view> about);
  Result<SecretBytes> open_intake(const keys::SealedValue& value, std::string_view purpose,
                                  std::initializer_list<std::string_view> about,
                                  std::optional<IntakeContext>& context);
  struct Typed {
    const vault::FieldSpec* spec;
    SecretBytes value, normalised;
  };
  Result<std::vector<Typed>> open_fields(const keys::StoreFields& message);
  Result<keys::StoredField> store_one(vault::Customer& customer, std::uint32_t of_case,
                                      const Typed& typed);
  Status stage_stored(const keys::StoreFields& message, const keys::FieldsStored& stored,
                      const vault::Customer& customer, bool fresh);
  Result<vault::CompareToken> compare_token(vault::FieldKind kind, ByteView normalised);
  Result<bool> compare_fits(const vault::CompareToken& token, vault::FieldKind kind,
                            ByteView normalised);
  // office_calls.cpp
  [[nodiscard]] PersonId whose_is(const At& at) const;
  At* at_of(const CallId& call);  // nullptr: there are too many
  void call_data_names(const CallId& call, std::string_view telephone);
  void place(const CallId& call, At& at, std::function<void(Status)> done);
  Status stage_at(const CallId& call, At& at, const PersonId& person);
  static void is_placed(At& at, const PersonId& person);
  void place_again();
  Status may_in_call(const CallId& call, std::string_view actor, InCall as);
  Status may_by_word(At& at, const PersonId& person);
  [[nodiscard]] bool has_place(const CallId& call, std::string_view actor, InCall as) const;
  void when_in_call(const CallId& call, std::string_view actor, InCall as,
                    std::function<void(const Status&)> then);
  void answer_waiting();
  void tick_calls();
  // office_fields.cpp
  [[nodiscard]] Status may_store(const keys::StoreFields& message);
  [[nodiscard]] bool is_typed_in_call_back(const keys::StoreFields& message);
  void store_typed(const keys::StoreFields& message, Reply<keys::FieldsStored> reply);
  bool within_rate(const std::string& actor);
  Status within_day(const std::string& actor);
  Status within_own_day(OwnDay& day, const std::string& actor, std::size_t most,
                        std::string_view event, std::string_view why);
  Status may_look_up(const std::string& actor);
  void warm_numbers() const;
  void answer_found(const keys::FoundCustomers& found, audit::Entry entry,
                    const Reply<keys::FoundCustomers>& reply);
  Result<keys::FoundCustomers> who_has(const vault::Token& token);
  Result<keys::ValueRead> seal_to(const std::array<std::uint8_t, 32>& key, ByteView aad,
                                  ByteView value);
  Status may_act(std::string_view actor, people::Roles roles) const;
  // office_people.cpp
  Status stage_duty(const PersonId& person, bool on, std::string actor,
                    std::function<void(const Status&)> then);
  void note_duty(const PersonId& person, bool on);
  void find_experts();
  void miss_experts();
  // office_requests.cpp
  Result<Running*> find_known(const RequestId& id);  // a settled one, too
  Result<Running*> find_request(const RequestId& id);
  [[nodiscard]] World world_at(std::int64_t at) const {
    return {chart_, policy_.policy.limits, at};
  }
  Status check_step(const ChainStep& step, const Running* running) const;
  Status check_asked(const ChainStep& step);
  Result<std::optional<SecretBytes>> check_words(const keys::StepPut& message,
                                                 const ChainStep& step);
  Result<keys::FieldRecord> seal_words(const CustomerId& customer, std::uint32_t of_case,
                                       const ChainStep& step, const SecretBytes& words);
  struct View {
    const vault::Version* version = nullptr;
    SecretBytes value;
  };
  Result<SecretBytes> open_released(const Request& request, vault::Leaf leaf,
                                    const keys::FieldRecord& record);
  struct Judged {  // as the request is then, and what is to be done
    Chain chain;
    std::vector<Action> actions;
  };
  Result<Judged> judge(Chain chain, const SignedStep& step) const;
  Status stage_read(const keys::ReadWords& message);
  Status stage_step(const RequestId& id, Running& running, const SignedStep& step, Judged judged);
  void system_step(const RequestId& id, EventKind kind, const PersonId& expert = {});
  void carry_out(const RequestId& id, const std::vector<Action>& actions);
  void find_expert(const RequestId& id);
  [[nodiscard]] bool lost_its_expert(const Request& request) const;
  [[nodiscard]] bool waits_for_expert(const Request& request) const;
  void pass_deadlines();
  [[nodiscard]] bool counts(const CallBack& made) const;  // else nobody was reached
  void settle(Running& running);
  [[nodiscard]] boost::json::object state_of(const Running& running) const;
  // The call-back that a verdict now would be of.
  static CallBack judged(const Running& running);
  // office_recordings.cpp
  [[nodiscard]] Heard heard_of(const keys::CallAsked& call) const;
  [[nodiscard]] Status enough_is_kept(const CallBack& made) const;
  [[nodiscard]] static Status has_heard(const Running& running, const PersonId& person);
  // office_checks.cpp
  void note_rang(const DialId& dial, const keys::CallBackOf& of);
  Result<Running*> in_verification(const RequestId& id, const PersonId& expert);
  Status ring(const RequestId& id, Running& running, const keys::FieldRecord& record);
  Result<std::uint64_t> stage_of_request(const RequestId& id, Running& running, std::string type,
                                         std::string actor, boost::json::object data);
  void answer_check(const RequestId& id, const std::string& what, bool match, std::uint8_t left,
                    Reply<keys::Checked> reply);

  Clock& clock_;
  Entropy& entropy_;
  keys::Ledger& ledger_;
  OfficePolicy policy_;
  Outbox outbox_;
  keys::RecordCipher cipher_;
  vault::Book book_;
  people::Chart chart_;
  std::uint64_t chart_entry_ = 0;  // the newest change's, plus one
  bool chart_staged_ = false;
  std::optional<Limits> limits_then_;  // while the log is read again: those that it stated last
  bool known_ = false;                 // chart and requests are those of the log
  std::map<RequestId, Running> requests_;
  std::map<DialId, RequestId> dials_;
  std::map<DialId, keys::CallBackOf> rang_;  // over, too: the recording's name comes when it comes
  std::deque<DialId> rang_in_order_;         // the newest last
  std::map<RequestId, std::int64_t> drafted_;  // when, monotonic: only these may begin, once
  std::map<PersonId, std::vector<Reader>> readers_;
  std::map<std::array<std::uint8_t, 32>, PersonId> key_of_;  // bound to this keeper, for whom
  std::deque<std::array<std::uint8_t, 32>> keys_in_order_;   // the newest last
  std::map<PersonId, std::uint64_t> on_duty_;  // and when they came, or were last given one
  std::map<PersonId, std::uint64_t> given_;    // the same, as the log told a keeper that began
  std::uint64_t turn_ = 0;                     // the last that came or was given one
  std::set<PersonId> off_;                     // said to be off duty, and not on since
  std::set<PersonId> duty_staged_;             // it is on its way to the log
  std::optional<std::int64_t> duty_told_ms_;   // monotonic: since when everybody's was told
  bool readers_told_ = false;                  // every key that holds was, to this keeper
  std::deque<IntakeSecret> intake_;            // the newest first; two at most
  std::unordered_map<keys::IntakeId, std::int64_t> intakes_;  // when, monotonic
  std::map<std::string, Rate> rates_;
  std::optional<LookedUp> looked_;          // this day
  std::map<CallId, vault::Token> callers_;  // of calls that run: what finds their number
  std::map<CallId, At> at_;                 // of calls that run, or ended just now
  std::vector<WaitingAct> waiting_;
  std::map<CustomerId, vault::Customer::Before> unlogged_;  // before what this round stored
  std::map<OrderId, Going> going_;
  std::set<CustomerId> going_of_;
  std::size_t unconfirmed_ = 0;  // of going_
  Passing passing_;
  Done passed_;
  std::optional<Foreseen> foreseen_;
  Keeping kept_;
  std::map<CustomerId, ProposedAll> proposed_;  // who wants all of it gone
  std::map<CustomerId, std::size_t> erasing_;   // orders of it on their way to the log
  OwnDay callers_day_, erasures_day_;
  std::int64_t utc_from_ = 0, mono_from_ = 0;
  std::map<CustomerId, std::vector<vault::Leaf>> wanted_;  // stored, and in no row that was written
  std::int64_t next_scan_ms_ = 0, next_wanted_ms_ = 0;
};

}  // namespace callward::disclose
