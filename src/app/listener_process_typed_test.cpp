// A typed value, from the keeper's word to the orders and the answer.
#include "app/listener_test_rig.hpp"

namespace callward::app {
namespace {

using test::covers;
using test::ListenerRig;
using test::ScriptedCall;

const std::vector<std::string> kTexts = {"My dog is called marigold and likes printers",
                                         "So marigold it is and that is very kind",
                                         "Let me write that down about printers please"};

// 20 s: said, read back, something else.
ScriptedCall garden_call(Entropy& entropy) {
  ScriptedCall call;
  call.id = CallId::random(entropy);
  for (auto& side : call.sides) side.assign(20 * 8'000, 0);
  call.speak(0, 1'000, 4'000, 0);
  call.speak(1, 5'000, 8'000, 1);
  call.speak(0, 10'000, 13'000, 2);
  return call;
}

void expect_ordered(const ListenerRig& rig) {
  const auto& orders = rig.keeper->orders;
  for (const auto& order : orders) {
    EXPECT_EQ(order.reason, "typed_secret");
    EXPECT_EQ(order.actor, "listener");
  }
  for (const std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}}) {
    EXPECT_TRUE(covers(orders, stream, 26, 29)) << "said";
    EXPECT_TRUE(covers(orders, stream, 55, 58)) << "read back";
    EXPECT_FALSE(covers(orders, stream, 100, 130));
  }
  ASSERT_FALSE(rig.keeper->typed.empty());
  const auto& last = rig.keeper->typed.back();
  EXPECT_EQ(last.search.bytes[0], 1u);
  EXPECT_EQ(last.places, 2u);
}

TEST(ListenerTyped, WhatWasClearedBeforeIsOrderedAndTheCallIsSearchedToItsEnd) {
  ListenerRig rig("typed-back", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = garden_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, call.segments());
  ASSERT_TRUE(rig.until([&] { return rig.keeper->heard[0] >= 150 && rig.keeper->heard[1] >= 150; }))
      << rig.listener->status_json();
  EXPECT_TRUE(rig.keeper->orders.empty()) << "nobody asked for anything";
  rig.keeper->search(call.id, 1, "Marigold");
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->typed.empty(); }));
  expect_ordered(rig);
  EXPECT_FALSE(rig.keeper->typed.back().done);
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_ordered(rig);
  EXPECT_TRUE(rig.keeper->typed.back().done);
  EXPECT_FALSE(rig.keeper->typed.back().missed);
  EXPECT_TRUE(rig.status_has("\"typed\":{\"open\":0,\"asked\":1,\"places\":2}"))
      << rig.listener->status_json();
}

TEST(ListenerTyped, WhatIsSaidLaterIsOrderedBeforeItIsCleared) {
  ListenerRig rig("typed-ahead", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = garden_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.keeper->search(call.id, 1, "marigold");
  ASSERT_TRUE(rig.until([&] { return rig.status_has("\"asked\":1"); }));
  rig.keeper->acknowledges = false;
  rig.recorder->audio(call, 0, call.segments());
  ASSERT_TRUE(rig.until([&] { return rig.keeper->orders.size() >= 2; }));
  EXPECT_LE(rig.keeper->heard[0], 26u) << "cleared though its order is not acknowledged";
  EXPECT_LE(rig.keeper->heard[1], 26u);
  rig.keeper->acknowledges = true;
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_ordered(rig);
  for (const auto& item : rig.keeper->derived)
    EXPECT_EQ(as_text(item.plaintext.expose()).find("marigold"), std::string::npos);
}

TEST(ListenerTyped, AListenerThatComesBackHearsTheBeginningToo) {
  ListenerRig rig("typed-restart", ListenerRig::scripted("/dev/null", "well", kTexts));
  auto call = garden_call(rig.entropy);
  for (auto& side : call.sides) side.resize(40 * 8'000, 0);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, 350);
  ASSERT_TRUE(rig.until([&] { return rig.keeper->heard[0] >= 320 && rig.keeper->heard[1] >= 320; }))
      << rig.listener->status_json();
  rig.listener.reset();
  EXPECT_TRUE(rig.keeper->orders.empty());
  // The keeper says the value to the new one, before that knows where to begin.
  rig.keeper->typed_values = {{1, "marigold"}};
  rig.start();
  ASSERT_TRUE(rig.until([&] { return rig.recorder->greeted; }));
  rig.recorder->open(call, 350);
  rig.recorder->audio(call, 350, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_ordered(rig);
  EXPECT_TRUE(rig.keeper->typed.back().done);
  EXPECT_FALSE(rig.keeper->typed.back().missed);
}

TEST(ListenerTyped, AValueThatComesToAListenerThatBeganLateHasTheCallHeardAnew) {
  ListenerRig rig("typed-late", ListenerRig::scripted("/dev/null", "well", kTexts));
  auto call = garden_call(rig.entropy);
  for (auto& side : call.sides) side.resize(40 * 8'000, 0);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.recorder->audio(call, 0, 350);
  ASSERT_TRUE(rig.until([&] { return rig.keeper->heard[0] >= 320 && rig.keeper->heard[1] >= 320; }))
      << rig.listener->status_json();
  rig.listener.reset();
  rig.start();
  ASSERT_TRUE(rig.until([&] { return rig.recorder->greeted; }));
  rig.recorder->open(call, 350);
  rig.recorder->audio(call, 350, 380);
  ASSERT_TRUE(rig.until([&] { return rig.keeper->heard[0] >= 350; })) << "it goes on";
  rig.keeper->search(call.id, 1, "marigold");
  rig.recorder->audio(call, 380, call.segments());
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard()) << rig.listener->status_json();
  expect_ordered(rig);
  EXPECT_TRUE(rig.keeper->typed.back().done);
  EXPECT_FALSE(rig.keeper->typed.back().missed);
}

TEST(ListenerTyped, WhatCannotBeLookedForIsAnswered) {
  ListenerRig rig("typed-never", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = garden_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.keeper->search(call.id, 1, "a!");
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->typed.empty(); }));
  EXPECT_TRUE(rig.keeper->typed[0].done);
  EXPECT_TRUE(rig.keeper->typed[0].missed);
  // A call that nobody knows any more.
  rig.keeper->search(CallId::random(rig.entropy), 2, "marigold");
  ASSERT_TRUE(rig.until([&] { return rig.keeper->typed.size() >= 2; }));
  EXPECT_EQ(rig.keeper->typed[1].search.bytes[0], 2u);
  EXPECT_TRUE(rig.keeper->typed[1].done);
  EXPECT_TRUE(rig.keeper->typed[1].missed);
  EXPECT_EQ(rig.listener->calls(), 1u) << "it is let go";
}

TEST(ListenerTyped, AnotherKeeperIsToldAgain) {
  ListenerRig rig("typed-keeper", ListenerRig::scripted("/dev/null", "well", kTexts));
  const auto call = garden_call(rig.entropy);
  rig.keeper->call = &call;
  rig.recorder->open(call);
  rig.keeper->search(call.id, 1, "marigold");
  rig.recorder->audio(call, 0, call.segments());
  ASSERT_TRUE(rig.until(
      [&] { return !rig.keeper->typed.empty() && rig.keeper->typed.back().places == 2; }));
  rig.keeper->die();
  rig.pump(100);
  rig.keeper->typed.clear();
  rig.keeper->live();
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->typed.empty(); }));
  EXPECT_EQ(rig.keeper->typed.back().places, 2u);
  rig.recorder->close(call);
  rig.keeper->ended = true;
  ASSERT_TRUE(rig.all_heard());
  expect_ordered(rig);
}

}  // namespace
}  // namespace callward::app
