// What was said with the steps of a request: who reads it, also when the matter is closed.
#include "disclose/parts.hpp"
#include "tests/attack/office_rig.hpp"

namespace callward::attack {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

class Words : public ::testing::Test, public OfficeRig {
 protected:
  // What this person reads of that step; "": refused.
  std::string reads(const Someone& who, const RequestId& id, std::uint32_t number) {
    const auto key = browser(who);
    const auto answer =
        ask(&Office::read_words, keys::ReadWords{id, number, who.id, *crypto::x25519_public(key),
                                                 statements.at({id, number})});
    if (!answer) return "";
    Bytes aad(id.bytes.begin(), id.bytes.end());
    aad.resize(20);
    store_le(aad.data() + 16, number);
    const auto value =
        crypto::hpke_open(key, answer->enc, as_bytes("callward reader v1"), aad, answer->sealed);
    return value ? std::string(as_text(value->expose())) : "sealed to another";
  }
  std::uint32_t last_step(const RequestId& id) const {
    std::uint32_t last = 0;
    for (const auto& [step, record] : statements)
      if (step.first == id) last = std::max(last, step.second);
    return last;
  }
  std::map<std::string, int> broken_rules() {
    std::map<std::string, int> out;
    for (const auto& finding : judge(entries()).findings) ++out[std::string(finding.rule->name)];
    return out;
  }
};

// Why it was declined: the requester learns it, and who answers for the request looks it up; nobody
// else does, whatever the role; nor for ever.
TEST_F(Words, OfASettledRequestAreReadByWhoHasAPartOrAnswersForIt) {
  const auto customer = carla();
  const auto id = verified(customer);
  ASSERT_TRUE(act(id, anna, {.kind = "decline", .words = kWhy}));
  ASSERT_EQ(state_word(id), "over");
  const auto declined = last_step(id);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) boot();
    for (const auto* who : {&tom, &eve, &anna, &abe, &max, &olga})
      EXPECT_EQ(reads(*who, id, declined), kWhy);
    EXPECT_EQ(reads(tom, id, 1), kConcern);
    for (const auto* who : {&emil, &rita}) EXPECT_EQ(reads(*who, id, declined), "");
  }
  // Settled is settled: it is read, and nothing is done to it.
  EXPECT_FALSE(act(id, anna, {.kind = "release"}));
  EXPECT_FALSE(act(id, max, {.kind = "review", .words = kWhy}));
  ticks(Office::kSettledKeptMs - kDayMs);
  EXPECT_EQ(reads(tom, id, declined), kWhy);
  ticks(2 * kDayMs);
  EXPECT_EQ(reads(tom, id, declined), "");
  EXPECT_EQ(broken_rules()["words-read-by-a-part"], 0);
}

TEST_F(Words, GoWithTheCustomer) {
  const auto customer = carla();
  const auto id = verified(customer);
  ASSERT_TRUE(act(id, anna, {.kind = "decline", .words = kWhy}));
  const auto declined = last_step(id);
  ASSERT_EQ(reads(tom, id, declined), kWhy);
  for (const auto* who : {&max, &olga})
    (void)ask(&Office::erase_fields, keys::EraseFields{customer, true, 0, who->id.hex(), kReason});
  round();
  EXPECT_EQ(reads(tom, id, declined), "");
}

// The one answer to "who may look at all of it", of people that a chart has.
TEST_F(Words, WhoAnswersForARequest) {
  disclose::Request request;
  request.requester = tom.id;
  request.expert = eve.id;
  for (const auto* who : {&anna, &abe, &olga, &max})
    EXPECT_TRUE(disclose::answers_for(chart, who->id, request));
  for (const auto* who : {&tom, &eve, &emil, &rita})
    EXPECT_FALSE(disclose::answers_for(chart, who->id, request));
  EXPECT_TRUE(disclose::may_read_words(chart, tom.id, request));
  EXPECT_TRUE(disclose::may_read_words(chart, eve.id, request));
  EXPECT_FALSE(disclose::may_read_words(chart, PersonId::random(entropy), request));
  // Nobody is nobody: a request that has no second does not make the zero person one.
  EXPECT_FALSE(disclose::may_read_words(chart, PersonId{}, request));
}

}  // namespace
}  // namespace callward::attack
