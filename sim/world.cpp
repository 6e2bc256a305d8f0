#include "sim/world.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/check.hpp"

namespace callward::sim {
namespace {

constexpr std::uint32_t kSteps = 70;  // of 1 to 4 seconds each
constexpr std::size_t kCallsMost = 6, kLiveMost = 3;
constexpr std::uint32_t kSettleSteps = 60;
constexpr std::int64_t kMendEveryMs = 5'000;

const char* name_of(Fault fault) {
  switch (fault) {
    case Fault::kKill:
      return "kill";
    case Fault::kPowerLoss:
      return "power loss";
    case Fault::kIoError:
      return "EIO";
    case Fault::kNoSpace:
      return "ENOSPC";
    case Fault::kNone:
      break;
  }
  return "none";
}

}  // namespace

bool SimCall::gone(std::uint8_t stream, std::uint32_t index) const {
  return std::any_of(orders.begin(), orders.end(), [&](const SimOrder& order) {
    return order.goes() &&
           std::any_of(order.ranges.begin(), order.ranges.end(), [&](const auto& range) {
             return range.stream == stream && range.first <= index && index < range.end;
           });
  });
}

World::World(std::uint64_t seed)
    : seed_(seed),
      chance_(seed * 3 + 1),
      keeper_entropy_(seed * 7 + 2),
      recorder_entropy_(seed * 11 + 3),
      keeper_disk_(seed * 13 + 4),
      recorder_disk_(seed * 17 + 5),
      keeper_vfs_(keeper_disk_),
      recorder_vfs_(recorder_disk_),
      wrap_(keeper_entropy_.key()),
      log_seed_(keeper_entropy_.key()),
      reader_(keeper_entropy_.key()),
      person_(PersonId::random(recorder_entropy_)),
      mirrors_{{"/k/a/store", "/k/a/anchor"}, {"/k/b/store", "/k/b/anchor"}},
      objects_(recorder_vfs_, "/r/objects") {
  for (const char* folder : {"/k", "/k/a", "/k/b"}) CHECK(keeper_disk_.make_dirs(folder));
  for (const char* folder : {"/", "/k"}) CHECK(keeper_disk_.sync_dir(folder));
  for (const char* folder : {"/r", "/r/objects", "/r/spool"})
    CHECK(recorder_disk_.make_dirs(folder));
  for (const char* folder : {"/", "/r"}) CHECK(recorder_disk_.sync_dir(folder));
}
World::~World() = default;

std::uint64_t World::random(std::uint64_t below) {
  return load_le<std::uint64_t>(chance_.array<8>().data()) % below;
}

// On standard error too, among what the product tells there: to be seen with --verbose.
void World::note(const std::string& what) {
  schedule_.push_back("step " + std::to_string(step_) + ": " + what);
  std::fprintf(stderr, "%s\n", schedule_.back().c_str());
}

void World::expect(bool holds, const std::string& finding) {
  constexpr std::size_t kFindingsMost = 20;
  if (!holds && findings_.size() < kFindingsMost)
    findings_.push_back("step " + std::to_string(step_) + ": " + finding);
}

void World::advance(std::uint32_t segments) {
  clock_.advance_ms(std::int64_t{segments} * 100);
  if (recorder_back_at_ != 0) return;
  for (auto& call : calls_)
    if (call->live() && !call->waits_for_keys) record(*call, segments);
}

std::vector<std::string> World::run() {
  CHECK(keys::KeyStore::create(keeper_vfs_, keeper_entropy_, mirrors_, wrap_));
  start_keeper();
  start_recorder();
  begin_call();
  while (step_ < kSteps && findings_.empty()) step();
  settling_ = true;
  if (findings_.empty()) settle();
  if (findings_.empty()) judge();
  if (!findings_.empty() && log_)
    (void)log_->replay(0, [](std::uint64_t index, const audit::Entry& entry) -> Status {
      std::fprintf(stderr, "entry %llu: %s %s %s\n", static_cast<unsigned long long>(index),
                   entry.type.c_str(), entry.subject.c_str(),
                   boost::json::serialize(entry.data).c_str());
      return {};
    });
  counts_.calls = calls_.size();
  counts_.disk_calls = keeper_vfs_.calls() + recorder_vfs_.calls();
  return findings_;
}

void World::step() {
  ++step_;
  advance(10 + static_cast<std::uint32_t>(random(31)));
  const auto live = static_cast<std::size_t>(
      std::count_if(calls_.begin(), calls_.end(), [](const auto& call) { return call->live(); }));
  if (!settling_ && calls_.size() < kCallsMost && live < kLiveMost && chance(live == 0 ? 60 : 12))
    begin_call();
  (void)commit();
  look_for_deaths();
  listener_and_orders();
  if (keeper_) {
    keeper_->end_round();
    keeper_->tick();
    for (auto& answer : std::exchange(wipes_, {})) answer();
    keeper_->end_round();
    if (!keeper_vfs_.down() && !log_->failed())
      for (auto& call : calls_)
        if (call->start_unsettled && keys_->log_size() > call->settled_beyond)
          if (const auto state = keeper_->call_state(call->id); state && state->known)
            call->start_unsettled = false;
  }
  look_for_deaths();
  for (auto& call : calls_)
    if (call->live() && !call->waits_for_keys && chance(settling_ ? 100 : 4))
      end_call(*call, "bye");
  for (auto& call : calls_) finish_call(*call);
  look_for_deaths();
  come_back();
  look_for_deaths();
  if (keeper_ && clock_.monotonic_ms() - last_mend_ms_ >= kMendEveryMs) mend_keeper();
  look_for_deaths();
  if (!settling_) draw_faults();
}

// ---- what goes wrong -----------------------------------------------------------------------------

void World::draw_faults() {
  constexpr std::uint64_t kCallsAhead = 120;
  constexpr std::array kFaults{Fault::kKill,      Fault::kKill,    Fault::kPowerLoss,
                               Fault::kPowerLoss, Fault::kIoError, Fault::kNoSpace};
  const auto plan = [&](SimVfs& disk, Fault& planned, const char* whose) {
    planned = kFaults[random(kFaults.size())];
    const auto at = random(kCallsAhead);
    disk.plan(at, planned);
    ++counts_.refusals;
    note(std::string(name_of(planned)) + " at call " + std::to_string(at) + " of the " + whose);
  };
  if (chance(12)) plan(keeper_disk_, keeper_fault_, "keeper");
  if (chance(8)) plan(recorder_disk_, recorder_fault_, "recorder");
  if (chance(4) && keeper_) {
    note("hand-over");
    hand_keeper_over();
    look_for_deaths();
  }
  if (chance(4)) {
    const auto ms = static_cast<std::int64_t>(random(7'200'000)) - 3'600'000;
    clock_.jump_utc_ms(ms);
    ++counts_.clock_jumps;
    note("the wall clock is set by " + std::to_string(ms) + " ms");
  }
  if (chance(4) && mirror_away_.empty() && keeper_ && keys_->unconfirmed() == 0) {
    mirror_away_ = chance(50) ? "/k/a" : "/k/b";
    mirror_back_at_ = step_ + 1 + static_cast<std::uint32_t>(random(12));
    keeper_vfs_.take_away(mirror_away_);
    ++counts_.mirrors_away;
    note("the disk of " + mirror_away_ + " is away");
  }
}

void World::lose_power() {
  note("no power");
  ++counts_.power_losses;
  for (auto* disk : {&keeper_disk_, &recorder_disk_}) {
    if (disk->down()) continue;
    disk->plan(0, Fault::kPowerLoss);
    (void)disk->exists("/");
  }
  keeper_fault_ = recorder_fault_ = Fault::kPowerLoss;
}

void World::look_for_deaths() {
  const bool keeper_down = keeper_vfs_.down(), recorder_down = recorder_vfs_.down();
  if (!keeper_down && !recorder_down) return;
  if ((keeper_down && keeper_fault_ == Fault::kPowerLoss) ||
      (recorder_down && recorder_fault_ == Fault::kPowerLoss))
    lose_power();
  if (keeper_vfs_.down()) {
    keeper_died();
    keeper_disk_.restart(Survival::kSome);
    keeper_back_at_ = step_ + static_cast<std::uint32_t>(random(4));
  }
  if (recorder_vfs_.down()) {
    recorder_died();
    recorder_disk_.restart(Survival::kSome);
    recorder_back_at_ = step_ + 1 + static_cast<std::uint32_t>(random(2));
  }
}

void World::come_back() {
  if (!mirror_away_.empty() && step_ >= mirror_back_at_) {
    note("the disk of " + mirror_away_ + " is back");
    keeper_vfs_.bring_back(mirror_away_);
    mirror_away_.clear();
  }
  if (!keeper_ && step_ >= keeper_back_at_) start_keeper();
  look_for_deaths();
  if (!spool_ && step_ >= recorder_back_at_) start_recorder();
  look_for_deaths();
  if (!told_running_) tell_running();
  for (auto& call : calls_) {
    if (!keeper_ || !spool_) break;
    if (call->live() && call->waits_for_keys) reissue(*call);
    if (call->live() && call->needs_adoption) adopt(*call);
  }
}

// Nothing goes wrong any more; everything that waits is done.
void World::settle() {
  note("nothing goes wrong any more");
  keeper_disk_.plan(0, Fault::kNone);
  recorder_disk_.plan(0, Fault::kNone);
  keeper_fault_ = recorder_fault_ = Fault::kNone;
  mirror_back_at_ = keeper_back_at_ = 0;
  recorder_back_at_ = spool_ ? 0 : std::min(recorder_back_at_, step_ + 1);
  const auto settled = [this] {
    if (!keeper_ || !spool_ || log_->failed() || keys_->unconfirmed() != 0 || keeper_->has_work() ||
        !wipes_.empty())
      return false;
    const auto mirrors = keys_->mirrors();
    return std::all_of(mirrors.begin(), mirrors.end(), [](const auto& one) { return one.good; }) &&
           std::all_of(calls_.begin(), calls_.end(), [](const auto& call) {
             return call->seal_told && call->listened_told &&
                    std::all_of(call->orders.begin(), call->orders.end(), [](const auto& order) {
                      return order.dropped || (order.answered && (!order.held() || order.decided));
                    });
           });
  };
  for (std::uint32_t i = 0; i < kSettleSteps && findings_.empty(); ++i) {
    step();
    if (i > 5 && settled()) return;
  }
  std::string why;
  for (const auto& call : calls_)
    if (!call->seal_told || !call->listened_told)
      why += " call " + name_of(call->id) + (call->ended ? " ended" : " live") +
             (call->end_told ? " end_told" : "") + (call->sealed ? " sealed" : "") +
             (call->seal_told ? " seal_told" : "") + (call->listened_told ? " listened" : "") +
             (call->waits_for_keys ? " waits_for_keys" : "") +
             (call->needs_adoption ? " needs_adoption" : "") + ";";
  for (const auto& call : calls_)
    for (const auto& order : call->orders)
      if (!order.dropped && (!order.answered || (order.held() && !order.decided)))
        why += " order " + name_of(order.id) + (order.answered ? " held;" : " not answered;");
  if (keeper_) {
    why += log_->failed() ? " the log has failed;" : "";
    why += keys_->unconfirmed() != 0 ? " a mirror is unconfirmed;" : "";
    why += keeper_->has_work() ? " the keeper has work;" : "";
    for (const auto& mirror : keys_->mirrors())
      if (!mirror.good) why += " a mirror is left out: " + mirror.why + ";";
  }
  expect(false, "it does not come to rest: " + std::string(keeper_ ? "" : "no keeper; ") +
                    (spool_ ? "" : "no recorder; ") + why);
}

}  // namespace callward::sim
