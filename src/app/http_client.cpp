#include "app/http_client.hpp"

#include <curl/curl.h>

#include "base/entropy.hpp"
#include "base/vfs.hpp"
#include "io/frame.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {
namespace {

std::size_t collect(char* data, std::size_t, std::size_t count, void* target) {
  auto& body = *static_cast<std::string*>(target);
  if (body.size() + count > HttpClient::kAnswerBytesMax) return 0;  // ends the transfer
  body.append(data, count);
  return count;
}

// Where the server listens, asked of the supervisor: the port may have been chosen at start.
Result<std::string> server_url(const Config& config) {
  auto supervisor = io::BlockingClient::connect(
      config.socket("supervisor"), store::kRecorderFrameBytesMax, keys::ErrorReply::kType);
  if (!supervisor)
    return fail(Errc::kUnavailable, "Callward does not run on " + config.file +
                                        "; start it with `callward serve --config " + config.file +
                                        "`");
  const auto status =
      TRY((*supervisor)->call<store::SupervisorStatus>(store::SupervisorStatusRequest{}));
  boost::system::error_code error;
  const auto json = boost::json::parse(status.json, error);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "status that cannot be read");
  for (const auto& process : json.at("processes").as_array()) {
    const auto& object = process.as_object();
    if (object.at("name").as_string() != "server") continue;
    const auto* address = object.at("status").is_object()
                              ? object.at("status").as_object().if_contains("address")
                              : nullptr;
    if (address != nullptr && address->is_string())
      return "https://" + std::string(address->get_string());
  }
  return fail(Errc::kUnavailable, "the server is not ready yet; `callward status` shows why");
}

Errc code_of(long status) {
  switch (status) {
    case 400:
    case 422:
      return Errc::kMalformed;
    case 401:
    case 403:
      return Errc::kDenied;
    case 404:
      return Errc::kNotFound;
    case 409:
      return Errc::kState;
    case 410:
      return Errc::kErased;
    case 413:
      return Errc::kTooLarge;
    case 429:
      return Errc::kBusy;
    case 503:
      return Errc::kUnavailable;
    default:
      return Errc::kIo;
  }
}

Error problem_of(long status, const std::string& body) {
  boost::system::error_code error;
  const auto json = boost::json::parse(body, error);
  std::string text = "the server answered " + std::to_string(status);
  if (!error && json.is_object()) {
    for (const char* key : {"title", "detail"})
      if (const auto* value = json.get_object().if_contains(key);
          value != nullptr && value->is_string())
        text += ": " + std::string(value->get_string());
  }
  return {code_of(status), text};
}

}  // namespace

HttpClient::HttpClient(std::string base_url, std::string certificate, std::string token)
    : base_url_(std::move(base_url)),
      certificate_(std::move(certificate)),
      token_(std::move(token)),
      curl_(::curl_easy_init()) {}

HttpClient::~HttpClient() { ::curl_easy_cleanup(static_cast<CURL*>(curl_)); }

Result<std::unique_ptr<HttpClient>> HttpClient::create(const Config& config) {
  static const auto initialised = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) return fail(Errc::kIo, "curl cannot start");
  auto url = TRY(server_url(config));
  RealVfs vfs;
  const auto token = TRY(vfs.read_file(config.token_file(), 4'096));
  std::string text(as_text(token));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return std::unique_ptr<HttpClient>(
      new HttpClient(std::move(url), config.server.tls_certificate, std::move(text)));
}

Result<HttpClient::Answer> HttpClient::send(const char* method, const std::string& path,
                                            const std::string* body) {
  auto* curl = static_cast<CURL*>(curl_);
  if (curl == nullptr) return fail(Errc::kIo, "curl cannot start");
  ::curl_easy_reset(curl);
  Answer answer;
  const auto url = base_url_ + path;
  curl_slist* headers = ::curl_slist_append(nullptr, ("Authorization: Bearer " + token_).c_str());
  headers = ::curl_slist_append(headers, "Accept: application/json, application/octet-stream");
  headers = ::curl_slist_append(headers, "X-Callward: 1");
  if (body != nullptr) {
    SystemEntropy entropy;
    headers = ::curl_slist_append(headers, "Content-Type: application/json");
    headers =
        ::curl_slist_append(headers, ("Idempotency-Key: " + to_hex(entropy.array<16>())).c_str());
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
  }
  ::curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  ::curl_easy_setopt(curl, CURLOPT_CAINFO, certificate_.c_str());
  ::curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);  // that one alone
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
  ::curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");  // never through a proxy: it is this machine
  ::curl_easy_setopt(curl, CURLOPT_TIMEOUT, kTimeoutSeconds);
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  const auto rc = ::curl_easy_perform(curl);
  ::curl_slist_free_all(headers);
  if (rc != CURLE_OK)
    return fail(Errc::kUnavailable,
                std::string("the server cannot be reached: ") + ::curl_easy_strerror(rc));
  ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

Result<boost::json::value> HttpClient::send_json(const char* method, const std::string& path,
                                                 const std::string* body) {
  const auto answer = TRY(send(method, path, body));
  if (answer.status / 100 != 2)
    return tl::unexpected<Error>(problem_of(answer.status, answer.body));
  if (answer.body.empty()) return boost::json::value{};
  boost::system::error_code error;
  auto json = boost::json::parse(answer.body, error);
  if (error) return fail(Errc::kMalformed, "the server's answer is not JSON");
  return json;
}

Result<boost::json::value> HttpClient::get(const std::string& path) {
  return send_json("GET", path, nullptr);
}

Result<boost::json::value> HttpClient::post(const std::string& path,
                                            const boost::json::value& body) {
  const auto text = boost::json::serialize(body);
  return send_json("POST", path, &text);
}

Result<boost::json::value> HttpClient::remove(const std::string& path) {
  return send_json("DELETE", path, nullptr);
}

Result<Bytes> HttpClient::get_bytes(const std::string& path) {
  auto answer = TRY(send("GET", path, nullptr));
  if (answer.status / 100 != 2)
    return tl::unexpected<Error>(problem_of(answer.status, answer.body));
  return to_bytes(as_bytes(answer.body));
}

}  // namespace callward::app
