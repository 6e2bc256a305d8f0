#include <fstream>
#include <sstream>

#include "app/signal_test_rig.hpp"
#include "wire/material_test.hpp"

namespace callward::app::signal_test {
namespace {

using wire::material_dir;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class Transport : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Both, Transport, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "tcp" : "udp"; });

TEST_P(Transport, ACallFromInviteToBye) {
  SignalRig rig(GetParam() ? "tcp" : "udp");
  RawPeer peer(rig.port(), GetParam());
  rig.peers = {&peer};
  Dialog dialog{"one"};
  const auto ok =
      rig.establish(peer, dialog, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
  EXPECT_TRUE(has(ok, "\r\nRequire: timer\r\n")) << ok;
  EXPECT_TRUE(has(ok, "\r\nSession-Expires: 600;refresher=uac\r\n"));
  EXPECT_TRUE(has(ok, ";+sip.srs"));
  EXPECT_EQ(has(ok, ";transport=tcp>"), GetParam());
  EXPECT_TRUE(has(ok, "\r\nContent-Type: application/sdp\r\n"));
  EXPECT_TRUE(has(ok, "m=audio 40002 RTP/AVP"));
  EXPECT_TRUE(has(ok, "a=recvonly"));
  ASSERT_EQ(rig.recorder->opens.size(), 1u);
  const auto& open = rig.recorder->opens[0];
  EXPECT_EQ(open.direction, keys::Direction::kIncoming);
  ASSERT_EQ(open.streams.size(), 2u);
  EXPECT_EQ(open.streams[0].party, store::Party::kCustomer);
  EXPECT_EQ(open.streams[1].party, store::Party::kAgent);
  EXPECT_TRUE(has(std::string(as_text(open.call_data.expose())), "Ann"));

  ASSERT_EQ(open.sources.size(), 2u);
  EXPECT_EQ(open.sources[0].announced, std::vector{*parse_endpoint("192.0.2.1", 4000)});

  // From behind a NAT: the packets may come from where the signalling comes from.
  auto moved = SignalRig::siprec_body("sendonly");
  const std::string before = "c=IN IP4 192.0.2.1", natted = "c=IN IP4 10.0.0.5";
  moved.replace(moved.find(before), before.size(), natted);
  peer.send(rig.request(peer, dialog, "INVITE", moved, SignalRig::siprec_headers()));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "one", "INVITE")), 200);
  peer.send(rig.request(peer, dialog, "ACK"));
  ASSERT_EQ(rig.recorder->updates.size(), 1u);
  ASSERT_EQ(rig.recorder->updates[0].sources.size(), 2u);
  EXPECT_EQ(rig.recorder->updates[0].sources[0].announced,
            (std::vector{*parse_endpoint("10.0.0.5", 4000), *parse_endpoint("127.0.0.1", 0)}));

  peer.send(rig.request(peer, dialog, "INVITE", SignalRig::siprec_body("inactive"),
                        SignalRig::siprec_headers()));
  const auto held = rig.answer(peer, "one", "INVITE");
  EXPECT_EQ(SignalRig::status_of(held), 200);
  peer.send(rig.request(peer, dialog, "ACK"));
  ASSERT_EQ(rig.recorder->updates.size(), 2u);
  EXPECT_EQ(rig.recorder->updates[1].streams[0].mode, store::StreamMode::kOnHold);

  peer.send(rig.request(peer, dialog, "INFO", "Signal=1\r\n",
                        "Content-Type: application/dtmf-relay\r\n"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "one", "INFO")), 200);
  peer.send(rig.request(peer, dialog, "UPDATE", "", "Supported: timer\r\n"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "one", "UPDATE")), 200);
  peer.send(rig.request(peer, dialog, "BYE"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "one", "BYE")), 200);
  EXPECT_TRUE(rig.until([&] { return rig.recorder->ends.size() == 1; }));
  EXPECT_EQ(rig.recorder->ends[0].cause, "bye");
  EXPECT_TRUE(rig.until([&] { return rig.signal->sessions() == 0; }));
  peer.send(rig.request(peer, dialog, "BYE"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "one", "BYE")), 481);
}

TEST(SignalProcess, The200IsRepeatedUntilItsAck) {
  SignalRig rig("again");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  Dialog dialog{"again"};
  const auto invite =
      rig.request(peer, dialog, "INVITE", SignalRig::siprec_body(), SignalRig::siprec_headers());
  peer.send(invite);
  const auto first = rig.answer(peer, "again", "INVITE");
  EXPECT_EQ(SignalRig::status_of(first), 200);
  const auto second = rig.answer(peer, "again", "INVITE");
  EXPECT_EQ(second, first) << "after T1 the same again";
  peer.send(invite);  // the client did not hear us: no second call
  EXPECT_EQ(rig.answer(peer, "again", "INVITE"), first);
  dialog.to_tag = SignalRig::tag_of(first);
  peer.send(rig.request(peer, dialog, "ACK"));
  rig.until([] { return false; }, 100);
  peer.got.clear();
  EXPECT_EQ(rig.answer(peer, "again", "INVITE", 1'500), "") << "acknowledged: silence";
  EXPECT_EQ(rig.recorder->opens.size(), 1u);
}

TEST(SignalProcess, CancelledWhileTheRecorderOpens) {
  SignalRig rig("cancel");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  rig.recorder->hold_open = true;
  Dialog dialog{"gone"};
  peer.send(
      rig.request(peer, dialog, "INVITE", SignalRig::siprec_body(), SignalRig::siprec_headers()));
  EXPECT_TRUE(rig.until([&] { return rig.recorder->held.size() == 1; }));
  peer.send(rig.request(peer, dialog, "CANCEL"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "gone", "CANCEL")), 200);
  const auto refused = rig.answer(peer, "gone", "INVITE");
  EXPECT_EQ(SignalRig::status_of(refused), 487);
  rig.recorder->release();
  EXPECT_TRUE(rig.until([&] { return rig.recorder->ends.size() == 1; }));
  EXPECT_EQ(rig.recorder->ends[0].cause, "cancel");
  EXPECT_TRUE(rig.recorder->missed.empty()) << "the peer's wish, not our failure";
  EXPECT_TRUE(rig.until([&] { return rig.signal->sessions() == 0; }));
}

TEST(SignalProcess, AFloodOfRefusedCallsIsCountedAndDoesNotFloodTheLog) {
  SignalRig rig("flood");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  int sent = 0;
  const auto flood = [&](int calls) {
    for (int i = 0; i < calls; ++i) {
      Dialog dialog{"f" + std::to_string(++sent)};
      peer.send(rig.request(peer, dialog, "INVITE"));
      EXPECT_EQ(SignalRig::status_of(rig.answer(peer, dialog.call_id, "INVITE")), 488);
    }
  };
  const auto counted = [&] {
    std::uint64_t sum = 0;
    for (const auto& missed : rig.recorder->missed) sum += missed.count;
    return sum;
  };
  flood(100);
  EXPECT_TRUE(rig.until([&] { return counted() == kMissedSinglyMax; }));
  rig.clock.shift_ns += (kMissedMinuteMs + 1) * 1'000'000;
  ASSERT_TRUE(rig.until([&] { return counted() == 100; })) << counted();
  EXPECT_EQ(rig.recorder->missed.size(), kMissedSinglyMax + 1);
  EXPECT_EQ(rig.recorder->missed.back().cause, "no_sdp");
  EXPECT_EQ(rig.recorder->missed.back().sip_status, 488);
  EXPECT_EQ(rig.recorder->missed.back().count, 40u);
  flood(kMissedSinglyMax + 7);  // the next minute is told one by one again
  EXPECT_TRUE(rig.until([&] { return counted() == 160; })) << counted();
  rig.signal->stop();
  EXPECT_TRUE(rig.signal->run());  // its last words
  EXPECT_EQ(counted(), static_cast<std::uint64_t>(sent));
}

TEST(SignalProcess, RefusedCallsAreToldToTheRecorder) {
  SignalRig rig("refused");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  struct Case {
    std::string id, headers, body;
    int status;
    std::string cause;
  };
  const std::vector<Case> cases = {
      {"b1", "Content-Type: multipart/mixed;boundary=b\r\n", "no part at all", 400, "bad_body"},
      {"b2", "Content-Type: text/html\r\n", "<p>", 415, "unsupported_body"},
      {"b3", "Content-Type: application/sdp\r\nRequire: magic\r\n", "v=0\r\n", 420,
       "bad_extension"},
      {"b4", "", "", 488, "no_sdp"},
  };
  for (const auto& one : cases) {
    Dialog dialog{one.id};
    peer.send(rig.request(peer, dialog, "INVITE", one.body, one.headers));
    const auto refused = rig.answer(peer, one.id, "INVITE");
    EXPECT_EQ(SignalRig::status_of(refused), one.status) << refused;
    EXPECT_EQ(has(refused, "\r\nUnsupported: magic\r\n"), one.status == 420);
    EXPECT_TRUE(rig.until([&] {
      return !rig.recorder->missed.empty() && rig.recorder->missed.back().cause == one.cause;
    })) << one.cause;
  }
  rig.recorder->refuse_open = Errc::kBusy;
  Dialog dialog{"full"};
  peer.send(
      rig.request(peer, dialog, "INVITE", SignalRig::siprec_body(), SignalRig::siprec_headers()));
  const auto busy = rig.answer(peer, "full", "INVITE");
  EXPECT_EQ(SignalRig::status_of(busy), 503);
  EXPECT_TRUE(has(busy, "\r\nRetry-After: 5\r\n"));
  EXPECT_TRUE(rig.until([&] { return rig.recorder->missed.back().cause == "busy"; }));
  EXPECT_TRUE(rig.recorder->opens.empty());
  EXPECT_TRUE(rig.until([&] { return rig.signal->sessions() == 0; }));
}

TEST(SignalProcess, RequestsThatAreNoCalls) {
  SignalRig rig("other");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  Dialog options{"o"};
  peer.send(rig.request(peer, options, "OPTIONS"));
  const auto ok = rig.answer(peer, "o", "OPTIONS");
  EXPECT_EQ(SignalRig::status_of(ok), 200);
  EXPECT_TRUE(has(ok, "\r\nAllow: INVITE")) << ok;
  EXPECT_TRUE(has(ok, "\r\nAccept: application/sdp"));
  EXPECT_TRUE(has(ok, "\r\nSupported: siprec"));
  const std::vector<std::pair<std::string, int>> expected = {
      {"BYE", 481}, {"INFO", 481}, {"REGISTER", 405}, {"MESSAGE", 405}, {"FROBNICATE", 501}};
  for (const auto& [method, status] : expected) {
    Dialog outside{"m-" + method};
    peer.send(rig.request(peer, outside, method));
    EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "m-" + method, method)), status) << method;
  }
  Dialog stale{"stale", "0123"};
  peer.send(
      rig.request(peer, stale, "INVITE", SignalRig::siprec_body(), SignalRig::siprec_headers()));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "stale", "INVITE")), 481);
  EXPECT_TRUE(rig.recorder->missed.empty());
}

TEST(SignalProcess, TheRecorderEndsACall) {
  SignalRig rig("dead");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  Dialog dialog{"dead"};
  rig.establish(peer, dialog);
  EXPECT_TRUE(rig.until([&] { return !rig.recorder->live_calls.empty(); }));
  rig.recorder->tell(store::SessionDead{rig.recorder->live_calls.begin()->first, "rtp_timeout"});
  EXPECT_TRUE(rig.until([&] { return !peer.got.empty(); }));
  EXPECT_EQ(peer.got.back().compare(0, 4, "BYE "), 0) << peer.got.back();
  EXPECT_TRUE(has(peer.got.back(), "To: <sip:src@" + peer.local + ">;tag=from\r\n"));
  EXPECT_TRUE(has(peer.got.back(), ";tag=" + dialog.to_tag + "\r\n"));
}

TEST(SignalProcess, OwnRestartKeepsTheDialogs) {
  SignalRig first("restart");
  const auto port = first.port();
  RawPeer peer(port);
  first.peers = {&peer};
  Dialog dialog{"kept"}, other{"other"};
  first.establish(peer, dialog, "Record-Route: <sip:127.0.0.1:9;lr>\r\n");
  first.establish(peer, other);
  first.until([] { return false; }, 50);
  first.signal.reset();
  first.config.sip.port = port;
  // What the peer says meanwhile waits in the socket, once there is one.
  first.start();
  EXPECT_EQ(first.signal->sessions(), 2u);
  peer.send(first.request(peer, dialog, "INVITE", SignalRig::siprec_body("inactive"),
                          SignalRig::siprec_headers()));
  const auto held = first.answer(peer, "kept", "INVITE");
  EXPECT_EQ(SignalRig::status_of(held), 200) << held;
  EXPECT_TRUE(has(held, "m=audio 40002 RTP/AVP")) << "the ports of before";
  peer.send(first.request(peer, dialog, "ACK"));
  peer.send(first.request(peer, dialog, "BYE"));
  EXPECT_EQ(SignalRig::status_of(first.answer(peer, "kept", "BYE")), 200);
  EXPECT_TRUE(first.until([&] { return first.recorder->ends.size() == 1; }));
  // And our own requests go on in the other one.
  first.recorder->tell(
      store::SessionDead{first.recorder->live_calls.begin()->first, "rtp_timeout"});
  peer.got.clear();
  EXPECT_TRUE(first.until([&] { return !peer.got.empty(); }));
  EXPECT_EQ(peer.got.back().compare(0, 4, "BYE "), 0);
  EXPECT_TRUE(has(peer.got.back(), "Call-ID: other\r\n"));
  EXPECT_TRUE(has(peer.got.back(), ";tag=" + other.to_tag + "\r\n")) << peer.got.back();
}

TEST(SignalProcess, TheRecordersRestart) {
  SignalRig rig("lost");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  Dialog kept{"kept"}, ended{"ended"}, refused{"refused"};
  rig.establish(peer, kept);
  rig.establish(peer, ended);
  rig.recorder->die();
  EXPECT_TRUE(rig.until([&] { return !rig.signal->ready(); }));
  peer.send(rig.request(peer, ended, "BYE"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "ended", "BYE")), 200);
  peer.send(
      rig.request(peer, refused, "INVITE", SignalRig::siprec_body(), SignalRig::siprec_headers()));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "refused", "INVITE")), 503);
  EXPECT_TRUE(rig.recorder->ends.empty());
  ASSERT_EQ(rig.recorder->telephones.size(), 2u);
  rig.recorder->live();
  EXPECT_TRUE(rig.until([&] { return rig.recorder->resumes.size() == 1; }));
  EXPECT_TRUE(rig.until([&] { return rig.recorder->telephones.size() == 3; })) << "told again";
  EXPECT_EQ(rig.recorder->telephones[2].call, rig.recorder->resumes[0].call);
  EXPECT_EQ(rig.recorder->telephones[2].telephone, "7001");
  EXPECT_TRUE(rig.until([&] { return rig.recorder->ends.size() == 1; }));
  EXPECT_TRUE(rig.until([&] { return rig.recorder->missed.size() == 1; }));
  EXPECT_EQ(rig.recorder->missed[0].cause, "recorder_away");
  peer.send(rig.request(peer, kept, "BYE"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(peer, "kept", "BYE")), 200);
  EXPECT_TRUE(rig.until([&] { return rig.recorder->ends.size() == 2; }));
}

TEST(SignalProcess, WeRefreshWithItsTimer) {
  SignalRig rig("refresh");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  Dialog dialog{"timed"};
  // An interval of 2 s, which a real client would not ask for, spares us 45 s of waiting.
  rig.establish(peer, dialog,
                "Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 2;refresher=uas\r\n");
  EXPECT_TRUE(rig.until([&] { return !peer.got.empty(); }));
  const auto update = peer.got.back();
  EXPECT_EQ(update.compare(0, 7, "UPDATE "), 0) << update;
  EXPECT_TRUE(has(update, "\r\nSession-Expires: 2;refresher=uac\r\n")) << update;
}

TEST(SignalProcess, WhatIsTooLargeIsRefusedAndHarmsNobody) {
  SignalRig rig("large");
  RawPeer good(rig.port()), big(rig.port(), true), endless(rig.port(), true);
  rig.peers = {&good, &big, &endless};
  Dialog beside{"beside"}, body{"body"}, message{"message"};
  rig.establish(good, beside);
  const auto headers = SignalRig::siprec_headers();
  big.send(rig.request(big, body, "INVITE", SignalRig::siprec_body() + std::string(70'000, 'x'),
                       headers));
  EXPECT_EQ(SignalRig::status_of(rig.answer(big, "body", "INVITE")), 513);
  EXPECT_TRUE(rig.until([&] {
    return !rig.recorder->missed.empty() && rig.recorder->missed.back().cause == "body_too_large";
  }));
  big.send(rig.request(big, message, "INVITE", std::string(200'000, 'x'), headers));
  const auto refused = rig.answer(big, "message", "INVITE", 1'000);
  EXPECT_TRUE(refused.empty() || SignalRig::status_of(refused) == 413) << refused.substr(0, 300);
  // Header lines without an end.
  std::string lines = "INVITE sip:a@b SIP/2.0\r\n";
  while (lines.size() < 400'000) lines += "X-Filler: 0123456789\r\n";
  endless.send(lines);
  rig.until([] { return false; }, 100);
  EXPECT_EQ(rig.options(good), 200);
  EXPECT_EQ(rig.recorder->opens.size(), 1u);
  good.send(rig.request(good, beside, "BYE"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(good, "beside", "BYE")), 200);
}

TEST(SignalProcess, BodiesOfRealVendors) {
  const std::filesystem::path folder = material_dir() + "/siprec";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "shared/material/siprec is not here";
  SignalRig rig("vendors");
  RawPeer peer(rig.port());
  rig.peers = {&peer};
  std::size_t answered = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const auto name = file.path().filename().string();
    if (file.path().extension() != ".txt" || !has(name, "offer")) continue;
    auto body = read_text(file.path());
    const auto dash = body.find("--");
    const auto boundary = body.substr(dash + 2, body.find_first_of("\r\n", dash) - dash - 2);
    Dialog dialog{name};
    peer.send(rig.request(
        peer, dialog, "INVITE", body,
        "Require: siprec\r\nContent-Type:multipart/mixed;boundary=" + boundary + "\r\n"));
    const auto ok = rig.answer(peer, name, "INVITE");
    EXPECT_EQ(SignalRig::status_of(ok), 200) << name << "\n" << ok;
    dialog.to_tag = SignalRig::tag_of(ok);
    peer.send(rig.request(peer, dialog, "ACK"));
    ++answered;
  }
  EXPECT_GE(answered, 6u);
  EXPECT_EQ(rig.recorder->opens.size(), answered);
}

TEST_P(Transport, TortureMessagesHarmNobody) {
  const std::filesystem::path folder = material_dir() + "/rfc4475";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "shared/material/rfc4475 is not here";
  SignalRig rig(GetParam() ? "torture-tcp" : "torture");
  RawPeer good(rig.port());
  rig.peers = {&good};
  Dialog dialog{"beside"};
  rig.establish(good, dialog);
  std::size_t sent = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    RawPeer bad(rig.port(), GetParam());  // one connection each: a broken one may be closed
    bad.send(read_text(file.path()));
    rig.until([] { return false; }, 5);
    ++sent;
  }
  EXPECT_GT(sent, 40u);
  EXPECT_EQ(rig.options(good), 200);
  good.send(rig.request(good, dialog, "BYE"));
  EXPECT_EQ(SignalRig::status_of(rig.answer(good, "beside", "BYE")), 200);
  EXPECT_TRUE(rig.until([&] { return rig.recorder->ends.size() == 1; }));
  EXPECT_FALSE(has(rig.signal->status_json(), "\"malformed\":0,")) << rig.signal->status_json();
}

}  // namespace
}  // namespace callward::app::signal_test
