// An IP address and a UDP port, compared byte by byte: IPv4 stands as ::ffff:a.b.c.d, so that one
// type serves both families.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace callward {

struct Endpoint {
  std::array<std::uint8_t, 16> address{};
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
  [[nodiscard]] bool same_address(const Endpoint& other) const { return address == other.address; }
  template <class V>
  void visit(V& v) {
    v(address, port);
  }
};

// Nothing: a host's name, an unspecified address (0.0.0.0, ::), or no address at all.
std::optional<Endpoint> parse_endpoint(std::string_view address, std::uint16_t port);

// Not reachable from everywhere: RFC 1918, RFC 6598, loopback, link-local, unique local (RFC 4193).
bool is_private(const Endpoint& endpoint) noexcept;

}  // namespace callward
