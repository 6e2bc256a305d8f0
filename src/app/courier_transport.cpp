#include "app/courier_transport.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "base/event_log.hpp"
#include "courier/credential.hpp"
#include "courier/mail.hpp"
#include "courier/secret_text.hpp"
#include "courier/sms.hpp"

namespace callward::app {
namespace {

using courier::Attempt;
using courier::Transfer;

constexpr std::int64_t kConnectMsMax = 10'000;
constexpr long kReplySecondsMax = 20;  // of an SMTP server to one command, QUIT included
constexpr std::size_t kAnswerBytesMax = 64u << 10;  // of a gateway, read and thrown away

struct FreeCurl {
  void operator()(CURL* curl) const { ::curl_easy_cleanup(curl); }
};
struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

// Each library call's outcome is looked at: an option that was not taken would leave a check out.
class Easy {
 public:
  Easy() : curl_(::curl_easy_init()) { good_ = curl_ != nullptr; }
  template <class Value>
  void set(CURLoption option, Value value) {
    good_ = good_ && ::curl_easy_setopt(curl_.get(), option, value) == CURLE_OK;
  }
  template <class Value>
  Value get(CURLINFO info) const {
    Value value{};
    ::curl_easy_getinfo(curl_.get(), info, &value);
    return value;
  }
  CURLcode perform() { return good_ ? ::curl_easy_perform(curl_.get()) : CURLE_FAILED_INIT; }

 private:
  std::unique_ptr<CURL, FreeCurl> curl_;
  bool good_ = false;
};

std::size_t read_rest(char* out, std::size_t, std::size_t room, void* source) {
  auto& rest = *static_cast<ByteView*>(source);
  const auto count = std::min(room, rest.size());
  std::copy_n(rest.begin(), count, out);
  rest = rest.subspan(count);
  return count;
}

std::size_t count_only(char*, std::size_t, std::size_t count, void* target) {
  auto& seen = *static_cast<std::size_t*>(target);
  seen += count;
  return seen <= kAnswerBytesMax ? count : 0;  // 0 ends the transfer
}

int may_go_on(void* stopping, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::atomic<bool>*>(stopping)->load() ? 1 : 0;
}

void set_common(Easy& easy, const courier::Target& target, const std::string& ca_file,
                std::int64_t ms_max, std::atomic<bool>& stopping) {
  easy.set(CURLOPT_PROTOCOLS_STR, target.scheme.c_str());
  easy.set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  easy.set(CURLOPT_NOPROXY, "*");
  easy.set(CURLOPT_FOLLOWLOCATION, 0L);
  easy.set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  easy.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  easy.set(CURLOPT_SSL_VERIFYPEER, 1L);
  easy.set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!ca_file.empty()) {
    easy.set(CURLOPT_CAINFO, ca_file.c_str());
    easy.set(CURLOPT_CAPATH, nullptr);  // those alone
  }
  easy.set(CURLOPT_TIMEOUT_MS, static_cast<long>(ms_max));
  easy.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(ms_max, kConnectMsMax)));
  easy.set(CURLOPT_NOSIGNAL, 1L);
  easy.set(CURLOPT_QUICK_EXIT, 1L);  // a resolver that hangs does not hold up our end
  easy.set(CURLOPT_FORBID_REUSE, 1L);
  easy.set(CURLOPT_NOPROGRESS, 0L);
  easy.set(CURLOPT_XFERINFOFUNCTION, may_go_on);
  easy.set(CURLOPT_XFERINFODATA, &stopping);
}

// What SMTP and HTTP have in common; nothing where they differ.
std::optional<Transfer> transfer_of(CURLcode rc) {
  switch (rc) {
    case CURLE_OK:
      return Transfer::kDone;
    case CURLE_COULDNT_RESOLVE_HOST:
      return Transfer::kNoHost;
    case CURLE_COULDNT_CONNECT:
      return Transfer::kNotReached;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return Transfer::kCertificate;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_USE_SSL_FAILED:
      return Transfer::kNoTls;
    case CURLE_LOGIN_DENIED:
    case CURLE_AUTH_ERROR:
    case CURLE_REMOTE_ACCESS_DENIED:  // neither EHLO nor HELO
      return Transfer::kLogin;
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_ABORTED_BY_CALLBACK:
      return Transfer::kTimeout;
    default:
      return std::nullopt;
  }
}

Transfer smtp_transfer(CURLcode rc, curl_off_t uploaded) {
  if (const auto known = transfer_of(rc)) return *known;
  // MAIL, RCPT and DATA that are refused end so.
  if (rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR) return Transfer::kAnswered;
  // The last reply, to the text; or the greeting, which says nothing of this letter.
  if (rc == CURLE_WEIRD_SERVER_REPLY)
    return uploaded > 0 ? Transfer::kAnswered : Transfer::kNotReached;
  return Transfer::kBroken;
}

Transfer http_transfer(CURLcode rc) {
  if (rc == CURLE_WRITE_ERROR) return Transfer::kDone;  // the status is there; its text is too long
  return transfer_of(rc).value_or(Transfer::kBroken);
}

// With a final NUL, for a C library.
SecretBytes c_string(std::string_view before, ByteView text, std::string_view after) {
  courier::SecretText out(before.size() + text.size() + after.size() + 1);
  out.add(before);
  out.add(as_text(text));
  out.add(after);
  out.add('\0');
  return out.take();
}
const char* chars(const SecretBytes& text) {
  return reinterpret_cast<const char*>(text.expose().data());
}

template <class Secret>
Result<Secret> read_secret(Vfs& vfs, const std::string& file, Result<Secret> (*parse)(ByteView)) {
  auto raw = TRY(vfs.read_file(file, courier::kCredentialFileBytesMax));
  auto secret = parse(raw);
  wipe(raw);
  return secret;
}

Attempt no_credential(const std::string& key, const Error& error) {
  log_event("courier.no_credential", {{"key", key}, {"why", error.message}});
  return {courier::Verdict::kLater, "credential"};
}

}  // namespace

Status CourierTransport::init() {
  if (::curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fail(Errc::kIo, "no libcurl");
  return {};
}

Attempt CourierTransport::mail(const courier::Letter& letter, std::int64_t ms_max) {
  const auto& target = *config_.smtp;
  const auto from = "<" + config_.mail_from + ">";
  const auto to = c_string("<", letter.message.address.expose(), ">");
  const List recipients(::curl_slist_append(nullptr, chars(to)));
  if (!recipients) return courier::judge_smtp(Transfer::kBroken, 0);
  const auto bytes = courier::build_mail({config_.mail_from, config_.mail_from_name}, letter);
  ByteView rest = bytes.expose();
  Easy easy;
  set_common(easy, target, config_.smtp_ca_file, ms_max, stopping_);
  if (!config_.smtp_credential_file.empty()) {
    const auto login = read_secret(vfs_, config_.smtp_credential_file, courier::parse_mail_login);
    if (!login) return no_credential("smtp_credential_file", login.error());
    easy.set(CURLOPT_USERNAME, chars(c_string("", login->user.expose(), "")));
    easy.set(CURLOPT_PASSWORD, chars(c_string("", login->password.expose(), "")));
  }
  // The path is the name that EHLO says: the sender's domain, not this machine's.
  const auto host = config_.mail_from.substr(config_.mail_from.find('@') + 1);
  easy.set(CURLOPT_URL, (target.url() + "/" + host).c_str());
  easy.set(CURLOPT_USE_SSL,
           static_cast<long>(config_.smtp_starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  easy.set(CURLOPT_MAIL_FROM, from.c_str());
  easy.set(CURLOPT_MAIL_RCPT, recipients.get());
  easy.set(CURLOPT_UPLOAD, 1L);
  easy.set(CURLOPT_READFUNCTION, read_rest);
  easy.set(CURLOPT_READDATA, &rest);
  easy.set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes.size()));
  easy.set(CURLOPT_SERVER_RESPONSE_TIMEOUT, kReplySecondsMax);
  const auto rc = easy.perform();
  return courier::judge_smtp(smtp_transfer(rc, easy.get<curl_off_t>(CURLINFO_SIZE_UPLOAD_T)),
                             easy.get<long>(CURLINFO_RESPONSE_CODE));
}

Attempt CourierTransport::sms(const courier::Letter& letter, std::int64_t ms_max) {
  const auto& target = *config_.sms;
  const auto key = read_secret(vfs_, config_.sms_key_file, courier::parse_sms_key);
  if (!key) return no_credential("sms_key_file", key.error());
  const auto body = courier::build_sms(letter);
  const auto timestamp = std::to_string(clock_.utc_ms());
  const auto signature = courier::sms_signature(key->expose(), timestamp, body.expose());
  List headers;
  for (const auto& line :
       {std::string("Content-Type: application/json"), std::string("Expect:"),
        "Callward-Timestamp: " + timestamp, "Callward-Signature: " + signature}) {
    auto* longer = ::curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) return courier::judge_http(Transfer::kBroken, 0);
    (void)headers.release();
    headers.reset(longer);
  }
  std::size_t seen = 0;
  Easy easy;
  set_common(easy, target, config_.sms_ca_file, ms_max, stopping_);
  easy.set(CURLOPT_URL, target.url().c_str());
  easy.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  easy.set(CURLOPT_POST, 1L);
  easy.set(CURLOPT_POSTFIELDS, body.expose().data());
  easy.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  easy.set(CURLOPT_HTTPHEADER, headers.get());
  easy.set(CURLOPT_WRITEFUNCTION, count_only);
  easy.set(CURLOPT_WRITEDATA, &seen);
  const auto rc = easy.perform();
  return courier::judge_http(http_transfer(rc), easy.get<long>(CURLINFO_RESPONSE_CODE));
}

}  // namespace callward::app
