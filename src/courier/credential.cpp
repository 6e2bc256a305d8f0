#include "courier/credential.hpp"

#include "courier/letter.hpp"
#include "courier/sms.hpp"

namespace callward::courier {

Result<MailLogin> parse_mail_login(ByteView file) {
  auto text = as_text(file);
  if (text.ends_with('\n')) text.remove_suffix(1);
  const auto line = text.find('\n');
  const auto user = text.substr(0, line);
  const auto password = line == std::string_view::npos ? "" : text.substr(line + 1);
  if (user.empty() || password.empty() || !is_clean_text(user, false) ||
      !is_clean_text(password, false))
    return fail(Errc::kConfig, "must have two lines, the user name and the password");
  return MailLogin{SecretBytes(as_bytes(user)), SecretBytes(as_bytes(password))};
}

Result<SecretBytes> parse_sms_key(ByteView file) {
  if (!file.empty() && file.back() == '\n') file = file.first(file.size() - 1);
  if (file.size() < kSmsKeyBytesMin || file.size() > kSmsKeyBytesMax)
    return fail(Errc::kConfig, "must hold 32 to 256 bytes");
  return SecretBytes(file);
}

}  // namespace callward::courier
