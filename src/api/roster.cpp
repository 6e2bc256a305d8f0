#include "api/roster.hpp"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "audit/daily.hpp"
#include "audit/entry.hpp"
#include "audit/tiles.hpp"
#include "base/event_log.hpp"

namespace callward::api {
namespace {

const std::string kRead = "chart_changed";
constexpr std::string_view kMark = R"("type":"chart_changed")";
constexpr std::uint64_t kBundlesPerStep = 64;  // then what was found is written down
constexpr const char* kAnother = "this log has another role chart than the one that was read";

Result<boost::json::object> object_in(const std::string& text) {
  boost::system::error_code error;
  auto json = boost::json::parse(text, error);
  if (error || !json.is_object()) return fail(Errc::kCorrupt, "a row of the role chart");
  return std::move(json.get_object());
}

Status not_what_it_took() {
  return fail(Errc::kState, "the keeper has another role chart: wait until the log is read");
}

}  // namespace

std::vector<std::string> roster_migrations() {
  return {
      "CREATE TABLE chart_ahead (number INTEGER PRIMARY KEY, change TEXT NOT NULL,"
      " signatures TEXT NOT NULL) STRICT;"};
}

Roster::Roster(db::Database& database, people::People& people, people::RelyingParty party,
               Place log)
    : db_(database),
      people_(people),
      party_(std::move(party)),
      log_(std::move(log)),
      chart_(std::make_shared<people::Chart>(party_)) {}

std::shared_ptr<const people::Chart> Roster::now() const {
  const std::lock_guard lock(mutex_);
  return chart_;
}

Result<Roster::Read> Roster::read_entry(const std::string& text) const {
  const auto entry = TRY(audit::decode_entry(text));
  Read read{{TRY(people::change_from_json(entry.data)),
             TRY(people::signatures_from_json(entry.signature))},
            text};
  return read;
}

Status Roster::apply(const people::SignedChange& change, std::set<PersonId>& about) {
  auto next = std::make_shared<people::Chart>(*now());
  TRY(next->apply(change));
  about.insert(change.change.person);
  hold(std::move(next));
  return {};
}

void Roster::hold(std::shared_ptr<const people::Chart> next) {
  const std::lock_guard lock(mutex_);
  chart_ = std::move(next);
}

Status Roster::put_ahead(const people::SignedChange& change) {
  TRY(db_.execute("INSERT OR REPLACE INTO chart_ahead VALUES (?1, ?2, ?3)",
                  {static_cast<std::int64_t>(change.change.number),
                   boost::json::serialize(people::to_json(change.change)),
                   boost::json::serialize(people::signatures_to_json(change.signatures))}));
  return {};
}

// What the keeper took, of which the log's files are not read yet.
Status Roster::load_ahead(people::Chart& chart) {
  for (const auto& row :
       TRY(db_.query("SELECT change, signatures FROM chart_ahead WHERE number > ?1 ORDER BY number",
                     {static_cast<std::int64_t>(chart.number())}))) {
    const auto applied = [&]() -> Status {
      const auto change = TRY(object_in(row.text(0)));
      const auto signatures = TRY(object_in(row.text(1)));
      return chart.apply(
          {TRY(people::change_from_json(change)), TRY(people::signatures_from_json(signatures))});
    }();
    if (applied) continue;
    // The keeper judges by the log's: a server that does not start helps nobody.
    log_event("server.chart_taken_is_void", {{"why", applied.error().message}});
    TRY(db_.execute("DELETE FROM chart_ahead WHERE number > ?1",
                    {static_cast<std::int64_t>(chart.number())}));
    break;
  }
  return {};
}

Status Roster::load() {
  std::set<PersonId> about;
  {
    const std::lock_guard reading(reading_);
    people::Chart chart(party_);
    for (const auto& row : TRY(db_.query("SELECT entry FROM chart_changes ORDER BY number")))
      TRY(chart.apply(TRY(read_entry(row.text(0))).change));
    TRY(load_ahead(chart));
    for (const auto& item : chart.members()) about.insert(item.first);
    const std::lock_guard lock(mutex_);
    chart_ = std::make_shared<people::Chart>(std::move(chart));
    known_ = chart_->number() > 0;
  }
  return settle(about);  // what a server that died between the two did not come to
}

// What the log brings is what was taken ahead of it.
Status Roster::check_ahead(const people::Change& change) const {
  const auto rows = TRY(db_.query("SELECT change FROM chart_ahead WHERE number = ?1",
                                  {static_cast<std::int64_t>(change.number)}));
  if (!rows.empty()) {
    const auto taken = TRY(people::change_from_json(TRY(object_in(rows[0].text(0)))));
    if (TRY(people::hash_of(taken)) == TRY(people::hash_of(change))) return {};
  }
  return fail(Errc::kCorrupt, kAnother);
}

Status Roster::take_entry(const std::string& text, std::set<PersonId>& about) {
  if (text.find(kMark) == std::string::npos) return {};
  const auto decoded = audit::decode_entry(text);
  if (!decoded || decoded->type != kRead) return {};  // the words stand within another entry
  const auto read = TRY(read_entry(text));
  const auto number = static_cast<std::int64_t>(read.change.change.number);
  seen_ = std::max(seen_, read.change.change.number);
  const auto rows = TRY(db_.query("SELECT entry FROM chart_changes WHERE number = ?1", {number}));
  if (!rows.empty() && rows[0].text(0) != text) return fail(Errc::kCorrupt, kAnother);
  const auto chart = now();
  if (read.change.change.number > chart->number()) {
    TRY(apply(read.change, about));
  } else if (rows.empty()) {
    TRY(check_ahead(read.change.change));
  }
  if (rows.empty()) TRY(db_.execute("INSERT INTO chart_changes VALUES (?1, ?2)", {number, text}));
  TRY(db_.execute("DELETE FROM chart_ahead WHERE number <= ?1", {number}));
  return {};
}

Status Roster::read_range(std::uint64_t from, std::uint64_t size, std::set<PersonId>& about) {
  auto next = from;
  while (next < size) {
    const auto limit = std::min(size, next + kBundlesPerStep * audit::kTileWidth);
    while (next < limit) {
      const auto bundle = next / audit::kTileWidth;
      const auto first = bundle * audit::kTileWidth;
      const auto texts = TRY(audit::read_bundle(*log_.vfs, log_.dir, bundle,
                                                std::min(audit::kTileWidth, size - first)));
      for (auto i = next - first; i < texts.size(); ++i) TRY(take_entry(texts[i], about));
      next = first + texts.size();
    }
    TRY(db_.execute(
        "INSERT INTO log_read VALUES (?1, ?2) ON CONFLICT (what) DO UPDATE SET next = ?2",
        {kRead, static_cast<std::int64_t>(next)}));
  }
  return {};
}

Status Roster::read_on(std::set<PersonId>& about) {
  const auto path = log_.dir + "/checkpoint";
  if (!log_.vfs->exists(path)) return {};
  const auto size = TRY(audit::read_checkpoint(*log_.vfs, path, log_.key)).checkpoint.size;
  const auto rows = TRY(db_.query("SELECT next FROM log_read WHERE what = ?1", {kRead}));
  const auto next = rows.empty() ? std::uint64_t{0} : std::uint64_t(rows[0].number(0));
  // A log that is shorter than what was read of it is another: it is held to what is known.
  const bool shorter = next > size;
  if (shorter) seen_ = 0;
  TRY(read_range(shorter ? 0 : next, size, about));
  if (shorter) TRY(take_back());
  return check_behind(size, shorter);
}

// What a log that was set back lacks is ahead of it again.
Status Roster::take_back() {
  return db_.transaction([&]() -> Status {
    for (const auto& row :
         TRY(db_.query("SELECT number, entry FROM chart_changes WHERE number > ?1",
                       {static_cast<std::int64_t>(seen_)}))) {
      TRY(put_ahead(TRY(read_entry(row.text(1))).change));
      TRY(db_.execute("DELETE FROM chart_changes WHERE number = ?1", {row.number(0)}));
    }
    return {};
  });
}

// A change is in the log before the keeper says that it took it, and the log's files have all of
// the log each time that they grow, but for a time that had begun before.
Status Roster::check_behind(std::uint64_t size, bool shorter) {
  constexpr std::size_t kGrownMax = 3;
  if (std::exchange(log_size_, size) != size) ++grown_;
  if (TRY(db_.query("SELECT count(*) FROM chart_ahead"))[0].number(0) == 0)
    grown_ = 0;
  else if (shorter)
    grown_ = kGrownMax;
  if (grown_ < kGrownMax) return {};
  return fail(Errc::kState,
              "the role chart here is ahead of the log, which has gone on without it: keeper and "
              "log were set back, and nobody's place can be changed until they are what they were");
}

Status Roster::follow() {
  std::set<PersonId> about;
  Status read;
  {
    const std::lock_guard reading(reading_);
    read = read_on(about);
    const std::lock_guard lock(mutex_);
    known_ = known_ || read;
    if (read)
      differs_.clear();
    else if (read.error().code == Errc::kState || read.error().message == kAnother)
      differs_ = read.error().message;
  }
  TRY(settle(about));  // of what was read before it failed, too
  return read;
}

std::string Roster::differs() const {
  const std::lock_guard lock(mutex_);
  return differs_;
}

Status Roster::take(const people::SignedChange& change, const keys::ChartTaken& taken) {
  std::set<PersonId> about;
  {
    const std::lock_guard reading(reading_);
    const auto chart = now();
    if (chart->number() < taken.number) {
      auto next = std::make_shared<people::Chart>(*chart);
      TRY(next->apply(change));
      if (next->number() != taken.number || next->head() != taken.head) return not_what_it_took();
      TRY(put_ahead(change));
      grown_ = 0;
      about.insert(change.change.person);
      hold(std::move(next));
    }
    const auto after = now();
    if (after->number() == taken.number && after->head() != taken.head) return not_what_it_took();
  }
  return settle(about);
}

Status Roster::settle(const std::set<PersonId>& about) {
  if (about.empty()) return {};
  const auto chart = now();
  const auto readers = TRY(people_.readers(true));
  for (const auto& person : about) {
    const auto* member = chart->find(person);
    if (member == nullptr) continue;
    if (member->left) {
      TRY(people_.forget(person));
      continue;
    }
    for (const auto& reader : readers) {
      const auto has = [&](const people::Passkey& key) { return key.id == reader.passkey; };
      if (reader.person == person && std::ranges::none_of(member->keys, has))
        if (const auto ended = people_.end_session(reader.session, person);
            !ended && ended.error().code != Errc::kNotFound)
          return ended;
    }
  }
  if (heard_) heard_();
  return {};
}

Result<std::shared_ptr<const people::Chart>> Roster::chart() {
  {
    const std::lock_guard lock(mutex_);
    if (known_) return chart_;
  }
  if (const auto read = follow(); !read)
    return fail(Errc::kUnavailable, "the log cannot be read, which says who may come in");
  return now();
}

Result<people::Session> Roster::admit(Result<people::Session> session) {
  if (!session) return session;
  const auto chart = TRY(this->chart());
  if (chart->number() == 0) return session;
  const auto person = session->person.id;
  const auto* member = chart->here(person);
  const bool here = member != nullptr && member->roles != 0;
  if (!here || session->by == people::CameBy::kPassphrase) {
    if (const auto ended = people_.end_session(session->id, person);
        !ended && ended.error().code != Errc::kNotFound)
      return tl::unexpected<Error>(ended.error());
    return fail(Errc::kDenied, here ? "sign in anew, with your passkey" : "not signed in");
  }
  session->person.roles = member->roles;
  return session;
}

}  // namespace callward::api
