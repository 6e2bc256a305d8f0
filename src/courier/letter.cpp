#include "courier/letter.hpp"

#include <algorithm>

namespace callward::courier {
namespace {

constexpr std::size_t kAddressMax = 254, kLocalPartMax = 64, kLabelMax = 63;
constexpr std::size_t kDigitsMin = 7, kDigitsMax = 15;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
// RFC 5322 atext.
bool is_atext(char c) {
  return is_letter_or_digit(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// Calls `each` for what stands between dots; false as soon as that says so.
template <class Each>
bool all_between_dots(std::string_view text, Each each) {
  for (;;) {
    const auto dot = text.find('.');
    if (!each(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kLabelMax && label.front() != '-' &&
         label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

// The code point at the front, which is taken off; 0xFFFFFFFF: none.
std::uint32_t next_point(std::string_view& text) {
  constexpr std::uint32_t kNone = 0xFFFFFFFF;
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto first = at(0);
  const std::size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (first >= 0x80 && (first < 0xC2 || first > 0xF4)) return kNone;
  if (text.size() < size) return kNone;
  std::uint32_t point = size == 1 ? first : first & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xC0) != 0x80) return kNone;
    point = point << 6 | (at(i) & 0x3Fu);
  }
  text.remove_prefix(size);
  const bool too_long = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return too_long || surrogate || point > 0x10FFFF ? kNone : point;
}

}  // namespace

bool is_clean_text(std::string_view text, bool lines) {
  while (!text.empty()) {
    if (lines && (text.starts_with("\r\n") || text[0] == '\n' || text[0] == '\t')) {
      text.remove_prefix(text[0] == '\r' ? 2 : 1);
      continue;
    }
    const auto point = next_point(text);
    if (point == 0xFFFFFFFF || point < 0x20 || (point >= 0x7F && point < 0xA0)) return false;
  }
  return true;
}

bool is_mail_address(std::string_view address) {
  const auto at = address.find('@');
  if (address.size() > kAddressMax || at == std::string_view::npos || at > kLocalPartMax)
    return false;
  const auto host = address.substr(at + 1);
  const auto last = host.substr(host.rfind('.') + 1);
  return host.find('.') != std::string_view::npos &&
         !std::ranges::all_of(last, is_digit) &&  // else it would be read as an IP address
         all_between_dots(address.substr(0, at),
                          [](std::string_view atom) {
                            return !atom.empty() && std::ranges::all_of(atom, is_atext);
                          }) &&
         all_between_dots(host, is_label);
}

bool is_phone_number(std::string_view number) {
  return number.size() > kDigitsMin && number.size() <= kDigitsMax + 1 && number[0] == '+' &&
         number[1] != '0' && std::ranges::all_of(number.substr(1), is_digit);
}

const char* refusal_of(const keys::Deliver& message) {
  const auto address = as_text(message.address.expose());
  const auto text = as_text(message.text.expose());
  std::size_t text_max = 0;
  switch (message.channel) {
    case keys::DeliveryChannel::kEmail:
      if (!is_mail_address(address)) return "bad_address";
      text_max = keys::kMailTextBytesMax;
      break;
    case keys::DeliveryChannel::kSms:
      if (!is_phone_number(address)) return "bad_address";
      if (!message.subject.empty()) return "bad_subject";
      text_max = keys::kSmsTextBytesMax;
      break;
    default:
      return "bad_channel";
  }
  if (text.size() > text_max || message.subject.size() > keys::kSubjectBytesMax) return "too_long";
  if (!is_clean_text(message.subject, false)) return "bad_subject";
  return text.empty() || !is_clean_text(text, true) ? "bad_text" : "";
}

}  // namespace callward::courier
