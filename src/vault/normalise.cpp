#include "vault/normalise.hpp"

#include <phonenumbers/phonenumberutil.h>
#include <unicode/normalizer2.h>

#include <algorithm>
#include <string>

#include "base/stack.hpp"

namespace callward::vault {
namespace {

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

// A string of a library's, wiped when it goes.
struct WipedString {
  std::string text;
  ~WipedString() { wipe(text.data(), text.size()); }
};

SecretBytes secret(std::string_view text) { return SecretBytes(as_bytes(text)); }

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Status check_text(ByteView text) {
  if (text.empty() || text.size() > kValueBytesMax)
    return fail(Errc::kMalformed, "a value has 1 to 4,000 bytes");
  for (const auto byte : text)
    if ((byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r') || byte == 0x7F)
      return fail(Errc::kMalformed, "a value with control characters");
  return {};
}

Result<SecretBytes> phone(std::string_view text, std::string_view region) {
  auto& util = *PhoneNumberUtil::GetInstance();
  PhoneNumber number;
  WipedString raw{std::string(text)};
  if (util.Parse(raw.text, std::string(region), &number) != PhoneNumberUtil::NO_PARSING_ERROR ||
      !util.IsPossibleNumber(number))
    return fail(Errc::kMalformed, "no telephone number");
  WipedString out;
  util.Format(number, PhoneNumberUtil::E164, &out.text);
  return secret(out.text);
}

Result<SecretBytes> email(std::string_view text) {
  SecretBytes out(as_bytes(text));
  const auto at = text.rfind('@');
  const bool plain = std::ranges::all_of(text, [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != '"' && c != '<' && c != '>' && c != ',' &&
           c != ';' && c != '(' && c != ')' && c != '\\';
  });
  if (!plain || at == std::string_view::npos || at == 0 || at + 3 > text.size() ||
      text.find('@') != at || text.find('.', at) == std::string_view::npos || text.back() == '.' ||
      text.size() > 254)
    return fail(Errc::kMalformed, "no e-mail address");
  for (auto& byte : out.expose_mut())
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<std::uint8_t>(byte + ('a' - 'A'));
  return out;
}

Result<SecretBytes> folded(std::string_view text) {
  auto status = U_ZERO_ERROR;
  const auto* folder = icu::Normalizer2::getNFKCCasefoldInstance(status);
  if (U_FAILURE(status) != 0) return fail(Errc::kCrypto, "no Unicode data");
  auto wide = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
  auto plain = folder->normalize(wide, status);
  WipedString all;
  plain.toUTF8String(all.text);
  for (auto* used : {&wide, &plain})  // what they hold is freed, and not overwritten, by ICU
    if (auto* buffer = used->getBuffer(used->length()); buffer != nullptr) {
      const auto length = used->getCapacity();
      wipe(buffer, static_cast<std::size_t>(length) * sizeof(char16_t));
      used->releaseBuffer(0);
    }
  if (U_FAILURE(status) != 0) return fail(Errc::kMalformed, "a value that is not Unicode");
  WipedString one;
  one.text.reserve(all.text.size());
  for (const char c : all.text) {
    if (!is_space(c))
      one.text += c;
    else if (!one.text.empty() && one.text.back() != ' ')
      one.text += ' ';
  }
  if (!one.text.empty() && one.text.back() == ' ') one.text.pop_back();
  if (one.text.empty()) return fail(Errc::kMalformed, "a value of blanks");
  return secret(one.text);
}

Result<SecretBytes> without_blanks(std::string_view text) {
  WipedString out;
  out.text.reserve(text.size());
  for (const char c : text)
    if (!is_space(c) && c != '-') out.text += c;
  if (out.text.empty()) return fail(Errc::kMalformed, "a value of blanks");
  return secret(out.text);
}

[[gnu::noinline]] Result<SecretBytes> by_kind(FieldKind kind, ByteView text,
                                              std::string_view region) {
  const auto value = as_text(text);
  switch (kind) {
    case FieldKind::kPhone:
      return phone(value, region);
    case FieldKind::kEmail:
      return email(value);
    case FieldKind::kName:
    case FieldKind::kAddress:
    case FieldKind::kServiceWord:
      return folded(value);
    case FieldKind::kPin:
    case FieldKind::kCard:
    case FieldKind::kCode:
      return without_blanks(value);
    case FieldKind::kQuery:
    case FieldKind::kText:
    case FieldKind::kPassword:
      break;
  }
  return secret(value);
}

}  // namespace

Result<SecretBytes> normalise(FieldKind kind, ByteView text, std::string_view region) {
  TRY(check_text(text));
  const WipesStackBelow at_end;  // libphonenumber and ICU copy short texts from frame to frame
  return by_kind(kind, text, region);
}

}  // namespace callward::vault
