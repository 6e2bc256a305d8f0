// `log check` on what happened here: a log in which all went as it should, and for each rule one in
// which it did not.
#include "disclose/parts.hpp"
#include "tests/attack/log_rules_rig.hpp"
#include "vault/limit_bounds.hpp"

namespace callward::attack {
namespace {

class LogRules : public ::testing::Test, public LogRulesRig {
 protected:
  // From the form to the review, with a correction, a technician, words that were read, and an
  // erasure: what `entries()` has then is good.
  CustomerId a_day(bool reviewed = true) {
    const auto customer = carla();
    EXPECT_TRUE(ask(&Office::assign_case, keys::AssignCase{customer, 1, tom.id, agent().hex()}));
    const auto key = browser(tom);
    EXPECT_TRUE(
        ask(&Office::read_query, keys::ReadQuery{customer, 1, tom.id, *crypto::x25519_public(key),
                                                 record(customer, "query")}));
    id = verified(customer);
    const auto hers = browser(anna);
    EXPECT_TRUE(
        ask(&Office::read_words,
            keys::ReadWords{id, 1, anna.id, *crypto::x25519_public(hers), statements.at({id, 1})}));
    EXPECT_TRUE(release(id, anna, customer, {"email"}));
    look();  // an entry of no rule, for what others want said here
    EXPECT_TRUE(view(id, tom, key, customer, "email"));
    ticks(16 * 60'000);
    if (reviewed) EXPECT_TRUE(act(id, max, {.kind = "review", .words = kWhy}));
    EXPECT_TRUE(ask(&Office::erase_fields,
                    keys::EraseFields{customer, false, leaf_of.at({customer, "password"}),
                                      max.id.hex(), kReason}));
    round();
    return customer;
  }
  void look() {
    const auto actor = agent().hex();
    EXPECT_TRUE(ask(&Office::look_up,
                    keys::LookUp{actor, "name", seal("nobody", "find", {actor, "name"})}));
  }
  void later(Log& log_entries, std::int64_t ms) {
    auto last = log_entries.back();
    last.at += ms;
    blank(last);
    log_entries.push_back(last);
  }
  RequestId id;
};

TEST_F(LogRules, ADayAsItShouldBeBreaksNone) {
  a_day();
  expect_clean(entries());
  EXPECT_EQ(judge(entries()).unknown, 0u);
  boot();
  duty(emil);
  const auto customer = carla();
  const auto broken = *request(tom, customer, {"phone"});
  const Said said{.kind = "break", .fields = {leaf_of.at({customer, "phone"})}, .words = kWhy};
  ASSERT_TRUE(act(broken, anna, said));
  ASSERT_TRUE(act(broken, abe, said));
  EXPECT_TRUE(view(broken, tom, browser(tom), customer, "phone"));
  ASSERT_TRUE(act(broken, tom, {.kind = "end"}));
  ASSERT_TRUE(act(broken, max, {.kind = "review", .words = kWhy}));
  expect_clean(entries());
}

TEST_F(LogRules, EachThatIsBrokenIsFound) {
  const auto customer = a_day();
  const auto good = entries();
  const auto with = [&](const std::string& type, const std::string& kind, const auto& change) {
    auto bad = good;
    change(of(bad, type, kind));
    return bad;
  };
  const auto nothing = [this](audit::Entry& entry) { blank(entry); };
  expect(
      with("policy_in_force", "", [](auto& entry) { entry.data.at("limits").as_array()[8] = 1; }),
      "policy-within-bounds");
  expect(with("policy_in_force", "", [](auto& entry) { entry.data.at("keep").as_array()[2] = 25; }),
         "policy-within-bounds");
  expect(with("chart_changed", "person", [](auto& entry) { entry.data.at("extension") = "999"; }),
         "chart-holds");
  expect(with("chart_changed", "first_key", nothing), "chart-holds");
  expect(with("reader_bound", "", [](auto& entry) { entry.data.at("key") = std::string(64, 'a'); }),
         "reader-is-signed");
  for (const char* kind : {"ask", "assign", "ring", "pass", "release", "view", "time"})
    expect(with("disclosure_step", kind, nothing), "step-holds");
  expect(with("disclosure_step", "release",
              [](auto& entry) { entry.data.at("window_ms") = 3'600'000; }),
         "step-holds");
  expect(with("disclosure_step", "pass", [](auto& entry) { entry.signature.reset(); }),
         "step-holds");
  expect(with("disclosure_step", "view", [](auto& entry) { entry.prev_step = 0; }), "step-holds");
  // Who releases has read and heard: what says so is taken out, is another's, or of another call.
  const auto first_read = [&](const auto& change) {
    return with("words_read", "", [&](auto& entry) {
      ASSERT_EQ(entry.actor, anna.id.hex());
      change(entry);
    });
  };
  expect(first_read([&](auto& entry) { entry.actor = abe.id.hex(); }), "release-heard");
  expect(first_read([&](auto& entry) { entry.prev_step.reset(); }), "release-heard");
  expect(first_read([&](auto& entry) { *entry.prev_step -= 1; }), "words-read-by-a-part");
  expect(with("call_back_heard", "", [&](auto& entry) { entry.actor = abe.id.hex(); }),
         "release-heard");
  expect(with("call_back_heard", "", [&](auto& entry) { entry.data.at("call") = id.hex(); }),
         "release-heard");
  expect(with("call_back_heard", "", [](auto& entry) { *entry.prev_step -= 1; }), "release-heard");
  for (const auto& spoil : std::vector<std::function<void(audit::Entry&)>>{
           nothing, [](auto& entry) { entry.data.erase("sound"); },
           [](auto& entry) { entry.data.at("sound") = boost::json::array{{0, 0, 299}}; },
           [](auto& entry) { entry.data.at("sound") = boost::json::array{{1, 0, 300}}; }})
    expect(with("opened", "", spoil), "release-heard");
  // By a keeper from before it was asked: no breach; by one of now that leaves all of it out, one.
  auto old = good;
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (old[i].type != "call_back_heard" && old[i].type != "words_read") continue;
    const auto before = std::exchange(old[i].prev_step, std::nullopt);
    for (auto& entry : old)  // what followed it follows the one before it
      if (before && entry.prev_step == i) entry.prev_step = before;
    if (old[i].type == "call_back_heard") blank(old[i]);
  }
  expect(old, "release-heard");
  for (auto& entry : old)
    if (entry.type == "keeper_started") entry.data.erase("rules");
  for (const auto& found : judge(old).findings)
    EXPECT_NE(found.rule->name, "release-heard") << found.what;
  expect(with("duty_changed", "", nothing), "expert-on-duty");
  expect(with("check_made", "", [](auto& entry) { entry.data.at("passed") = false; }),
         "checks-hold");
  expect(with("check_made", "", [&](auto& entry) { entry.actor = emil.id.hex(); }), "checks-hold");
  expect(with("check_made", "", [](auto& entry) { entry.data.at("leaf") = 77; }), "checks-hold");
  expect(with("call_back_made", "", [](auto& entry) { entry.data.at("seconds") = 20; }),
         "call-back-holds");
  expect(with("call_back_made", "", [](auto& entry) { entry.data.at("recorded") = false; }),
         "call-back-holds");
  expect(with("call_started", "", nothing), "call-back-holds");
  expect(with("reader_bound", "", nothing), "seen-by-whose-key-it-is");
  expect(with("words_read", "", [&](auto& entry) { entry.actor = rita.id.hex(); }),
         "words-read-by-a-part");
  expect(with("words_read", "", [&](auto& entry) { entry.data.at("number") = 2; }),
         "words-read-by-a-part");
  expect(with("fields_stored", "", [&](auto& entry) { entry.actor = rita.id.hex(); }),
         "stored-by-somebody");
  expect(with("case_assigned", "", nothing), "query-read-by-whose-case");
  expect(with("case_assigned", "", [&](auto& entry) { entry.actor = rita.id.hex(); }),
         "customer-acts-by-role");
  expect(with("case_assigned", "", [&](auto& entry) { entry.data.at("person") = eve.id.hex(); }),
         "customer-acts-by-role");
  expect(with("erasure_ordered", "", [&](auto& entry) { entry.actor = rita.id.hex(); }),
         "customer-acts-by-role");
  expect(with("erasure_ordered", "", nothing), "two-erase-a-customer");
  expect(with("fields_erase_intended", "", nothing), "erased-was-intended");
  expect(with("looked_up", "",
              [&](auto& entry) {
                entry.type = "fields_erase_intended";
                entry.subject = customer.hex();
                boost::json::array item, fields;
                item.emplace_back(std::int64_t{leaf_of.at({customer, "email"})});
                item.emplace_back("customer");
                fields.emplace_back(std::move(item));
                entry.data = {{"order", std::string(32, '7')},
                              {"fields", std::move(fields)},
                              {"whole", false}};
              }),
         "seen-while-it-lives");
}

// Signed and hashed as it should be, with the questions left out: a keeper's that did not ask. No
// other rule speaks of it, and none of a keeper's from before there were the questions.
TEST_F(LogRules, AReviewThatAnswersNothingIsFoundThoughItsSignatureHolds) {
  a_day();
  auto silent = entries();
  auto& review = of(silent, "disclosure_step", "review");
  auto step = *disclose::step_from_json(review.data);
  ASSERT_TRUE(step.event.found.said);
  step.event.found = {};
  review.data = disclose::to_json(step);
  review.signature = people::signatures_to_json({sign(step, max)});
  ASSERT_FALSE(review.data.contains("needed"));
  const auto report = judge(silent);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].rule->name, "review-answers");
  EXPECT_EQ(report.breaches, 1u);
  for (auto& entry : silent)
    if (entry.type == "keeper_started") entry.data.erase("rules");
  expect_clean(silent);
}

// Those that the policy's file may not have, either: one table for both.
TEST_F(LogRules, LimitsThatNoPolicyMayHave) {
  const auto good = entries();
  const auto with = [&](std::size_t which, std::int64_t number) {
    auto bad = good;
    of(bad, "policy_in_force").data.at("limits").as_array().at(which) = number;
    return bad;
  };
  for (std::size_t i = 0; i < vault::kLimitBounds.size(); ++i) {
    const auto& bound = vault::kLimitBounds[i];
    SCOPED_TRACE(bound.key);
    for (const auto number : {bound.least - 1, bound.most + 1, std::int64_t{1} << 50}) {
      expect(with(i, number * (number < 1'000 ? bound.unit : 1)), "policy-within-bounds");
      const auto file =
          policy_text + "[disclosure]\n" + bound.key + " = " + std::to_string(number) + "\n";
      EXPECT_FALSE(vault::parse_policy(file, "policy.toml"));
    }
    if (std::string_view(bound.key).starts_with("window")) continue;  // of two
    for (const auto number : {bound.least, bound.most}) {
      expect_clean(with(i, number * bound.unit));
      const auto file =
          policy_text + "[disclosure]\n" + bound.key + " = " + std::to_string(number) + "\n";
      const auto policy = vault::parse_policy(file, "policy.toml");
      ASSERT_TRUE(policy) << policy.error().message;
      EXPECT_EQ(vault::numbers_of(policy->limits)[i], number * bound.unit);
    }
  }
  auto wider = with(4, 40 * 60'000);
  of(wider, "policy_in_force").data.at("limits").as_array().at(5) = 20 * 60'000;
  expect(wider, "policy-within-bounds");
}

// Of a keeper that lets more through than two of its days, in one of the log's.
TEST_F(LogRules, LookUpsBeyondADaysBounds) {
  agent();
  const auto good = entries();
  const auto looks = [&](Log& log_entries, const Someone& who, std::size_t times,
                         const std::string& subject = "-") {
    for (std::size_t i = 0; i < times; ++i)
      say(log_entries, {.type = "looked_up",
                        .actor = who.id.hex(),
                        .subject = subject,
                        .data = {{"field", "name"}, {"found", 0}}});
  };
  auto once = good;
  looks(once, tom, 2 * disclose::kLookUpsPerDay);
  expect_clean(once);
  auto next_day = once;
  later(next_day, 86'400'000);
  looks(next_day, tom, 2 * disclose::kLookUpsPerDay);
  expect_clean(next_day);
  auto more = once;
  looks(more, tom, 1);
  expect(more, "looked-up-within-bounds");
  auto all = once;
  for (const auto* who : {&max, &anna, &abe}) looks(all, *who, 2 * disclose::kLookUpsPerDay);
  expect_clean(all);
  looks(all, olga, 1);
  expect(all, "looked-up-within-bounds");
  for (auto* bad : {&more, &all}) {
    for (auto& entry : *bad)
      if (entry.type == "keeper_started") entry.data.at("rules") = 2;
    for (const auto& found : judge(*bad).findings)
      EXPECT_NE(found.rule->name, "looked-up-within-bounds") << found.what;
  }
}

TEST_F(LogRules, WhatIsMissingInTheEndIsFound) {
  const auto customer = a_day(false);
  auto waits = entries();
  expect_clean(waits);
  later(waits, 25 * 3'600'000);
  expect(waits, "review-in-time", audit::RuleWeight::kWarning);
  // Open, and its time is over: nobody ended it.
  auto endless = entries();
  auto& end = of(endless, "disclosure_step", "time");
  endless.resize(static_cast<std::size_t>(&end - endless.data()));
  later(endless, 26 * 60'000);
  expect(endless, "request-ends");
  // The secret's erasure was ordered, and a day later it is there.
  auto kept = entries();
  for (auto& entry : kept)
    if (entry.type == "fields_erase_intended" || entry.type == "erased") blank(entry);
  auto in_time = kept;
  later(in_time, 50 * 60'000);
  EXPECT_EQ(judge(in_time).breaches, 0u);
  later(kept, 2 * 3'600'000);
  expect(kept, "secret-goes-in-time");
  // A hold, and the name goes all the same.
  auto held = entries();
  say(held, {.type = "customer_hold_set",
             .actor = max.id.hex(),
             .subject = customer.hex(),
             .data = {{"reason_hash", kReason}}});
  later(held, 20 * 60'000);
  auto lifted = held;
  audit::Entry whole{
      .type = "fields_erase_intended",
      .actor = "keeper",
      .subject = customer.hex(),
      .data = {{"order", std::string(32, '7')}, {"fields", boost::json::array{}}, {"whole", true}}};
  say(held, whole);
  expect(held, "customer-hold-is-kept");
  say(lifted, {.type = "customer_hold_lifted",
               .actor = max.id.hex(),
               .subject = customer.hex(),
               .data = {{"reason_hash", kReason}}});
  say(lifted, whole);
  EXPECT_EQ(judge(lifted).breaches, 0u);
}

TEST_F(LogRules, WhatWasBrokenOpenIsReviewedInTime) {
  const auto customer = carla();
  const auto broken = *request(tom, customer, {"phone"});
  const Said said{.kind = "break", .fields = {leaf_of.at({customer, "phone"})}, .words = kWhy};
  ASSERT_TRUE(act(broken, anna, said));
  ASSERT_TRUE(act(broken, abe, said));
  ASSERT_TRUE(act(broken, tom, {.kind = "end"}));
  auto waits = entries();
  later(waits, 23 * 3'600'000);
  EXPECT_EQ(judge(waits).breaches, 0u);
  later(waits, 3 * 3'600'000);
  expect(waits, "broken-is-reviewed");
}

TEST_F(LogRules, ACustomerIsErasedByTwoWhoMayAndWhenNothingIsOpen) {
  a_day();
  const auto customer = carla();
  const auto asked = *request(tom, customer, {"email"});
  ASSERT_TRUE(act(asked, tom, {.kind = "withdraw"}));
  ASSERT_TRUE(
      ask(&Office::hold_customer, keys::HoldCustomer{customer, true, max.id.hex(), kReason}));
  ASSERT_TRUE(
      ask(&Office::hold_customer, keys::HoldCustomer{customer, false, olga.id.hex(), kReason}));
  ASSERT_TRUE(ask(&Office::close_case, keys::CloseCase{customer, 1, agent().hex(), {}}));
  for (const auto* by : {&max, &max, &olga})
    ASSERT_TRUE(
        ask(&Office::erase_fields, keys::EraseFields{customer, true, 0, by->id.hex(), kReason}));
  round();
  ASSERT_FALSE(ask(&Office::customer_state, keys::CustomerStateRequest{customer}));
  const auto good = entries();
  expect_clean(good);
  const auto last = [&](const char* type, const auto& change) {
    auto bad = good;
    const auto at = std::ranges::find_if(bad.rbegin(), bad.rend(), [&](const auto& entry) {
      return entry.type == type && entry.subject == customer.hex();
    });
    EXPECT_NE(at, bad.rend()) << type;
    change(*at);
    return bad;
  };
  // The same ones by a keeper that did not say that it can be held to this: no breach.
  const auto expect_now = [&](Log bad, const char* rule) {
    expect(bad, rule);
    for (auto& entry : bad)
      if (entry.type == "keeper_started") entry.data.at("rules") = 2;
    for (const auto& found : judge(bad).findings) EXPECT_NE(found.rule->name, rule) << found.what;
  };
  const auto by = [](const Someone& who) {
    return [&who](audit::Entry& entry) { entry.actor = who.id.hex(); };
  };
  expect_now(last("erasure_ordered", by(max)), "two-erase-a-customer");
  expect_now(last("erasure_ordered", by(rita)), "customer-acts-by-role");
  expect_now(last("erasure_ordered", by(ada)), "customer-acts-by-role");
  expect_now(last("erasure_ordered", [&](auto& entry) { entry.data.at("confirmed") = false; }),
             "two-erase-a-customer");
  expect_now(last("erasure_ordered", [&](auto& entry) { blank(entry); }), "two-erase-a-customer");
  expect_now(last("customer_hold_set", by(ada)), "customer-acts-by-role");
  expect_now(last("customer_hold_lifted", by(tom)), "customer-acts-by-role");
  expect_now(last("customer_hold_lifted", [](auto& entry) { entry.actor = "operator"; }),
             "customer-acts-by-role");
  expect_now(last("case_closed", by(rita)), "customer-acts-by-role");
  // The request was not over, and everything goes.
  auto waits = good;
  for (auto& entry : waits)
    if (entry.type == "disclosure_step" && entry.subject == asked.hex() && entry.prev_step)
      blank(entry);
  expect_now(waits, "erased-when-settled");
}

// Whoever binds another's public key, which stands in the log, breaks nothing of theirs.
TEST_F(LogRules, AKeyThatSomebodyElseBindsAsWellIsStillItsOwners) {
  const auto customer = carla();
  judged_by_all = false;
  id = verified(customer);
  judges(id, anna);
  const auto hers = browser(anna), his = browser(tom);
  look();
  EXPECT_TRUE(hear_sound(anna, hers));
  EXPECT_TRUE(release(id, anna, customer, {"email"}));
  EXPECT_TRUE(view(id, tom, his, customer, "email"));
  auto good = entries();
  expect_clean(good);
  for (const auto& [whose, key] : {std::pair(anna.id, *crypto::x25519_public(hers)),
                                   std::pair(tom.id, *crypto::x25519_public(his))}) {
    auto twice = good;
    auto& placed = of(twice, "looked_up");
    const auto challenge = keys::reader_challenge(eve.id, key, placed.at, {});
    const people::PersonSignature said{eve.id, eve.device->sign(people::test::kParty, challenge)};
    placed = {.type = "reader_bound",
              .actor = eve.id.hex(),
              .subject = eve.id.hex(),
              .at = placed.at,
              .data = {{"key", to_hex(key)}, {"at", placed.at}}};
    placed.signature = people::signatures_to_json({said});
    expect_clean(twice);
    // It is not instead of the owner's.
    for (auto& entry : twice)
      if (entry.type == "reader_bound" && entry.subject == whose.hex()) blank(entry);
    expect(twice, whose == anna.id ? "opened-by-right" : "seen-by-whose-key-it-is");
  }
}

// From an expert who is there nobody takes it, for whomever.
TEST_F(LogRules, AnExpertWhoIsThereKeepsWhatIsTheirs) {
  const auto customer = carla();
  duty(eve);
  id = *request(tom, customer, {"email"});
  keeper->tick();
  duty(emil);
  duty(eve, false);
  ASSERT_EQ(state(id).at("expert").as_string(), emil.id.hex());
  const auto good = entries();
  expect_clean(good);
  const auto goes = [&](audit::Entry& entry) {
    return entry.type == "duty_changed" && entry.subject == eve.id.hex() &&
           !entry.data.at("on").as_bool();
  };
  auto kept = good;
  blank(*std::ranges::find_if(kept, goes));
  expect(kept, "expert-on-duty");
  // After a restart, too, she is there until somebody says that she is not.
  boot();
  duty(eve);
  const auto other = *request(tom, customer, {"phone"});
  keeper->tick();
  ASSERT_EQ(state(other).at("expert").as_string(), eve.id.hex());
  boot();
  duty(emil);
  told();
  ticks(Office::kDutyToldMs);
  ticks(1'000);
  ASSERT_EQ(state(other).at("expert").as_string(), emil.id.hex());
  auto taken = entries();
  expect_clean(taken);
  blank(*std::ranges::find_if(taken, [](const audit::Entry& entry) {
    return entry.type == "duty_changed" && entry.actor == "keeper";
  }));
  expect(taken, "expert-on-duty");
}

// Who was on duty is so still, and whose key a browser has, when nobody took over.
TEST_F(LogRules, AHandOverThatCameToNothingIsVoid) {
  const auto customer = carla();
  const auto opened_one = opened(customer);
  const auto key = browser(tom);
  const auto stated = [&] {
    std::vector<std::size_t> at;
    const auto all = entries();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].type == "policy_in_force") at.push_back(i);
    return at;
  };
  keeper->freeze();
  log = *audit::Log::open(vfs, "/log", "test/log", seed);
  ASSERT_TRUE(log->stage({.type = "keeper_started",
                          .actor = "keeper",
                          .subject = "-",
                          .at = clock.utc_ms(),
                          .data = {{"epoch", 1},
                                   {"mirrors", 2},
                                   {"log_size", static_cast<std::int64_t>(log->size())},
                                   {"handed_over", true},
                                   {"calls", 1}}}));
  auto of_before = entries();
  auto others_policy = of(of_before, "policy_in_force");
  others_policy.data["limits"].as_array()[8] = 4;  // checks
  others_policy.data["hash"] = std::string(64, 'b');
  others_policy.prev_step = stated()[0];
  others_policy.at = clock.utc_ms();
  ASSERT_TRUE(log->stage(others_policy));
  ASSERT_TRUE(log->commit());
  log = *audit::Log::open(vfs, "/log", "test/log", seed);
  keeper->hand_over_failed("nobody came");
  keeper->resume_log(*log);
  EXPECT_TRUE(view(opened_one, tom, key, customer, "email"));
  EXPECT_TRUE(request(tom, customer, {"phone"}));
  expect_clean(entries());
  // Its policy, too: what is in force is stated once more.
  ASSERT_EQ(stated().size(), 3u) << "the other one's, and ours";
  const auto ours = entries()[stated()[2]];
  EXPECT_EQ(ours.data.at("hash").as_string(), to_hex(crypto::sha256(as_bytes(policy_text))));
  EXPECT_EQ(ours.prev_step, stated()[1]);
  // But not when it did take over.
  auto others = entries();
  blank(of(others, "hand_over_failed"));
  expect(others, "seen-by-whose-key-it-is");
  expect(others, "expert-on-duty");
}

// It opens nothing; but who may not hear calls makes no figures of them.
TEST_F(LogRules, WhatTheListenerMissedIsMarkedByReviewersAndOwners) {
  a_day();
  const auto marked_by = [&](const std::string& actor) {
    auto log_entries = entries();
    say(log_entries, {.type = "call_reviewed",
                      .actor = actor,
                      .subject = std::string(32, 'c'),
                      .data = {{"chosen", "random"}}});
    return log_entries;
  };
  for (const auto& actor : {agent().hex(), anna.id.hex(), max.id.hex(), std::string("operator")})
    expect(marked_by(actor), "marked-by-a-reviewer", audit::RuleWeight::kWarning);
  for (const auto& found : judge(marked_by(olga.id.hex())).findings)
    EXPECT_NE(found.rule->name, "marked-by-a-reviewer");
}

}  // namespace
}  // namespace callward::attack
