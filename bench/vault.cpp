// The vault without its network: the real keeper and office with key store (two mirrors on files)
// and log, every sync included. What browsers do (sealing, signing, opening) is done here too, and
// not counted.
//
//   vault_bench [--customers N] [--seconds S] [--mirrors N] [--dir D] [--json]
//
// Capture: a new customer with name, phone, query and e-mail, three of them searched by; one client
// at a time, then 16 whose requests come in one round. Reads: a released field, each a step that a
// passkey signed. Look-up: an exact value among all customers that there are, N of them filled in
// before.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "audit/log.hpp"
#include "crypto/hpke.hpp"
#include "disclose/office.hpp"
#include "erase/keeper.hpp"
#include "people/passkey_rig_test.hpp"
#include "vault/normalise.hpp"

using namespace callward;
using disclose::ChainStep;
using disclose::Office;
using people::ChangeKind;
using people::Role;
using people::test::Authenticator;

namespace {

constexpr std::size_t kClients = 16;
const people::RelyingParty kParty{"localhost", "https://localhost"};

struct Options {
  std::uint64_t customers = 1'000'000;
  double seconds = 5;
  std::size_t mirrors = 2;
  std::string dir = "/tmp/callward-bench-vault-" + std::to_string(::getpid());
  bool json = false;
};

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "vault_bench: %s\n", why.c_str());
  std::exit(1);
}
template <class T>
T need(Result<T> result) {
  if (!result) die(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Someone {
  PersonId id;
  std::unique_ptr<Authenticator> device;
};

struct Figure {
  std::string what;
  std::uint64_t count = 0;
  double per_s = 0, p50_ms = 0, p99_ms = 0;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    std::filesystem::remove_all(options.dir);
    std::vector<keys::MirrorPaths> paths;
    for (std::size_t i = 0; i < options.mirrors; ++i) {
      const auto disk = options.dir + "/disk" + std::to_string(i);
      paths.push_back({disk + "/store", disk + "/anchor"});
    }
    const auto wrap = entropy_.key();
    need(keys::KeyStore::create(vfs_, entropy_, paths, wrap));
    store_ = need(keys::KeyStore::open(vfs_, entropy_, paths, wrap));
    log_ = need(audit::Log::open(vfs_, options.dir + "/log", "bench.example/log", entropy_.key()));
    erase::KeeperPolicy policy;
    policy.publish_beside = true;
    keeper_ = std::make_unique<erase::Keeper>(
        clock_, entropy_, *store_, *log_, policy,
        erase::Keeper::Outbox{.derived_sealed = [](const auto&) {},
                              .listening_done = [](const auto&) {},
                              .order_state = [](const auto&) {},
                              .wipe = [](const auto&, std::function<void()> done) { done(); }});
    policy_ = need(vault::parse_policy(vault::default_policy_text(), "policy.toml"));
    policy_.region = "US";
    office_ = std::make_unique<Office>(clock_, entropy_, *store_, keeper_->ledger(),
                                       disclose::OfficePolicy{policy_, {}, kParty}, outbox());
    keeper_->set_tenant(*office_);
    need(keeper_->start());
    make_people();
  }
  ~Bench() {
    keeper_.reset();
    office_.reset();
    log_.reset();
    store_.reset();
    std::filesystem::remove_all(options_.dir);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // Rows and index as stores would have made them, without an entry each: only look-ups need them.
  double fill() {
    const auto begun = clock_.monotonic_ns();
    vault::Book book(entropy_, *store_);
    need(book.open());
    constexpr std::uint64_t kRound = 20'000;
    for (std::uint64_t i = 0; i < options_.customers; ++i) {
      auto& customer = *need(book.create()).customer;
      const auto of_case = need(customer.open_case(office_->policy().keep, office_->now()));
      const auto leaf =
          need(customer.store(*policy_.find("phone"), of_case, policy_, office_->now()));
      need(book.index(customer, leaf,
                      book.token_of(vault::FieldKind::kPhone, as_bytes(number_of(i)))));
      if (i % kRound + 1 != kRound && i + 1 != options_.customers) continue;
      need(book.stage_rows());
      need(store_->commit(log_->size()));
      book.let_go();
    }
    need(office_->begin());  // the head is another's now
    return static_cast<double>(clock_.monotonic_ns() - begun) / 1e9;
  }

  Figure capture(std::size_t clients) {
    Figure figure{.what = "capture, " + std::to_string(clients) + " at a time"};
    std::vector<double> times;
    double spent = 0;
    while (spent < options_.seconds) {
      std::vector<keys::StoreFields> messages;
      for (std::size_t i = 0; i < clients; ++i) messages.push_back(new_customer());
      const auto begun = clock_.monotonic_ns();
      std::size_t stored = 0;
      for (const auto& message : messages)
        office_->store_fields(message, [&](Result<keys::FieldsStored> answer) {
          last_ = need(std::move(answer));
          ++stored;
        });
      keeper_->end_round();
      const auto took = static_cast<double>(clock_.monotonic_ns() - begun) / 1e9;
      if (stored != clients) die("not all was stored");
      spent += took;
      figure.count += clients;
      times.push_back(took * 1'000);
      if (figure.count % 1'024 == 0) keeper_->tick();
    }
    return finished(figure, times, spent);
  }

  Figure look_up() {
    Figure figure{.what = "look-up among " + std::to_string(options_.customers)};
    std::vector<double> times;
    double spent = 0;
    const auto actor = agent_.id.hex();
    for (std::uint64_t i = 0; spent < options_.seconds; ++i) {
      if (i % Office::kLookUpsPerMinute == 0) office_->forget_rates();
      std::uint64_t random = 0;
      entropy_.fill({reinterpret_cast<std::uint8_t*>(&random), sizeof(random)});
      const keys::LookUp message{
          actor, "phone", seal(number_of(random % options_.customers), "find", {actor, "phone"})};
      const auto begun = clock_.monotonic_ns();
      std::size_t found = 0;
      office_->look_up(message, [&](Result<keys::FoundCustomers> answer) {
        found = need(std::move(answer)).customers.size();
      });
      keeper_->end_round();
      const auto took = static_cast<double>(clock_.monotonic_ns() - begun) / 1e9;
      if (found != 1) die("a customer was not found");
      spent += took;
      ++figure.count;
      times.push_back(took * 1'000);
    }
    return finished(figure, times, spent);
  }

  Figure read(std::size_t clients) {
    Figure figure{.what = "released reads, " + std::to_string(clients) + " at a time"};
    std::vector<RequestId> open;
    for (std::size_t i = 0; i < clients; ++i) open.push_back(open_request());
    std::vector<double> times;
    double spent = 0;
    while (spent < options_.seconds) {
      std::vector<keys::StepPut> messages;
      for (const auto& id : open) messages.push_back(view_of(id));
      const auto begun = clock_.monotonic_ns();
      std::size_t seen = 0;
      for (const auto& message : messages)
        office_->step_put(message, [&](Result<keys::StepTaken> answer) {
          seen += !need(std::move(answer)).value.sealed.empty();
        });
      keeper_->end_round();
      const auto took = static_cast<double>(clock_.monotonic_ns() - begun) / 1e9;
      if (seen != clients) die("not all was read");
      spent += took;
      figure.count += clients;
      times.push_back(took * 1'000);
    }
    return finished(figure, times, spent);
  }

 private:
  static Figure finished(Figure figure, std::vector<double>& times, double spent) {
    std::ranges::sort(times);
    figure.per_s = static_cast<double>(figure.count) / spent;
    figure.p50_ms = times[times.size() / 2];
    figure.p99_ms = times[times.size() * 99 / 100];
    return figure;
  }
  // Each another one, of as many as an area has, then of the next.
  static std::string number_of(std::uint64_t i) {
    constexpr std::uint64_t kOfAnArea = 8'000'000;
    constexpr std::array kAreas = {"+1650", "+1415", "+1408", "+1310"};
    return kAreas.at(i / kOfAnArea % kAreas.size()) + std::to_string(2'000'000 + i % kOfAnArea);
  }
  Office::Outbox outbox() {
    return {.fields_gone = [](const keys::FieldsGone&) {},
            .records_wanted = [](const keys::RecordsWanted&) {},
            .typed_secret = [](const CallId&, std::string_view, SecretBytes) {},
            .dial = [](const DialId&, const std::string&, SecretBytes) { return Status{}; },
            .hang_up = [](const DialId&) {},
            .is_recorded = [](const CallId&) { return true; },
            .deliver = [](std::string_view, SecretBytes, SecretBytes) { return Status{}; },
            .founding = [] { return std::optional(crypto::sha256(Bytes(32, 7))); }};
  }
  template <class Reply, class Message>
  Reply ask(void (Office::*verb)(const Message&, disclose::Reply<Reply>), const Message& message) {
    std::optional<Result<Reply>> answer;
    (office_.get()->*verb)(message, [&](Result<Reply> outcome) { answer = std::move(outcome); });
    keeper_->end_round();
    if (!answer) die("no answer");
    return need(std::move(*answer));
  }
  keys::SealedValue seal(std::string_view text, std::string_view purpose,
                         std::initializer_list<std::string_view> about) {
    const auto key = ask(&Office::intake_key, keys::IntakeKeyRequest{});
    const auto sealed =
        need(crypto::hpke_seal(entropy_, key.public_key, as_bytes("callward intake v1"),
                               as_bytes(keys::intake_aad(purpose, about)), as_bytes(text)));
    return {key.key, sealed.enc, sealed.ciphertext};
  }
  keys::StoreFields new_customer() {
    keys::StoreFields message{.intake = keys::IntakeId::random(entropy_), .actor = agent_.id.hex()};
    const auto n = std::to_string(++customers_);
    const auto key = ask(&Office::intake_key, keys::IntakeKeyRequest{});
    auto sender =
        need(crypto::HpkeSender::make(entropy_, key.public_key, as_bytes("callward intake v1")));
    for (const auto& [field, value] : std::vector<std::pair<std::string, std::string>>{
             {"name", "Customer " + n},
             {"phone", "+1212" + std::to_string(2'000'000 + customers_ % 7'999'999)},
             {"query", "The second screen stays dark after the update"},
             {"email", "c" + n + "@mail.example"}}) {
      const auto aad = keys::intake_aad("field", {message.intake.hex(), field});
      message.fields.push_back(
          {field, {key.key, sender.enc(), sender.seal(as_bytes(aad), as_bytes(value))}});
    }
    return message;
  }

  // ---- people ----
  people::Change change(ChangeKind kind, const Someone& about) {
    people::Change made;
    made.number = chart_.number() + 1;
    made.before = chart_.head();
    made.at = office_->now();
    made.kind = kind;
    made.person = about.id;
    return made;
  }
  void put(const people::Change& made, const std::vector<Someone*>& by) {
    people::SignedChange whole{made, {}};
    keys::ChartPut message{boost::json::serialize(people::to_json(made)), {}};
    for (auto* one : by) {
      whole.signatures.push_back({one->id, one->device->sign(kParty, need(people::hash_of(made)))});
      message.signatures.push_back(
          boost::json::serialize(people::to_json(whole.signatures.back())));
    }
    need(chart_.apply(whole));
    (void)ask(&Office::chart_put, message);
  }
  void with_key(people::Change& made, Someone& about) {
    made.key = need(people::check_registration(kParty, {}, about.device->enrol(kParty, {})));
  }
  void join(Someone& one, people::Roles roles) {
    one = {PersonId::random(entropy_), std::make_unique<Authenticator>(++devices_, people::kEdDsa)};
    auto made = change(ChangeKind::kPerson, one);
    made.roles = people::bit(Role::kAgent);
    made.answers_to = owner_.id;
    put(made, {&owner_});
    made = change(ChangeKind::kInvited, one);
    made.invite = crypto::sha256(Bytes(32, devices_));
    put(made, {&owner_});
    made = change(ChangeKind::kFirstKey, one);
    made.token = Bytes(32, devices_);
    with_key(made, one);
    put(made, {&one});
    if (roles == people::bit(Role::kAgent)) return;
    made = change(ChangeKind::kPerson, one);
    made.roles = roles;
    made.answers_to = owner_.id;
    if ((roles & people::kTwoToGive) != 0)
      put(made, {&owner_, &second_});
    else
      put(made, {&owner_});
  }
  void make_people();

  // ---- requests ----
  ChainStep draft(const keys::StepDraft& message) {
    const auto drafted = ask(&Office::step_draft, message);
    return need(disclose::step_from_json(boost::json::parse(drafted.step).as_object()));
  }
  keys::StepPut signed_step(const ChainStep& step, Someone& by) {
    const people::PersonSignature said{by.id,
                                       by.device->sign(kParty, need(disclose::hash_of(step)))};
    return {.step = boost::json::serialize(disclose::to_json(step)),
            .signature = boost::json::serialize(people::to_json(said))};
  }
  // By break-glass: as many steps as matter here.
  RequestId open_request() {
    const auto stored = ask(&Office::store_fields, new_customer());
    for (const auto& field : stored.fields)
      if (field.field == "email") field_ = {field.leaf, field.record};
    const auto words = std::string(16, 'r') + "The settings of this customer are needed for a test";
    keys::StepDraft asked{.kind = "ask",
                          .by = technician_.id,
                          .customer = stored.customer,
                          .of_case = stored.of_case,
                          .fields = {field_.leaf},
                          .words = crypto::sha256(as_bytes(words)),
                          .category = "other"};
    const auto step = draft(asked);
    auto message = signed_step(step, technician_);
    message.words = seal(words, "words", {step.request.hex(), "1"});
    (void)ask(&Office::step_put, message);
    for (auto* by : {&first_, &other_}) {
      const auto broken = draft({.request = step.request,
                                 .kind = "break",
                                 .by = by->id,
                                 .fields = {field_.leaf},
                                 .window_ms = 3'600'000,
                                 .words = crypto::sha256(as_bytes(words))});
      auto release = signed_step(broken, *by);
      release.words = seal(words, "words", {step.request.hex(), std::to_string(broken.number)});
      (void)ask(&Office::step_put, release);
    }
    fields_[step.request] = field_;
    return step.request;
  }
  keys::StepPut view_of(const RequestId& id) {
    const auto& field = fields_.at(id);
    auto message = signed_step(draft({.request = id,
                                      .kind = "view",
                                      .by = technician_.id,
                                      .fields = {field.leaf},
                                      .reader_key = reader_}),
                               technician_);
    message.record = field;
    return message;
  }

  Options options_;
  SystemClock clock_;
  SystemEntropy entropy_;
  RealVfs vfs_;
  std::unique_ptr<keys::KeyStore> store_;
  std::unique_ptr<audit::Log> log_;
  std::unique_ptr<erase::Keeper> keeper_;
  std::unique_ptr<Office> office_;
  vault::Policy policy_;
  people::Chart chart_{kParty};
  std::uint8_t devices_ = 0;
  Someone owner_, second_, agent_, technician_, first_, other_;
  crypto::PublicKey reader_{};
  std::uint64_t customers_ = 0;
  keys::FieldsStored last_;
  keys::FieldRecord field_;
  std::map<RequestId, keys::FieldRecord> fields_;
};

void Bench::make_people() {
  owner_ = {PersonId::random(entropy_),
            std::make_unique<Authenticator>(++devices_, people::kEdDsa)};
  auto made = change(ChangeKind::kFounded, owner_);
  made.roles = people::bit(Role::kOwner);
  made.token = Bytes(32, 7);
  with_key(made, owner_);
  put(made, {&owner_});
  join(second_, people::bit(Role::kAgent));
  made = change(ChangeKind::kPerson, second_);
  made.roles = people::bit(Role::kSupervisor);
  made.answers_to = owner_.id;
  put(made, {&owner_});
  join(agent_, people::bit(Role::kAgent));
  join(technician_, people::bit(Role::kAgent));
  made = change(ChangeKind::kPerson, technician_);
  made.roles = people::bit(Role::kTechnician);
  made.answers_to = owner_.id;
  put(made, {&owner_});
  join(first_, people::bit(Role::kAuthorised));
  join(other_, people::bit(Role::kAuthorised));
  const auto secret = entropy_.key();
  reader_ = need(crypto::x25519_public(secret));
  std::array<std::uint8_t, 8> at{};
  const auto now = office_->now();
  store_le(at.data(), now);
  const auto challenge =
      crypto::sha256({as_bytes("CWS1 reader"), technician_.id.bytes, reader_, at});
  const people::PersonSignature said{technician_.id, technician_.device->sign(kParty, challenge)};
  (void)ask(&Office::reader_put, keys::ReaderPut{technician_.id, reader_, now,
                                                 boost::json::serialize(people::to_json(said))});
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) die(std::string(arg) + " lacks its value");
      return argv[++i];
    };
    if (arg == "--customers")
      options.customers = std::max<std::uint64_t>(1, std::stoull(value()));
    else if (arg == "--seconds")
      options.seconds = std::stod(value());
    else if (arg == "--mirrors")
      options.mirrors = std::max<std::size_t>(1, std::stoul(value()));
    else if (arg == "--dir")
      options.dir = value();
    else if (arg == "--json")
      options.json = true;
    else
      die("unknown option " + std::string(arg));
  }
  return options;
}

void print(const Options& options, const Figure& figure) {
  if (options.json)
    std::printf("{\"what\":\"%s\",\"count\":%llu,\"per_s\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
                figure.what.c_str(), static_cast<unsigned long long>(figure.count), figure.per_s,
                figure.p50_ms, figure.p99_ms);
  else
    std::printf("%-32s %8.0f /s   p50 %7.3f ms   p99 %7.3f ms\n", figure.what.c_str(), figure.per_s,
                figure.p50_ms, figure.p99_ms);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  Bench bench(options);
  print(options, bench.capture(1));
  print(options, bench.capture(kClients));
  print(options, bench.read(1));
  print(options, bench.read(kClients));
  const auto seconds = bench.fill();
  if (!options.json)
    std::printf("(%llu customers filled in, %.0f s)\n",
                static_cast<unsigned long long>(options.customers), seconds);
  print(options, bench.look_up());
  return 0;
}
