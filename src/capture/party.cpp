#include "capture/party.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/telephone.hpp"
#include "wire/text.hpp"

namespace callward::capture {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = wire::lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// A display name in quotes may hold anything, brackets too.
std::string_view without_display_name(std::string_view text) {
  text = wire::trim(text);
  if (!text.starts_with('"')) return text;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return text.substr(i + 1);
  }
  return text;
}

std::string_view uri_of(std::string_view text) {
  text = without_display_name(text);
  if (const auto open = text.find('<'); open != std::string_view::npos) {
    text = text.substr(open + 1);
    text = text.substr(0, text.find('>'));
  }
  return wire::trim(text);
}

Attestation of_verstat(std::string_view value) {
  struct Word {
    std::string_view text;
    Attestation means;
  };
  static constexpr std::array kWords = {
      Word{"tn-validation-passed", Attestation::kPassed},
      Word{"tn-validation-passed-a", Attestation::kFull},
      Word{"tn-validation-passed-b", Attestation::kPartial},
      Word{"tn-validation-passed-c", Attestation::kGateway},
      Word{"tn-validation-failed", Attestation::kFailed},
      Word{"tn-validation-failed-a", Attestation::kFailed},
      Word{"tn-validation-failed-b", Attestation::kFailed},
      Word{"tn-validation-failed-c", Attestation::kFailed},
  };
  const auto* word = std::ranges::find_if(
      kWords, [&](const Word& one) { return wire::same_word(one.text, value); });
  return word == kWords.end() ? Attestation::kNone : word->means;
}

}  // namespace

Attestation attestation_of(std::string_view text) {
  constexpr std::string_view kParameter = "verstat=";
  auto uri = uri_of(text);
  std::optional<Attestation> said;
  // Parameters stand within the user part (of a number) or behind the host; headers come after '?'.
  uri = uri.substr(0, uri.find('?'));
  for (auto at = uri.find(';'); at != std::string_view::npos; at = uri.find(';')) {
    uri = uri.substr(at + 1);
    const auto one = uri.substr(0, uri.find_first_of(";@"));
    if (one.size() < kParameter.size() ||
        !wire::same_word(one.substr(0, kParameter.size()), kParameter))
      continue;
    const auto now = of_verstat(one.substr(kParameter.size()));
    if (said && *said != now) return Attestation::kFailed;
    said = now;
  }
  return said.value_or(Attestation::kNone);
}

std::string_view to_flag(Attestation attestation) {
  switch (attestation) {
    case Attestation::kNone:
      return "";
    case Attestation::kFailed:
      return "attestation_failed";
    case Attestation::kPassed:
      return "attested";
    case Attestation::kFull:
      return "attested_a";
    case Attestation::kPartial:
      return "attested_b";
    case Attestation::kGateway:
      return "attested_c";
  }
  return "";
}

Address parse_address(std::string_view text) {
  Address out;
  text = uri_of(text);
  bool tel = false;
  for (const std::string_view scheme : {"sip:", "sips:", "tel:"}) {
    if (text.size() < scheme.size() || !wire::same_word(text.substr(0, scheme.size()), scheme))
      continue;
    text = text.substr(scheme.size());
    tel = scheme == "tel:";
    break;
  }
  // Parameters of a number within the user part ("+1555;phone-context=x@host") are cut off too.
  // Behind the host, in a parameter or header of the URI, another '@' is none of the address's.
  const auto first = text.find('@');
  const auto at = tel || first == std::string_view::npos
                      ? std::string_view::npos
                      : text.rfind('@', text.find_first_of(";?>", first));
  const auto user = text.substr(0, at);
  out.user = unescape(wire::trim(user.substr(0, user.find_first_of(";?:"))));
  if (at == std::string_view::npos) return out;
  auto host = text.substr(at + 1);
  host = host.substr(0, host.find_first_of(";?>"));
  if (host.starts_with('['))
    host =
        host.substr(0, host.find(']') == std::string_view::npos ? host.size() : host.find(']') + 1);
  else
    host = host.substr(0, host.find(':'));
  out.host = wire::lower(wire::trim(host));
  return out;
}

OwnParties::OwnParties(const std::vector<std::string>& numbers,
                       const std::vector<std::string>& domains) {
  for (const auto& number : numbers) {
    const bool prefix = number.ends_with('*');
    auto text =
        plain_telephone(std::string_view(number).substr(0, number.size() - (prefix ? 1 : 0)));
    if (text.empty() && !prefix) continue;
    numbers_.push_back(prefix ? text + '*' : text);
  }
  for (const auto& domain : domains)
    if (!domain.empty()) domains_.push_back(wire::lower(std::string_view(domain)));
}

bool OwnParties::owns(const Address& address) const {
  const auto user = plain_telephone(address.user);
  const bool by_number =
      !user.empty() && std::any_of(numbers_.begin(), numbers_.end(), [&](const auto& own) {
        return own.ends_with('*')
                   ? user.starts_with(std::string_view(own).substr(0, own.size() - 1))
                   : user == own;
      });
  if (by_number || address.host.empty()) return by_number;
  return std::any_of(domains_.begin(), domains_.end(), [&](const auto& own) {
    return own.starts_with("*.") ? address.host.ends_with(std::string_view(own).substr(1))
                                 : address.host == own;
  });
}

}  // namespace callward::capture
