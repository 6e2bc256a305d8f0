#include "store/account.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace callward::store {
namespace {

// The slow truth: one entry a millisecond.
using Slow = std::map<std::uint32_t, std::pair<AccountState, std::string>>;

Slow spread(const StreamAccount& account) {
  Slow out;
  for (const auto& i : account.intervals())
    for (auto ms = i.start_ms; ms < i.end_ms; ++ms) {
      RC_ASSERT(out.emplace(ms, std::pair(i.state, i.reason)).second);  // no overlap
    }
  return out;
}

void expect_tidy(const StreamAccount& account) {
  for (std::size_t i = 0; i < account.intervals().size(); ++i) {
    const auto& now = account.intervals()[i];
    RC_ASSERT(now.start_ms < now.end_ms);
    if (i == 0) continue;
    const auto& before = account.intervals()[i - 1];
    RC_ASSERT(before.end_ms <= now.start_ms);
    const bool joinable =
        before.end_ms == now.start_ms && before.state == now.state && before.reason == now.reason;
    RC_ASSERT(!joinable);
  }
}

RC_GTEST_PROP(StreamAccount, EqualsAMapOfMilliseconds, ()) {
  StreamAccount account;
  Slow slow;
  const auto steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    const auto start = *rc::gen::inRange<std::uint32_t>(0, 120);
    const auto end = start + *rc::gen::inRange<std::uint32_t>(0, 40);
    const auto state = static_cast<AccountState>(*rc::gen::inRange(0, 6));
    const auto reason = *rc::gen::element<std::string>("", "a", "b");
    if (*rc::gen::arbitrary<bool>()) {
      account.assign(start, end, state, reason);
      for (auto ms = start; ms < end; ++ms) slow[ms] = {state, reason};
    } else {
      account.amend(start, end, AccountState::kLost, "", state, reason);
      for (auto ms = start; ms < end; ++ms)
        if (const auto at = slow.find(ms);
            at != slow.end() && at->second.first == AccountState::kLost)
          at->second = {state, reason};
    }
    expect_tidy(account);
  }
  RC_ASSERT(spread(account) == slow);
}

RC_GTEST_PROP(StreamAccount, FinishedItCoversItsWholeLife, ()) {
  StreamAccount account;
  for (int step = 0; step < 10; ++step) {
    const auto start = *rc::gen::inRange<std::uint32_t>(0, 500);
    account.assign(start, start + *rc::gen::inRange<std::uint32_t>(1, 60),
                   static_cast<AccountState>(*rc::gen::inRange(0, 6)));
  }
  const auto end = *rc::gen::inRange<std::uint32_t>(1, 600);
  account.finish(end, AccountState::kLost, kLostNetwork);
  expect_tidy(account);
  RC_ASSERT(spread(account).size() == end);
  RC_ASSERT(account.end_ms() == end);
}

RC_GTEST_PROP(MergedAccount, CoversWithoutOverlapWhateverTheKeeperSays, ()) {
  StreamAccount account;
  account.assign(0, 3000, AccountState::kSealed);
  account.assign(700, 900, AccountState::kLost, kLostNetwork);
  keys::CallState state;
  const auto any_range = [] {
    const auto first = *rc::gen::inRange<std::uint32_t>(0, 40);
    return keys::SegmentRange{*rc::gen::inRange<std::uint8_t>(0, 3), first,
                              first + *rc::gen::inRange<std::uint32_t>(0, 20)};
  };
  for (int i = 0; i < 4; ++i) {
    state.unheard.push_back(any_range());
    state.lost.push_back(any_range());
    state.erased.push_back({any_range(), "card", keys::OrderOutcome::kErased});
  }
  const auto merged = merge_account(to_recorder_intervals(0, account), state);
  RC_ASSERT(merged.has_value());
  RC_ASSERT(merged->size() == 1u);
  std::uint32_t at = 0;
  for (const auto& interval : (*merged)[0].intervals) {
    RC_ASSERT(interval.start_ms == at);
    at = interval.end_ms;
    for (auto ms = interval.start_ms; ms < interval.end_ms; ++ms) {
      bool erased = false;
      for (const auto& e : state.erased)
        erased |= e.range.stream == 0 && ms / 100 >= e.range.first && ms / 100 < e.range.end;
      RC_ASSERT(erased == (interval.state == AccountState::kErased));
    }
  }
  RC_ASSERT(at == 3000u);
}

TEST(StreamAccount, ManyGapsAreCoarsenedUpwardsOnly) {
  StreamAccount account;
  for (std::uint32_t i = 0; i < 40'000; ++i) {
    account.assign(i * 100, i * 100 + 60, AccountState::kSealed);
    account.assign(i * 100 + 60, i * 100 + 100, AccountState::kLost, kLostNetwork);
  }
  EXPECT_LE(account.intervals().size(), StreamAccount::kIntervalsMax);
  EXPECT_GE(account.total_ms(AccountState::kLost), 40u * 40'000u);
  EXPECT_EQ(account.total_ms(AccountState::kLost) + account.total_ms(AccountState::kSealed),
            4'000'000u);
}

TEST(Account, JsonHasTheFixedNames) {
  CallId call;
  keys::CallState state;
  state.erased.push_back({{1, 10, 20}, "card", keys::OrderOutcome::kErased});
  state.unheard.push_back({1, 20, 40});
  StreamAccount account;
  account.assign(0, 500, AccountState::kLost, kLostNetwork);
  account.assign(500, 3000, AccountState::kSealed);
  const auto merged = merge_account(to_recorder_intervals(1, account), state);
  ASSERT_TRUE(merged);
  EXPECT_EQ(account_json(call, *merged),
            "{\"call\":\"00000000000000000000000000000000\",\"intervals\":["
            "{\"stream\":\"agent\",\"start_ms\":0,\"end_ms\":500,\"state\":\"lost\",\"reason\":"
            "\"network\"},"
            "{\"stream\":\"agent\",\"start_ms\":500,\"end_ms\":1000,\"state\":\"sealed\","
            "\"reason\":\"\"},"
            "{\"stream\":\"agent\",\"start_ms\":1000,\"end_ms\":2000,\"state\":\"erased\","
            "\"reason\":\"card\"},"
            "{\"stream\":\"agent\",\"start_ms\":2000,\"end_ms\":3000,\"state\":\"unheard\","
            "\"reason\":\"\"}]}");
}

// Keys of what is held for a person are there: the account must not say that they are gone.
TEST(Account, HeldIsNotErased) {
  StreamAccount account;
  account.assign(0, 1'000, AccountState::kSealed);
  account.assign(1'000, 1'500, AccountState::kLost, kLostNetwork);
  keys::CallState state;
  state.unheard.push_back({0, 8, 15});
  state.erased.push_back({{0, 2, 4}, "card", keys::OrderOutcome::kErased});
  state.erased.push_back({{0, 3, 12}, "digits", keys::OrderOutcome::kHeld});
  const auto merged = merge_account(to_recorder_intervals(0, account), state);
  ASSERT_TRUE(merged && merged->size() == 1u);
  std::string text;
  for (const auto& i : (*merged)[0].intervals)
    text +=
        std::to_string(i.start_ms) + " " + std::string(to_string(i.state)) + " " + i.reason + "; ";
  EXPECT_EQ(text, "0 sealed ; 200 erased card; 400 sealed held; 800 unheard ; 1000 lost network; ");
}

// Its keys may still stand on a mirror that is away: not erased, and not unheard either, for nothing
// will open it.
TEST(Account, IntendedIsNotErased) {
  StreamAccount account;
  account.assign(0, 1'500, AccountState::kSealed);
  account.assign(1'500, 2'000, AccountState::kLost, kLostNetwork);
  keys::CallState state;
  state.unheard.push_back({0, 12, 20});
  state.erased.push_back({{0, 2, 18}, "card", keys::OrderOutcome::kIntended});
  state.erased.push_back({{0, 4, 6}, "pin", keys::OrderOutcome::kErased});
  state.erased.push_back({{0, 7, 8}, "pin", keys::OrderOutcome::kUnconfirmed});
  state.erased.push_back({{0, 1, 9}, "digits", keys::OrderOutcome::kHeld});
  const auto merged = merge_account(to_recorder_intervals(0, account), state);
  ASSERT_TRUE(merged && merged->size() == 1u);
  std::string text;
  for (const auto& i : (*merged)[0].intervals)
    text +=
        std::to_string(i.start_ms) + " " + std::string(to_string(i.state)) + " " + i.reason + "; ";
  EXPECT_EQ(text,
            "0 sealed ; 100 sealed held; 200 sealed erase_intended; 400 erased pin; 600 sealed "
            "erase_intended; 1500 lost network; ");
}

TEST(Account, RefusesIntervalsThatOverlap) {
  EXPECT_FALSE(from_recorder_intervals(
      {{0, RecorderState::kSealed, 0, 100, ""}, {0, RecorderState::kLost, 50, 150, ""}}, 2));
  EXPECT_FALSE(from_recorder_intervals({{0, RecorderState::kSealed, 100, 100, ""}}, 2));
  EXPECT_FALSE(from_recorder_intervals({{2, RecorderState::kSealed, 0, 100, ""}}, 2));
}

}  // namespace
}  // namespace callward::store
