// Where the courier connects to, as the configuration says it, read strictly: nothing in it that a
// library would take otherwise than we do (no user, no query, no fragment, no escapes in the host).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace callward::courier {

struct Target {
  std::string scheme;  // "smtp", "smtps", "http", "https"
  std::string host;    // a name, an IPv4 address, or an IPv6 address without its brackets
  std::uint16_t port = 0;
  std::string path;       // of http and https: "/" at least; of the others empty
  bool loopback = false;  // localhost, 127.0.0.0/8, ::1: the one place where TLS is not a must
  [[nodiscard]] std::string url() const;
};

// smtp://HOST[:PORT] (587 without a port, RFC 6409), smtps://HOST[:PORT] (465, RFC 8314).
Result<Target> parse_smtp_url(std::string_view url);
// https://HOST[:PORT][/PATH]; http:// for a loopback address alone.
Result<Target> parse_gateway_url(std::string_view url);

}  // namespace callward::courier
