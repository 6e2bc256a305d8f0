#include "capture/callback_media.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace callward::capture {
namespace {

const OwnMedia kOwn{"192.0.2.9", 30'000, 77, 3};
const std::vector<std::uint8_t> kBoth{0, 8};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
std::string sdp(const std::string& media,
                const std::string& connection = "c=IN IP4 198.51.100.4\r\n") {
  return "v=0\r\no=+4915112345678 1 1 IN IP4 198.51.100.4\r\ns=+4915112345678\r\n" + connection +
         "t=0 0\r\n" + media;
}

TEST(CallBackMedia, OurOfferReadsAsWhatItSays) {
  const auto text = write_call_offer(kOwn, kBoth);
  EXPECT_TRUE(has(text, "o=- 77 3 IN IP4 192.0.2.9\r\n")) << text;
  EXPECT_TRUE(has(text, "m=audio 30000 RTP/AVP 0 8 101\r\n"));
  const auto read = read_call_media(text, {8, 0});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->codec, 0) << "the order of who offers";
  EXPECT_TRUE(read->events && read->sends && read->receives);
  EXPECT_EQ(read->rtp, parse_endpoint("192.0.2.9", 30'000));
  EXPECT_EQ(read->rtcp, parse_endpoint("192.0.2.9", 30'001));
  EXPECT_EQ(read_call_media(write_call_offer({"2001:db8::1", 4000, 1, 1}, {8}), kBoth)->codec, 8);
}

TEST(CallBackMedia, WhatAPeerSays) {
  const auto held = read_call_media(sdp("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n"), kBoth);
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->sends);
  EXPECT_FALSE(held->receives);
  EXPECT_FALSE(held->events);
  const auto old =
      read_call_media(sdp("m=audio 4000 RTP/AVP 0\r\n", "c=IN IP4 0.0.0.0\r\n"), kBoth);
  ASSERT_TRUE(old);
  EXPECT_FALSE(old->sends || old->receives || old->rtp);
  const auto other_number = read_call_media(
      sdp("m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n"), kBoth);
  EXPECT_FALSE(other_number->events) << "packets pass as they are: one number on both legs";
  const auto second = read_call_media(
      sdp("m=audio 0 RTP/AVP 0\r\nm=video 5000 RTP/AVP 31\r\nm=audio 6000 RTP/AVP 18 8\r\n"),
      kBoth);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->rtp->port, 6000);
  EXPECT_EQ(second->codec, 8);
}

TEST(CallBackMedia, WhatIsNotTaken) {
  for (const std::string media :
       {"m=audio 4000 RTP/SAVP 0\r\n", "m=audio 4000 RTP/AVP 18\r\n", "m=audio 0 RTP/AVP 0\r\n",
        "m=video 4000 RTP/AVP 0\r\n", "", "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000\r\n",
        "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 G722/8000\r\n"})
    EXPECT_EQ(read_call_media(sdp(media), kBoth).error().code, Errc::kUnsupported) << media;
  EXPECT_EQ(read_call_media("", kBoth).error().code, Errc::kMalformed);
  EXPECT_FALSE(read_call_media(sdp("m=audio 4000 RTP/AVP 0\r\n"), {8}))
      << "the codec of the call, not another";
}

TEST(CallBackMedia, AnAnswerToAHoldAndToMoreStreams) {
  const auto offer =
      sdp("m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8 0 101\r\n"
          "a=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n");
  const auto answer = write_call_answer(offer, 0, kOwn);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(has(*answer, "m=video 0 RTP/AVP 31\r\nm=audio 30000 RTP/AVP 0 101\r\n")) << *answer;
  EXPECT_TRUE(has(*answer, "a=recvonly\r\n"));
  EXPECT_FALSE(has(*answer, "198.51.100.4") || has(*answer, "49151"));
  EXPECT_FALSE(write_call_answer(sdp("m=audio 4000 RTP/AVP 8\r\n"), 0, kOwn));
}

// Whatever one leg says, nothing of it stands in what the other one is offered.
TEST(CallBackMedia, AnyAnswerIsReadOrRefused) {
  EXPECT_TRUE(rc::check([](const std::string& tail) {
    const auto text = sdp("m=audio 4000 RTP/AVP 0\r\n") + tail;
    const auto read = read_call_media(text, kBoth);
    if (!read) return;
    const auto answer = write_call_answer(text, read->codec, kOwn);
    RC_ASSERT(answer.has_value());
    const auto back = read_call_media(*answer, {read->codec});
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->rtp == parse_endpoint("192.0.2.9", 30'000));
  }));
}

}  // namespace
}  // namespace callward::capture
