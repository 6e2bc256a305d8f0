// The courier's own secrets, as an operator writes them into files.
#pragma once

#include "base/result.hpp"
#include "base/secret.hpp"

namespace callward::courier {

inline constexpr std::size_t kCredentialFileBytesMax = 1'024;

struct MailLogin {
  SecretBytes user, password;
};
// Two lines: user name, password; neither empty, nor with a control character; nothing beyond them
// but a final line end. kConfig; its words never hold what stood there.
Result<MailLogin> parse_mail_login(ByteView file);

// The bytes of the file without one final \n: 32 to 256. kConfig.
Result<SecretBytes> parse_sms_key(ByteView file);

}  // namespace callward::courier
