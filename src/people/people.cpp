#include "people/people.hpp"

#include <algorithm>

#include "crypto/sha256.hpp"
#include "people/strength.hpp"

namespace callward::people {
namespace {

constexpr std::size_t kTokenBytes = 32;

std::string digest_of(const std::string& token) { return to_hex(crypto::sha256(as_bytes(token))); }

Person person_of(const db::Row& row) {
  return {PersonId::parse(row.text(0)).value_or(PersonId{}), row.text(1),
          static_cast<Roles>(row.number(2))};
}

Session session_of(const db::Row& row) {
  return {row.text(3), person_of(row), row.number(4), row.number(5),
          row.number(6) == 1   ? CameBy::kPasskey
          : row.number(6) == 2 ? CameBy::kCode
                               : CameBy::kPassphrase};
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

// A command line's keys are for one call.
std::vector<std::string> latest_migrations() {
  return {
      "ALTER TABLE readers ADD COLUMN call TEXT NOT NULL DEFAULT '';"
      "ALTER TABLE readers ADD COLUMN purpose INTEGER NOT NULL DEFAULT 0;"};
}

// What an enrolment brings, until the chart has it.
std::vector<std::string> enrolling_migrations() {
  return {
      "ALTER TABLE enrolments ADD COLUMN key_id TEXT NOT NULL DEFAULT '';"
      "ALTER TABLE enrolments ADD COLUMN key_algorithm INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE enrolments ADD COLUMN key TEXT NOT NULL DEFAULT '';"
      "ALTER TABLE enrolments ADD COLUMN passphrase TEXT NOT NULL DEFAULT '';"};
}

std::vector<std::string> later_migrations() {
  return {
      "ALTER TABLE sessions ADD COLUMN came_by INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE enrolments ADD COLUMN recovers INTEGER NOT NULL DEFAULT 0;"
      "CREATE TABLE readers (key TEXT PRIMARY KEY, person TEXT NOT NULL, at INTEGER NOT NULL,"
      " passkey TEXT NOT NULL, signature TEXT NOT NULL, session TEXT NOT NULL) STRICT;"
      "CREATE TABLE used_once (what TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT;"
      "CREATE TABLE codes (person TEXT PRIMARY KEY REFERENCES persons(id), secret BLOB NOT NULL,"
      " confirmed INTEGER NOT NULL, step INTEGER NOT NULL) STRICT;"
      "CREATE TABLE offers (person TEXT PRIMARY KEY REFERENCES persons(id), key_id TEXT NOT NULL,"
      " key_algorithm INTEGER NOT NULL, key TEXT NOT NULL, passphrase TEXT NOT NULL,"
      " until INTEGER NOT NULL) STRICT;"
      "CREATE TABLE duty (person TEXT PRIMARY KEY) STRICT;"
      "CREATE TABLE chart_changes (number INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;"};
}

const char* to_text(CameBy by) {
  static constexpr std::array kWords = {"passphrase", "passkey", "code"};
  return kWords.at(static_cast<std::size_t>(by));
}

Status People::check_passphrase(const SecretBytes& passphrase,
                                const std::vector<std::string>& words) {
  if (characters_of(passphrase) < kPassphraseCharactersMin)
    return fail(Errc::kMalformed,
                "a passphrase has at least 12 characters; several words are best");
  if (passphrase.size() > kPassphraseBytesMax)
    return fail(Errc::kMalformed, "a passphrase has at most 1,024 bytes");
  const auto strength = strength_of(passphrase, words);
  if (strength < kStrengthMin)
    return fail(Errc::kMalformed,
                "this passphrase is guessed too easily (" + std::to_string(strength) +
                    " of 4; 3 are needed): take four words that have nothing to do with each "
                    "other, and neither your name nor the company's");
  return {};
}

Result<Person> People::add(const std::string& name, Roles roles,
                           const std::optional<SecretBytes>& passphrase) {
  if (!good_name(name)) return fail(Errc::kMalformed, "a name has 1 to 64 characters and no space");
  db::Value hash = nullptr;
  if (passphrase) {
    TRY(check_passphrase(*passphrase, {name}));
    hash = TRY(crypto::hash_passphrase(*passphrase, cost_));
  }
  Person person{PersonId::random(entropy_), name, roles};
  TRY(db_.execute("INSERT INTO persons VALUES (?1, ?2, ?3, ?4, ?5)",
                  {person.id.hex(), name, std::int64_t{roles}, hash, clock_.utc_ms()}));
  return person;
}

Result<std::string> People::make_enrolment(const PersonId& person, bool recovers) {
  auto token = to_hex(entropy_.array<kTokenBytes>());
  TRY(keep_link(person, crypto::sha256(as_bytes(token)), recovers));
  return token;
}

Status People::keep_link(const PersonId& person, const crypto::Digest& token, bool recovers) {
  // The link that was given last is the one that holds.
  TRY(db_.execute("DELETE FROM enrolments WHERE person = ?1", {person.hex()}));
  TRY(db_.execute(
      "INSERT INTO enrolments (token, person, until, recovers) VALUES (?1, ?2, ?3, ?4)",
      {to_hex(token), person.hex(), clock_.utc_ms() + kEnrolmentMsMax, std::int64_t{recovers}}));
  return {};
}

Result<Link> People::link(const std::string& token) {
  const auto rows = TRY(db_.query(
      "SELECT p.id, p.name, p.roles, e.recovers FROM enrolments e JOIN persons p ON p.id = e.person"
      " WHERE e.token = ?1 AND e.until > ?2",
      {digest_of(token), clock_.utc_ms()}));
  if (rows.empty()) return fail(Errc::kDenied, "this link was used, or its time is over");
  return Link{person_of(rows[0]), rows[0].number(3) != 0};
}

Result<Person> People::enrolling(const std::string& token) {
  auto found = TRY(link(token));
  if (found.recovers) return fail(Errc::kDenied, "this link was used, or its time is over");
  return std::move(found.person);
}

Result<std::string> People::hash(const SecretBytes& passphrase) {
  return crypto::hash_passphrase(passphrase, cost_);
}

Result<Person> People::enrol(const std::string& token, const SecretBytes& passphrase) {
  TRY(check_passphrase(passphrase));
  return enrol_hashed(token, TRY(hash(passphrase)));
}

Result<Person> People::enrol_hashed(const std::string& token, const std::string& hash) {
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

Status People::keep_enrolling(const std::string& token, const Offer& offer) {
  TRY(enrolling(token));
  TRY(
      db_.execute("UPDATE enrolments SET key_id = ?2, key_algorithm = ?3, key = ?4,"
                  " passphrase = ?5 WHERE token = ?1",
                  {digest_of(token), to_hex(offer.key.id), std::int64_t{offer.key.algorithm},
                   to_hex(offer.key.key), offer.passphrase}));
  return {};
}

Result<Offer> People::kept_enrolling(const std::string& token) {
  const auto rows =
      TRY(db_.query("SELECT key_id, key_algorithm, key, passphrase FROM enrolments"
                    " WHERE token = ?1 AND until > ?2 AND recovers = 0 AND passphrase != ''",
                    {digest_of(token), clock_.utc_ms()}));
  if (rows.empty()) return fail(Errc::kNotFound, "nothing was given by this link");
  return offer_of(rows[0]);
}

Status People::set_passphrase(const PersonId& person, const std::string& hash) {
  if (TRY(db_.execute("UPDATE persons SET passphrase = ?2 WHERE id = ?1", {person.hex(), hash})) ==
      0)
    return fail(Errc::kNotFound, "no such person");
  return {};
}

Result<Person> People::check(const std::string& name, const SecretBytes& passphrase,
                             const std::string& address) {
  const auto account_key = "account:" + name;
  const auto address_key = "address:" + address;
  TRY(throttle_.may_try(account_key));
  TRY(throttle_.may_try(address_key));
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
    throttle_.failed(account_key);
    throttle_.failed(address_key);
    return fail(Errc::kDenied, "name or passphrase is wrong");
  }
  throttle_.passed(account_key);
  return person_of(rows[0]);
}

Result<NewSession> People::sign_in(const std::string& name, const SecretBytes& passphrase,
                                   const std::string& address) {
  return begin(TRY(check(name, passphrase, address)), CameBy::kPassphrase);
}

Result<NewSession> People::begin(const Person& person, CameBy by, const Reader* reader) {
  NewSession fresh;
  fresh.token = to_hex(entropy_.array<kTokenBytes>());
  const auto now = clock_.utc_ms();
  fresh.session = {to_hex(entropy_.array<8>()), person, now, now, by};
  TRY(drop_over());
  TRY(db_.transaction([&]() -> Status {
    const auto living =
        TRY(db_.query("SELECT count(*) FROM sessions WHERE person = ?1", {person.id.hex()}))[0];
    if (living.number(0) >= static_cast<std::int64_t>(kSessionsMax))
      return fail(Errc::kBusy, "too many sessions of this person");
    TRY(
        db_.execute("INSERT INTO sessions (token, id, person, started_at, seen_at, came_by)"
                    " VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
                    {digest_of(fresh.token), fresh.session.id, person.id.hex(), now,
                     static_cast<std::int64_t>(by)}));
    if (reader == nullptr) return {};
    auto its = *reader;
    its.person = person.id;
    its.session = fresh.session.id;
    return keep_reader(its);
  }));
  return fresh;
}

Status People::drop_over() {
  const auto now = clock_.utc_ms();
  TRY(db_.execute("DELETE FROM sessions WHERE started_at < ?1 OR seen_at < ?2",
                  {now - kAbsoluteMsMax, now - kIdleMsMax}));
  TRY(db_.execute("DELETE FROM used_once WHERE until < ?1", {now}));
  TRY(db_.execute("DELETE FROM enrolments WHERE until < ?1", {now}));
  TRY(db_.execute("DELETE FROM offers WHERE until < ?1", {now}));
  return {};
}

Result<Session> People::look(const std::string& token) {
  const auto now = clock_.utc_ms();
  const auto rows = TRY(db_.query(
      "SELECT p.id, p.name, p.roles, s.id, s.started_at, s.seen_at, s.came_by FROM sessions s"
      " JOIN persons p ON p.id = s.person WHERE s.token = ?1",
      {digest_of(token)}));
  if (rows.empty()) return fail(Errc::kDenied, "not signed in");
  auto session = session_of(rows[0]);
  if (now - session.started_at > kAbsoluteMsMax || now - session.seen_at > kIdleMsMax)
    return fail(Errc::kDenied, "the session is over");
  return session;
}

Result<Session> People::session(const std::string& token) {
  auto session = look(token);
  if (!session) {
    if (session.error().code == Errc::kDenied)
      TRY(db_.execute("DELETE FROM sessions WHERE token = ?1", {digest_of(token)}));
    return session;
  }
  const auto now = clock_.utc_ms();
  constexpr std::int64_t kTouchEveryMs = 30'000;  // spares a write a request
  if (now - session->seen_at > kTouchEveryMs) {
    TRY(db_.execute("UPDATE sessions SET seen_at = ?2 WHERE token = ?1", {digest_of(token), now}));
    session->seen_at = now;
  }
  return session;
}

Result<std::vector<Session>> People::sessions(const PersonId& person) {
  const auto now = clock_.utc_ms();
  const auto rows = TRY(db_.query(
      "SELECT p.id, p.name, p.roles, s.id, s.started_at, s.seen_at, s.came_by FROM sessions s"
      " JOIN persons p ON p.id = s.person WHERE s.person = ?1 AND s.seen_at > ?2"
      " AND s.started_at > ?3 ORDER BY s.started_at DESC",
      {person.hex(), now - kIdleMsMax, now - kAbsoluteMsMax}));
  std::vector<Session> all;
  for (const auto& row : rows) all.push_back(session_of(row));
  return all;
}

Status People::end_session(const std::string& session_id, const PersonId& owner) {
  if (TRY(db_.execute("DELETE FROM sessions WHERE id = ?1 AND person = ?2",
                      {session_id, owner.hex()})) == 0)
    return fail(Errc::kNotFound, "no such session");
  return {};
}

Status People::end_sessions(const PersonId& person, const std::string& but) {
  TRY(db_.execute("DELETE FROM sessions WHERE person = ?1 AND id != ?2", {person.hex(), but}));
  return {};
}

Status People::end_sessions_by(const PersonId& person, CameBy by) {
  TRY(db_.execute("DELETE FROM sessions WHERE person = ?1 AND came_by = ?2",
                  {person.hex(), static_cast<std::int64_t>(by)}));
  return {};
}

Result<std::optional<Person>> People::find_where(const char* condition, const std::string& value) {
  const auto rows = TRY(
      db_.query(std::string("SELECT id, name, roles FROM persons WHERE ") + condition, {value}));
  if (rows.empty()) return std::optional<Person>();
  return std::optional<Person>(person_of(rows[0]));
}

Result<std::optional<Person>> People::find(const std::string& name) {
  return find_where("name = ?1", name);
}

Result<std::optional<Person>> People::find(const PersonId& person) {
  return find_where("id = ?1", person.hex());
}

Result<std::vector<Person>> People::all() {
  std::vector<Person> all;
  for (const auto& row : TRY(db_.query("SELECT id, name, roles FROM persons ORDER BY name LIMIT ?1",
                                       {static_cast<std::int64_t>(kListedMax)})))
    all.push_back(person_of(row));
  return all;
}

Status People::forget(const PersonId& person) {
  return db_.transaction([&]() -> Status {
    TRY(db_.execute("UPDATE persons SET passphrase = NULL, roles = 0 WHERE id = ?1",
                    {person.hex()}));
    for (const char* table : {"sessions", "enrolments", "codes", "offers", "duty"})
      TRY(db_.execute(std::string("DELETE FROM ") + table + " WHERE person = ?1", {person.hex()}));
    return {};
  });
}

}  // namespace callward::people
