// Any message that a peer asks to have sent, and what an operator writes for it (URLs, credentials):
// what is refused is refused with a word; what passes becomes a mail that a reader of its own reads
// back, with the headers that we wrote and none besides, or JSON of one line.
#include <algorithm>

#include "base/check.hpp"
#include "courier/credential.hpp"
#include "courier/mail.hpp"
#include "courier/mail_reader_test.hpp"
#include "courier/sms.hpp"
#include "courier/target.hpp"

namespace {

using namespace callward;
using namespace callward::courier;

std::string with_plain_ends(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != '\r') out += c;
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

void letter(ByteView raw, const std::string& name) {
  auto message = unpack<keys::Deliver>(raw);
  if (!message || refusal_of(*message)[0] != '\0') return;
  const auto channel = message->channel;
  const Letter one{std::move(*message), 1'795'508'999'123};
  const auto& sent = one.message;
  if (channel == keys::DeliveryChannel::kSms) {
    const auto body = build_sms(one);
    for (const auto byte : body.expose()) CHECK(byte >= ' ' && byte != 0x7F);
    return;
  }
  const bool named = !name.empty() && is_clean_text(name, false);
  const auto bytes = build_mail({"callward@example.org", named ? name : ""}, one);
  const auto mail = test::read_mail(as_text(bytes.expose()));
  CHECK(mail.has_value());
  CHECK(mail->headers.size() == (sent.subject.empty() ? 8u : 9u));
  CHECK(mail->header("To") == "<" + std::string(as_text(sent.address.expose())) + ">");
  CHECK(test::decode_words(mail->header("Subject")) == sent.subject);
  CHECK(mail->text == with_plain_ends(as_text(sent.text.expose())));
}

void url(std::string_view text) {
  if (text.size() > 500) return;  // with its port written out it may be over the bound
  for (auto* parse : {&parse_smtp_url, &parse_gateway_url}) {
    const auto target = parse(text);
    if (!target) continue;
    const auto again = parse(target->url());
    CHECK(again.has_value() && again->url() == target->url() &&
          again->loopback == target->loopback);
    for (const char c : target->url())
      CHECK(c > ' ' && c < 0x7F && std::string_view("?#%\\<>\"").find(c) == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView raw(data + 2, size - 2);
  switch (data[0] % 3) {
    case 0: {
      const auto name = std::min<std::size_t>(data[1] % 61, raw.size());
      letter(raw.subspan(name), std::string(as_text(raw.first(name))));
      break;
    }
    case 1:
      url(as_text(raw));
      break;
    default:
      if (const auto login = parse_mail_login(raw))
        CHECK(is_clean_text(as_text(login->user.expose()), false));
      if (const auto key = parse_sms_key(raw)) CHECK(key->size() >= kSmsKeyBytesMin);
  }
  return 0;
}
