#include "people/people.hpp"

#include <algorithm>

#include "crypto/sha256.hpp"

namespace callward::people {
namespace {

constexpr std::size_t kTokenBytes = 32;

std::string digest_of(const std::string& token) { return to_hex(crypto::sha256(as_bytes(token))); }

Person person_of(const db::Row& row) {
  return {PersonId::parse(row.text(0)).value_or(PersonId{}), row.text(1),
          static_cast<Roles>(row.number(2))};
}

bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c > 0x20 && c != 0x7F; });
}

}  // namespace

std::vector<std::string> migrations() {
  return {
      "CREATE TABLE persons (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, roles INTEGER NOT "
      "NULL, passphrase TEXT,"
      " added_at INTEGER NOT NULL) STRICT;"
      "CREATE TABLE enrolments (token TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES "
      "persons(id), until INTEGER NOT NULL) STRICT;"
      "CREATE TABLE sessions (token TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, person TEXT NOT "
      "NULL REFERENCES persons(id),"
      " started_at INTEGER NOT NULL, seen_at INTEGER NOT NULL) STRICT;"
      "CREATE INDEX sessions_person ON sessions (person);"};
}

Status People::check_passphrase(const SecretBytes& passphrase) {
  if (passphrase.size() < kPassphraseBytesMin)
    return fail(Errc::kMalformed,
                "a passphrase has at least 12 characters; several words are best");
  if (passphrase.size() > kPassphraseBytesMax)
    return fail(Errc::kMalformed, "a passphrase has at most 1,024 bytes");
  std::array<bool, 256> seen{};
  int distinct = 0;
  for (const auto byte : passphrase.expose())
    if (!std::exchange(seen[byte], true)) ++distinct;
  if (distinct < 6) return fail(Errc::kMalformed, "this passphrase repeats itself too much");
  return {};
}

Result<Person> People::add(const std::string& name, Roles roles,
                           const std::optional<SecretBytes>& passphrase) {
  if (!good_name(name)) return fail(Errc::kMalformed, "a name has 1 to 64 characters and no space");
  if (roles == 0) return fail(Errc::kMalformed, "a person needs a role");
  db::Value hash = nullptr;
  if (passphrase) {
    TRY(check_passphrase(*passphrase));
    hash = TRY(crypto::hash_passphrase(*passphrase, cost_));
  }
  Person person{PersonId::random(entropy_), name, roles};
  TRY(db_.execute("INSERT INTO persons VALUES (?1, ?2, ?3, ?4, ?5)",
                  {person.id.hex(), name, std::int64_t{roles}, hash, clock_.utc_ms()}));
  return person;
}

Result<std::string> People::make_enrolment(const PersonId& person) {
  auto token = to_hex(entropy_.array<kTokenBytes>());
  TRY(db_.execute("INSERT INTO enrolments VALUES (?1, ?2, ?3)",
                  {digest_of(token), person.hex(), clock_.utc_ms() + kEnrolmentMsMax}));
  return token;
}

Result<Person> People::enrolling(const std::string& token) {
  const auto rows = TRY(
      db_.query("SELECT p.id, p.name, p.roles FROM enrolments e JOIN persons p ON p.id = e.person"
                " WHERE e.token = ?1 AND e.until > ?2",
                {digest_of(token), clock_.utc_ms()}));
  if (rows.empty()) return fail(Errc::kDenied, "this link was used, or its time is over");
  return person_of(rows[0]);
}

Result<Person> People::enrol(const std::string& token, const SecretBytes& passphrase) {
  TRY(check_passphrase(passphrase));
  const auto hash = TRY(crypto::hash_passphrase(passphrase, cost_));
  Person person;
  TRY(db_.transaction([&]() -> Status {
    person = TRY(enrolling(token));
    TRY(db_.execute("DELETE FROM enrolments WHERE token = ?1", {digest_of(token)}));
    TRY(db_.execute("UPDATE persons SET passphrase = ?2 WHERE id = ?1", {person.id.hex(), hash}));
    TRY(db_.execute("DELETE FROM sessions WHERE person = ?1", {person.id.hex()}));
    return {};
  }));
  return person;
}

std::int64_t People::wait_ms(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = throttles_.find(key);
  return found == throttles_.end()
             ? 0
             : std::max<std::int64_t>(0, found->second.not_before_ms - clock_.monotonic_ms());
}

void People::failed(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (throttles_.size() >= kThrottledMax) throttles_.clear();
  auto& throttle = throttles_[key];
  constexpr std::int64_t kWaitMsMax = 300'000;
  constexpr std::uint32_t kFreeFailures = 2;
  // Old failures are forgotten: else the rare mistakes of all who share an address would add up.
  if (throttle.failures > 0 &&
      clock_.monotonic_ms() - throttle.not_before_ms > kFailuresForgottenMs)
    throttle.failures = 0;
  ++throttle.failures;
  const auto doublings =
      throttle.failures > kFreeFailures ? std::min(throttle.failures - kFreeFailures, 9u) : 0;
  const auto wait = doublings == 0 ? 0 : std::min<std::int64_t>(kWaitMsMax, 1'000ll << doublings);
  throttle.not_before_ms = clock_.monotonic_ms() + wait;
}

Result<NewSession> People::sign_in(const std::string& name, const SecretBytes& passphrase,
                                   const std::string& address) {
  const auto account_key = "account:" + name;
  const auto address_key = "address:" + address;
  if (const auto wait = std::max(wait_ms(account_key), wait_ms(address_key)); wait > 0)
    return fail(Errc::kBusy, "too many tries; wait " + std::to_string((wait + 999) / 1'000) + " s");
  const auto rows =
      TRY(db_.query("SELECT id, name, roles, passphrase FROM persons WHERE name = ?1", {name}));
  // Unknown names cost the same work as wrong passphrases.
  std::call_once(nobody_made_, [this] {
    nobody_ = crypto::hash_passphrase(SecretBytes(as_bytes("nobody")), cost_);
  });
  if (!nobody_) return fail(nobody_.error().code, nobody_.error().message);
  const bool known = !rows.empty() && !rows[0].null(3);
  const bool right = verify_(known ? rows[0].text(3) : *nobody_, passphrase) && known;
  if (!right) {
    failed(account_key);
    failed(address_key);
    return fail(Errc::kDenied, "name or passphrase is wrong");
  }
  {
    const std::lock_guard lock(mutex_);
    throttles_.erase(account_key);
  }
  return begin_session(person_of(rows[0]));
}

Result<NewSession> People::begin_session(const Person& person) {
  NewSession fresh;
  fresh.token = to_hex(entropy_.array<kTokenBytes>());
  fresh.session = {to_hex(entropy_.array<8>()), person, clock_.utc_ms(), clock_.utc_ms()};
  TRY(db_.execute("DELETE FROM sessions WHERE started_at < ?1 OR seen_at < ?2",
                  {clock_.utc_ms() - kAbsoluteMsMax, clock_.utc_ms() - kIdleMsMax}));
  TRY(db_.execute(
      "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?4)",
      {digest_of(fresh.token), fresh.session.id, person.id.hex(), fresh.session.started_at}));
  return fresh;
}

Result<Session> People::session(const std::string& token) {
  const auto now = clock_.utc_ms();
  const auto rows = TRY(db_.query(
      "SELECT p.id, p.name, p.roles, s.id, s.started_at, s.seen_at FROM sessions s JOIN persons p"
      " ON p.id = s.person WHERE s.token = ?1",
      {digest_of(token)}));
  if (rows.empty()) return fail(Errc::kDenied, "not signed in");
  Session session{rows[0].text(3), person_of(rows[0]), rows[0].number(4), rows[0].number(5)};
  if (now - session.started_at > kAbsoluteMsMax || now - session.seen_at > kIdleMsMax) {
    TRY(db_.execute("DELETE FROM sessions WHERE token = ?1", {digest_of(token)}));
    return fail(Errc::kDenied, "the session is over");
  }
  constexpr std::int64_t kTouchEveryMs = 30'000;  // spares a write a request
  if (now - session.seen_at > kTouchEveryMs) {
    TRY(db_.execute("UPDATE sessions SET seen_at = ?2 WHERE token = ?1", {digest_of(token), now}));
    session.seen_at = now;
  }
  return session;
}

bool People::session_lives(const std::string& token) {
  const auto now = clock_.utc_ms();
  const auto rows =
      db_.query("SELECT 1 FROM sessions WHERE token = ?1 AND started_at >= ?2 AND seen_at >= ?3",
                {digest_of(token), now - kAbsoluteMsMax, now - kIdleMsMax});
  return rows && !rows->empty();
}

Result<std::vector<Session>> People::sessions(const PersonId& person) {
  const auto rows = TRY(db_.query(
      "SELECT p.id, p.name, p.roles, s.id, s.started_at, s.seen_at FROM sessions s JOIN persons p"
      " ON p.id = s.person WHERE s.person = ?1 AND s.seen_at > ?2 ORDER BY s.started_at DESC",
      {person.hex(), clock_.utc_ms() - kIdleMsMax}));
  std::vector<Session> all;
  for (const auto& row : rows)
    all.push_back({row.text(3), person_of(row), row.number(4), row.number(5)});
  return all;
}

Status People::end_session(const std::string& session_id, const PersonId& owner) {
  if (TRY(db_.execute("DELETE FROM sessions WHERE id = ?1 AND person = ?2",
                      {session_id, owner.hex()})) == 0)
    return fail(Errc::kNotFound, "no such session");
  return {};
}

Result<std::optional<Person>> People::find(const std::string& name) {
  const auto rows = TRY(db_.query("SELECT id, name, roles FROM persons WHERE name = ?1", {name}));
  if (rows.empty()) return std::optional<Person>();
  return std::optional<Person>(person_of(rows[0]));
}

}  // namespace callward::people
