#include "keys/vault_protocol.hpp"

namespace callward::keys {

std::string intake_aad(std::string_view purpose, std::initializer_list<std::string_view> about) {
  std::string text("callward intake ");
  text += purpose;
  for (const auto part : about) (text += '|') += part;
  return text;
}

}  // namespace callward::keys
