#include "keys/retention_guard.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace callward::keys {
namespace {

namespace json = boost::json;

constexpr std::int64_t kVersion = 1;
constexpr std::array<std::string_view, 5> kStops = {"", "clock_ahead", "clock_back", "volume",
                                                    "state"};

// Every field, once: the first that is not there, or no whole number, makes it malformed.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}
  std::int64_t number(std::string_view name) {
    ++read_;
    const auto* value = object_.if_contains(name);
    if (value != nullptr && value->is_int64()) return value->get_int64();
    good_ = false;
    return 0;
  }
  std::string_view text(std::string_view name) {
    ++read_;
    const auto* value = object_.if_contains(name);
    if (value != nullptr && value->is_string()) return value->get_string();
    good_ = false;
    return {};
  }
  const json::array& list(std::string_view name) {
    static const json::array kNone;
    ++read_;
    const auto* value = object_.if_contains(name);
    if (value != nullptr && value->is_array()) return value->get_array();
    good_ = false;
    return kNone;
  }
  [[nodiscard]] bool good() const { return good_ && read_ == object_.size(); }

 private:
  const json::object& object_;
  std::size_t read_ = 0;
  bool good_ = true;
};

bool fits(const RetentionState& state) {
  return state.mono >= -1 && state.by >= 0 && state.last_erased >= 0 && state.confirmed >= 0 &&
         state.spent >= 0 && state.days.size() <= RetentionState::kDaysKept;
}

std::string hours(std::int64_t ms) {
  const auto whole = ms / 3'600'000;
  return whole >= 48 ? std::to_string(whole / 24) + " days" : std::to_string(whole) + " hours";
}

}  // namespace

std::string_view to_text(RetentionStop stop) { return kStops[static_cast<std::size_t>(stop)]; }

void RetentionState::spend(std::int64_t day, std::int64_t count) {
  if (days.empty() || days.back().day != day) days.push_back({day, 0});
  days.back().gone += count;
  if (days.size() > kDaysKept) days.erase(days.begin());
  const auto from_confirmed = std::min(confirmed, count);
  confirmed -= from_confirmed;
  if (spent_day != day) spent = 0;
  spent_day = day;
  spent += count - from_confirmed;
}

std::string encode_retention(const RetentionState& state) {
  json::array days;
  for (const auto& day : state.days) {
    json::array pair;
    pair.emplace_back(day.day);
    pair.emplace_back(day.gone);
    days.emplace_back(std::move(pair));
  }
  return json::serialize(json::object{{"v", kVersion},
                                      {"utc", state.utc},
                                      {"mono", state.mono},
                                      {"stop", to_text(state.stop)},
                                      {"stopped_at", state.stopped_at},
                                      {"by", state.by},
                                      {"stop_logged", state.stop_logged ? 1 : 0},
                                      {"last_run", state.last_run},
                                      {"last_erased", state.last_erased},
                                      {"confirmed", state.confirmed},
                                      {"spent_day", state.spent_day},
                                      {"spent", state.spent},
                                      {"days", std::move(days)}}) +
         "\n";
}

Result<RetentionState> decode_retention(std::string_view text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  if (error || !value.is_object())
    return fail(Errc::kMalformed, "the state of retention is no JSON object");
  Fields fields(value.get_object());
  if (const auto version = fields.number("v"); version != kVersion)
    return fail(version > kVersion ? Errc::kUnsupported : Errc::kMalformed,
                "state of retention of version " + std::to_string(version) +
                    "; this program knows " + std::to_string(kVersion));
  RetentionState state;
  state.utc = fields.number("utc");
  state.mono = fields.number("mono");
  const auto stop = std::find(kStops.begin(), kStops.end(), fields.text("stop"));
  state.stopped_at = fields.number("stopped_at");
  state.by = fields.number("by");
  state.stop_logged = fields.number("stop_logged") != 0;
  state.last_run = fields.number("last_run");
  state.last_erased = fields.number("last_erased");
  state.confirmed = fields.number("confirmed");
  state.spent_day = fields.number("spent_day");
  state.spent = fields.number("spent");
  for (const auto& item : fields.list("days")) {
    const auto* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_int64() || !(*pair)[1].is_int64())
      return fail(Errc::kMalformed, "the state of retention: a day is [day, how many]");
    state.days.push_back({(*pair)[0].get_int64(), (*pair)[1].get_int64()});
  }
  if (stop == kStops.end() || !fields.good() || !fits(state))
    return fail(Errc::kMalformed, "the state of retention contradicts itself");
  state.stop = static_cast<RetentionStop>(stop - kStops.begin());
  return state;
}

bool RetentionGuard::observe(std::int64_t utc_ms, std::int64_t mono_ms) {
  auto expected = state_.utc;
  bool rebooted = false;
  if (state_.mono >= 0) {
    rebooted = first_ && mono_ms < state_.mono;  // the monotonic clock began anew
    expected += rebooted ? mono_ms : std::max<std::int64_t>(0, mono_ms - state_.mono);
  }
  const auto apart = utc_ms - expected;
  const bool jumped = apart > kClockJumpMs || apart < -kClockJumpMs;
  // Time that no clock of ours has counted is taken from the wall, as far as it may be.
  const bool uncounted = first_ && (rebooted || state_.mono < 0);
  state_.utc = uncounted && !jumped ? utc_ms : expected;
  state_.mono = mono_ms;
  first_ = false;
  wall_ = utc_ms;
  now_ = std::min(state_.utc, utc_ms);
  const bool clock_said =
      state_.stop == RetentionStop::kClockAhead || state_.stop == RetentionStop::kClockBack;
  if (!jumped || clock_said || state_.stop == RetentionStop::kState) return false;
  stop(apart > 0 ? RetentionStop::kClockAhead : RetentionStop::kClockBack,
       apart > 0 ? apart : -apart);
  return true;
}

void RetentionGuard::stop(RetentionStop why, std::int64_t by) {
  state_.stop = why;
  state_.by = by;
  state_.stopped_at = now_;
  state_.stop_logged = false;
}

// A clock that goes to and fro over midnight begins no day a second time.
std::int64_t RetentionGuard::today() const { return std::max(state_.spent_day, day_of(now_)); }

std::int64_t RetentionGuard::may_erase(std::int64_t usual) const {
  const auto spent = state_.spent_day == today() ? state_.spent : 0;
  const auto bound = std::max(free_a_day_, kTimesUsual * usual);
  return std::max<std::int64_t>(0, bound - spent) + state_.confirmed;
}

void RetentionGuard::spend(std::int64_t count) { state_.spend(today(), count); }

void RetentionGuard::run_over(std::int64_t erased) {
  state_.last_run = now_;
  state_.last_erased = erased;
  state_.confirmed = 0;  // it was for this run
}

void RetentionGuard::go_on() {
  state_.stop = RetentionStop::kNone;
  state_.by = 0;
  state_.stop_logged = true;
}

void RetentionGuard::let_go(std::int64_t count, std::int64_t at) {
  go_on();
  state_.confirmed = count;
  state_.utc = at;
  // A day that never was must not stand in the way of those to come; what went on it did go.
  state_.spent_day = std::min(state_.spent_day, day_of(at));
}

void RetentionGuard::confirm(std::int64_t count) {
  let_go(count, wall_);
  now_ = wall_;
}

void RetentionGuard::confirm_again(std::int64_t count, std::int64_t said_at,
                                   std::string_view stop) {
  if (first_) {
    let_go(count, said_at);
    state_.mono = -1;
    return;
  }
  state_.confirmed = count;
  if (state_.stop == RetentionStop::kVolume && stop == to_text(state_.stop)) go_on();
}

std::int64_t day_of(std::int64_t at) { return at >= 0 ? at / kDayMs : -1; }

std::int64_t median(std::vector<std::int64_t> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::int64_t usual_erased(const std::vector<RetentionState::Day>& erased) {
  constexpr std::size_t kDaysMin = 7;
  std::vector<std::int64_t> gone;
  for (const auto& day : erased)
    if (day.gone > 0) gone.push_back(day.gone);
  return gone.size() < kDaysMin ? 0 : median(std::move(gone));
}

std::string why_stopped(const RetentionState& state, std::string_view counted) {
  switch (state.stop) {
    case RetentionStop::kNone:
      return {};
    case RetentionStop::kClockAhead:
      return "the wall clock went ahead by more than " + hours(state.by) +
             " against the time that was counted, or the machine was off for that long";
    case RetentionStop::kClockBack:
      return "the wall clock went back by more than " + hours(state.by) +
             " against the time that was counted";
    case RetentionStop::kVolume:
      return std::to_string(state.by) + " " + std::string(counted) +
             " are due at once: more than twice what a day usually has";
    case RetentionStop::kState:
      return "what is known of earlier runs cannot be read (keeper/retention)";
  }
  return {};
}

}  // namespace callward::keys
