#include "erase/typed_searches.hpp"

#include <gtest/gtest.h>

namespace callward::erase {
namespace {

struct TypedSearchesTest : testing::Test {
  TypedSearchesTest()
      : searches([this](const keys::SearchTyped& message) {
          if (!listener) return false;
          sent.push_back(message.search);
          values.emplace_back(as_text(message.value.expose()));
          return true;
        }) {
    searches.set_on_found([this](const keys::TypedFound& message) { told.push_back(message); });
  }
  static keys::SearchTyped wanted(std::uint8_t call, std::uint8_t search,
                                  std::string_view value = "sunshine42",
                                  const std::string& kind = "password") {
    keys::SearchTyped message;
    message.call.bytes[0] = call;
    message.search.bytes[0] = search;
    message.value = SecretBytes(as_bytes(value));
    message.kind = kind;
    return message;
  }
  static keys::TypedFound found(std::uint8_t call, std::uint8_t search, std::uint32_t places,
                                bool done) {
    keys::TypedFound message{.places = places, .done = done};
    message.call.bytes[0] = call;
    message.search.bytes[0] = search;
    return message;
  }

  bool listener = true;
  std::vector<SearchId> sent;
  std::vector<std::string> values;
  std::vector<keys::TypedFound> told;
  TypedSearches searches;
};

TEST_F(TypedSearchesTest, IsSentAtOnceAndOnceForEachListener) {
  ASSERT_TRUE(searches.search(wanted(1, 1)));
  ASSERT_TRUE(searches.search(wanted(1, 1)));
  searches.tick();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(values[0], "sunshine42");
  searches.listener_came();
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_EQ(values[1], "sunshine42");
  EXPECT_EQ(searches.size(), 1u);
}

TEST_F(TypedSearchesTest, WaitsForAListener) {
  listener = false;
  ASSERT_TRUE(searches.search(wanted(1, 1)));
  searches.tick();
  EXPECT_TRUE(sent.empty());
  listener = true;
  searches.tick();
  EXPECT_EQ(sent.size(), 1u);
  searches.tick();
  EXPECT_EQ(sent.size(), 1u);
}

TEST_F(TypedSearchesTest, IsForgottenWhenTheCallWasSearchedToItsEnd) {
  ASSERT_TRUE(searches.search(wanted(1, 1)));
  searches.found(found(1, 1, 2, false));
  EXPECT_EQ(searches.size(), 1u);
  searches.found(found(1, 1, 3, true));
  EXPECT_EQ(searches.size(), 0u);
  searches.listener_came();
  EXPECT_EQ(sent.size(), 1u) << "nothing is left to be sent";
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].places, 2u);
  EXPECT_TRUE(told[1].done);
  searches.call_over(wanted(1, 1).call);
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(TypedSearchesTest, WhatIsNotAnsweredByTheCallsEndIsToldAsMissed) {
  ASSERT_TRUE(searches.search(wanted(1, 1)));
  ASSERT_TRUE(searches.search(wanted(1, 2)));
  ASSERT_TRUE(searches.search(wanted(2, 3)));
  searches.found(found(1, 2, 1, false));
  told.clear();
  searches.call_over(wanted(1, 1).call);
  ASSERT_EQ(told.size(), 2u);
  for (const auto& message : told) {
    EXPECT_TRUE(message.done);
    EXPECT_TRUE(message.missed);
    EXPECT_EQ(message.places, message.search.bytes[0] == 2 ? 1u : 0u);
  }
  EXPECT_EQ(searches.size(), 1u) << "another call's stays";
}

TEST_F(TypedSearchesTest, AnAnswerForAnotherCallForgetsNothing) {
  ASSERT_TRUE(searches.search(wanted(1, 1)));
  searches.found(found(2, 1, 0, true));
  EXPECT_EQ(searches.size(), 1u);
  EXPECT_TRUE(told.empty());
}

TEST_F(TypedSearchesTest, ItsBoundsHold) {
  EXPECT_EQ(searches.search(wanted(1, 1, "")).error().code, Errc::kMalformed);
  EXPECT_EQ(searches.search(wanted(1, 1, std::string(257, 'a'))).error().code, Errc::kMalformed);
  EXPECT_EQ(searches.search(wanted(1, 1, "1234", "name")).error().code, Errc::kMalformed);
  for (std::uint8_t i = 0; i < TypedSearches::kSearchesPerCallMax; ++i)
    ASSERT_TRUE(searches.search(wanted(1, i)));
  EXPECT_EQ(searches.search(wanted(1, 200)).error().code, Errc::kFull);
  EXPECT_TRUE(searches.search(wanted(2, 201)));
  EXPECT_EQ(searches.gauge().refused, 1u);
  for (std::size_t i = searches.size(); i < TypedSearches::kSearchesMax; ++i) {
    auto message = wanted(0, 0);
    store_le(message.call.bytes.data() + 4, static_cast<std::uint32_t>(i));
    store_le(message.search.bytes.data() + 4, static_cast<std::uint32_t>(i));
    ASSERT_TRUE(searches.search(std::move(message)));
  }
  EXPECT_EQ(searches.search(wanted(9, 255)).error().code, Errc::kFull);
  EXPECT_EQ(searches.size(), TypedSearches::kSearchesMax);
}

}  // namespace
}  // namespace callward::erase
