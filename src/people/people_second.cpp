// What stands beside the passphrase: browsers' keys, one-time codes, recovery; who is on duty.
#include <algorithm>

#include "crypto/aead.hpp"
#include "crypto/sha256.hpp"
#include "people/people.hpp"

namespace callward::people {
namespace {

constexpr std::string_view kSealedAs = "CWS1 code secret";

Bytes seal_secret(Entropy& entropy, const Key32& key, const PersonId& person, ByteView secret) {
  const auto nonce = entropy.array<crypto::kAeadNonceBytes>();
  const auto aad = std::string(kSealedAs) + person.hex();
  Bytes sealed(nonce.begin(), nonce.end());
  const auto rest = crypto::aead_seal(key, nonce, as_bytes(aad), secret);
  sealed.insert(sealed.end(), rest.begin(), rest.end());
  return sealed;
}

Result<SecretBytes> open_secret(const Key32& key, const PersonId& person, const Bytes& sealed) {
  if (sealed.size() < crypto::kAeadNonceBytes) return fail(Errc::kCorrupt, "no sealed secret");
  crypto::AeadNonce nonce{};
  std::copy_n(sealed.begin(), nonce.size(), nonce.begin());
  const auto aad = std::string(kSealedAs) + person.hex();
  auto secret =
      crypto::aead_open(key, nonce, as_bytes(aad), ByteView(sealed).subspan(nonce.size()));
  // Another key: the file beside the database was lost, or is another's.
  if (!secret) return fail(Errc::kNotFound, "the codes of this person must be set up anew");
  return secret;
}

}  // namespace

// ---- keys of browsers ---------------------------------------------------------------------------

Result<std::vector<Reader>> People::readers(bool of_living_sessions) {
  return readers_where(std::string("s.id IS ") + (of_living_sessions ? "NOT NULL" : "NULL"), {});
}

Result<std::vector<Reader>> People::readers_where(const std::string& what,
                                                  const std::vector<db::Value>& values) {
  const auto rows = TRY(
      db_.query("SELECT r.person, r.key, r.at, r.passkey, r.signature, r.session, r.call, r.purpose"
                " FROM readers r LEFT JOIN sessions s ON s.id = r.session WHERE " +
                    what + " ORDER BY r.at, r.key",
                values));
  std::vector<Reader> all;
  for (const auto& row : rows) {
    Reader reader{.person = PersonId::parse(row.text(0)).value_or(PersonId{}),
                  .at = row.number(2),
                  .passkey = from_hex(row.text(3)).value_or(Bytes{}),
                  .signature = row.text(4),
                  .session = row.text(5),
                  .call = CallId::parse(row.text(6)).value_or(CallId{}),
                  .purpose = static_cast<std::uint8_t>(row.number(7))};
    const auto key = from_hex(row.text(1)).value_or(Bytes{});
    if (key.size() != reader.key.size()) return fail(Errc::kCorrupt, "a reader's key that is none");
    std::ranges::copy(key, reader.key.begin());
    all.push_back(std::move(reader));
  }
  return all;
}

Status People::keep_reader(const Reader& reader) {
  const auto kept = db_.execute(
      "INSERT INTO readers (key, person, at, passkey, signature, session, call, purpose)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      {to_hex(reader.key), reader.person.hex(), reader.at, to_hex(reader.passkey), reader.signature,
       reader.session, reader.call.is_zero() ? std::string() : reader.call.hex(),
       std::int64_t{reader.purpose}});
  if (!kept && kept.error().code == Errc::kExists)
    return fail(Errc::kDenied, "this browser's key was used before: make a fresh one");
  TRY(kept);
  return {};
}

Result<std::vector<Reader>> People::add_reader(const Reader& reader) {
  std::vector<Reader> gone;
  TRY(db_.transaction([&]() -> Status {
    gone = TRY(readers_where("r.session = ?1 AND s.id IS NOT NULL", {reader.session}));
    if (gone.empty() &&
        TRY(db_.query("SELECT 1 FROM sessions WHERE id = ?1", {reader.session})).empty())
      return fail(Errc::kDenied, "the session is over");
    gone.resize(gone.size() < kReadersOfSessionMax ? 0 : gone.size() + 1 - kReadersOfSessionMax);
    for (const auto& one : gone) TRY(forget_reader(one.key));
    return keep_reader(reader);
  }));
  return gone;
}

Status People::forget_reader(const std::array<std::uint8_t, 32>& key) {
  TRY(db_.execute("DELETE FROM readers WHERE key = ?1", {to_hex(key)}));
  return {};
}

Result<bool> People::first_use(ByteView what) {
  return TRY(db_.execute("INSERT INTO used_once VALUES (?1, ?2) ON CONFLICT (what) DO NOTHING",
                         {to_hex(crypto::sha256(what)), clock_.utc_ms() + kOnceMs})) == 1;
}

// ---- one-time codes -----------------------------------------------------------------------------

Result<CodeSecret> People::new_code_secret(const PersonId& person, const Key32& key) {
  CodeSecret secret;
  entropy_.fill(secret.expose_mut());
  // One that is in use stays so until it is taken away.
  const auto made = TRY(db_.execute(
      "INSERT INTO codes VALUES (?1, ?2, 0, 0) ON CONFLICT (person) DO UPDATE SET secret = ?2"
      " WHERE confirmed = 0",
      {person.hex(), seal_secret(entropy_, key, person, secret.expose())}));
  if (made == 0) return fail(Errc::kExists, "codes are set up already: take them away first");
  return secret;
}

Status People::try_code(const PersonId& person, const std::string& code, const Key32& key,
                        bool confirmed) {
  const auto rows = TRY(db_.query("SELECT secret FROM codes WHERE person = ?1 AND confirmed = ?2",
                                  {person.hex(), std::int64_t{confirmed}}));
  if (rows.empty()) return fail(Errc::kNotFound, "no codes are set up");
  const auto throttled = "code:" + person.hex();
  TRY(throttle_.begin_try(throttled));
  const auto secret = TRY(open_secret(key, person, rows[0].blob(0)));
  const auto step = TRY(step_of_code(secret.expose(), code, clock_.utc_ms()));
  // Later than the last one that was taken: each is good once, whoever saw it being typed.
  if (!step || TRY(db_.execute("UPDATE codes SET step = ?2, confirmed = 1"
                               " WHERE person = ?1 AND step < ?2 AND confirmed = ?3",
                               {person.hex(), *step, std::int64_t{confirmed}})) == 0)
    return fail(Errc::kDenied, "this code is wrong, or was used");
  throttle_.passed(throttled);
  return {};
}

Status People::confirm_code(const PersonId& person, const std::string& code, const Key32& key) {
  return try_code(person, code, key, false);
}

Status People::check_code(const PersonId& person, const std::string& code, const Key32& key) {
  return try_code(person, code, key, true);
}

Result<bool> People::has_code(const PersonId& person) {
  return !TRY(db_.query("SELECT 1 FROM codes WHERE person = ?1 AND confirmed = 1", {person.hex()}))
              .empty();
}

Status People::drop_code(const PersonId& person) {
  if (TRY(db_.execute("DELETE FROM codes WHERE person = ?1", {person.hex()})) == 0)
    return fail(Errc::kNotFound, "no codes are set up");
  return end_sessions_by(person, CameBy::kCode);
}

// ---- recovery -----------------------------------------------------------------------------------

Status People::offer(const std::string& token, const Offer& offer) {
  return db_.transaction([&]() -> Status {
    const auto found = TRY(link(token));
    if (!found.recovers) return fail(Errc::kDenied, "this link was used, or its time is over");
    TRY(db_.execute("DELETE FROM enrolments WHERE person = ?1", {found.person.id.hex()}));
    TRY(db_.execute("INSERT OR REPLACE INTO offers VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    {found.person.id.hex(), to_hex(offer.key.id), std::int64_t{offer.key.algorithm},
                     to_hex(offer.key.key), offer.passphrase, clock_.utc_ms() + kEnrolmentMsMax}));
    return {};
  });
}

Offer People::offer_of(const db::Row& row) {
  Offer offer;
  offer.key = {.id = from_hex(row.text(0)).value_or(Bytes{}),
               .algorithm = static_cast<std::int32_t>(row.number(1)),
               .key = from_hex(row.text(2)).value_or(Bytes{})};
  offer.passphrase = row.text(3);
  return offer;
}

Result<Offer> People::offered(const PersonId& person) {
  const auto rows = TRY(db_.query(
      "SELECT key_id, key_algorithm, key, passphrase FROM offers WHERE person = ?1 AND until > ?2",
      {person.hex(), clock_.utc_ms()}));
  if (rows.empty()) return fail(Errc::kNotFound, "this person offers no new passkey");
  return offer_of(rows[0]);
}

Status People::take_offer(const PersonId& person) {
  return db_.transaction([&]() -> Status {
    const auto offer = TRY(offered(person));
    TRY(db_.execute("UPDATE persons SET passphrase = ?2 WHERE id = ?1",
                    {person.hex(), offer.passphrase}));
    TRY(db_.execute("DELETE FROM offers WHERE person = ?1", {person.hex()}));
    return end_sessions(person);
  });
}

// ---- duty ---------------------------------------------------------------------------------------

Status People::set_duty(const PersonId& person, bool on) {
  TRY(db_.execute(on ? "INSERT INTO duty VALUES (?1) ON CONFLICT (person) DO NOTHING"
                     : "DELETE FROM duty WHERE person = ?1",
                  {person.hex()}));
  return {};
}

Result<std::vector<PersonId>> People::on_duty() {
  std::vector<PersonId> all;
  for (const auto& row : TRY(db_.query("SELECT person FROM duty")))
    if (const auto person = PersonId::parse(row.text(0))) all.push_back(*person);
  return all;
}

}  // namespace callward::people
