// A message to be sent, for the tests of this folder.
#pragma once

#include "courier/letter.hpp"

namespace callward::courier::test {

inline SecretBytes secret(std::string_view text) { return SecretBytes(as_bytes(text)); }

inline keys::Deliver mail(std::string_view text = "Your code is 918273.\n",
                          const std::string& subject = "Your code",
                          std::string_view address = "ann@example.com") {
  keys::Deliver out;
  out.id.bytes[0] = 0xAB;
  out.channel = keys::DeliveryChannel::kEmail;
  out.address = secret(address);
  out.subject = subject;
  out.text = secret(text);
  return out;
}
inline keys::Deliver sms(std::string_view text = "Your code is 918273.",
                         std::string_view number = "+4915112345678") {
  auto out = mail(text, "", number);
  out.channel = keys::DeliveryChannel::kSms;
  return out;
}

}  // namespace callward::courier::test
