#include "app/self_signed.hpp"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace callward::app {
namespace {

template <auto free_function>
struct Release {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Release<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Release<X509_EXTENSION_free>>;
using MemoryBio = std::unique_ptr<BIO, Release<BIO_free_all>>;

constexpr long kValidDays = 825;

std::string alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    in6_addr any{};
    const bool is_ip = ::inet_pton(AF_INET, name.c_str(), &any) == 1 ||
                       ::inet_pton(AF_INET6, name.c_str(), &any) == 1;
    out += (out.empty() ? "" : ",") + std::string(is_ip ? "IP:" : "DNS:") + name;
  }
  return out;
}

bool add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> raw{};
  if (RAND_bytes(raw.data(), static_cast<int>(raw.size())) != 1) return false;
  raw[0] &= 0x7F;
  const std::unique_ptr<BIGNUM, Release<BN_free>> number(
      BN_bin2bn(raw.data(), static_cast<int>(raw.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

Certificate make_certificate(EVP_PKEY* key, std::int64_t now_s,
                             const std::vector<std::string>& names) {
  Certificate certificate(X509_new());
  if (!certificate) return nullptr;
  auto* raw = certificate.get();
  time_t now = now_s;
  X509_NAME* subject = X509_get_subject_name(raw);
  const bool made =
      X509_set_version(raw, 2) == 1 && set_serial(raw) &&
      X509_time_adj_ex(X509_getm_notBefore(raw), -1, 0, &now) != nullptr &&
      X509_time_adj_ex(X509_getm_notAfter(raw), static_cast<int>(kValidDays), 0, &now) != nullptr &&
      X509_set_pubkey(raw, key) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>("Callward"), -1, -1,
                                 0) == 1 &&
      X509_set_issuer_name(raw, subject) == 1 &&
      add_extension(raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      add_extension(raw, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
      add_extension(raw, NID_ext_key_usage, "serverAuth") &&
      add_extension(raw, NID_subject_key_identifier, "hash") &&
      add_extension(raw, NID_subject_alt_name, alternative_names(names)) &&
      X509_sign(raw, key, EVP_sha256()) > 0;
  if (!made) return nullptr;
  return certificate;
}

ByteView content_of(const MemoryBio& bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

}  // namespace

Status write_self_signed(Vfs& vfs, Clock& clock, const std::string& certificate_file,
                         const std::string& key_file, const std::vector<std::string>& names) {
  for (const auto& file : {certificate_file, key_file})
    if (vfs.exists(file)) return fail(Errc::kExists, file + " is there already");
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (!key) return fail(Errc::kCrypto, "cannot make a P-256 key");
  const auto certificate = make_certificate(key.get(), clock.utc_ms() / 1000, names);
  if (!certificate) return fail(Errc::kCrypto, "cannot make the certificate");
  const MemoryBio key_bio(BIO_new(BIO_s_mem()));
  const MemoryBio certificate_bio(BIO_new(BIO_s_mem()));
  if (!key_bio || !certificate_bio ||
      PEM_write_bio_PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1 ||
      PEM_write_bio_X509(certificate_bio.get(), certificate.get()) != 1)
    return fail(Errc::kCrypto, "cannot write the certificate");
  TRY(vfs.make_dirs(parent_of(key_file)));
  TRY(vfs.make_dirs(parent_of(certificate_file)));
  TRY(vfs.write_file_atomic(key_file, content_of(key_bio)));
  return vfs.write_file_atomic(certificate_file, content_of(certificate_bio));
}

}  // namespace callward::app
