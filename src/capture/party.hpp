// Who is one of us: addresses as telephone systems write them, compared with the lists of own
// numbers and own domains from the configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace callward::capture {

struct Address {
  std::string user;  // "+15551234", "7001", "ann": escapes (%2B) decoded; empty if there is none
  std::string host;  // lower case, without port; empty if there is none
};

// "sip:+1555@host:5060;user=phone", "<sips:ann@host>", "tel:+1-555-0100", "ann@host", "7001".
Address parse_address(std::string_view text);

class OwnParties {
 public:
  // Numbers: "7001", "+49 30 1234", or with a final '*' for all that begin so. Signs between digits
  // and a leading '+' do not matter; names ("ann") are compared without case. Domains:
  // "pbx.example", or "*.example" for everything beneath.
  OwnParties(const std::vector<std::string>& numbers, const std::vector<std::string>& domains);
  [[nodiscard]] bool owns(const Address& address) const;
  [[nodiscard]] bool empty() const { return numbers_.empty() && domains_.empty(); }

 private:
  std::vector<std::string> numbers_, domains_;
};

}  // namespace callward::capture
