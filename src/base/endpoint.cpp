#include "base/endpoint.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace callward {
namespace {

constexpr std::size_t kAddressTextMax = 64;  // longer than any address
constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool is_mapped(const Endpoint& endpoint) {
  return std::equal(kMapped.begin(), kMapped.end(), endpoint.address.begin());
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view address, std::uint16_t port) {
  if (address.size() >= 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  if (address.empty() || address.size() > kAddressTextMax) return std::nullopt;
  const std::string text(address);
  Endpoint out;
  out.port = port;
  std::array<std::uint8_t, 4> v4{};
  if (::inet_pton(AF_INET, text.c_str(), v4.data()) == 1) {
    if (v4 == std::array<std::uint8_t, 4>{}) return std::nullopt;
    std::copy(kMapped.begin(), kMapped.end(), out.address.begin());
    std::copy(v4.begin(), v4.end(), out.address.begin() + kMapped.size());
    return out;
  }
  if (::inet_pton(AF_INET6, text.c_str(), out.address.data()) != 1) return std::nullopt;
  if (out.address == std::array<std::uint8_t, 16>{}) return std::nullopt;
  return out;
}

bool is_private(const Endpoint& endpoint) noexcept {
  const auto& a = endpoint.address;
  if (is_mapped(endpoint)) {
    const auto first = a[12], second = a[13];
    return first == 10 || first == 127 || (first == 172 && (second & 0xF0) == 16) ||
           (first == 192 && second == 168) || (first == 169 && second == 254) ||
           (first == 100 && (second & 0xC0) == 64);
  }
  std::array<std::uint8_t, 16> loopback{};
  loopback[15] = 1;
  return a == loopback || (a[0] & 0xFE) == 0xFC || (a[0] == 0xFE && (a[1] & 0xC0) == 0x80);
}

}  // namespace callward
