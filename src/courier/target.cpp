#include "courier/target.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/endpoint.hpp"

namespace callward::courier {
namespace {

constexpr std::size_t kUrlMax = 512, kHostMax = 253;

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kHostMax) return false;
  char before = '.';
  for (const char c : host) {
    if (!is_letter_or_digit(c) && c != '-' && c != '.') return false;
    if ((before == '.' && !is_letter_or_digit(c)) || (before == '-' && c == '.')) return false;
    before = c;
  }
  return is_letter_or_digit(before);
}

// Of no other characters than an address has: what reads it as a C string stops at a NUL.
bool is_v6_address(const std::string& host) {
  return host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos &&
         parse_endpoint(host, 0).has_value();
}

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  const auto address = parse_endpoint(host, 0);
  if (!address) return false;
  constexpr std::array<std::uint8_t, 16> kV6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr std::array<std::uint8_t, 13> kV4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127};
  return address->address == kV6 || std::equal(kV4.begin(), kV4.end(), address->address.begin());
}

std::optional<std::uint16_t> port_of(std::string_view digits) {
  std::uint16_t port = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool whole = read.ec == std::errc() && read.ptr == digits.data() + digits.size();
  return whole && port != 0 ? std::optional(port) : std::nullopt;
}

bool is_path(std::string_view path) {
  constexpr std::string_view kMarks = "/-._~:@!$&'()*+,;=";
  return path.empty() || (path[0] == '/' && std::ranges::all_of(path, [&](char c) {
                            return is_letter_or_digit(c) || kMarks.find(c) != kMarks.npos;
                          }));
}

std::uint16_t usual_port(std::string_view scheme) {
  if (scheme == "smtp") return 587;
  if (scheme == "smtps") return 465;
  return scheme == "http" ? 80 : 443;
}

Result<Target> parse(std::string_view url, std::string_view plain, std::string_view safe) {
  const auto bad = [&] {
    return fail(Errc::kConfig, "must be " + std::string(plain) + "://HOST[:PORT] or " +
                                   std::string(safe) + "://HOST[:PORT]");
  };
  const auto colon = url.find("://");
  if (url.size() > kUrlMax || colon == std::string_view::npos) return bad();
  Target target;
  target.scheme = url.substr(0, colon);
  if (target.scheme != plain && target.scheme != safe) return bad();
  url.remove_prefix(colon + 3);
  const auto slash = std::min(url.find('/'), url.size());
  target.path = url.substr(slash);
  auto place = url.substr(0, slash);
  const bool bracketed = place.starts_with('[');
  const auto end = bracketed ? place.find(']') : std::min(place.find(':'), place.size());
  if (end == std::string_view::npos) return bad();
  target.host = bracketed ? place.substr(1, end - 1) : place.substr(0, end);
  place.remove_prefix(bracketed ? end + 1 : end);
  target.port = usual_port(target.scheme);
  if (!place.empty()) {
    const auto port = place[0] == ':' ? port_of(place.substr(1)) : std::nullopt;
    if (!port) return bad();
    target.port = *port;
  }
  const bool v6 = target.host.find(':') != std::string::npos;
  if (bracketed != v6 || (v6 && !is_v6_address(target.host))) return bad();
  if ((!v6 && !is_host_name(target.host)) || !is_path(target.path)) return bad();
  target.loopback = is_loopback(target.host);
  return target;
}

}  // namespace

std::string Target::url() const {
  const bool v6 = host.find(':') != std::string::npos;
  return scheme + "://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + path;
}

Result<Target> parse_smtp_url(std::string_view url) {
  auto target = TRY(parse(url, "smtp", "smtps"));
  if (!target.path.empty()) return fail(Errc::kConfig, "names a host and a port, no path");
  return target;
}

Result<Target> parse_gateway_url(std::string_view url) {
  auto target = TRY(parse(url, "http", "https"));
  if (target.scheme == "http" && !target.loopback)
    return fail(Errc::kConfig, "must be https:// (http:// for a loopback address alone)");
  if (target.path.empty()) target.path = "/";
  return target;
}

}  // namespace callward::courier
