// Requests and responses as the handlers see them: no socket, no TLS, no Beast.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/events.hpp"
#include "base/bytes.hpp"
#include "people/people.hpp"

namespace callward::api {

struct Request {
  std::string method;                          // upper case
  std::string path;                            // decoded, begins with '/'
  std::map<std::string, std::string> query;    // decoded; the last of a name wins
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string peer;  // address
  // Filled by the router:
  std::map<std::string, std::string> parameters;  // of the path
  std::optional<people::Session> session;
  std::string session_token;
  bool is_operator = false;

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto at = headers.find(name);
    return at == headers.end() ? std::string() : at->second;
  }
  // The acting person's id, or "operator": what log entries name.
  [[nodiscard]] std::string actor() const {
    return is_operator ? "operator" : session ? session->person.id.hex() : "-";
  }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool event_stream = false;  // the connection becomes a stream of events
  std::uint64_t events_after = 0;
  std::shared_ptr<void> place;      // of a stream, let go of when it ends
  std::function<bool()> may_go_on;  // of a stream, asked now and then; empty: always
  // Of a stream: whether its reader is told of this one; empty: of all.
  std::function<bool(const Event&)> may_see;

  static Response json(const boost::json::value& value, int status = 200);
  static Response empty(int status = 204);
  static Response bytes(Bytes content, std::string type = "application/octet-stream");
  // RFC 9457.
  static Response problem(int status, const std::string& title, const std::string& detail = {});
  static Response of(const Error& error);
};

// Strict reading of a JSON body: every field declared, none besides.
class BodyReader {
 public:
  static Result<BodyReader> parse(const std::string& body);
  Result<std::string> text(const char* name, std::size_t least, std::size_t most);
  Result<std::int64_t> number(const char* name, std::int64_t least, std::int64_t most);
  Result<bool> flag(const char* name);
  Result<std::optional<bool>> optional_flag(const char* name);
  Result<std::optional<std::int64_t>> optional_number(const char* name, std::int64_t least,
                                                      std::int64_t most);
  Result<std::vector<std::string>> texts(const char* name, std::size_t most, std::size_t least = 1);
  Result<Bytes> bytes(const char* name, std::size_t least, std::size_t most);  // lower case hex
  Result<boost::json::object> raw_object(const char* name);               // for a reader of its own
  Result<std::string> optional_text(const char* name, std::size_t most);  // empty: not there
  Result<std::string> hex(const char* name, std::size_t bytes);           // lower case, so many
  Result<std::string> optional_hex(const char* name, std::size_t bytes);
  Result<BodyReader> object(const char* name);
  Result<std::optional<BodyReader>> optional_object(const char* name);
  Result<std::vector<BodyReader>> objects(const char* name, std::size_t most);
  // Whole numbers from 0 to 2^32 - 1; none when it is not there.
  Result<std::vector<std::uint32_t>> optional_numbers(const char* name, std::size_t most);
  Status finish();  // kMalformed when a field was not asked for

 private:
  explicit BodyReader(boost::json::object object) : object_(std::move(object)) {}
  boost::json::object object_;
  std::vector<std::string> known_;
};

Result<std::int64_t> query_number(const Request& request, const std::string& name,
                                  std::int64_t fallback, std::int64_t least, std::int64_t most);
// "/a%20b?x=1" into path and query. kMalformed: bad escapes, control characters, no leading slash.
Status parse_target(std::string_view target, Request& request);

// One range of RFC 9110, 14.1.2 ("bytes=a-b", "a-", "-n") against a size. nullopt: serve the whole.
// kMalformed: 416.
struct ByteRange {
  std::uint64_t first = 0, last = 0;
};
Result<std::optional<ByteRange>> parse_range(const std::string& header, std::uint64_t size);

}  // namespace callward::api
