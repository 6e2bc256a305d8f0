#include "capture/party.hpp"

#include <gtest/gtest.h>

namespace callward::capture {
namespace {

TEST(Party, AddressesAsSystemsWriteThem) {
  const struct {
    const char *text, *user, *host;
  } cases[] = {
      {"sip:+15551234@Host.Example:5060;user=phone", "+15551234", "host.example"},
      {"\"Ann\" <sips:ann%2Bx@host>;tag=1", "ann+x", "host"},
      {"tel:+1-555-0100;phone-context=x@y", "+1-555-0100", ""},
      {"sip:1002;isub=4:secret@10.0.0.1", "1002", "10.0.0.1"},
      {"Extension-016190619@speechpath.ie", "Extension-016190619", "speechpath.ie"},
      {"sip:7001@[2001:db8::1]:5060", "7001", "[2001:db8::1]"},
      {"7001", "7001", ""},
      {"sip:host.example", "host.example", ""},
      {"", "", ""},
      {"<sip:", "", ""},
      {"sip:a%4@%zz", "a%4", "%zz"},
      {"SIP:201@Host;transport=tcp", "201", "host"},
      {"sip:201@host;transport=tls?Subject=a@b", "201", "host"},
      {"sip:201@host;maddr=a@b", "201", "host"},
      {"sip:ann@corp.example@host", "ann@corp.example", "host"},
      {"TEL:201;ext=7", "201", ""},
      {"\"a <sip:1@b>\" <sip:201@host>;tag=x", "201", "host"},
      {"\"a \\\" <sip:1@b>\" <sip:201@host>", "201", "host"},
      {"Ann <sip:201@host>", "201", "host"},
      {"\"no end <sip:201@host>", "201", "host"},
  };
  for (const auto& [text, user, host] : cases) {
    const auto address = parse_address(text);
    EXPECT_EQ(address.user, user) << text;
    EXPECT_EQ(address.host, host) << text;
  }
}

TEST(Party, WhatTheCarriersSayOfANumber) {
  struct Case {
    const char* text;
    Attestation said;
  };
  const Case cases[] = {
      {"sip:+15551@c", Attestation::kNone},
      {"sip:+15551;verstat=TN-Validation-Passed@c;user=phone", Attestation::kPassed},
      {"sip:+15551@c;user=phone;verstat=TN-Validation-Passed-A", Attestation::kFull},
      {"<sip:+15551@c;VerStat=tn-validation-passed-b>;tag=1", Attestation::kPartial},
      {"tel:+15551;verstat=TN-Validation-Passed-C", Attestation::kGateway},
      {"tel:+15551;verstat=TN-Validation-Failed", Attestation::kFailed},
      {"sip:+15551@c;verstat=TN-Validation-Failed-A", Attestation::kFailed},
      {"sip:+15551@c;verstat=No-TN-Validation", Attestation::kNone},
      {"sip:+15551@c;verstat=TN-Validation-Passed-AA", Attestation::kNone},
      {"sip:+15551@c;verstat=", Attestation::kNone},
      // What the caller may write himself.
      {"\"x;verstat=TN-Validation-Passed\" <sip:+15551@c>", Attestation::kNone},
      {"x;verstat=TN-Validation-Passed <sip:+15551@c>", Attestation::kNone},
      {"<sip:+15551@c>;verstat=TN-Validation-Passed", Attestation::kNone},
      {"sip:+15551@c?X=;verstat=TN-Validation-Passed", Attestation::kNone},
      {"sip:+15551@c;x=1verstat=TN-Validation-Passed", Attestation::kNone},
      {"sip:+15551;verstat=TN-Validation-Passed-A@c;verstat=TN-Validation-Failed",
       Attestation::kFailed},
      {"sip:+15551;verstat=TN-Validation-Passed-A@c;verstat=No-TN-Validation",
       Attestation::kFailed},
      {"sip:+15551;verstat=TN-Validation-Passed-A@c;verstat=TN-Validation-Passed-A",
       Attestation::kFull},
  };
  for (const auto& one : cases) EXPECT_EQ(attestation_of(one.text), one.said) << one.text;
}

TEST(Party, OwnNumbersAndDomains) {
  const OwnParties own({"7*", "+49 30 1234", "Ann"}, {"pbx.example", "*.office.example"});
  for (const auto* ours :
       {"sip:7001@carrier", "sip:7@x", "sip:4930-1234@carrier", "sip:+49301234@carrier",
        "sip:ANN@carrier", "sip:bob@PBX.example", "sip:x@a.office.example"})
    EXPECT_TRUE(own.owns(parse_address(ours))) << ours;
  for (const auto* theirs : {"sip:+4930123@carrier", "sip:+15557001@carrier", "sip:bob@carrier",
                             "sip:x@office.example", "sip:anna@carrier", ""})
    EXPECT_FALSE(own.owns(parse_address(theirs))) << theirs;
  EXPECT_FALSE(OwnParties({}, {}).owns(parse_address("sip:7001@x")));
}

}  // namespace
}  // namespace callward::capture
