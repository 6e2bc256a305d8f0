#include "api/http_server.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <sstream>
#include <thread>

#include "api/static_files.hpp"
#include "base/event_log.hpp"

namespace callward::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;
using Stream = asio::ssl::stream<beast::tcp_stream>;
using asio::awaitable;
using Parser = http::request_parser<http::string_body>;

struct HttpServer::State {
  State(const Options& o, HandleRequest h, EventHub& e)
      : options(o),
        handle(std::move(h)),
        events(e),
        context(static_cast<int>(o.threads)),
        tls(asio::ssl::context::tls_server),
        acceptor(context) {}
  Options options;
  HandleRequest handle;
  EventHub& events;
  // Before the context: its end destroys the connections that are left, and they count down.
  std::atomic<std::size_t> connections{0}, event_streams{0};
  std::atomic<std::uint64_t> refused{0};
  asio::io_context context;
  asio::ssl::context tls;
  Tcp::acceptor acceptor;
  std::vector<std::thread> threads;
};

namespace {

using State = HttpServer::State;

// Awaitable that gives (error, value) instead of throwing.
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

// A place below a limit, held until it is destroyed.
class Place {
 public:
  static std::optional<Place> take(std::atomic<std::size_t>& counter, std::size_t limit) {
    if (counter.fetch_add(1) < limit) return Place(&counter);
    --counter;
    return std::nullopt;
  }
  Place(Place&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}
  ~Place() {
    if (counter_ != nullptr) --*counter_;
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  Place& operator=(Place&&) = delete;

 private:
  explicit Place(std::atomic<std::size_t>* counter) : counter_(counter) {}
  std::atomic<std::size_t>* counter_;
};

Result<Request> to_request(const http::request<http::string_body>& message,
                           const std::string& peer) {
  Request request;
  request.method = std::string(message.method_string());
  request.body = message.body();
  request.peer = peer;
  TRY(parse_target(std::string_view(message.target().data(), message.target().size()), request));
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers[name] = std::string(field.value());
  }
  return request;
}

// These two have neither a body nor its length.
bool has_body(const Response& response) { return response.status != 204 && response.status != 304; }

std::string head_of(const Response& response, const Request& request, unsigned version,
                    bool keep_alive) {
  http::response<http::empty_body> message(static_cast<http::status>(response.status), version);
  for (const auto& [name, value] : security_headers()) message.set(name, value);
  if (request.path.rfind("/v1", 0) == 0) message.set(http::field::cache_control, "no-store");
  if (!response.body.empty() || response.status == 200)
    message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  message.keep_alive(keep_alive);
  if (has_body(response)) message.content_length(response.body.size());
  std::ostringstream text;
  text << message.base();
  return text.str();
}

std::string event_text(const Event& event) {
  return "id: " + std::to_string(event.id) + "\nevent: " + event.type + "\ndata: " + event.data +
         "\n\n";
}

// Reading and writing are loops of our own over the simplest operations of the stream, each of
// which is instantiated once: Beast's composed ones do the same and took a minute to compile.
using Failure = boost::system::error_code;

awaitable<Failure> write_all(Stream& stream, std::string_view text) {
  const auto [error, sent] =
      co_await asio::async_write(stream, asio::buffer(text.data(), text.size()), kNoThrow);
  co_return error;
}

// More bytes behind those in the buffer; Beast's `end_of_stream` where the peer ended between two
// requests and `partial_message` where it did within one.
awaitable<Failure> read_more(Stream& stream, beast::flat_buffer& buffer, Parser& parser) {
  constexpr std::size_t kReadBytes = 16u << 10;
  if (buffer.size() >= buffer.max_size()) co_return http::error::buffer_overflow;
  const auto room = std::min(kReadBytes, buffer.max_size() - buffer.size());
  const auto [error, got] = co_await stream.async_read_some(buffer.prepare(room), kNoThrow);
  buffer.commit(got);
  if (error != asio::error::eof && error != asio::ssl::error::stream_truncated) co_return error;
  if (!parser.got_some()) co_return http::error::end_of_stream;
  Failure ended;
  parser.put_eof(ended);
  co_return ended ? ended : Failure(http::error::partial_message);
}

// Until the parser has the whole request: it takes from the buffer what it can use.
awaitable<Failure> read_request(Stream& stream, beast::flat_buffer& buffer, Parser& parser) {
  parser.eager(true);  // the body too
  while (!parser.is_done()) {
    Failure error;
    if (buffer.size() > 0) {
      buffer.consume(parser.put(buffer.data(), error));
      if (!error) continue;
      if (error != http::error::need_more) co_return error;
    }
    error = co_await read_more(stream, buffer, parser);
    if (error) co_return error;
  }
  co_return Failure();
}

// A stream of events until the peer goes: new ones each quarter second, a comment each 15 s.
awaitable<void> stream_events(State& state, Stream& stream, const Response& response,
                              bool head_only) {
  std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: "
      "no-store\r\nConnection: close\r\n";
  for (const auto& [name, value] : security_headers()) head += name + ": " + value + "\r\n";
  if (head_only) {
    head += "\r\n";
    co_await write_all(stream, head);
    co_return;
  }
  std::string pending = head + "\r\nretry: 2000\n\n";
  auto after = response.events_after;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  constexpr int kAskEvery = 8;  // 2 s
  for (int round = 0;; ++round) {
    if (round % kAskEvery == kAskEvery - 1 && response.may_go_on && !response.may_go_on())
      co_return;
    for (const auto& event : state.events.after(after)) {
      after = event.id;
      if (!response.may_see || response.may_see(event)) pending += event_text(event);
    }
    constexpr int kCommentEvery = 60;
    if (pending.empty() && round % kCommentEvery == kCommentEvery - 1) pending = ": still here\n\n";
    if (!pending.empty()) {
      beast::get_lowest_layer(stream).expires_after(
          std::chrono::seconds(state.options.limits.write_seconds_max));
      if (co_await write_all(stream, pending)) co_return;
      pending.clear();
    }
    timer.expires_after(std::chrono::milliseconds(250));
    co_await timer.async_wait(kNoThrow);
  }
}

Response refuse_request(const boost::system::error_code& error) {
  if (error == http::error::body_limit)
    return Response::problem(413, "too large", "the body is over its limit");
  if (error == http::error::header_limit)
    return Response::problem(431, "too large", "the header is over its limit");
  return Response::problem(400, "malformed", "not a request that can be read");
}

// One request of a connection; false: close it.
awaitable<bool> serve_one(State& state, Stream& stream, beast::flat_buffer& buffer,
                          const std::string& peer) {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(state.options.limits.header_bytes_max));
  parser.body_limit(state.options.limits.body_bytes_max);
  auto& lowest = beast::get_lowest_layer(stream);
  if (buffer.size() == 0) {
    // Waiting for a next request is one thing, dribbling one out is another: two limits.
    lowest.expires_after(std::chrono::seconds(state.options.limits.idle_seconds_max));
    if (co_await read_more(stream, buffer, parser)) co_return false;
  }
  lowest.expires_after(std::chrono::seconds(state.options.limits.request_seconds_max));
  const auto error = co_await read_request(stream, buffer, parser);
  Request request;
  Response response;
  bool keep_alive = false;
  unsigned version = 11;
  if (error) {
    if (error == http::error::end_of_stream || error == beast::error::timeout ||
        error.category() == asio::error::get_ssl_category())
      co_return false;
    response = refuse_request(error);
  } else {
    const auto message = parser.release();
    keep_alive = message.keep_alive();
    version = message.version();
    auto parsed = to_request(message, peer);
    if (parsed) {
      request = *parsed;
      response = state.handle(std::move(*parsed));
    } else {
      response = Response::of(parsed.error());
    }
  }
  if (response.event_stream) {
    const auto place = Place::take(state.event_streams, state.options.limits.event_streams_max);
    if (place) {
      co_await stream_events(state, stream, response, request.method == "HEAD");
      co_return false;
    }
    response = Response::problem(503, "busy", "too many live screens");
  }
  lowest.expires_after(std::chrono::seconds(state.options.limits.write_seconds_max));
  // In one piece: a second small packet would wait for the peer to acknowledge the first.
  auto answer = head_of(response, request, version, keep_alive);
  if (request.method != "HEAD" && has_body(response)) answer += response.body;
  co_return !co_await write_all(stream, answer) && keep_alive;
}

awaitable<void> serve_connection(State& state, Tcp::socket socket, Place) {
  boost::system::error_code ignored;
  const auto endpoint = socket.remote_endpoint(ignored);
  const auto peer = endpoint.address().to_string();
  Stream stream(beast::tcp_stream(std::move(socket)), state.tls);
  auto& lowest = beast::get_lowest_layer(stream);
  lowest.expires_after(std::chrono::seconds(state.options.limits.request_seconds_max));
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kNoThrow);
  if (error) {
    if (state.options.tls_failed) state.options.tls_failed(peer);
    co_return;
  }
  beast::flat_buffer buffer(state.options.limits.header_bytes_max +
                            state.options.limits.body_bytes_max + (64u << 10));
  while (co_await serve_one(state, stream, buffer, peer)) {
  }
  lowest.expires_after(std::chrono::seconds(5));
  co_await stream.async_shutdown(kNoThrow);
}

awaitable<void> accept_all(State& state) {
  for (;;) {
    auto [error, socket] =
        co_await state.acceptor.async_accept(asio::make_strand(state.context), kNoThrow);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors, usually: give the others time to end.
      log_event("server.accept_failed", {{"why", error.message()}});
      asio::steady_timer timer(state.context, std::chrono::milliseconds(100));
      co_await timer.async_wait(kNoThrow);
      continue;
    }
    // Taken here, not by the connection itself, which begins on another thread: else a burst of
    // them would all find the same free place.
    auto place = Place::take(state.connections, state.options.limits.connections_max);
    if (!place) {
      ++state.refused;
      continue;  // closed as it goes out of scope
    }
    const auto executor = socket.get_executor();
    asio::co_spawn(executor, serve_connection(state, std::move(socket), std::move(*place)),
                   [](const std::exception_ptr& failure) {
                     if (failure) log_event("server.connection_failed");
                   });
  }
}

// Under TLS 1.2: keys of this connection alone, and no mode that a changed byte gets through. TLS
// 1.3 has no others.
constexpr const char* kCipherList = "ECDHE+AESGCM:ECDHE+CHACHA20";

Status prepare(State& state) {
  boost::system::error_code error;
  if (::SSL_CTX_set_cipher_list(state.tls.native_handle(), kCipherList) != 1)
    return fail(Errc::kConfig, "TLS: none of the cipher suites is there");
  state.tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv3 |
                        asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
  state.tls.use_certificate_chain_file(state.options.certificate_file, error);
  if (error) return fail(Errc::kConfig, state.options.certificate_file + ": " + error.message());
  state.tls.use_private_key_file(state.options.key_file, asio::ssl::context::pem, error);
  if (error) return fail(Errc::kConfig, state.options.key_file + ": " + error.message());
  const auto address = asio::ip::make_address(state.options.address, error);
  if (error) return fail(Errc::kConfig, state.options.address + ": not an IP address");
  const Tcp::endpoint endpoint(address, state.options.port);
  state.acceptor.open(endpoint.protocol(), error);
  if (!error) state.acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) state.acceptor.bind(endpoint, error);
  if (!error) state.acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return fail(Errc::kConfig, state.options.address + ":" + std::to_string(state.options.port) +
                                   ": " + error.message());
  return {};
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options, HandleRequest handle,
                                                      EventHub& events) {
  auto state = std::make_unique<State>(options, std::move(handle), events);
  TRY(prepare(*state));
  auto* raw = state.get();
  asio::co_spawn(raw->context, accept_all(*raw), asio::detached);
  for (std::uint32_t i = 0; i < options.threads; ++i)
    raw->threads.emplace_back([raw] { raw->context.run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() {
  state_->context.stop();
  for (auto& thread : state_->threads) thread.join();
}

std::uint16_t HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }
std::uint64_t HttpServer::refused() const { return state_->refused; }

}  // namespace callward::api
