// Load for the vault as browsers make it: HTTPS with a connection a client, fields sealed to the
// keeper, steps signed by a passkey. The service runs already and the people are there:
// bench/vault_service.py makes both, and the plan that this reads.
//
//   vault_load_bench PLAN capture|read CLIENTS SECONDS
//
// Prints a line of JSON: what, clients, count, per_s, p50_ms, p99_ms. A client sends its next
// request when the last one is answered. Sealing is done before (browsers do it elsewhere), signing
// within: a step has the hash of the one before.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "audit/entry.hpp"
#include "base/entropy.hpp"
#include "crypto/hpke.hpp"
#include "crypto/sha256.hpp"
#include "disclose/chain.hpp"
#include "keys/vault_protocol.hpp"

using namespace callward;
using boost::json::object;
using Clock = std::chrono::steady_clock;

namespace {

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "vault_load_bench: %s\n", why.c_str());
  std::_Exit(1);  // from any thread: the others go on using what an orderly end would take apart
}
template <class T>
T need(Result<T> result) {
  if (!result) die(result.error().message);
  return std::move(*result);
}
std::string text(const object& of, std::string_view name) {
  return std::string(of.at(name).as_string());
}

// One keep-alive connection.
class Client {
 public:
  Client(std::uint16_t port, const std::string& certificate) {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(context_, certificate.c_str(), nullptr);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      die("nobody listens");
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) die("TLS does not come about");
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ::close(fd_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The body of a 201; anything else ends the run.
  std::string post(const std::string& path, const std::string& cookie, const std::string& body) {
    const auto head = "POST " + path +
                      " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      "X-Callward: 1\r\nCookie: __Host-callward=" +
                      cookie + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    const auto request = head + body;
    if (SSL_write(ssl_, request.data(), static_cast<int>(request.size())) <= 0) die("cut off");
    std::string got;
    std::size_t whole = 0;
    while (whole == 0 || got.size() < whole) {
      std::array<char, 16'384> some{};
      const int n = SSL_read(ssl_, some.data(), static_cast<int>(some.size()));
      if (n <= 0) die("the server ended the connection");
      got.append(some.data(), static_cast<std::size_t>(n));
      const auto end = got.find("\r\n\r\n");
      if (whole != 0 || end == std::string::npos) continue;
      const auto at = got.find("Content-Length: ");
      if (at == std::string::npos || at > end) die("an answer without its length");
      whole = end + 4 + std::stoull(got.substr(at + 16));
    }
    if (!got.starts_with("HTTP/1.1 201"))
      die("answered " + got.substr(0, 12) + got.substr(got.find("\r\n\r\n") + 2));
    return got.substr(got.find("\r\n\r\n") + 4);
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
  int fd_;
};

// ---- what is typed ------------------------------------------------------------------------------

std::string base64(ByteView bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(),
                  static_cast<int>(bytes.size()));
  return out;
}
std::string base64url(ByteView bytes) {
  auto out = base64(bytes);
  std::ranges::replace(out, '+', '-');
  std::ranges::replace(out, '/', '_');
  while (out.ends_with('=')) out.pop_back();
  return out;
}

// A new customer with name, phone, query and e-mail, three of them searched by.
std::string intake(SystemEntropy& entropy, const object& key, std::uint64_t number) {
  crypto::PublicKey to{};
  const auto raw = text(key, "public_key");
  std::array<std::uint8_t, 48> decoded{};
  EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(raw.data()),
                  static_cast<int>(raw.size()));
  std::copy_n(decoded.begin(), to.size(), to.begin());
  const auto id = keys::IntakeId::random(entropy).hex();
  const auto n = std::to_string(number);
  boost::json::array fields;
  auto sender = need(crypto::HpkeSender::make(entropy, to, as_bytes("callward intake v1")));
  for (const auto& [field, value] : std::vector<std::pair<std::string, std::string>>{
           {"name", "Customer " + n},
           {"phone", "+1212" + std::to_string(2'000'000 + number % 7'999'999)},
           {"query", "The second screen stays dark after the update"},
           {"email", "c" + n + "@mail.example"}}) {
    const auto sealed =
        sender.seal(as_bytes(keys::intake_aad("field", {id, field})), as_bytes(value));
    fields.push_back({{"field", field},
                      {"value",
                       {{"key", key.at("key")},
                        {"enc", base64(sender.enc())},
                        {"ciphertext", base64(sealed)}}}});
  }
  return boost::json::serialize(object{{"intake", id}, {"fields", std::move(fields)}});
}

// ---- who looks ----------------------------------------------------------------------------------

// A passkey of software (WebAuthn, ES256).
class Passkey {
 public:
  explicit Passkey(const object& plan)
      : person_(text(plan, "person")),
        id_(text(plan, "passkey")),
        origin_(text(plan, "origin")),
        party_(crypto::sha256(as_bytes(text(plan, "party")))),
        count_(static_cast<std::uint32_t>(plan.at("count").as_int64())) {
    const auto pem = text(plan, "private_key");
    BIO* in = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    key_ = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    if (key_ == nullptr) die("the plan's private key cannot be read");
  }
  ~Passkey() { EVP_PKEY_free(key_); }
  Passkey(const Passkey&) = delete;
  Passkey& operator=(const Passkey&) = delete;

  std::string sign(const crypto::Digest& challenge) {
    const auto said = R"({"type":"webauthn.get","challenge":")" + base64url(challenge) +
                      R"(","origin":")" + origin_ + R"(","crossOrigin":false})";
    Bytes data(party_.begin(), party_.end());
    data.push_back(0x05);
    ++count_;
    for (int shift = 24; shift >= 0; shift -= 8)
      data.push_back(static_cast<std::uint8_t>(count_ >> shift));
    const auto hash = crypto::sha256(as_bytes(said));
    Bytes message = data;
    message.insert(message.end(), hash.begin(), hash.end());
    Bytes signature(80);
    std::size_t size = signature.size();
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_);
    EVP_DigestSign(context, signature.data(), &size, message.data(), message.size());
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return boost::json::serialize(object{{"person", person_},
                                         {"passkey", id_},
                                         {"client_data", said},
                                         {"authenticator_data", to_hex(data)},
                                         {"signature", to_hex(signature)}});
  }

 private:
  std::string person_, id_, origin_;
  crypto::Digest party_;
  std::uint32_t count_;
  EVP_PKEY* key_;
};

// ---- measuring ----------------------------------------------------------------------------------

struct Run {
  std::vector<double> times_ms;
  double seconds = 0;
};

template <class Act>  // act(client number, Client&) → one request; false: nothing is left to send
Run measure(const object& plan, std::size_t clients, double seconds, const Act& act) {
  std::vector<std::vector<double>> times(clients);
  std::atomic<std::size_t> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < clients; ++c)
    threads.emplace_back([&, c] {
      Client client(static_cast<std::uint16_t>(plan.at("port").as_int64()),
                    text(plan, "certificate"));
      ++ready;
      while (!go) std::this_thread::yield();
      const auto end = Clock::now() + std::chrono::duration<double>(seconds);
      while (Clock::now() < end) {
        const auto begun = Clock::now();
        if (!act(c, client)) break;
        times[c].push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
      }
    });
  while (ready < clients) std::this_thread::yield();
  const auto begun = Clock::now();
  go = true;
  for (auto& thread : threads) thread.join();
  Run run;
  run.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  for (const auto& one : times) run.times_ms.insert(run.times_ms.end(), one.begin(), one.end());
  return run;
}

Run capture(const object& plan, std::size_t clients, double seconds) {
  constexpr double kMostPerS = 8'000;
  const auto& key = plan.at("intake_key").as_object();
  const auto cookie = text(plan, "agent_cookie");
  const auto each = static_cast<std::size_t>(seconds * kMostPerS) / clients + 1;
  std::vector<std::vector<std::string>> bodies(clients);
  SystemEntropy entropy;
  std::uint64_t first = 0;
  entropy.fill({reinterpret_cast<std::uint8_t*>(&first), 4});
  for (auto& of_client : bodies)
    for (std::size_t i = 0; i < each; ++i) of_client.push_back(intake(entropy, key, ++first));
  return measure(plan, clients, seconds, [&](std::size_t c, Client& client) {
    if (bodies[c].empty()) return false;
    (void)client.post("/v1/intakes", cookie, bodies[c].back());
    bodies[c].pop_back();
    return true;
  });
}

Run read(const object& plan, std::size_t clients, double seconds) {
  struct Reader {
    std::string cookie;
    disclose::ChainStep next;
    std::unique_ptr<Passkey> passkey;
  };
  std::vector<Reader> readers;
  for (const auto& item : plan.at("readers").as_array()) {
    const auto& of = item.as_object();
    readers.push_back(
        {text(of, "cookie"),
         need(disclose::step_from_json(boost::json::parse(text(of, "draft")).as_object())),
         std::make_unique<Passkey>(of)});
  }
  if (readers.size() < clients) die("the plan has fewer readers than there are clients");
  return measure(plan, clients, seconds, [&](std::size_t c, Client& client) {
    auto& reader = readers[c];
    const auto hash = need(disclose::hash_of(reader.next));
    const auto answer =
        client.post("/v1/request-steps", reader.cookie,
                    boost::json::serialize(object{
                        {"step", need(audit::canonical_json(disclose::to_json(reader.next)))},
                        {"signature", reader.passkey->sign(hash)}}));
    if (answer.find("\"value\"") == std::string::npos) die("a view without a value");
    reader.next.before = hash;
    ++reader.next.number;
    return true;
  });
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a server that is gone is an answer that does not come
  if (argc != 5) die("PLAN capture|read CLIENTS SECONDS");
  std::ifstream in(argv[1]);
  std::ostringstream all;
  all << in.rdbuf();
  const auto plan = boost::json::parse(all.str()).as_object();
  const std::string what = argv[2];
  const auto clients = std::stoull(argv[3]);
  const double seconds = std::stod(argv[4]);
  if (what != "capture" && what != "read") die("capture or read");
  auto run = what == "capture" ? capture(plan, clients, seconds) : read(plan, clients, seconds);
  auto& times = run.times_ms;
  if (times.empty()) die("nothing was answered");
  std::ranges::sort(times);
  std::printf(
      "{\"what\":\"%s\",\"clients\":%llu,\"count\":%zu,\"per_s\":%.0f,\"p50_ms\":%.3f,"
      "\"p99_ms\":%.3f}\n",
      what.c_str(), static_cast<unsigned long long>(clients), times.size(),
      static_cast<double>(times.size()) / run.seconds, times[times.size() / 2],
      times[times.size() * 99 / 100]);
  return 0;
}
