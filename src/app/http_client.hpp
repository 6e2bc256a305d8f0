// The command line's way to the server on this machine: HTTPS with the certificate that the server
// shows
// (pinned as its own authority) and the token that it left beside its database.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>

#include "app/config.hpp"
#include "base/bytes.hpp"

namespace callward::app {

class HttpClient {
 public:
  // kUnavailable when no server runs on this configuration.
  static Result<std::unique_ptr<HttpClient>> create(const Config& config);
  ~HttpClient();

  // `path` begins with /v1. A problem (RFC 9457) becomes an Error with its detail.
  Result<boost::json::value> get(const std::string& path);
  Result<boost::json::value> post(const std::string& path, const boost::json::value& body);
  Result<boost::json::value> remove(const std::string& path);  // DELETE
  Result<Bytes> get_bytes(const std::string& path);

  static constexpr std::size_t kAnswerBytesMax = 256u << 20;
  static constexpr long kTimeoutSeconds = 120;

 private:
  struct Answer {
    long status = 0;
    std::string body;
  };
  HttpClient(std::string base_url, std::string certificate, std::string token);
  Result<Answer> send(const char* method, const std::string& path, const std::string* body);
  Result<boost::json::value> send_json(const char* method, const std::string& path,
                                       const std::string* body);

  std::string base_url_, certificate_, token_;
  void* curl_;  // CURL*
};

}  // namespace callward::app
