#include "api/http.hpp"

#include <algorithm>
#include <charconv>

#include "base/event_log.hpp"

namespace callward::api {
namespace {

int status_of(Errc code) {
  switch (code) {
    case Errc::kMalformed:
    case Errc::kConfig:
      return 400;
    case Errc::kTooLarge:
      return 413;
    case Errc::kUnsupported:
      return 415;
    case Errc::kNotFound:
      return 404;
    case Errc::kExists:
    case Errc::kState:
      return 409;
    case Errc::kDenied:
      return 403;
    case Errc::kErased:
      return 410;
    case Errc::kUnheard:
      return 409;
    case Errc::kBusy:
      return 429;
    case Errc::kTimeout:
    case Errc::kUnavailable:
    case Errc::kFull:
      return 503;
    case Errc::kCorrupt:
    case Errc::kIo:
    case Errc::kCrypto:
      return 500;
  }
  return 500;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail(Errc::kMalformed, "bad escape in the address");
      c = static_cast<char>(high << 4 | low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return fail(Errc::kMalformed, "control character in the address");
    out += c;
  }
  return out;
}

}  // namespace

Response Response::json(const boost::json::value& value, int status) {
  Response response;
  response.status = status;
  response.body = boost::json::serialize(value);
  return response;
}

Response Response::empty(int status) {
  Response response;
  response.status = status;
  return response;
}

Response Response::bytes(Bytes content, std::string type) {
  Response response;
  response.content_type = std::move(type);
  response.body.assign(reinterpret_cast<const char*>(content.data()), content.size());
  return response;
}

Response Response::problem(int status, const std::string& title, const std::string& detail) {
  Response response = json(
      {{"type", "about:blank"}, {"title", title}, {"status", status}, {"detail", detail}}, status);
  response.content_type = "application/problem+json";
  return response;
}

Response Response::of(const Error& error) {
  const int status = status_of(error.code);
  // What failed inside names files and statements: that is for the server's log, not for a peer.
  if (status == 500) log_event("server.request_failed", {{"why", error.message}});
  auto response = problem(status, std::string(to_string(error.code)),
                          status == 500 ? "the server's log says why" : error.message);
  if (response.status == 503) response.headers.emplace_back("Retry-After", "2");
  return response;
}

Result<BodyReader> BodyReader::parse(const std::string& body) {
  boost::system::error_code error;
  boost::json::parse_options options;
  options.max_depth = 8;
  auto json = boost::json::parse(body, error, {}, options);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "the body must be a JSON object");
  return BodyReader(std::move(json.get_object()));
}

Result<std::string> BodyReader::text(const char* name, std::size_t least, std::size_t most) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr || !value->is_string())
    return fail(Errc::kMalformed, std::string(name) + " must be a text");
  const auto& text = value->get_string();
  if (text.size() < least || text.size() > most)
    return fail(Errc::kMalformed, std::string(name) + " must have " + std::to_string(least) +
                                      " to " + std::to_string(most) + " bytes");
  return std::string(text);
}

Result<bool> BodyReader::flag(const char* name) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr || !value->is_bool())
    return fail(Errc::kMalformed, std::string(name) + " must be true or false");
  return value->get_bool();
}

Result<std::optional<bool>> BodyReader::optional_flag(const char* name) {
  if (object_.contains(name)) return std::optional<bool>(TRY(flag(name)));
  return std::optional<bool>();
}

Result<std::int64_t> BodyReader::number(const char* name, std::int64_t least, std::int64_t most) {
  const auto value = TRY(optional_number(name, least, most));
  if (!value) return fail(Errc::kMalformed, std::string(name) + " is missing");
  return *value;
}

Result<std::optional<std::int64_t>> BodyReader::optional_number(const char* name,
                                                                std::int64_t least,
                                                                std::int64_t most) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (!value->is_int64() || value->get_int64() < least || value->get_int64() > most)
    return fail(Errc::kMalformed, std::string(name) + " must be a whole number from " +
                                      std::to_string(least) + " to " + std::to_string(most));
  return std::optional(value->get_int64());
}

Result<std::vector<std::string>> BodyReader::texts(const char* name, std::size_t most,
                                                   std::size_t least) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr || !value->is_array() || value->get_array().size() < least ||
      value->get_array().size() > most)
    return fail(Errc::kMalformed, std::string(name) + " must be a list of " +
                                      std::to_string(least) + " to " + std::to_string(most) +
                                      " texts");
  std::vector<std::string> out;
  for (const auto& item : value->get_array()) {
    if (!item.is_string()) return fail(Errc::kMalformed, std::string(name) + " must hold texts");
    out.emplace_back(item.get_string());
  }
  return out;
}

Result<Bytes> BodyReader::bytes(const char* name, std::size_t least, std::size_t most) {
  const auto digits = TRY(text(name, 2 * least, 2 * most));
  auto bytes = from_hex(digits);
  if (!bytes || to_hex(*bytes) != digits)
    return fail(Errc::kMalformed, std::string(name) + " must be hexadecimal, in lower case");
  return bytes;
}

Result<boost::json::object> BodyReader::raw_object(const char* name) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr || !value->is_object())
    return fail(Errc::kMalformed, std::string(name) + " must be an object");
  return value->get_object();
}

Result<std::string> BodyReader::optional_text(const char* name, std::size_t most) {
  if (object_.if_contains(name) != nullptr) return text(name, 0, most);
  known_.emplace_back(name);
  return std::string();
}

Result<std::string> BodyReader::hex(const char* name, std::size_t bytes) {
  auto word = TRY(text(name, 2 * bytes, 2 * bytes));
  if (word.find_first_not_of("0123456789abcdef") != std::string::npos)
    return fail(Errc::kMalformed, std::string(name) + " must be " + std::to_string(2 * bytes) +
                                      " hexadecimal digits in lower case");
  return word;
}

Result<std::string> BodyReader::optional_hex(const char* name, std::size_t bytes) {
  if (object_.if_contains(name) != nullptr) return hex(name, bytes);
  known_.emplace_back(name);
  return std::string();
}

Result<BodyReader> BodyReader::object(const char* name) {
  auto value = TRY(optional_object(name));
  if (!value) return fail(Errc::kMalformed, std::string(name) + " is missing");
  return std::move(*value);
}

Result<std::optional<BodyReader>> BodyReader::optional_object(const char* name) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr) return std::optional<BodyReader>();
  if (!value->is_object()) return fail(Errc::kMalformed, std::string(name) + " must be an object");
  return std::optional(BodyReader(value->get_object()));
}

Result<std::vector<BodyReader>> BodyReader::objects(const char* name, std::size_t most) {
  known_.emplace_back(name);
  const auto* value = object_.if_contains(name);
  if (value == nullptr || !value->is_array() || value->get_array().empty() ||
      value->get_array().size() > most)
    return fail(Errc::kMalformed,
                std::string(name) + " must be a list of 1 to " + std::to_string(most) + " objects");
  std::vector<BodyReader> out;
  for (const auto& item : value->get_array()) {
    if (!item.is_object()) return fail(Errc::kMalformed, std::string(name) + " must hold objects");
    out.push_back(BodyReader(item.get_object()));
  }
  return out;
}

Result<std::vector<std::uint32_t>> BodyReader::optional_numbers(const char* name,
                                                                std::size_t most) {
  known_.emplace_back(name);
  std::vector<std::uint32_t> out;
  const auto* value = object_.if_contains(name);
  if (value == nullptr) return out;
  if (!value->is_array() || value->get_array().size() > most)
    return fail(Errc::kMalformed,
                std::string(name) + " must be a list of at most " + std::to_string(most));
  for (const auto& item : value->get_array()) {
    if (!item.is_int64() || item.get_int64() < 0 || item.get_int64() > 0xFFFF'FFFF)
      return fail(Errc::kMalformed, std::string(name) + " must hold whole numbers");
    out.push_back(static_cast<std::uint32_t>(item.get_int64()));
  }
  return out;
}

Status BodyReader::finish() {
  for (const auto& item : object_)
    if (std::find(known_.begin(), known_.end(), item.key()) == known_.end())
      return fail(Errc::kMalformed, "unknown field " + std::string(item.key()).substr(0, 64));
  return {};
}

Result<std::int64_t> query_number(const Request& request, const std::string& name,
                                  std::int64_t fallback, std::int64_t least, std::int64_t most) {
  const auto at = request.query.find(name);
  if (at == request.query.end()) return fallback;
  std::int64_t value = 0;
  const auto& text = at->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    return fail(Errc::kMalformed, name + " must be a whole number from " + std::to_string(least) +
                                      " to " + std::to_string(most));
  return value;
}

Status parse_target(std::string_view target, Request& request) {
  if (target.empty() || target[0] != '/')
    return fail(Errc::kMalformed, "the address must begin with /");
  const auto mark = target.find('?');
  request.path = TRY(decode(target.substr(0, mark), false));
  if (mark == std::string_view::npos) return {};
  auto rest = target.substr(mark + 1);
  constexpr int kPairsMax = 64;
  for (int pairs = 0; !rest.empty(); ++pairs) {
    if (pairs >= kPairsMax) return fail(Errc::kTooLarge, "too many query parameters");
    const auto end = rest.find('&');
    const auto pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const auto equals = pair.find('=');
    const auto name = TRY(decode(pair.substr(0, equals), true));
    request.query[name] = equals == std::string_view::npos
                              ? std::string()
                              : TRY(decode(pair.substr(equals + 1), true));
  }
  return {};
}

Result<std::optional<ByteRange>> parse_range(const std::string& header, std::uint64_t size) {
  const auto whole = std::optional<ByteRange>();
  constexpr std::string_view kUnit = "bytes=";
  if (header.rfind(kUnit, 0) != 0) return whole;
  const auto spec = std::string_view(header).substr(kUnit.size());
  if (spec.find(',') != std::string_view::npos)
    return whole;  // several ranges: we may answer with the whole
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
      return std::nullopt;
    return value;
  };
  const auto first_text = spec.substr(0, dash);
  const auto last_text = spec.substr(dash + 1);
  const auto first = number(first_text);
  const auto last = number(last_text);
  // Absent is one thing, unreadable another: what cannot be read is no range, and is ignored.
  if ((!first && !first_text.empty()) || (!last && !last_text.empty())) return whole;
  if (!first && !last) return whole;
  ByteRange range;
  if (!first) {
    if (*last == 0 || size == 0) return fail(Errc::kMalformed, "range cannot be satisfied");
    range = {size - std::min(*last, size), size - 1};
  } else {
    range = {*first, last ? std::min(*last, size == 0 ? 0 : size - 1) : (size == 0 ? 0 : size - 1)};
    if (last && *last < *first) return whole;
  }
  if (range.first >= size) return fail(Errc::kMalformed, "range cannot be satisfied");
  return std::optional(range);
}

}  // namespace callward::api
