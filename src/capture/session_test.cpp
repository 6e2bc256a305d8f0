#include "capture/session.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>

#include "capture/test_bodies.hpp"

namespace callward::capture {
namespace {

CallId call_id(std::uint8_t byte) {
  CallId id;
  id.bytes.fill(byte);
  return id;
}

// A session with its actions sorted by kind, for tests to look at.
class Bench {
 public:
  explicit Bench(Session session) : session(std::move(session)) {}
  Bench() : session(config, 42) {}

  void on(Event event) {
    replies.clear();
    opens = updates = resumes = ends = missed = byes = refreshes = holds = 0;
    last_missed.clear();
    telephone.reset();
    for (auto& done : session.on(std::move(event), now_ms)) {
      std::visit([this](auto& item) { take(item); }, done);
    }
  }
  void advance_ms(std::int64_t ms) { now_ms += ms; }
  std::uint16_t status() const { return replies.empty() ? std::uint16_t{0} : replies[0].status; }

  static inline SessionConfig config{
      .own = OwnParties({"7*"}, {}), .media_address = "127.0.0.1", .session_expires_s = 1800};
  Session session;
  std::int64_t now_ms = 1'000'000;
  std::vector<action::Reply> replies;
  int opens = 0, updates = 0, resumes = 0, ends = 0, missed = 0, byes = 0, refreshes = 0, holds = 0;
  std::string last_missed, end_cause;
  bool update_had_data = false;
  std::optional<std::string> telephone;  // that was told now
  std::vector<Lane> told;
  std::vector<std::string> flags;
  action::SendRefresh refresh;

 private:
  void take(action::Reply& item) { replies.push_back(item); }
  void take(action::Hold&) { ++holds; }
  void take(action::OpenRecording& item) {
    ++opens;
    told = item.streams;
    flags = item.flags;
  }
  void take(action::UpdateRecording& item) {
    ++updates;
    told = item.streams;
    update_had_data = !item.call_data.empty();
  }
  void take(action::ResumeRecording&) { ++resumes; }
  void take(action::TellTelephone& item) { telephone = item.telephone; }
  void take(action::EndRecording& item) {
    ++ends;
    end_cause = item.cause;
  }
  void take(action::ReportMissed& item) {
    ++missed;
    last_missed = item.cause;
  }
  void take(action::SendBye&) { ++byes; }
  void take(action::SendRefresh& item) {
    ++refreshes;
    refresh = item;
  }
};

const std::vector<TestStream> kTwo = {{"1"}, {.label = "2", .port = 4002}};

SipRequest invite(const std::vector<TestStream>& streams = kTwo) {
  SipRequest sip;
  sip.content_type = kMultipart;
  sip.body =
      test_body(test_sdp(streams),
                test_metadata({{"sip:+15551@c", "Ann", "1", ""}, {"sip:7001@c", "Bo", "2", ""}}));
  sip.recording_client = true;
  return sip;
}
SipRequest update_of(const std::vector<TestStream>& streams) {
  SipRequest sip = invite(streams);
  sip.is_update = true;
  return sip;
}

Bench active(SipRequest sip = invite()) {
  Bench bench;
  bench.on(event::Request{std::move(sip)});
  bench.on(event::Opened{call_id(1), {30'000, 30'002}});
  bench.on(event::Ack{});
  return bench;
}

TEST(Session, ACallFromInviteToBye) {
  Bench bench;
  bench.on(event::Request{invite()});
  EXPECT_TRUE(bench.replies.empty()) << "nothing is promised before the recorder has opened";
  EXPECT_EQ(bench.opens, 1);
  EXPECT_EQ(bench.holds, 1);
  ASSERT_EQ(bench.told.size(), 2u);
  EXPECT_EQ(bench.told[0].party, Party::kCustomer);
  EXPECT_EQ(bench.told[0].event_payload_type, 101);
  bench.on(event::Opened{call_id(1), {30'000, 30'002}});
  ASSERT_EQ(bench.replies.size(), 1u);
  EXPECT_EQ(bench.replies[0].to, action::Reply::To::kPending);
  EXPECT_EQ(bench.status(), 200);
  EXPECT_NE(bench.replies[0].sdp.find("m=audio 30000 RTP/AVP 0 101\r\n"), std::string::npos);
  EXPECT_NE(bench.replies[0].sdp.find("m=audio 30002 RTP/AVP 0 101\r\n"), std::string::npos);
  bench.on(event::Ack{});
  EXPECT_EQ(bench.session.phase(), Phase::kActive);
  bench.on(event::Bye{});
  EXPECT_EQ(bench.status(), 200);
  EXPECT_EQ(bench.ends, 1);
  EXPECT_EQ(bench.end_cause, "bye");
  bench.on(event::Bye{});
  EXPECT_EQ(bench.status(), 481);
}

TEST(Session, HoldAndResumeByReInvite) {
  auto bench = active();
  auto held = kTwo;
  held[0].direction = held[1].direction = "inactive";
  bench.on(event::Request{invite(held)});
  EXPECT_EQ(bench.updates, 1);
  EXPECT_TRUE(bench.update_had_data);
  EXPECT_EQ(bench.told[0].mode, Mode::kOnHold);
  bench.on(event::Updated{{30'000, 30'002}});
  EXPECT_NE(bench.replies.at(0).sdp.find("a=inactive"), std::string::npos);
  EXPECT_EQ(bench.session.phase(), Phase::kAnswered);
  bench.on(event::Ack{});
  bench.on(event::Request{invite()});
  EXPECT_EQ(bench.told[0].mode, Mode::kActive);
  bench.on(event::Updated{{30'000, 30'002}});
  EXPECT_NE(bench.replies.at(0).sdp.find("o=callward 42 3 "), std::string::npos)
      << "each answer has its version";
  EXPECT_NE(bench.replies[0].sdp.find("a=recvonly"), std::string::npos);
}

TEST(Session, AnUpdateAddsAStream) {
  auto bench = active();
  auto three = kTwo;
  three.push_back({.label = "3", .port = 4004});
  bench.on(event::Request{update_of(three)});
  ASSERT_EQ(bench.told.size(), 3u);
  EXPECT_EQ(bench.told[2].stream, 2);
  EXPECT_EQ(bench.told[2].port, 0) << "a new stream has no port yet";
  bench.on(event::Updated{{30'000, 30'002, 30'004}});
  EXPECT_EQ(bench.session.phase(), Phase::kActive) << "an UPDATE has no ACK";
  EXPECT_NE(bench.replies.at(0).sdp.find("m=audio 30004"), std::string::npos);
}

TEST(Session, ARefusedChangeLeavesTheSessionAsItWas) {
  auto bench = active();
  auto held = kTwo;
  held[0].direction = "inactive";
  bench.on(event::Request{invite(held)});
  bench.on(event::Refused{Errc::kFull});
  EXPECT_EQ(bench.status(), 500);
  EXPECT_EQ(bench.session.streams()[0].mode, Mode::kActive);
  EXPECT_EQ(bench.missed, 0) << "the call itself is still recorded";
  bench.on(event::Request{[] {
    auto sip = invite();
    sip.body = "--b\r\n\r\nv=0\r\nm=audio x\r\n--b--";
    return sip;
  }()});
  EXPECT_EQ(bench.status(), 400);
  EXPECT_EQ(bench.session.phase(), Phase::kActive);
}

TEST(Session, RequestsThatOverlapAreAskedToComeAgain) {
  auto bench = active();
  bench.on(event::Request{invite()});
  bench.on(event::Request{update_of(kTwo)});
  EXPECT_EQ(bench.status(), 500);
  EXPECT_EQ(bench.replies[0].to, action::Reply::To::kThis);
  EXPECT_EQ(bench.replies[0].retry_after_s, 1u);
  bench.on(event::Bye{});
  ASSERT_EQ(bench.replies.size(), 2u);
  EXPECT_EQ(bench.replies[1].status, 487) << "the one that waited is answered too";
}

TEST(Session, RefusedCallsAreToldAsMissing) {
  const auto refused = [](SipRequest sip) {
    Bench bench;
    bench.on(event::Request{std::move(sip)});
    EXPECT_EQ(bench.missed, 1);
    EXPECT_EQ(bench.session.phase(), Phase::kEnded);
    return std::pair(bench.status(), bench.last_missed);
  };
  auto sip = invite();
  sip.content_type = "text/plain";
  sip.body = "hello";
  EXPECT_EQ(refused(sip), std::pair(std::uint16_t{415}, std::string("unsupported_body")));
  sip = invite();
  sip.body = "";
  EXPECT_EQ(refused(sip), std::pair(std::uint16_t{488}, std::string("no_sdp")));
  sip = invite();
  sip.require = {"siprec", "precondition"};
  EXPECT_EQ(refused(sip), std::pair(std::uint16_t{420}, std::string("bad_extension")));
  sip = invite({{.formats = "18"}});
  EXPECT_EQ(refused(sip), std::pair(std::uint16_t{488}, std::string("no_codec")));
}

TEST(Session, TheRecorderSaysNo) {
  for (const auto& [code, cause] : {std::pair{Errc::kFull, "overload"},
                                    {Errc::kUnavailable, "recorder_away"},
                                    {Errc::kIo, "recorder_error"}}) {
    Bench bench;
    bench.on(event::Request{invite()});
    bench.on(event::Refused{code});
    EXPECT_EQ(bench.status(), 503);
    EXPECT_EQ(bench.replies[0].retry_after_s, kRetryAfterS);
    EXPECT_EQ(bench.last_missed, cause);
  }
  Bench bench;
  bench.on(event::Request{invite()});
  bench.on(event::RecorderLost{});
  EXPECT_EQ(bench.status(), 503);
  EXPECT_EQ(bench.last_missed, "recorder_away");
}

TEST(Session, CancelledWhileTheRecorderOpens) {
  Bench bench;
  bench.on(event::Request{invite()});
  bench.on(event::Cancel{});
  EXPECT_EQ(bench.status(), 487);
  EXPECT_EQ(bench.missed, 0) << "given up by the caller, not missed by us";
  bench.on(event::Opened{call_id(1), {30'000, 30'002}});
  EXPECT_TRUE(bench.replies.empty());
  EXPECT_EQ(bench.ends, 1);
  EXPECT_EQ(bench.end_cause, "cancel");
}

TEST(Session, AnEarlyBye) {
  Bench bench;
  bench.on(event::Request{invite()});
  bench.on(event::Bye{});
  ASSERT_EQ(bench.replies.size(), 2u);
  EXPECT_EQ(bench.replies[0].status, 200);
  EXPECT_EQ(bench.replies[1].status, 487);
  bench.on(event::Opened{call_id(1), {30'000, 30'002}});
  EXPECT_EQ(bench.end_cause, "bye");

  Bench answered;
  answered.on(event::Request{invite()});
  answered.on(event::Opened{call_id(1), {30'000, 30'002}});
  answered.on(event::Bye{});  // before the ACK
  EXPECT_EQ(answered.status(), 200);
  EXPECT_EQ(answered.ends, 1);
}

TEST(Session, AMissingAckDoesNotEndTheRecording) {
  Bench bench;
  bench.on(event::Request{invite()});
  bench.on(event::Opened{call_id(1), {30'000, 30'002}});
  bench.on(event::AckTimeout{});
  EXPECT_EQ(bench.session.phase(), Phase::kActive);
  EXPECT_EQ(bench.ends, 0);
}

TEST(Session, TheRecorderEndsACallWithoutMedia) {
  auto bench = active();
  bench.on(event::Dead{"rtp_timeout"});
  EXPECT_EQ(bench.byes, 1);
  EXPECT_EQ(bench.ends, 0) << "it has ended it itself";
}

SipRequest timed(std::uint32_t interval_s, Refresher refresher) {
  auto sip = invite();
  sip.supports_timer = true;
  sip.session_expires_s = interval_s;
  sip.refresher = refresher;
  return sip;
}

TEST(SessionTimer, ThePeerRefreshesOrTheSessionEnds) {
  auto bench = active(timed(600, Refresher::kPeer));
  EXPECT_EQ(bench.session.deadline_ms(), bench.now_ms + 568'000);
  bench.advance_ms(500'000);
  bench.on(event::Tick{});
  EXPECT_EQ(bench.ends, 0);
  SipRequest refresh;  // UPDATE without a body
  refresh.is_update = refresh.supports_timer = true;
  refresh.session_expires_s = 600;
  bench.on(event::Request{refresh});
  EXPECT_EQ(bench.status(), 200);
  EXPECT_EQ(bench.replies[0].session_expires_s, 600u);
  EXPECT_TRUE(bench.replies[0].sdp.empty());
  EXPECT_EQ(bench.updates, 0);
  bench.advance_ms(568'000);
  bench.on(event::Tick{});
  EXPECT_EQ(bench.ends, 1);
  EXPECT_EQ(bench.end_cause, "session_timer");
  EXPECT_EQ(bench.byes, 1);
}

TEST(SessionTimer, WeRefreshWhenAskedTo) {
  auto sip = timed(600, Refresher::kUs);
  sip.allows_update = true;
  auto bench = active(sip);
  bench.advance_ms(300'000);
  bench.on(event::Tick{});
  EXPECT_EQ(bench.refreshes, 1);
  EXPECT_TRUE(bench.refresh.by_update);
  EXPECT_EQ(bench.refresh.session_expires_s, 600u) << "without it the peer's timer would end";
  EXPECT_EQ(bench.refresh.refresher, Refresher::kUs);
  bench.on(event::RefreshOk{});
  EXPECT_EQ(bench.session.deadline_ms(), bench.now_ms + 300'000);
  bench.advance_ms(300'000);
  bench.on(event::Tick{});
  bench.on(event::RefreshFailed{481});
  EXPECT_EQ(bench.ends, 1);
  EXPECT_EQ(bench.byes, 0) << "the peer has no such dialog any more";
}

TEST(SessionTimer, WithoutSupportThereIsNone) {
  auto bench = active();
  EXPECT_EQ(bench.session.deadline_ms(), std::numeric_limits<std::int64_t>::max());
  auto offered = active(timed(0, Refresher::kNone));
  EXPECT_EQ(offered.session.deadline_ms(), offered.now_ms + 1'768'000)
      << "our own interval where the peer has no wish";
}

TEST(RecorderRestart, TheSessionIsToldAnewAndChangesAreNotLost) {
  auto bench = active();
  bench.on(event::RecorderLost{});
  auto held = kTwo;
  held[0].direction = held[1].direction = "inactive";
  bench.on(event::Request{invite(held)});
  EXPECT_EQ(bench.status(), 200) << "a hold needs no port: it is taken while the recorder is away";
  bench.on(event::Ack{});
  bench.on(event::RecorderBack{});
  EXPECT_EQ(bench.resumes, 1);
  EXPECT_EQ(bench.session.streams()[0].mode, Mode::kOnHold);
  bench.on(event::Updated{{30'000, 30'002}});
  EXPECT_EQ(bench.refreshes, 0) << "the same ports: the client need not know";
}

TEST(RecorderRestart, NewPortsAreToldToTheClient) {
  auto bench = active();
  bench.on(event::RecorderLost{});
  bench.on(event::RecorderBack{});
  bench.on(event::Updated{{31'000, 31'002}});
  EXPECT_EQ(bench.refreshes, 1);
  EXPECT_FALSE(bench.refresh.by_update);
  EXPECT_NE(bench.refresh.sdp.find("m=audio 31000"), std::string::npos);
}

TEST(RecorderRestart, ALostCallGoesOnAsANewOne) {
  auto bench = active();
  bench.on(event::RecorderLost{});
  bench.on(event::RecorderBack{});
  bench.on(event::Refused{Errc::kNotFound});
  EXPECT_EQ(bench.opens, 1);
  EXPECT_EQ(bench.flags.back(), "continued");
  bench.on(event::Opened{call_id(2), {32'000, 32'002}});
  EXPECT_EQ(bench.session.call(), call_id(2));
  EXPECT_EQ(bench.session.phase(), Phase::kActive);
  EXPECT_NE(bench.refresh.sdp.find("m=audio 32000"), std::string::npos);
}

TEST(RecorderRestart, ANewStreamHasToWaitForTheRecorder) {
  auto bench = active();
  bench.on(event::RecorderLost{});
  auto three = kTwo;
  three.push_back({.label = "3"});
  bench.on(event::Request{update_of(three)});
  EXPECT_EQ(bench.status(), 500);
  EXPECT_EQ(bench.session.streams().size(), 2u);
}

TEST(OwnRestart, ASavedSessionGoesOn) {
  auto before = active(timed(600, Refresher::kPeer));
  const auto saved = before.session.save();
  auto session =
      Session::restore(Bench::config, saved.expose(), call_id(9), {30'000, 30'002}, 5'000);
  ASSERT_TRUE(session) << session.error().message;
  Bench bench(std::move(*session));
  EXPECT_EQ(bench.session.deadline_ms(), 5'000 + 568'000);
  EXPECT_EQ(bench.session.call(), call_id(9));
  auto held = kTwo;
  held[1].direction = "inactive";
  bench.on(event::Request{invite(held)});
  EXPECT_EQ(bench.told[1].mode, Mode::kOnHold);
  bench.on(event::Updated{{30'000, 30'002}});
  EXPECT_EQ(bench.status(), 200);
  bench.on(event::Bye{});
  EXPECT_EQ(bench.ends, 1);
  EXPECT_FALSE(Session::restore(Bench::config, as_bytes("junk"), call_id(1), {}, 0));
  EXPECT_FALSE(Session::restore(Bench::config, saved.expose(), call_id(1), {1}, 0));
}

SipRequest spoken_by(const char* agent) {
  auto sip = invite();
  sip.body = test_body(test_sdp(kTwo),
                       test_metadata({{"sip:+15551@c", "Ann", "1", ""}, {agent, "Bo", "2", ""}}));
  return sip;
}

TEST(Telephone, IsToldOnceTheCallIsOpenAndWhenItChanges) {
  Bench bench;
  bench.on(event::Request{invite()});
  EXPECT_FALSE(bench.telephone) << "there is no call yet";
  bench.on(event::Opened{call_id(1), {30'000, 30'002}});
  EXPECT_EQ(bench.telephone, "7001");
  bench.on(event::Ack{});
  bench.on(event::Request{update_of(kTwo)});
  bench.on(event::Updated{{30'000, 30'002}});
  EXPECT_FALSE(bench.telephone) << "as it was";
  bench.on(event::Request{spoken_by("sip:7002@c")});
  bench.on(event::Refused{Errc::kFull});
  EXPECT_FALSE(bench.telephone);
  bench.on(event::Request{spoken_by("sip:7002@c")});
  bench.on(event::Updated{{30'000, 30'002}});
  EXPECT_EQ(bench.telephone, "7002");
  auto nobodys = active(spoken_by("sip:+15552@c"));
  nobodys.on(event::Bye{});
  Bench unknown;
  unknown.on(event::Request{spoken_by("sip:+15552@c")});
  unknown.on(event::Opened{call_id(1), {30'000, 30'002}});
  EXPECT_EQ(unknown.telephone, "") << "nobody's is news, too";
}

TEST(Telephone, IsToldAgainToARecorderThatComesBack) {
  auto bench = active();
  bench.on(event::RecorderLost{});
  bench.on(event::Request{spoken_by("sip:7002@c")});
  EXPECT_FALSE(bench.telephone);
  bench.on(event::Ack{});
  bench.on(event::RecorderBack{});
  EXPECT_EQ(bench.telephone, "7002");
  bench.on(event::Refused{Errc::kNotFound});
  bench.on(event::Opened{call_id(2), {32'000, 32'002}});
  EXPECT_EQ(bench.telephone, "7002") << "of the call that goes on";
}

TEST(Telephone, OfACallThatIsNoRecordingClients) {
  SipRequest sip;
  sip.content_type = "application/sdp";
  sip.body = test_sdp(kTwo);
  sip.from = "<sip:7001@pbx.test>;tag=1";
  sip.to = "<sip:recorder@callward.test>";
  for (const bool client : {false, true}) {
    sip.recording_client = client;  // then From is the client's own
    Bench bench;
    bench.on(event::Request{sip});
    bench.on(event::Opened{call_id(1), {30'000, 30'002}});
    EXPECT_EQ(bench.telephone, client ? "" : "7001");
  }
}

// Of who is ours, and rang outwards, nobody vouches.
TEST(Attestation, OfACallThatIsNoRecordingClients) {
  SipRequest sip;
  sip.content_type = "application/sdp";
  sip.body = test_sdp(kTwo);
  sip.to = "<sip:recorder@callward.test>";
  const auto flags_of = [&](const char* from) {
    sip.from = from;
    Bench bench;
    bench.on(event::Request{sip});
    return bench.flags;
  };
  const auto attested = [](const std::vector<std::string>& flags) {
    return std::ranges::find(flags, "attested_a") != flags.end();
  };
  EXPECT_TRUE(attested(flags_of("<sip:+15551;verstat=TN-Validation-Passed-A@c>;tag=1")));
  EXPECT_FALSE(attested(flags_of("<sip:7001;verstat=TN-Validation-Passed-A@pbx.test>;tag=1")));
}

TEST(Telephone, IsKeptOverOurOwnRestart) {
  auto before = active();
  const auto saved = before.session.save();
  auto session = Session::restore(Bench::config, saved.expose(), call_id(9), {1, 2}, 5'000);
  ASSERT_TRUE(session);
  Bench bench(std::move(*session));
  bench.on(event::RecorderLost{});
  bench.on(event::RecorderBack{});
  EXPECT_EQ(bench.telephone, "7001");
  // What an earlier version has saved ends before the telephones: two empty lists here.
  auto sip = invite();
  sip.content_type = "application/sdp";
  sip.body = test_sdp(kTwo);
  auto silent = active(sip);
  const auto whole = silent.session.save();
  const auto old = whole.expose().first(whole.expose().size() - 2 * 4 - 2 * 4);
  auto of_before = Session::restore(Bench::config, old, call_id(9), {1, 2}, 5'000);
  ASSERT_TRUE(of_before);
  EXPECT_EQ(of_before->streams().size(), 2u);
}

// Any sequence of events: the table holds (a CHECK would end the process), no request is left
// without its answer, a call that was opened is ended once, one that was refused is reported once.
RC_GTEST_PROP(Session, AnySequenceKeepsTheInvariants, ()) {
  Bench bench;
  int pending = 0, opened = 0, ended = 0, opens_asked = 0, reported = 0, dead = 0;
  const auto count = *rc::gen::inRange(1, 60);
  for (int i = 0; i < count; ++i) {
    const auto choice = *rc::gen::inRange(0, 14);
    const auto phase = bench.session.phase();
    const bool asked =
        phase == Phase::kOpening || phase == Phase::kReopening || phase == Phase::kUpdating;
    int requests = 0;
    bench.advance_ms(*rc::gen::inRange(0, 400'000));
    auto held = kTwo;
    held[0].direction = "inactive";
    switch (choice) {
      case 0:
        bench.on(event::Request{timed(600, Refresher::kUs)});
        requests = 1;
        break;
      case 1:
        bench.on(event::Request{invite(held)});
        requests = 1;
        break;
      case 2:
        bench.on(event::Request{update_of(kTwo)});
        requests = 1;
        break;
      case 3:
        bench.on(event::Ack{});
        break;
      case 4:
        bench.on(event::AckTimeout{});
        break;
      case 5:
        bench.on(event::Cancel{});
        break;
      case 6:
        bench.on(event::Bye{});
        requests = 1;
        break;
      case 7:
        bench.on(event::Tick{});
        break;
      case 8:
        if (phase != Phase::kOpening && phase != Phase::kReopening) continue;
        bench.on(event::Opened{call_id(1), {30'000, 30'002}});
        ++opened;
        break;
      case 9:
        bench.on(event::Updated{{30'000, 30'002}});
        break;
      case 10:
        if (!asked && phase != Phase::kActive) continue;
        bench.on(
            event::Refused{*rc::gen::element(Errc::kNotFound, Errc::kFull, Errc::kUnavailable)});
        break;
      case 11:
        if (opened == 0 || phase == Phase::kEnded || phase == Phase::kOpening ||
            phase == Phase::kReopening)
          continue;
        bench.on(event::Dead{"x"});
        ++dead;
        break;
      case 12:
        bench.on(event::RecorderLost{});
        break;
      default:
        bench.on(event::RecorderBack{});
        break;
    }
    pending += bench.holds;
    RC_ASSERT(bench.holds <= requests);
    int this_replies = 0;
    for (const auto& reply : bench.replies) {
      if (reply.to == action::Reply::To::kPending)
        --pending;
      else
        ++this_replies;
    }
    RC_ASSERT(this_replies + bench.holds == requests);
    RC_ASSERT(pending >= 0 && pending <= 1);
    opens_asked += bench.opens;
    ended += bench.ends;
    reported += bench.missed;
    RC_ASSERT(ended + dead <= opened);
    if (bench.session.phase() == Phase::kEnded) RC_ASSERT(pending == 0);
  }
  RC_ASSERT(reported <= 1);
  RC_ASSERT(opened <= opens_asked);
}

}  // namespace
}  // namespace callward::capture
