// The real HTTPS server on a loopback port under peers that do not behave.
#include "api/http_server.hpp"

#include <signal.h>

#include "api/tls_client_test.hpp"

namespace callward::api {
namespace {

using test::status_of;
using test::TlsClient;

class Server : public ::testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    test::write_certificate(dir);
  }
  void TearDown() override {
    server.reset();
    std::filesystem::remove_all(dir);
  }
  void start(HttpLimits limits = {}) {
    auto started = HttpServer::start(
        {.certificate_file = dir + "/certificate.pem",
         .key_file = dir + "/key.pem",
         .threads = 2,
         .limits = limits,
         .tls_failed =
             [this](const std::string& address) {
               EXPECT_EQ(address, "127.0.0.1");
               ++tls_failed;
             }},
        [this](Request r) { return handle(std::move(r)); }, events);
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }
  Response handle(Request request) {
    ++handled;
    if (request.path == "/stream") {
      Response response;
      response.event_stream = true;
      response.events_after = events.last();
      if (const auto last = request.header("last-event-id"); !last.empty())
        response.events_after = std::stoull(last);
      response.may_go_on = [this] { return lives.load(); };
      return response;
    }
    if (request.path == "/none") return Response::empty();
    if (request.path == "/v1/bad") return Response::problem(409, "state", "told so");
    return Response::json({{"path", request.path}, {"body", request.body}, {"peer", request.peer}});
  }
  std::string dir = test::fresh_dir("server");
  EventHub events{100};
  std::unique_ptr<HttpServer> server;
  std::atomic<int> handled{0}, tls_failed{0};
  std::atomic<bool> lives{true};
};

std::string get(const std::string& path, const std::string& headers = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
}

TEST_F(Server, AnswersSeveralRequestsOfOneConnection) {
  start();
  TlsClient client(server->port());
  ASSERT_TRUE(client.ready());
  EXPECT_EQ(status_of(client.ask(get("/a"))), 200);
  const auto posted = client.ask("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_NE(posted.find(R"("body":"hello")"), std::string::npos);
  EXPECT_NE(posted.find(R"("peer":"127.0.0.1")"), std::string::npos);
  const auto chunked = client.ask(
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  EXPECT_NE(chunked.find(R"("body":"abc")"), std::string::npos);
}

TEST_F(Server, EveryAnswerCarriesTheSecurityHeaders) {
  start();
  for (const auto& sent :
       {get("/a"), get("/none"), get("/v1/bad"), get("/%zz"), get("/stream"),
        std::string("garbage\r\n\r\n"), std::string("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"),
        "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n"}) {
    TlsClient client(server->port());
    const auto answer = client.ask(sent, true);
    ASSERT_NE(status_of(answer), 0) << sent.substr(0, 40);
    for (const auto& [name, value] : security_headers())
      EXPECT_NE(answer.find(name + ": " + value), std::string::npos) << sent.substr(0, 40) << name;
    if (sent.find("/v1") != std::string::npos)
      EXPECT_NE(answer.find("Cache-Control: no-store"), std::string::npos);
    if (status_of(answer) >= 400)
      EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
  }
}

TEST_F(Server, HeadSendsNoBodyAndTheConnectionGoesOn) {
  start();
  TlsClient client(server->port());
  const auto head = client.ask("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", true);
  EXPECT_EQ(status_of(head), 200);
  EXPECT_EQ(head.find("\r\n\r\n") + 4, head.size());
  EXPECT_NE(head.find("Content-Length: "), std::string::npos);
  const auto next = client.ask(get("/b"));
  EXPECT_EQ(status_of(next), 200);
  EXPECT_NE(next.find(R"("path":"/b")"), std::string::npos);
  TlsClient other(server->port());
  EXPECT_NE(other.ask("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n", true).find("event-stream"),
            std::string::npos);
  EXPECT_TRUE(other.closed());
}

// A key of this connection alone, and a mode in which a changed byte is found.
TEST_F(Server, UnderTls12OnlySuitesWithAKeyOfTheirOwnAndAuthenticationAreTaken) {
  start();
  for (const char* bad :
       {"ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-CCM8", "AES256-GCM-SHA384", "AES128-SHA",
        "DHE-RSA-AES256-SHA256", "kRSA", "aNULL:eNULL"})
    EXPECT_FALSE(TlsClient(server->port(), TLS1_2_VERSION, bad).ready()) << bad;
  EXPECT_EQ(handled, 0);
  for (const char* good : {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
                           "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    TlsClient client(server->port(), TLS1_2_VERSION, good);
    ASSERT_TRUE(client.ready()) << good;
    EXPECT_EQ(client.cipher(), good);
    EXPECT_EQ(status_of(client.ask(get("/a"))), 200);
  }
  TlsClient newest(server->port());
  EXPECT_EQ(newest.cipher().rfind("TLS_", 0), 0u) << newest.cipher() << ": of TLS 1.3";
}

TEST_F(Server, ConnectionsThatComeToNoAgreementAreTold) {
  start();
  EXPECT_FALSE(TlsClient(server->port(), TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA").ready());
  EXPECT_TRUE(TlsClient(server->port()).ready());
  const int plain = test::connect_tcp(server->port());
  ASSERT_EQ(::send(plain, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
  std::array<char, 64> buffer{};
  while (::recv(plain, buffer.data(), buffer.size(), 0) > 0) {
  }
  ::close(plain);
  for (int i = 0; i < 500 && tls_failed < 2; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(tls_failed, 2);
}

TEST_F(Server, BytesThatAreNoRequestEndTheConnection) {
  start();
  const std::vector<std::string> garbage = {
      std::string("\0\1\2\3\xFF\xFE\r\n\r\n", 10),
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\nA\x01: b\r\n\r\n",
      "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
      "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
      "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"};
  for (const auto& bytes : garbage) {
    TlsClient client(server->port());
    ASSERT_TRUE(client.ready());
    const auto status = status_of(client.ask(bytes));
    EXPECT_TRUE(status == 400 || status == 413 || status == 0) << status << bytes;
    EXPECT_TRUE(client.closed()) << bytes;
  }
  EXPECT_EQ(handled, 0);
  const int plain = test::connect_tcp(server->port());  // no TLS at all
  ASSERT_EQ(::send(plain, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
  std::array<char, 64> buffer{};
  const auto n = ::recv(plain, buffer.data(), buffer.size(), 0);
  EXPECT_TRUE(n <= 0 || buffer[0] == 21) << n;  // nothing, or a TLS alert
  ::close(plain);
  TlsClient old(server->port(), TLS1_1_VERSION);
  EXPECT_FALSE(old.ready());
  TlsClient good(server->port());
  EXPECT_EQ(status_of(good.ask(get("/a"))), 200);
}

TEST_F(Server, HeaderAndBodyHaveLimits) {
  start({.header_bytes_max = 2'048, .body_bytes_max = 1'000});
  TlsClient header(server->port());
  EXPECT_EQ(status_of(header.ask(get("/", "X: " + std::string(3'000, 'x') + "\r\n"))), 431);
  EXPECT_TRUE(header.closed());
  TlsClient body(server->port());
  EXPECT_EQ(status_of(body.ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")), 413);
  TlsClient chunked(server->port());
  EXPECT_EQ(
      status_of(chunked.ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            ("3e9\r\n" + std::string(1'001, 'x')) + "\r\n0\r\n\r\n")),
      413);
  TlsClient exact(server->port());
  EXPECT_EQ(status_of(exact.ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" +
                                std::string(1'000, 'x'))),
            200);
  EXPECT_EQ(handled, 1);
}

TEST_F(Server, WhoDribblesIsCutOff) {
  start({.request_seconds_max = 1, .idle_seconds_max = 1});
  const auto begin = std::chrono::steady_clock::now();
  TlsClient dribbler(server->port());
  TlsClient idler(server->port());
  const int silent = test::connect_tcp(server->port());  // not even a handshake
  for (const char c : std::string("GET / HTTP/1.1\r\nHos")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (!dribbler.send(std::string(1, c))) break;
  }
  EXPECT_TRUE(dribbler.closed());
  EXPECT_TRUE(idler.closed());
  char byte = 0;
  EXPECT_LE(::recv(silent, &byte, 1, 0), 0);
  ::close(silent);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  EXPECT_EQ(handled, 0);
}

TEST_F(Server, ConnectionsBeyondTheBoundAreRefusedAndCounted) {
  start({.connections_max = 8});
  std::vector<std::unique_ptr<TlsClient>> held;
  int ready = 0;
  for (int i = 0; i < 20; ++i) {
    held.push_back(std::make_unique<TlsClient>(server->port()));
    ready += held.back()->ready() ? 1 : 0;
  }
  EXPECT_EQ(ready, 8);
  EXPECT_EQ(server->refused(), 12u);
  held.clear();
  for (int i = 0; i < 100; ++i) {  // their places come free
    TlsClient next(server->port());
    if (next.ready() && status_of(next.ask(get("/a"))) == 200) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  FAIL() << "no place came free";
}

TEST_F(Server, StreamsResumeBehindTheLastEventAndEndWithTheirSession) {
  start();
  events.publish("call", R"({"n":1})");  // 100
  events.publish("call", R"({"n":2})");  // 101
  TlsClient client(server->port());
  ASSERT_TRUE(client.send(get("/stream", "Last-Event-ID: 100\r\n")));
  const auto first = client.read([](const std::string& text) {
    return text.find("\n\n", text.find("id: ")) != std::string::npos;
  });
  EXPECT_NE(first.find("id: 101\nevent: call\ndata: {\"n\":2}\n\n"), std::string::npos) << first;
  EXPECT_EQ(first.find("id: 100"), std::string::npos);
  events.publish("order", R"({"n":3})");
  const auto second = client.read(
      [](const std::string& text) { return text.find("\"n\":3") != std::string::npos; });
  EXPECT_NE(second.find("id: 102\nevent: order\n"), std::string::npos);
  lives = false;
  EXPECT_TRUE(client.closed());  // within 2 s; the client waits for 5
}

TEST_F(Server, StreamsHaveABoundOfTheirOwn) {
  start({.event_streams_max = 2});
  const auto begun = [](const std::string& text) {
    return text.find("retry:") != std::string::npos;
  };
  TlsClient one(server->port()), two(server->port()), three(server->port());
  ASSERT_TRUE(one.send(get("/stream")));
  ASSERT_TRUE(two.send(get("/stream")));
  ASSERT_NE(one.read(begun).find("200 OK"), std::string::npos);
  ASSERT_NE(two.read(begun).find("200 OK"), std::string::npos);
  EXPECT_EQ(status_of(three.ask(get("/stream"))), 503);
  EXPECT_EQ(status_of(three.ask(get("/a"))), 200);
}

TEST_F(Server, ItStopsWhileStreamsRun) {
  start();
  TlsClient client(server->port());
  ASSERT_TRUE(client.send(get("/stream")));
  (void)client.read(
      [](const std::string& text) { return text.find("retry:") != std::string::npos; });
  server.reset();
  EXPECT_TRUE(client.closed());
}

TEST_F(Server, ABadCertificateOrAddressIsAnError) {
  const auto tried = [&](const std::string& certificate, const std::string& address) {
    return HttpServer::start(
        {.address = address, .certificate_file = certificate, .key_file = dir + "/key.pem"},
        [](const Request&) { return Response::empty(); }, events);
  };
  EXPECT_EQ(tried(dir + "/absent.pem", "127.0.0.1").error().code, Errc::kConfig);
  EXPECT_EQ(tried(dir + "/certificate.pem", "localhost.").error().code, Errc::kConfig);
  EXPECT_EQ(tried(dir + "/certificate.pem", "192.0.2.1").error().code, Errc::kConfig);
}

}  // namespace
}  // namespace callward::api
