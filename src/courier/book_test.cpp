#include "courier/book.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "courier/letter_rig_test.hpp"

namespace callward::courier {
namespace {

using keys::DeliveryChannel;
using keys::DeliveryOutcome;
constexpr auto kEmail = DeliveryChannel::kEmail;
constexpr std::int64_t kUtc = 1'700'000'000'000;

keys::Deliver numbered(std::uint32_t number, std::int64_t deadline = kUtc + 300'000) {
  auto out = test::mail();
  store_le(out.id.bytes.data(), number);
  out.deadline = deadline;
  return out;
}

TEST(Verdict, OnlyWhatIsForGoodIsRefused) {
  const auto smtp = [](Transfer transfer, long code) { return judge_smtp(transfer, code); };
  EXPECT_EQ(smtp(Transfer::kDone, 250).verdict, Verdict::kTaken);
  for (const long code : {500L, 550L, 552L, 554L})
    EXPECT_EQ(smtp(Transfer::kAnswered, code).verdict, Verdict::kRefused) << code;
  for (const long code : {0L, 220L, 250L, 354L, 421L, 451L, 452L, 530L, 534L, 535L, 538L, 600L})
    EXPECT_EQ(smtp(Transfer::kAnswered, code).verdict, Verdict::kLater) << code;
  EXPECT_EQ(smtp(Transfer::kAnswered, 550).reason, "smtp_550");
  // A code that stood there when something else broke says nothing.
  for (const auto how :
       {Transfer::kNoHost, Transfer::kNotReached, Transfer::kCertificate, Transfer::kNoTls,
        Transfer::kLogin, Transfer::kTimeout, Transfer::kBroken, Transfer::kCredential}) {
    EXPECT_EQ(smtp(how, 550).verdict, Verdict::kLater);
    EXPECT_EQ(judge_http(how, 200).verdict, Verdict::kLater);
  }
  const auto http = [](long status) { return judge_http(Transfer::kDone, status).verdict; };
  for (const long status : {200L, 201L, 202L, 204L, 299L}) EXPECT_EQ(http(status), Verdict::kTaken);
  for (const long status : {400L, 401L, 403L, 404L, 409L, 410L, 422L})
    EXPECT_EQ(http(status), Verdict::kRefused) << status;
  for (const long status : {0L, 100L, 301L, 302L, 408L, 429L, 500L, 503L, 599L, 600L})
    EXPECT_EQ(http(status), Verdict::kLater) << status;
}

TEST(Book, ALetterIsTriedUntilItIsTakenWithLongerPauses) {
  Book book(true, false);
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(1, kUtc + 1'000'000), 0, kUtc));
  std::int64_t now = 0;
  for (const std::int64_t pause : {2'000, 4'000, 8'000, 16'000, 32'000, 60'000, 60'000}) {
    const auto tried = book.take(kEmail, now);
    ASSERT_TRUE(tried) << pause;
    EXPECT_EQ(tried->ms_max, kTryMsMax);
    EXPECT_FALSE(book.take(kEmail, now)) << "one try at a time";
    EXPECT_FALSE(book.tried(tried->key, {Verdict::kLater, "smtp_451"}, now));
    EXPECT_EQ(book.counts(kEmail).failing, "smtp_451");
    EXPECT_FALSE(book.take(kEmail, now + pause - 1));
    now += pause;
  }
  const auto last = book.take(kEmail, now);
  const auto end = book.tried(last->key, {Verdict::kTaken, "taken"}, now);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->said.outcome, DeliveryOutcome::kTaken);
  EXPECT_EQ(end->tries, 8u);
  EXPECT_EQ(book.counts(kEmail).failing, "");
  EXPECT_EQ(book.counts(kEmail).taken, 1u);
  EXPECT_EQ(book.counts(kEmail).waiting, 0u);
  const auto again = book.add(Source::kKeeper, numbered(1), now, kUtc);
  ASSERT_TRUE(*again) << "asked again, it says how it ended";
  EXPECT_EQ((*again)->said.outcome, DeliveryOutcome::kTaken);
  EXPECT_FALSE(book.take(kEmail, now + 1'000'000));
}

TEST(Book, TheDeadlineEndsIt) {
  Book book(true, false);
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(1, kUtc + 10'000), 0, kUtc));
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(2, kUtc + 10'000), 1, kUtc));
  const auto tried = book.take(kEmail, 3'000);
  EXPECT_EQ(tried->ms_max, 7'000) << "no try lasts beyond it";
  EXPECT_FALSE(book.tried(tried->key, {Verdict::kLater, "timeout"}, 5'000));
  EXPECT_TRUE(book.expire(9'000).empty());
  const auto ended = book.expire(9'600);
  ASSERT_EQ(ended.size(), 2u);
  for (const auto& end : ended) EXPECT_EQ(end.said.outcome, DeliveryOutcome::kGivenUp);
  EXPECT_EQ(ended[0].said.reason, "timeout");
  EXPECT_EQ(ended[1].said.reason, "deadline") << "it was never tried";
  EXPECT_EQ(book.counts(kEmail).given_up, 2u);

  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(3, kUtc - 1), 10'000, kUtc));
  EXPECT_FALSE(book.take(kEmail, 10'000)) << "too late for any try";
  EXPECT_EQ(book.expire(10'000).size(), 1u);
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(4, INT64_MAX), 0, kUtc));
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(5, INT64_MIN), 0, kUtc));
  EXPECT_EQ(book.expire(0).size(), 1u);
  EXPECT_EQ(book.expire(keys::kDeliveryMsMax).size(), 1u) << "none waits longer than a day";
}

TEST(Book, ATryThatIsUnderWayAtTheDeadlineSaysHowItEnded) {
  Book book(true, false);
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(1, kUtc + 1'000), 0, kUtc));
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(2, kUtc + 1'000), 0, kUtc));
  const auto one = book.take(kEmail, 0), two = book.take(kEmail, 0);
  EXPECT_TRUE(book.expire(5'000).empty());
  EXPECT_EQ(book.tried(one->key, {Verdict::kTaken, "taken"}, 5'000)->said.outcome,
            DeliveryOutcome::kTaken);
  EXPECT_EQ(book.tried(two->key, {Verdict::kLater, "smtp_451"}, 5'000)->said.outcome,
            DeliveryOutcome::kGivenUp);
}

TEST(Book, WithoutAChannelOrFitToSendNothingItSaysSoAtOnce) {
  Book book(false, true);
  const auto none = book.add(Source::kServer, numbered(1), 0, kUtc);
  EXPECT_EQ((*none)->said.outcome, DeliveryOutcome::kNoChannel);
  auto bad = test::sms("x", "12345");
  bad.deadline = kUtc + 1'000;
  const auto refused = book.add(Source::kServer, std::move(bad), 0, kUtc);
  EXPECT_EQ((*refused)->said.outcome, DeliveryOutcome::kRefused);
  EXPECT_EQ((*refused)->said.reason, "bad_address");
  EXPECT_EQ(book.counts(DeliveryChannel::kSms).refused, 1u);
}

TEST(Book, TheServerHoldsUpNothingOfTheKeepers) {
  Book book(true, false);
  for (std::uint32_t i = 0; i < kLettersMax; ++i)
    ASSERT_FALSE(*book.add(Source::kServer, numbered(i), 0, kUtc));
  const auto full = book.add(Source::kServer, numbered(kLettersMax), 0, kUtc);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kFull);
  EXPECT_EQ(book.gauges()[1].refused, 1u);
  ASSERT_FALSE(*book.add(Source::kServer, numbered(1), 0, kUtc)) << "one of those, asked again";
  // The same id of the keeper is another letter, and goes first, though it came last.
  ASSERT_FALSE(*book.add(Source::kKeeper, numbered(1), 100, kUtc));
  EXPECT_EQ(book.take(kEmail, 100)->key.source, Source::kKeeper);
  EXPECT_EQ(book.take(kEmail, 100)->key.source, Source::kServer);
}

TEST(Book, OnlySoManyEndsAreRemembered) {
  Book book(true, false);
  for (std::uint32_t i = 0; i <= kEndsKept; ++i) {
    ASSERT_FALSE(*book.add(Source::kKeeper, numbered(i), 0, kUtc));
    const auto tried = book.take(kEmail, 0);
    ASSERT_TRUE(book.tried(tried->key, {Verdict::kTaken, "taken"}, 0));
  }
  EXPECT_TRUE(*book.add(Source::kKeeper, numbered(1), 0, kUtc));
  EXPECT_FALSE(*book.add(Source::kKeeper, numbered(0), 0, kUtc)) << "the oldest is forgotten";
}

// Random histories: each letter ends exactly once, none is tried twice at once or past its
// deadline, and the numbers add up.
TEST(Book, InAnyHistoryEachLetterEndsOnce) {
  EXPECT_TRUE(rc::check([] {
    Book book(true, true);
    std::int64_t now = 0;
    std::set<LetterKey> added, ended;
    std::map<LetterKey, std::int64_t> deadlines;
    std::vector<Book::Try> trying;
    const auto over = [&](const Book::End& end) { RC_ASSERT(ended.insert(end.key).second); };
    const auto steps = *rc::gen::inRange(1, 120);
    for (int i = 0; i < steps; ++i) {
      now += *rc::gen::element(0, 1, 400, 2'000, 30'000);
      switch (*rc::gen::inRange(0, 4)) {
        case 0: {
          const auto source = *rc::gen::element(Source::kKeeper, Source::kServer);
          const auto number = *rc::gen::inRange<std::uint32_t>(0, 20);
          const auto life = *rc::gen::element<std::int64_t>(-5, 300, 5'000, 100'000);
          auto message = numbered(number, kUtc + now + life);
          const LetterKey key{source, message.id};
          const auto said = book.add(source, std::move(message), now, kUtc + now);
          RC_ASSERT(said.has_value() && said->has_value() == ended.contains(key));
          if (added.insert(key).second) deadlines[key] = now + std::max<std::int64_t>(life, 0);
          break;
        }
        case 1:
          if (auto one = book.take(kEmail, now)) {
            RC_ASSERT(one->ms_max >= kTryMsMin && now + one->ms_max <= deadlines[one->key]);
            for (const auto& other : trying) RC_ASSERT(!(other.key == one->key));
            trying.push_back(std::move(*one));
          }
          break;
        case 2:
          if (!trying.empty()) {
            const Attempt what{
                *rc::gen::element(Verdict::kTaken, Verdict::kRefused, Verdict::kLater), "word"};
            if (const auto end = book.tried(trying.back().key, what, now)) over(*end);
            trying.pop_back();
          }
          break;
        default:
          for (const auto& end : book.expire(now)) over(end);
      }
      const auto counts = book.counts(kEmail);
      RC_ASSERT(counts.waiting == added.size() - ended.size());
      RC_ASSERT(counts.taken + counts.refused + counts.given_up == ended.size());
      RC_ASSERT(book.gauges()[0].depth + book.gauges()[1].depth == counts.waiting);
    }
    for (const auto& one : trying)
      if (const auto end = book.tried(one.key, {Verdict::kLater, "word"}, now)) over(*end);
    for (const auto& end : book.expire(now + keys::kDeliveryMsMax)) over(end);
    RC_ASSERT(ended == added);
  }));
}

}  // namespace
}  // namespace callward::courier
