// Clocks, logs and disks that somebody turns back, and machines that die at any moment.
#include "tests/attack/page_rig.hpp"

namespace callward::attack {
namespace {

class Disks : public ::testing::Test, public PageRig {
 protected:
  // The whole machine as it is now; go back to it with a disk that meets faults.
  void keep() { kept = vfs.fork(9); }
  void go_back(std::uint64_t seed_of_it) {
    stop();
    vfs = kept->fork(seed_of_it);
  }
  int views_logged() {
    int views = 0;
    for (const auto& entry : entries())
      views += entry.type == "disclosure_step" && entry.data.at("kind") == "view";
    return views;
  }
  void expect_as_logged(const CustomerId& customer, const RequestId& id) {
    std::uint32_t changes = 0;
    std::int64_t steps = 0;
    bool held = false, closed = false;
    for (const auto& entry : entries()) {
      changes += entry.type == "chart_changed";
      steps += entry.type == "disclosure_step" && entry.subject == id.hex();
      held = held || entry.type == "customer_hold_set";
      closed = closed || entry.type == "case_closed";
    }
    EXPECT_EQ(office->chart().number(), changes);
    EXPECT_EQ(state(id).at("steps").as_int64(), steps);
    const auto there = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
    ASSERT_TRUE(there);
    EXPECT_EQ(there->held, held);
    EXPECT_EQ(there->cases.at(0).closed_at != 0, closed);
    expect_rules_hold();
  }
  // Whether any page that was ever written opens this leaf with a key that lives.
  bool opens(const CustomerId& customer, std::uint32_t leaf) {
    bool found = false;
    hunt(customer, [&](const vault::Customer& row) {
      ++rows_hunted;
      found = found || row.cover().opens(keys::leaf_of(0, leaf));
    });
    return found;
  }
  std::optional<sim::SimVfs> kept;
  int rows_hunted = 0;
};

TEST_F(Disks, AClockThatIsSetBackLengthensNoWindow) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto key = browser(tom);
  clock.jump_utc_ms(-3'600'000);
  ticks(14 * 60'000);
  EXPECT_TRUE(view(id, tom, key, customer, "email"));
  // Started anew, with the clock as it was, or far back, again and again.
  for (int i = 0; i < 5; ++i) {
    clock.jump_utc_ms(-7'200'000);
    boot();
  }
  ticks(60'000);
  EXPECT_EQ(state_word(id), "expired");
  EXPECT_FALSE(view(id, tom, browser(tom), customer, "email"));
}

TEST_F(Disks, NorDoesOneThatIsSetBackBeforeEachStart) {
  const auto customer = carla();
  // The keeper lives for a minute at a time, always at the same time of day; in one boot of the
  // machine, in another one each time, and where the kernel does not say which.
  for (const int boots : {0, 1, -1}) {
    machine = {static_cast<std::uint8_t>(boots < 0 ? 0 : 1)};
    const auto id = opened(customer);
    int minutes = 0;
    for (; minutes < 30 && state_word(id) == "open"; ++minutes) {
      ticks(60'000);
      clock.jump_utc_ms(-60'000);
      if (boots > 0) ++machine[0];
      boot();
      keeper->tick();
    }
    EXPECT_LE(minutes, 15) << boots;
    EXPECT_EQ(state_word(id), "expired") << boots;
  }
}

// However often it dies, and a window is open all the time: its time is everybody's.
TEST_F(Disks, AKeeperThatDiesOverAndOverDoesNotRunAhead) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto until = state(id).at("until");
  for (int i = 0; i < 30; ++i) {
    ticks(5'000);
    boot();
    keeper->tick();
    EXPECT_EQ(office->now(), clock.utc_ms());
  }
  EXPECT_EQ(state(id).at("until"), until);
  EXPECT_TRUE(view(id, tom, browser(tom), customer, "email"));
  EXPECT_TRUE(change_roles(rita, people::bit(people::Role::kAuditor), {olga}))
      << "a change of now is one of now";
  // After another boot it may be ahead: once, and never behind.
  ++machine[0];
  boot();
  EXPECT_GE(office->now(), clock.utc_ms());
  EXPECT_LE(office->now(), clock.utc_ms() + Office::kTimeAheadMs);
}

// Counted time is kept now and then; each step says how far it had gone.
TEST_F(Disks, AStartGoesOnFromTheTimeOfTheLastStep) {
  const auto customer = carla();
  duty(eve);
  ticks(300'000);
  clock.jump_utc_ms(-120'000);
  const auto id = *request(tom, customer, {"email"});
  ASSERT_TRUE(ring(id, eve, customer));
  const auto before = office->now();
  boot();
  EXPECT_GE(office->now(), before);
  ticks(1'000);
  EXPECT_EQ(state_word(id), "assigned") << "what became of that call-back nobody can say";
  EXPECT_TRUE(ring(id, eve, customer));
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

TEST_F(Disks, ALogThatIsTakenAwayStopsReading) {
  const auto customer = carla();
  const auto id = opened(customer);
  const auto older = vfs.image("/log");
  keep();
  const auto take_away = [&](const std::string& how) {
    if (how == "older") return vfs.put_back(older);
    const auto names = *vfs.list("/log");
    for (const auto& name : names) {
      if (!name.starts_with("journal")) continue;
      const auto path = "/log/" + name;
      if (how == "removed") ASSERT_TRUE(vfs.remove(path));
      if (how == "cut") ASSERT_TRUE((*vfs.open(path, OpenMode::kReadWrite))->truncate(0));
    }
  };
  for (const std::string how : {"removed", "older", "cut"}) {
    go_back(1);
    boot();
    const auto key = browser(tom);
    EXPECT_TRUE(view(id, tom, key, customer, "email"));
    ticks(31'000);
    take_away(how);
    EXPECT_FALSE(view(id, tom, key, customer, "email")) << how;
    EXPECT_FALSE(view(id, tom, key, customer, "email")) << how;
    EXPECT_TRUE(log->failed()) << how;
    EXPECT_FALSE(start()) << how << ": nor does a keeper start with it";
  }
}

TEST_F(Disks, AnOlderLogIsNoLog) {
  const auto older = vfs.image("/log");  // with the people, before the customer
  const auto customer = carla();
  const auto id = opened(customer);
  ticks(60'000);
  stop();
  const auto now_there = vfs.image("/log");
  vfs.put_back(older);
  EXPECT_FALSE(start());
  stop();
  vfs.put_back(now_there);
  boot();
  EXPECT_EQ(state_word(id), "open");
}

TEST_F(Disks, AnOlderKeyStoreReopensNothing) {
  const auto customer = carla();
  const auto leaf = leaf_of.at({customer, "password"});
  ticks(60'000);
  std::vector<std::map<std::string, Bytes>> older;
  for (const auto* dir : {"/a", "/b"}) older.push_back(vfs.image(dir));
  EXPECT_TRUE(opens(customer, leaf));
  ASSERT_TRUE(
      ask(&Office::erase_fields, keys::EraseFields{customer, false, leaf, max.id.hex(), kReason}));
  round();
  ticks(60'000);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_FALSE(opens(customer, leaf));
  // Pages alone: no key for them. With the keys that lay beside them: the log knows better.
  stop();
  for (const auto& image : older) vfs.put_back(image);
  if (start()) {
    round();
    for (int i = 0; i < 3; ++i) ticks(61'000);
    const auto state_now = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
    ASSERT_TRUE(state_now);
    for (const auto& field : state_now->fields) EXPECT_NE(field.leaf, leaf);
    EXPECT_FALSE(request(tom, customer, {"password"}));
    EXPECT_FALSE(opens(customer, leaf));
  }
}

// Every call of a view meets every fault: no value without its entry, before and after a restart.
TEST_F(Disks, NoValueLeavesWithoutItsEntry) {
  const auto customer = carla();
  const auto id = opened(customer, {"email"});
  ticks(1'000);
  keep();
  using sim::Fault;
  int answered = 0, refused = 0;
  for (const auto fault : {Fault::kIoError, Fault::kNoSpace, Fault::kPowerLoss, Fault::kKill})
    for (std::uint64_t call = 0; call < 40; ++call) {
      go_back(call);
      boot();
      const auto key = browser(tom);
      const auto said = viewing(customer, "email", key);
      const auto step = *draft(id, tom, said);
      const auto message = message_of(step, sign(step, tom), said);
      vfs.plan(call, fault);
      const auto seen = ask(&Office::step_put, message);
      const auto calls = vfs.calls();
      stop();
      vfs.restart(sim::Survival::kSome);
      vfs.plan(1'000'000, Fault::kNone);
      const auto again = start();
      ASSERT_TRUE(again) << again.error().message;
      answered += seen.has_value();
      refused += !seen;
      if (seen) EXPECT_EQ(views_logged(), 1) << call;
      EXPECT_EQ(judge(entries()).breaches, 0u) << call;
      if (calls <= call) break;  // it came through before the fault
    }
  EXPECT_GE(answered, 4);
  EXPECT_GT(refused, 20);
}

// A secret that was shown is not shown again, whenever the machine dies.
TEST_F(Disks, WhatWasSeenOrOrderedGoneStaysGone) {
  const auto customer = carla();
  const auto id = verified(customer, {"password"});
  ASSERT_TRUE(release(id, anna, customer, {"password"}));
  ticks(1'000);
  keep();
  const auto leaf = leaf_of.at({customer, "password"});
  int seen_once = 0;
  for (const bool by_wish : {false, true})
    for (const auto survival : {sim::Survival::kNothing, sim::Survival::kSome})
      for (std::uint64_t call = 0; call < 90; call += 2) {
        go_back(call + 100);
        boot();
        gone.clear();
        const auto key = browser(tom);
        const auto said = viewing(customer, "password", key);
        const auto step = *draft(id, tom, said);
        const auto message = message_of(step, sign(step, tom), said);
        vfs.plan(call, sim::Fault::kPowerLoss);
        bool told = false;
        if (by_wish)
          told = ask(&Office::erase_fields,
                     keys::EraseFields{customer, false, leaf, max.id.hex(), kReason})
                     .has_value();
        else
          told = ask(&Office::step_put, message).has_value();
        if (!vfs.down()) keeper->tick();
        const bool came_through = vfs.calls() <= call;
        const bool erased_before = !gone.empty();
        stop();
        vfs.restart(survival);
        vfs.plan(1'000'000, sim::Fault::kNone);
        const auto again = start();
        ASSERT_TRUE(again) << again.error().message;
        if (told) {
          ++seen_once;
          EXPECT_FALSE(view(id, tom, browser(tom), customer, "password")) << call;
          ticks(61'000);
          ticks(61'000);
          EXPECT_TRUE(erased_before || !gone.empty() || !opens(customer, leaf)) << call;
          EXPECT_FALSE(opens(customer, leaf)) << call << ": a page that was once written";
        }
        EXPECT_EQ(judge(entries()).breaches, 0u) << call;
        if (came_through) break;
      }
  EXPECT_GT(seen_once, 10);
  EXPECT_GT(rows_hunted, 0);
}

// What was answered as stored is there, whenever the machine dies.
TEST_F(Disks, WhatWasAnsweredAsStoredIsThere) {
  const auto customer = carla();
  agent();
  ticks(1'000);
  keep();
  int stored_all = 0;
  for (const auto survival :
       {sim::Survival::kNothing, sim::Survival::kSome, sim::Survival::kEverything})
    for (std::uint64_t call = 0; call < 60; ++call) {
      go_back(call + 300);
      boot();
      const auto message = intake({{"email", "new@example.com"}}, customer, 1);
      vfs.plan(call, sim::Fault::kPowerLoss);
      const auto stored = ask(&Office::store_fields, message);
      const bool came_through = vfs.calls() <= call;
      stop();
      vfs.restart(survival);
      vfs.plan(1'000'000, sim::Fault::kNone);
      const auto again = start();
      ASSERT_TRUE(again) << again.error().message;
      const auto state_now = ask(&Office::customer_state, keys::CustomerStateRequest{customer});
      ASSERT_TRUE(state_now);
      std::size_t mails = 0;
      for (const auto& field : state_now->fields) {
        if (field.field != "email" || field.state != 1) continue;
        ++mails;
        if (stored) EXPECT_EQ(field.leaf, stored->fields[0].leaf);
      }
      EXPECT_EQ(mails, 1u) << call << ": the old one or the new one";
      stored_all += stored.has_value();
      EXPECT_EQ(judge(entries()).breaches, 0u) << call;
      if (came_through) break;
    }
  EXPECT_GE(stored_all, 3);
}

// Logged, and in no row when the keeper died; the next one writes its rows, and dies too.
TEST_F(Disks, AStepThatIsInTheLogIsKnownToEachKeeperAfterIt) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email"});
  ASSERT_EQ(state_word(id), "assigned");
  for (int i = 0; i < 3; ++i) {
    boot();
    EXPECT_EQ(state_word(id), "assigned") << i;
    EXPECT_TRUE(store_values({{"email", "new@example.com"}}, customer, 1));
    ticks(61'000);
  }
  ASSERT_TRUE(ring(id, eve, customer));
  EXPECT_EQ(judge(entries()).breaches, 0u);
}

// Nor does a role come back that was taken away just before the machine died.
TEST_F(Disks, ARoleThatWasTakenInTheLogIsTakenForEachKeeperAfterIt) {
  const auto customer = carla();
  ticks(1'000);
  keep();
  int logged_alone = 0;
  for (std::uint64_t call = 0; call < 40; ++call) {
    go_back(call + 500);
    boot();
    now = office->now();
    const auto before = chart.number();
    const auto change =
        signed_by(person(anna.id, people::bit(people::Role::kAgent), olga.id), {olga});
    vfs.plan(call, sim::Fault::kPowerLoss);
    const bool told = ask(&Office::chart_put, message_of(change)).has_value();
    const bool came_through = vfs.calls() <= call;
    stop();
    vfs.restart(sim::Survival::kEverything);
    vfs.plan(1'000'000, sim::Fault::kNone);
    boot();
    const bool taken = office->chart().number() != before;
    logged_alone += taken && !told;
    EXPECT_TRUE(taken || !told) << call;
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(store_values({{"email", "new@example.com"}}, customer, 1));
      ticks(61'000);
      boot();
      EXPECT_EQ(office->chart().is(anna.id, people::Role::kAuthorised), !taken) << call;
    }
    if (came_through) break;
  }
  EXPECT_GT(logged_alone, 0);
}

// A batch that the disk refused may turn out to be there when the log is opened anew: then it
// counts, for the keeper that wrote it and for those after it.
TEST_F(Disks, WhatWasRefusedAndIsInTheLogCounts) {
  const auto customer = carla();
  duty(eve);
  const auto id = *request(tom, customer, {"email"});
  ticks(61'000);
  keep();
  const std::vector<std::function<void()>> verbs = {
      [&] { (void)ring(id, eve, customer); },
      [&] { (void)ask(&Office::duty_put, keys::DutyPut{eve.id, false}); },
      [&] {
        (void)ask(&Office::hold_customer,
                  keys::HoldCustomer{customer, true, olga.id.hex(), kReason});
      },
      [&] { (void)ask(&Office::assign_case, keys::AssignCase{customer, 1, tom.id, max.id.hex()}); },
      [&] { (void)ask(&Office::close_case, keys::CloseCase{customer, 1, max.id.hex(), {}}); },
      [&] { (void)store_values({{"email", "other@example.com"}}, customer, 1); },
      [&] { (void)store_values({{"name", "Nora Neu"}, {"phone", "+16502532222"}}); },
      [&] {
        (void)ask(&Office::erase_fields,
                  keys::EraseFields{customer, false, leaf_of.at({customer, "password"}),
                                    max.id.hex(), kReason});
      },
      [&] {
        const auto change =
            signed_by(person(anna.id, people::bit(people::Role::kAgent), olga.id), {olga});
        (void)ask(&Office::chart_put, message_of(change));
      },
  };
  const auto first_leaves = leaf_of;
  int there_after_all = 0;
  for (std::size_t verb = 0; verb < verbs.size(); ++verb)
    for (std::uint64_t call = 0; call < 8; ++call) {
      SCOPED_TRACE("verb " + std::to_string(verb) + ", call " + std::to_string(call));
      leaf_of = first_leaves;
      go_back(call + 700);
      boot();
      duty(eve);
      now = office->now();
      const auto size = log->size();
      vfs.plan(call, sim::Fault::kIoError);
      verbs[verb]();
      vfs.plan(1'000'000, sim::Fault::kNone);
      if (!log->failed()) continue;
      log = *audit::Log::open(vfs, "/log", "test/log", seed);
      there_after_all += log->size() > size;
      keeper->resume_log(*log);
      (void)request(tom, customer, {"phone"});  // somebody on duty gets it
      for (int i = 0; i < 3; ++i) {
        ticks(61'000);
        expect_as_logged(customer, id);
        (void)store_values({{"service_word", "another word"}}, customer, 1);
        ticks(61'000);
        boot();
      }
    }
  EXPECT_GE(there_after_all, static_cast<int>(verbs.size()));
}

TEST_F(Disks, ThePolicyThatIsKeptIsTheLastOneInTheLog) {
  ticks(61'000);
  const auto first = policy_text;
  for (const auto& text : {first + "# a word\n", first}) {
    policy_text = text;
    boot();  // and dies before its rows are written
  }
  auto log_entries = entries();
  std::erase_if(log_entries, [](const auto& entry) { return entry.type != "policy_in_force"; });
  EXPECT_EQ(log_entries.back().data.at("hash").as_string(),
            to_hex(crypto::sha256(as_bytes(first))));
}

}  // namespace
}  // namespace callward::attack
