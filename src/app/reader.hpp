// An independent reader of calls: asks for openings, fetches ciphertext, decrypts here. What the
// browser does, once more in C++.
#pragma once

#include <functional>
#include <map>

#include "app/consent.hpp"
#include "app/http_client.hpp"
#include "base/entropy.hpp"
#include "base/id.hpp"
#include "keys/record.hpp"

namespace callward::app {

struct OpenedRecord {
  keys::RecordHeader header;
  SecretBytes plain;  // empty unless given
  std::string state;  // "given", "erased", "unheard", "refused"
};

class CallReader {
 public:
  // `consent`: in whose name; nullptr: a fresh key for each piece, before there is a role chart.
  CallReader(HttpClient& http, CallId call, std::string purpose, std::string reason,
             const Consent* consent = nullptr)
      : http_(http),
        call_(call),
        purpose_(std::move(purpose)),
        reason_(std::move(reason)),
        consent_(consent) {}

  // Everything of these kinds in [start_ms, end_ms), in pieces of 60 s; `on_record` in the order of
  // the pieces.
  Status read(const std::vector<std::string>& kinds, std::int64_t start_ms, std::int64_t end_ms,
              const std::function<void(OpenedRecord)>& on_record);

 private:
  Status read_piece(const std::vector<std::string>& kinds, std::int64_t start_ms,
                    std::int64_t end_ms, const std::function<void(OpenedRecord)>& on_record);
  Result<std::map<std::string, Bytes>> fetch(const boost::json::array& listed,
                                             std::int64_t start_ms, std::int64_t end_ms);
  HttpClient& http_;
  CallId call_;
  std::string purpose_, reason_;
  const Consent* consent_;
  SystemEntropy entropy_;
  keys::RecordCipher cipher_;
};

}  // namespace callward::app
