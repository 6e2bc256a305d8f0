#include "courier/reminder.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/entropy.hpp"
#include "courier/letter.hpp"

namespace callward::courier {
namespace {

constexpr const char* kConsole = "https://calls.example";

class Templates : public ::testing::Test {
 protected:
  keys::Remind remind(keys::Waits waits, std::int64_t until = 1'795'521'660'000) {
    keys::Remind asked;
    asked.id = keys::DeliveryId::random(entropy);
    asked.waits = waits;
    asked.address = SecretBytes(as_bytes("eve@example.com"));
    asked.request = request;
    asked.until = until;
    asked.deadline = 77;
    return asked;
  }
  SeededEntropy entropy{3};
  RequestId request = RequestId::random(entropy);
};

TEST_F(Templates, SayWhichRequestUntilWhenAndWhere) {
  const auto letter = letter_of(remind(keys::Waits::kRelease), kConsole);
  ASSERT_TRUE(letter);
  EXPECT_EQ(letter->subject, "Callward: a request waits for a release");
  EXPECT_EQ(as_text(letter->text.expose()),
            "Request " + request.hex().substr(0, 8) +
                " is verified and waits for an authorised person, until 24 Nov 2026, 12:01 UTC.\n\n"
                "https://calls.example/requests/" +
                request.hex() +
                "\n\nSign in there to see it. This reminder says nothing else, and nobody reads "
                "answers to it.\n");
  EXPECT_EQ(as_text(letter->address.expose()), "eve@example.com");
  EXPECT_EQ(letter->channel, keys::DeliveryChannel::kEmail);
  EXPECT_EQ(letter->deadline, 77);
}

// A request that nobody has yet is not an expert's to see: the way leads to where they go on duty.
TEST_F(Templates, ThatNobodyIsOnDutyLeadsToWhereOneGoesOnDuty) {
  const auto letter = letter_of(remind(keys::Waits::kOffDuty), kConsole);
  ASSERT_TRUE(letter);
  EXPECT_EQ(as_text(letter->text.expose()),
            "Request " + request.hex().substr(0, 8) +
                " waits for an expert, and nobody is on duty who may take it, until 24 Nov 2026, "
                "12:01 UTC.\n\nhttps://calls.example/me\n\nSign in there to go on duty: it is "
                "given to one of those who are. This reminder says nothing else, and nobody reads "
                "answers to it.\n");
}

TEST_F(Templates, EachCanBeSentAndNoneIsAnothers) {
  std::set<std::string> subjects;
  for (std::uint8_t number = 1; number <= keys::kWaitsMax; ++number)
    for (const std::int64_t until : {std::int64_t{0}, std::int64_t{1} << 43}) {
      const auto letter = letter_of(remind(static_cast<keys::Waits>(number), until), kConsole);
      ASSERT_TRUE(letter);
      EXPECT_STREQ(refusal_of(*letter), "");
      EXPECT_EQ(as_text(letter->text.expose()).find("UTC") == std::string::npos, until == 0);
      subjects.insert(letter->subject);
    }
  EXPECT_EQ(subjects.size(), keys::kWaitsMax);
}

TEST_F(Templates, NothingElseIsOne) {
  EXPECT_FALSE(letter_of(remind(keys::Waits{}), kConsole));
  EXPECT_FALSE(letter_of(remind(static_cast<keys::Waits>(keys::kWaitsMax + 1)), kConsole));
  EXPECT_FALSE(letter_of(remind(keys::Waits::kReview, -1), kConsole));
  EXPECT_FALSE(letter_of(remind(keys::Waits::kReview, INT64_MAX), kConsole));
  auto nobodys = remind(keys::Waits::kReview);
  nobodys.request = {};
  EXPECT_FALSE(letter_of(std::move(nobodys), kConsole));
}

TEST(HourLimits, AreOfTheLastHour) {
  HourLimit limit(3);
  for (const std::int64_t at : {0, 10, 20}) EXPECT_TRUE(limit.may(at));
  EXPECT_FALSE(limit.may(30));
  EXPECT_FALSE(limit.may(3'599'999));
  EXPECT_TRUE(limit.may(3'600'000));
  EXPECT_FALSE(limit.may(3'600'001));
}

}  // namespace
}  // namespace callward::courier
