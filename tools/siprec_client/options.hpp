// What siprec-client was asked to do.
#pragma once

#include <cstdint>
#include <string>

#include "codec/g711.hpp"

namespace callward::siprec_client {

inline constexpr std::size_t kCallsMax = 5'000;

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 5060;
  bool tcp = false;
  std::size_t calls = 1;
  double loss = 0, reorder = 0, duplicate = 0;  // chances of one packet
  std::string digits;                           // keyed by the customer, RFC 4733
  std::int64_t digits_at_ms = 0, digits_every_ms = 250;
  bool outgoing = false;
  codec::G711 law = codec::G711::kMuLaw;
  std::int64_t hold_at_ms = -1, hold_ms = 0;  // re-INVITE inactive, and back
  std::int64_t cancel_at_ms = -1;             // after the INVITE
  std::int64_t bye_at_ms = -1;                // after the answer; otherwise when the file ends
  std::int64_t stagger_ms = 0;                // between two calls
  std::string customer = "sip:+441632960001@carrier.example", agent = "sip:7001@pbx.example";
  std::uint64_t seed = 1;
  std::string sent_dir;
  bool json = false;
  std::string file;
};

// Reads the command line. Ends the process for --help (0) and for wrong use (2).
Options read_options(int argc, char** argv);

}  // namespace callward::siprec_client
