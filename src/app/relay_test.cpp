// The relay with real sockets: two phones, the recorder's two ports, and strangers.
#include "app/relay.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "wire/rtp.hpp"

namespace callward::app {
namespace {

using capture::Gate;
using capture::Leg;

constexpr int kWaitMs =
    5'000;  // for what must come; what must not come is shown by what comes after

struct Phone {
  explicit Phone(const std::string& address = "127.0.0.1")
      : fd(std::move(*io::bind_udp(address, 0, 65'536))),
        at(*parse_endpoint(address, *io::local_port(fd))) {}
  void send(ByteView packet, std::uint16_t port) {
    ASSERT_TRUE(io::send_udp(fd, packet, *parse_endpoint("127.0.0.1", port)));
  }
  // The next packet; empty: none came in time.
  Bytes receive() {
    pollfd waiting{fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kWaitMs) != 1) return {};
    Bytes out(2'048);
    const auto size = ::recv(fd.get(), out.data(), out.size(), 0);
    out.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return out;
  }
  [[nodiscard]] bool nothing_waits() const {
    pollfd waiting{fd.get(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 0;
  }
  io::Fd fd;
  Endpoint at;
};

Bytes rtp(std::uint16_t sequence, std::string_view payload) {
  wire::RtpPacket packet;
  packet.sequence = sequence;
  packet.ssrc = 7;
  packet.payload = as_bytes(payload);
  return wire::write_rtp(packet);
}
std::string payload_of(const Bytes& raw) {
  const auto packet = wire::parse_rtp(raw);
  return packet ? std::string(as_text(packet->payload)) : "(no RTP)";
}

struct Rig {
  Rig() {
    relay = std::move(*Relay::create({"127.0.0.1", 33'000, 33'399, "127.0.0.1"}, entropy));
    auto opened = relay->open(1);
    EXPECT_TRUE(opened) << opened.error().message;
    ports = *opened;
    relay->set_recorder(1, Leg::kExpert, recorded_expert.at.port);
    relay->set_recorder(1, Leg::kCustomer, recorded_customer.at.port);
    relay->set_peer(1, Leg::kExpert, expert.at, expert_rtcp.at, true);
    relay->set_peer(1, Leg::kCustomer, customer.at, customer_rtcp.at, true);
  }
  [[nodiscard]] std::uint16_t port(Leg leg) const {
    return ports.rtp[static_cast<std::size_t>(leg)];
  }
  void from_expert(std::uint16_t sequence, std::string_view text) {
    expert.send(rtp(sequence, text), port(Leg::kExpert));
  }
  void from_customer(std::uint16_t sequence, std::string_view text) {
    customer.send(rtp(sequence, text), port(Leg::kCustomer));
  }
  SystemEntropy entropy;
  Phone expert, customer, expert_rtcp, customer_rtcp, recorded_expert, recorded_customer;
  std::unique_ptr<Relay> relay;
  Relay::Ports ports;
};

// Counters are the thread's: what is expected of them is waited for.
template <class Condition>
bool until(Condition condition) {
  for (int i = 0; i < kWaitMs; ++i) {
    if (condition()) return true;
    ::usleep(1'000);
  }
  return false;
}

TEST(Relay, WhatPassesIsCopiedToTheRecorderFromTheAnnouncedPlace) {
  Rig rig;
  rig.relay->set_gate(1, Gate::kOpen);
  rig.from_expert(1, "hello");
  EXPECT_EQ(payload_of(rig.customer.receive()), "hello");
  EXPECT_EQ(payload_of(rig.recorded_expert.receive()), "hello");
  rig.from_customer(9, "who is there");
  EXPECT_EQ(payload_of(rig.expert.receive()), "who is there");
  io::UdpSweeper sweeper;
  Endpoint copied_from;
  ASSERT_TRUE(until([&] {
    return *sweeper.sweep(rig.recorded_customer.fd.get(), 1,
                          [&](ByteView, std::int64_t, bool, const Endpoint& from) {
                            copied_from = from;
                          }) == 1;
  }));
  EXPECT_EQ(copied_from, rig.ports.copies[static_cast<std::size_t>(Leg::kCustomer)]);
  EXPECT_TRUE(rig.recorded_expert.nothing_waits());
}

TEST(Relay, AShutGateLetsNothingPassAnywhere) {
  Rig rig;
  rig.from_expert(1, "too soon");
  rig.from_customer(1, "too soon");
  ASSERT_TRUE(until([&] { return rig.relay->counters().shut == 2; }));
  rig.relay->set_gate(1, Gate::kOpen);
  rig.from_expert(2, "now");
  EXPECT_EQ(payload_of(rig.customer.receive()), "now");
  EXPECT_EQ(payload_of(rig.recorded_expert.receive()), "now");
  EXPECT_TRUE(rig.recorded_customer.nothing_waits() && rig.expert.nothing_waits());
}

TEST(Relay, EarlyMediaGoesToTheExpertOnly) {
  Rig rig;
  rig.relay->set_gate(1, Gate::kEarly);
  rig.from_expert(1, "anybody?");
  ASSERT_TRUE(until([&] { return rig.relay->counters().shut == 1; }));
  rig.from_customer(1, "the number has changed");
  EXPECT_EQ(payload_of(rig.expert.receive()), "the number has changed");
  EXPECT_EQ(payload_of(rig.recorded_customer.receive()), "the number has changed");
  EXPECT_TRUE(rig.customer.nothing_waits() && rig.recorded_expert.nothing_waits());
}

TEST(Relay, WithoutARecorderNothingPasses) {
  Rig rig;
  rig.relay->set_gate(1, Gate::kOpen);
  rig.relay->set_recorder(1, Leg::kExpert, 0);
  rig.from_expert(1, "unrecorded");
  ASSERT_TRUE(until([&] { return rig.relay->counters().not_copied == 1; }));
  EXPECT_TRUE(rig.customer.nothing_waits());
}

TEST(Relay, TheFirstAtTheAnnouncedAddressHoldsTheLegUntilItsSdpChanges) {
  Rig rig;
  rig.relay->set_gate(1, Gate::kOpen);
  Phone elsewhere("127.0.0.2"), behind_nat, second;
  elsewhere.send(rtp(1, "a stranger"), rig.port(Leg::kExpert));
  ASSERT_TRUE(until([&] { return rig.relay->counters().foreign == 1; }));
  behind_nat.send(rtp(1, "another port"), rig.port(Leg::kExpert));
  EXPECT_EQ(payload_of(rig.customer.receive()), "another port");
  rig.from_customer(1, "back to where it came from");
  EXPECT_EQ(payload_of(behind_nat.receive()), "back to where it came from");
  second.send(rtp(1, "too late"), rig.port(Leg::kExpert));
  ASSERT_TRUE(until([&] { return rig.relay->counters().foreign == 2; }));
  // The same SDP again changes nothing; another one does.
  rig.relay->set_peer(1, Leg::kExpert, rig.expert.at, rig.expert_rtcp.at, true);
  second.send(rtp(2, "still too late"), rig.port(Leg::kExpert));
  ASSERT_TRUE(until([&] { return rig.relay->counters().foreign == 3; }));
  rig.relay->set_peer(1, Leg::kExpert, second.at, rig.expert_rtcp.at, true);
  second.send(rtp(3, "moved"), rig.port(Leg::kExpert));
  EXPECT_EQ(payload_of(rig.customer.receive()), "moved");
}

TEST(Relay, OneOnHoldIsSentNothingAndIsRecordedAllTheSame) {
  Rig rig;
  rig.relay->set_gate(1, Gate::kOpen);
  rig.relay->set_peer(1, Leg::kCustomer, rig.customer.at, rig.customer_rtcp.at, false);
  rig.from_expert(1, "to nobody");
  EXPECT_EQ(payload_of(rig.recorded_expert.receive()), "to nobody");
  rig.relay->set_peer(1, Leg::kCustomer, rig.customer.at, rig.customer_rtcp.at, true);
  rig.from_expert(2, "again");
  EXPECT_EQ(payload_of(rig.customer.receive()), "again");
}

TEST(Relay, RtcpPassesWithoutNames) {
  Rig rig;
  rig.relay->set_gate(1, Gate::kOpen);
  // A receiver report without blocks, and a CNAME that is a number.
  Bytes report{0x80, 201, 0, 1, 0, 0, 0, 7};
  const std::string name = "+4915112345678@10.0.0.1";
  Bytes sdes{0x81, 202, 0, 0, 0, 0, 0, 7, 1, static_cast<std::uint8_t>(name.size())};
  sdes.insert(sdes.end(), name.begin(), name.end());
  sdes.resize((sdes.size() / 4 + 1) * 4);
  sdes[3] = static_cast<std::uint8_t>(sdes.size() / 4 - 1);
  report.insert(report.end(), sdes.begin(), sdes.end());
  rig.customer_rtcp.send(report, static_cast<std::uint16_t>(rig.port(Leg::kCustomer) + 1));
  const auto got = rig.expert_rtcp.receive();
  ASSERT_FALSE(got.empty());
  EXPECT_TRUE(wire::parse_rtcp(got));
  EXPECT_EQ(std::string(as_text(got)).find("49151"), std::string::npos);
  EXPECT_TRUE(rig.recorded_customer.nothing_waits());
}

TEST(Relay, WhatIsNoRtpIsNotPassed) {
  Rig rig;
  rig.relay->set_gate(1, Gate::kOpen);
  rig.expert.send(Bytes(20, 0), rig.port(Leg::kExpert));  // as STUN would be
  rig.expert.send(Bytes{0x80, 0}, rig.port(Leg::kExpert));
  ASSERT_TRUE(until([&] { return rig.relay->counters().malformed == 2; }));
  EXPECT_TRUE(rig.customer.nothing_waits());
}

TEST(Relay, PortsAreTakenInPairsAndGivenBack) {
  SystemEntropy entropy;
  auto relay = std::move(*Relay::create({"127.0.0.1", 33'501, 33'509, "127.0.0.1"}, entropy));
  // 33502 to 33509: four pairs, of which somebody else may have one.
  std::set<std::uint16_t> ports;
  const auto first = relay->open(1), second = relay->open(2);
  ASSERT_TRUE(first && second);
  for (const auto& opened : {*first, *second})
    for (const auto port : opened.rtp) {
      EXPECT_EQ(port % 2, 0);
      EXPECT_TRUE(ports.insert(port).second);
    }
  const auto third = relay->open(3);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Errc::kFull);
  relay->close(1);
  EXPECT_TRUE(relay->open(3));
  EXPECT_FALSE(relay->open(3)) << "each call once";
  EXPECT_EQ(relay->calls(), 2u);
}

}  // namespace
}  // namespace callward::app
