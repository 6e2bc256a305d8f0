// The keeper, and who talks to it besides the recorder: a listener and a person.
#include <algorithm>

#include "base/check.hpp"
#include "sim/world_ask.hpp"

namespace callward::sim {

using keys::SegmentRange;

namespace {
constexpr const char* kOrigin = "test/log";
constexpr std::uint32_t kLagMost = 25;  // of a listener that keeps up, segments
constexpr std::uint64_t kPersistSegments = 300;
constexpr std::uint64_t kSlackSegments = 150;  // rounds, and mending after an error
constexpr std::uint64_t kQuestionSegments = 900;
constexpr std::uint64_t kDeafSegments = 600;  // then it is kept unheard
constexpr std::int64_t kPersistRoundMs = 40'000;

erase::KeeperPolicy policy_of() {
  erase::KeeperPolicy policy;
  policy.listener_share_percent = 15;
  return policy;
}
}  // namespace

erase::Keeper::Outbox World::outbox() {
  return {.derived_sealed = [](const keys::DerivedSealed&) {},
          .listening_done = [](const keys::ListeningDone&) {},
          .order_state = [](const keys::OrderState&) {},
          .wipe =
              [this](const keys::WipeRanges&, std::function<void()> done) {
                if (chance(70)) return done();
                wipes_.push_back(std::move(done));
              }};
}

void World::start_keeper() {
  const auto begin = [this]() -> Status {
    keys_ = TRY(keys::KeyStore::open(keeper_vfs_, keeper_entropy_, mirrors_, wrap_));
    log_ = TRY(audit::Log::open(keeper_vfs_, "/k/log", kOrigin, log_seed_));
    keeper_ = std::make_unique<erase::Keeper>(clock_, keeper_entropy_, *keys_, *log_, policy_of(),
                                              outbox());
    return keeper_->start();
  };
  const bool fault_planned = keeper_fault_ != Fault::kNone;
  if (const auto begun = begin(); !begun) {
    note("the keeper does not start: " + begun.error().message);
    expect(fault_planned || !mirror_away_.empty(),
           "the keeper does not start: " + begun.error().message);
    wipes_.clear();  // its own: nobody is there to be answered
    keeper_.reset();
    log_.reset();
    keys_.reset();
    return;
  }
  std::string stores;
  for (const auto& mirror : keys_->mirrors())
    stores += mirror.good ? " " + std::to_string(mirror.epoch) : " -";
  note("the keeper is there, with epochs" + stores + " and " + std::to_string(log_->size()) +
       " entries");
  judge_recovered_keeper();
}

// What the recorder can still derive is frozen at that moment; what only the keeper had is lost, by
// so much at most.
void World::keeper_died() {
  if (keeper_) {
    note("the keeper died");
    told_running_ = false;
    ++counts_.keeper_deaths;
    // Until the next round of persisting, what was so is so still on the disk.
    const auto recently = [this](std::int64_t until_ms) {
      return until_ms > 0 && until_ms + kPersistRoundMs > clock_.monotonic_ms();
    };
    for (auto& call : calls_) {
      const std::uint64_t lag = call->next - std::min(call->heard, call->next);
      call->keeper_loss_most += kPersistSegments + kSlackSegments + lag +
                                (recently(call->question_until_ms) ? kQuestionSegments : 0) +
                                (recently(call->deaf_until_ms) ? kDeafSegments : 0) +
                                (call->start_unsettled ? call->next : 0);
      if (!call->spooled || call->seal_told || !call->writers[0] || !call->frozen.empty()) continue;
      call->frozen_index = call->next;
      for (auto& writer : call->writers)
        for (auto& node : writer->remaining()) call->frozen.push_back(std::move(node));
      call->needs_adoption = true;
    }
  }
  wipes_.clear();
  keeper_.reset();
  log_.reset();
  keys_.reset();
}

void World::mend_keeper() {
  last_mend_ms_ = clock_.monotonic_ms();
  if (log_->failed()) {
    auto fresh = audit::Log::open(keeper_vfs_, "/k/log", kOrigin, log_seed_);
    if (!fresh) return;
    keeper_->resume_log(**fresh);
    log_ = std::move(*fresh);
  }
  const bool stale = keys_->unconfirmed() != 0;
  bool repaired = false;
  for (std::size_t i = 0; i < mirrors_.size(); ++i)
    if (!keys_->mirrors()[i].good) repaired = keys_->repair_mirror(i).has_value() || repaired;
  if (!stale && !repaired) return;
  (void)keys_->destroy_stale();
  keeper_->mirrors_are_back();
  keeper_->end_round();
}

// As the process does it, with the state going through its bytes.
void World::hand_keeper_over() {
  keeper_->rest(true);
  for (auto& answer : std::exchange(wipes_, {})) answer();
  keeper_->end_round();
  if (keeper_vfs_.down()) return;
  if (log_->failed() || !keeper_->quiet()) return keeper_->rest(false);
  const auto bytes = erase::encode_handed(keeper_->hand_over());
  if (!bytes) return expect(false, "state cannot be handed over: " + bytes.error().message);
  keeper_->freeze();
  std::unique_ptr<keys::KeyStore> store;
  std::unique_ptr<audit::Log> log;
  std::unique_ptr<erase::Keeper> fresh;
  const auto take = [&]() -> Status {
    store = TRY(keys::KeyStore::open(keeper_vfs_, keeper_entropy_, mirrors_, wrap_));
    log = TRY(audit::Log::open(keeper_vfs_, "/k/log", kOrigin, log_seed_));
    fresh = std::make_unique<erase::Keeper>(clock_, keeper_entropy_, *store, *log, policy_of(),
                                            outbox());
    return fresh->take_over(TRY(erase::decode_handed(bytes->expose())));
  };
  const auto taken = take();
  if (keeper_vfs_.down()) return;
  if (!taken) {
    note("not taken over: " + taken.error().message);
    fresh.reset();
    log.reset();
    keeper_->hand_over_failed("simulated");
    if (auto again = audit::Log::open(keeper_vfs_, "/k/log", kOrigin, log_seed_)) {
      keeper_->resume_log(**again);
      log_ = std::move(*again);
    }
    keeper_->rest(false);
    return;
  }
  ++counts_.handovers;
  note("taken over");
  keeper_ = std::move(fresh);
  log_ = std::move(log);
  keys_ = std::move(store);
  keeper_->serve_on();
  if (!keeper_vfs_.down()) judge_recovered_keeper();
}

// ---- the listener, and a person ------------------------------------------------------------------

void World::listener_and_orders() {
  for (auto& call : calls_) {
    if (!call->begin_durable) continue;
    if (!settling_) draw_order(*call);
    for (auto& order : call->orders)
      if (!order.answered && !order.dropped) send_order(*call, order);
    // A person orders and decides whenever he likes: also when the listener is long done.
    for (auto& order : call->orders)
      if (order.held() && !order.decided && (settling_ || chance(10))) decide(*call, order);
    if (!call->listened_told) listen(*call);
  }
}

void World::listen(SimCall& call) {
  const auto now = clock_.monotonic_ms();
  if (!settling_ && chance(3)) call.deaf_until_ms = now + static_cast<std::int64_t>(random(80'000));
  if (call.question_open ? settling_ || chance(15) || now - call.question_since_ms > 85'000
                         : !settling_ && chance(4)) {
    call.question_open = !call.question_open;
    call.question_since_ms = now;
  }
  if (call.question_open) call.question_until_ms = now;
  if (call.seal_told)
    call.heard = call.next;
  else if (now >= call.deaf_until_ms || settling_)
    call.heard = std::max(call.heard,
                          call.next - std::min<std::uint32_t>(
                                          call.next, static_cast<std::uint32_t>(random(kLagMost))));
  if (!keeper_) return;
  keeper_->cleared({call.id, {{0, call.heard}, {1, call.heard}}, call.question_open});
  const bool waits = std::any_of(call.orders.begin(), call.orders.end(), [](const auto& order) {
    return !order.answered && !order.dropped;
  });
  if (!call.seal_told || call.question_open || waits) return keeper_->end_round();
  call.listen_done_sent = true;
  keeper_->listen_done({call.id});
  keeper_->end_round();
  if (keeper_vfs_.down()) return;
  const auto state = keeper_->call_state(call.id);
  call.listened_told = call.keyless || (state && state->listened && !log_->failed());
}

void World::draw_order(SimCall& call) {
  constexpr std::size_t kOrdersMost = 14;
  if (call.next < 20 || call.orders.size() >= kOrdersMost || !chance(12)) return;
  SimOrder order;
  order.id = OrderId::random(recorder_entropy_);
  order.listener = chance(80) && !call.listen_done_sent;
  const auto ranges = 1 + random(2);
  for (std::uint64_t i = 0; i < ranges; ++i) {
    const auto back = chance(70) ? std::min<std::uint64_t>(call.next, 150) : call.next;
    const auto first = call.next - 1 - static_cast<std::uint32_t>(random(back));
    const auto length = 1 + static_cast<std::uint32_t>(random(60));
    order.ranges.push_back({static_cast<std::uint8_t>(random(kSimStreams)), first,
                            std::min(first + length, call.next)});
  }
  ++counts_.orders;
  note("an order, " + name_of(order.id) + " of " +
       std::string(order.listener ? "the listener" : "a person") + " about " + name_of(call.id) +
       ", " + std::to_string(order.ranges.front().first) + ".." +
       std::to_string(order.ranges.front().end));
  call.orders.push_back(std::move(order));
}

void World::send_order(SimCall& call, SimOrder& order) {
  if (!keeper_) return;
  auto told = ask<keys::OrderAccepted>([&](erase::Reply<keys::OrderAccepted> reply) {
    keeper_->erase_order(
        {order.id, call.id, order.ranges, "password", order.listener ? "listener" : person_.hex()},
        order.listener, std::move(reply));
  });
  if (!told) return;
  if (*told) {
    order.answered = true;
    order.outcome = (*told)->outcome;
    note("order " + name_of(order.id) + " is answered: " +
         (order.held()   ? "held"
          : order.goes() ? "goes"
                         : "stays"));
    if (order.outcome == keys::OrderOutcome::kHeld) {
      ++counts_.held;
      order.decision = chance(50) ? keys::HeldDecision::kErase : keys::HeldDecision::kKeep;
    }
    return;
  }
  const auto code = told->error().code;
  // As the listener does it: repeated until it is taken, unless the keeper finds it impossible. Of a
  // call whose start was not settled it knows nothing until the recorder has handed it back.
  constexpr std::array kAgain{Errc::kUnavailable, Errc::kBusy, Errc::kFull, Errc::kIo,
                              Errc::kCorrupt};
  if (std::find(kAgain.begin(), kAgain.end(), code) != kAgain.end()) return;
  if (code == Errc::kNotFound && call.start_unsettled && !call.keyless) return;
  // The recorder died, and what was ordered away was never durable: the call ended before it.
  expect((code == Errc::kMalformed && call.ended) || (code == Errc::kNotFound && call.keyless),
         "an order is refused: " + told->error().message);
  order.dropped = true;
}

// Who decides has signed in; the log's rules look for it.
bool World::signs_in() {
  const auto said = ask<keys::LogAppended>([&](erase::Reply<keys::LogAppended> reply) {
    keeper_->log_append(
        {"signed_in", person_.hex(), person_.hex(), R"({"session":"s1","method":"passphrase"})"},
        audit::kByServer, std::move(reply));
  });
  return said && *said;
}

void World::decide(SimCall& call, SimOrder& order) {
  if (!keeper_) return;
  if (order.first_said && (!signs_in() || !keeper_)) return;
  auto told =
      ask<keys::HeldDecided>(&erase::Keeper::decide_held,
                             {call.id, order.id, *order.decision,
                              order.first_said ? person_.hex() : "operator", std::string(64, '0')});
  if (told) {
    // Done already, and only the answer was lost; or another order took all of it.
    const bool over = !*told && told->error().code == Errc::kNotFound;
    // Beyond one person's share: another one says the same.
    order.first_said = order.first_said ||
                       (*told && (*told)->outcome == keys::OrderOutcome::kHeld) ||
                       (order.listener && !*told && told->error().code == Errc::kDenied);
    if (over || (*told && (*told)->outcome != keys::OrderOutcome::kHeld)) order.decided = true;
    order.moot = over;  // as far as is known: judge_log() looks in the log
    note("order " + name_of(order.id) + (order.decided ? " is decided" : " is not decided") +
         (*told ? "" : ": " + told->error().message));
  }
}

}  // namespace callward::sim
