// Mirrors that went away: left out, retired by the owner's word, and what becomes of those that
// come back.
//
// One that is left out misses what the others take, and cannot be told: it may be found alone at
// the next start, the others' disk away for once. The log says it (mirror_left_out), durable before
// what it misses is answered.
//
// The entry mirror_retired is durable before the mirror is given up; a keeper that dies in between
// does it at its next start. From then on orders are `erased` without it, and each such entry names
// the mirror and the epoch that may live there still, until mirror_returned says that it was
// destroyed.
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {

void Keeper::retire_mirror(const keys::RetireMirror& message, Reply<keys::MirrorRetired> reply) {
  const auto mirrors = store_.mirrors();
  if (message.number < 1 || message.number > mirrors.size())
    return reply(fail(Errc::kNotFound, "there are mirrors 1 to " + std::to_string(mirrors.size())));
  const auto& mirror = mirrors[message.number - 1];
  if (mirror.good)
    return reply(fail(Errc::kState, "this mirror is good: nothing of it is unconfirmed"));
  if (mirror.retired) return reply(keys::MirrorRetired{mirror.confirmed, mirror.epoch});
  auto staged = stage_entry(
      "mirror_retired", message.actor, "-",
      {{"mirror", message.number}, {"epoch", mirror.epoch}, {"reason_hash", message.reason_hash}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  after_log([this, number = message.number, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    const auto lives = store_.retire(number - 1);
    if (!lives) return reply(tl::unexpected<Error>(lives.error()));
    log_event("keeper.mirror_retired", {{"mirror", number}, {"destroyed", !lives->has_value()}});
    mirrors_are_back();
    reply(keys::MirrorRetired{!lives->has_value(), lives->value_or(0)});
  });
}

void Keeper::watch_mirrors() {
  const auto roles = store_.roles();
  const bool filled =
      std::erase_if(left_out_, [&](std::size_t i) { return roles.good.contains(i); }) != 0;
  // So that the next start finds it as far in the log as it is.
  if (filled) {
    (void)stage_dirty_rows();
    if (const auto done = store_.commit(log_->size()); !done)
      log_event("keeper.persist_failed", {{"why", done.error().message}});
  }
  if (roles.good.empty() || log_->failed()) return;  // nobody takes anything; or said later
  std::vector<std::size_t> news;
  for (const auto i : roles.left_out)
    if (!left_out_.contains(i) && stage_entry("mirror_left_out", "keeper", "-",
                                              {{"mirror", i + 1}, {"epoch", store_.epoch()}}))
      news.push_back(i);
  if (!news.empty() && commit_log()) left_out_.insert(news.begin(), news.end());
}

// A state is not the newest when all its mirrors were left out since it was written. If another
// one does not open, that one has it: its calls would be unknown, and it would be destroyed as
// older when it is back. So it is waited for; recording goes on meanwhile.
Status Keeper::holds_the_newest() {
  const auto roles = store_.roles();
  if (roles.unread.empty()) return {};
  auto current = roles.good;
  TRY(log_->replay(store_.log_size(), [&](std::uint64_t, const audit::Entry& entry) -> Status {
    if (entry.type != "mirror_left_out" && entry.type != "mirror_returned") return {};
    const auto mirror = entry.data.at("mirror").to_number<std::size_t>() - 1;
    if (entry.type == "mirror_left_out")
      current.erase(mirror);
    else if (roles.good.contains(mirror))
      current.insert(mirror);  // filled anew with all that there was
    return {};
  }));
  if (!current.empty()) return {};
  const auto& [number, why] = *roles.unread.begin();
  return fail(Errc::kUnavailable, "the key store that opens is not the newest: mirror " +
                                      std::to_string(*roles.good.begin() + 1) +
                                      " was left out, and mirror " + std::to_string(number + 1) +
                                      ", which went on, does not open: " + why);
}

// The last word about a mirror counts: one that came back is nobody's to give up again.
void Keeper::replay_mirror(const audit::Entry& entry) {
  const auto number = entry.data.at("mirror").to_number<std::uint64_t>();
  if (entry.type == "mirror_returned")
    retired_in_log_.erase(number);
  else
    retired_in_log_.insert(number);
}

void Keeper::retire_as_logged() {
  const auto mirrors = store_.mirrors();
  for (const auto number : std::exchange(retired_in_log_, {})) {
    if (number < 1 || number > mirrors.size() || mirrors[number - 1].good) continue;
    if (const auto done = store_.retire(number - 1); !done)
      log_event("keeper.mirror_not_retired", {{"mirror", number}, {"why", done.error().message}});
  }
}

void Keeper::retired_is_back(std::uint32_t number) {
  (void)stage_entry("mirror_returned", "keeper", "-",
                    {{"mirror", number}, {"epoch", store_.epoch()}});
  left_out_.erase(number - 1);  // if it is left out anew, the log says that anew
}

// [mirror, epoch]: what `erased` cannot speak for.
boost::json::array Keeper::retired_unconfirmed() const {
  boost::json::array out;
  const auto mirrors = store_.mirrors();
  for (std::size_t i = 0; i < mirrors.size(); ++i)
    if (mirrors[i].retired && !mirrors[i].confirmed)
      out.push_back(boost::json::array{i + 1, mirrors[i].epoch});
  return out;
}

}  // namespace callward::erase
