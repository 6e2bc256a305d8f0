// HTTPS/1.1 by Boost.Beast over TLS 1.2+: connections are coroutines on a few threads; handlers run
// there too and may wait for the keeper. This and its .cpp are the only place that knows Beast.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/events.hpp"
#include "api/http.hpp"

namespace callward::api {

struct HttpLimits {
  std::size_t header_bytes_max = 16u << 10;
  std::size_t body_bytes_max = 256u << 10;
  std::size_t connections_max = 1'024;
  std::size_t event_streams_max = 256;
  int request_seconds_max = 15;  // a request's header and body must come within it
  int idle_seconds_max = 60;     // between requests
  int write_seconds_max = 60;
};

class HttpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
    std::string certificate_file, key_file;
    std::uint32_t threads = 4;
    HttpLimits limits;
    // A connection that came to no agreement on TLS, by its address; from several threads.
    std::function<void(const std::string& address)> tls_failed = {};
  };
  using HandleRequest = std::function<Response(Request)>;
  // kConfig: certificate or address cannot be used. Serves until destroyed.
  static Result<std::unique_ptr<HttpServer>> start(const Options& options, HandleRequest handle,
                                                   EventHub& events);
  ~HttpServer();
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::uint64_t refused() const;  // connections beyond the limit

  struct State;

 private:
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace callward::api
