// A TLS client that sends any bytes and reads one answer; and the certificate for its server.
#pragma once

#include <poll.h>

#include "api/rig_test.hpp"

namespace callward::api::test {

inline void write_certificate(const std::string& dir) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3'600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen((dir + "/key.pem").c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  file = std::fopen((dir + "/certificate.pem").c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

inline int connect_tcp(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval wait{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

class TlsClient {
 public:
  // `ciphers`: those of TLS 1.2 that it offers.
  explicit TlsClient(std::uint16_t port, int newest_tls = 0, const char* ciphers = nullptr) {
    context_ = SSL_CTX_new(TLS_client_method());
    if (ciphers != nullptr) SSL_CTX_set_cipher_list(context_, ciphers);
    if (newest_tls != 0) {
      SSL_CTX_set_security_level(context_, 0);
      SSL_CTX_set_max_proto_version(context_, newest_tls);
    }
    ssl_ = SSL_new(context_);
    fd_ = connect_tcp(port);
    SSL_set_fd(ssl_, fd_);
    ready_ = fd_ >= 0 && SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    if (fd_ >= 0) ::close(fd_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] std::string cipher() const { return SSL_get_cipher_name(ssl_); }
  bool send(std::string_view bytes) {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }
  // Until `enough` says so, the connection ends, or nothing comes for 5 s.
  std::string read(const std::function<bool(const std::string&)>& enough) {
    std::array<char, 16'384> buffer{};
    while (!enough(pending_)) {
      const int n = SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
      if (n <= 0) {
        ended_ = true;
        break;
      }
      pending_.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return std::exchange(pending_, {});
  }
  std::string answer(bool head = false) {
    return read([head](const std::string& text) {
      const auto end = text.find("\r\n\r\n");
      if (end == std::string::npos) return false;
      const auto at = text.find("Content-Length: ");
      if (head || at == std::string::npos || at > end) return true;
      return text.size() >= end + 4 + std::stoul(text.substr(at + 16));
    });
  }
  std::string ask(std::string_view bytes, bool head = false) {
    return send(bytes) ? answer(head) : std::string();
  }
  // The server has closed, and nothing more came.
  bool closed() {
    std::array<char, 16> buffer{};
    return ended_ || SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size())) <= 0;
  }

 private:
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  bool ready_ = false, ended_ = false;
  std::string pending_;
};

inline int status_of(const std::string& answer) {
  return answer.rfind("HTTP/1.", 0) == 0 && answer.size() > 12 ? std::stoi(answer.substr(9, 3)) : 0;
}

}  // namespace callward::api::test
