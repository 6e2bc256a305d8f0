// Calls that began by the log, and of which a crash has left nothing else.
//
// Their row never reached a disk: the keeper died within moments of the start, or no mirror took a
// page from then on. The next keeper makes the row anew, without keys. If the recorder has lived on
// it hands its own back (adoption); if not, the call ends as any, all of it lost, and what was
// ordered about it is said to be gone, because it is.
//
// Their recording never reached a disk: the recorder died before its first frame was durable, or
// the start's answer came too late and a spare root was taken. The recorder says which calls it
// has; the others end, without a segment. Only young ones, of which nothing was ever heard,
// persisted or ordered, and those without any key: that a recording is gone must be seen, not
// tidied away.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {
namespace {

// What the dead keeper sealed under stream 15 has lower numbers.
constexpr std::uint32_t kCallDataOfTheDead = 1u << 16;

keys::Direction direction_of(std::string_view text) {
  for (const auto direction : {keys::Direction::kIncoming, keys::Direction::kOutgoing})
    if (text == keys::to_text(direction)) return direction;
  return keys::Direction::kUnknown;
}

// A recorder that dies with a call's first frame is back within this time.
constexpr std::uint32_t kFirstFrameSegments = 200;

bool has_begun_only(const CallKeys& call, std::uint32_t age) {
  const auto zero = [](std::uint32_t mark) { return mark == 0; };
  if (call.ended) return call.is_empty() && !call.end_logged;  // the log had failed
  const bool has_keys =
      !call.cover.slice(keys::leaf_of(0, 0), keys::leaf_of(keys::kCallDataStream, 0)).empty();
  if (has_keys && (age > kFirstFrameSegments || !call.blocked.empty())) return false;
  return std::all_of(call.heard.begin(), call.heard.end(), zero) &&
         std::all_of(call.persisted.begin(), call.persisted.end(), zero);
}

}  // namespace

// A call of which no other key is known yet: those of its own data, stream 15, are made here.
CallKeys& Keeper::add_without_root(std::unique_ptr<CallKeys> call) {
  call->begun_ms = begun_ms(call->source, call->started_at);
  std::vector<keys::TreeNode> own;
  own.push_back({4, keys::kCallDataStream, entropy_.key()});  // all of stream 15
  call->cover = *keys::Cover::from_nodes(std::move(own));
  call->dirty = true;
  rows_[call->id] = call->row;
  note_age(*call);
  new_rows_ = true;
  return *(calls_[call->id] = std::move(call));
}

Status Keeper::replay_started(const CallId& id, const audit::Entry& entry) {
  // Its row may have died with the keeper; the number is not given to another call.
  constexpr std::uint64_t kLostRowsMax = 1'000'000;
  const auto row = entry.data.at("row").to_number<std::uint64_t>();
  while (store_.next_row() <= row && row - store_.next_row() < kLostRowsMax)
    (void)store_.allot_row();
  if (rows_.contains(id)) return {};
  const bool taken = store_.next_row() <= row || TRY(store_.get(row)).has_value() ||
                     std::any_of(calls_.begin(), calls_.end(),
                                 [&](const auto& item) { return item.second->row == row; });
  auto call = std::make_unique<CallKeys>();
  call->id = id;
  call->row = taken ? store_.allot_row() : row;
  call->source = keys::source_of_text(std::string_view(entry.data.at("source").as_string()));
  call->direction = direction_of(entry.data.at("direction").as_string());
  call->declare(entry.data.at("streams").to_number<std::uint16_t>());
  call->started_at = entry.data.at("started_at").to_number<std::int64_t>();
  call->next_call_data = kCallDataOfTheDead;
  log_event("keeper.row_made_anew", {{"call", id.hex()}});
  add_without_root(std::move(call));
  return {};
}

void Keeper::running_calls(const keys::RunningCalls& message, Reply<keys::Ack> reply) {
  const std::set<CallId> there(message.calls.begin(), message.calls.end());
  std::vector<CallId> gone;
  for (const auto& [id, call] : calls_)
    if (!there.contains(id) && has_begun_only(*call, elapsed_segments(*call))) gone.push_back(id);
  for (const auto& id : gone) {
    log_event("keeper.never_recorded", {{"call", id.hex()}});
    call_end({id, clock_.utc_ms(), keys::kNeverRecorded, {}}, [](const Result<keys::Ack>&) {});
  }
  after_log([reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::Ack{});
  });
}

}  // namespace callward::erase
