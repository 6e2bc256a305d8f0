#include "wire/multipart.hpp"

#include <algorithm>

#include "wire/text.hpp"

namespace callward::wire {
namespace {

enum class PartKind { kSdp, kMetadata, kUnknown };

void add_flag(std::vector<std::string>& flags, std::string_view flag) {
  if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.emplace_back(flag);
}

// The value of `name` among ";name=value" parameters, without quotes.
std::string_view parameter(std::string_view header, std::string_view name) {
  auto at = header.find(';');
  while (at != std::string_view::npos) {
    header = header.substr(at + 1);
    const auto equals = header.find('=');
    if (equals == std::string_view::npos) return {};
    const auto found = trim(header.substr(0, equals));
    auto value = trim(header.substr(equals + 1));
    std::string_view result;
    if (!value.empty() && value.front() == '"') {
      const auto quote = value.find('"', 1);
      result = value.substr(1, quote == std::string_view::npos ? quote : quote - 1);
      header = quote == std::string_view::npos ? std::string_view{} : value.substr(quote + 1);
    } else {
      result = trim(value.substr(0, value.find(';')));
      header = value;
    }
    if (same_word(found, name)) return result;
    at = header.find(';');
  }
  return {};
}

std::string media_type(std::string_view header) {
  return lower(trim(header.substr(0, header.find(';'))));
}

enum class Delimiter { kNone, kNext, kLast };

// Is `line` "--boundary", perhaps with blanks behind it (RFC 2046, transport padding)?
Delimiter delimiter(std::string_view line, std::string_view boundary) {
  line = trim(line);
  if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) return Delimiter::kNone;
  const auto rest = line.substr(2 + boundary.size());
  if (rest.empty()) return Delimiter::kNext;
  return rest == "--" ? Delimiter::kLast : Delimiter::kNone;
}

bool has_delimiter(std::string_view body, std::string_view boundary) {
  while (!body.empty())
    if (delimiter(next_line(body), boundary) != Delimiter::kNone) return true;
  return false;
}

// The boundary that the body itself uses: its first line that begins with two dashes.
std::string_view boundary_in(std::string_view body) {
  while (!body.empty()) {
    const auto line = trim(next_line(body));
    if (line.size() > 2 && line.starts_with("--")) return line.substr(2);
  }
  return {};
}

// Splits the headers off a part. "Content-Type:application/sdp" and folded lines are in use.
Result<BodyPart> read_part(std::string_view text) {
  BodyPart part;
  std::string* folding = nullptr;
  std::string type, disposition;
  for (std::size_t lines = 0; !text.empty(); ++lines) {
    if (lines == kPartHeaderLinesMax)
      return fail(Errc::kTooLarge, "too many header lines in a body part");
    auto rest = text;
    const auto line = next_line(rest);
    if (trim(line).empty()) {
      text = rest;
      break;
    }
    const auto colon = line.find(':');
    const bool folded = is_blank(line.front()) && lines > 0;
    // A part that starts without headers, as some clients send it: its first line is content
    // already.
    if (lines == 0 && (line.starts_with("v=0") || line.front() == '<')) break;
    text = rest;
    if (folded) {
      if (folding != nullptr) folding->append(" ").append(trim(line));
      continue;
    }
    folding = nullptr;
    if (colon == std::string_view::npos) continue;
    const auto name = trim(line.substr(0, colon));
    if (same_word(name, "Content-Type") || same_word(name, "c")) folding = &type;
    if (same_word(name, "Content-Disposition")) folding = &disposition;
    if (folding != nullptr) *folding = trim(line.substr(colon + 1));
  }
  part.type = media_type(type);
  part.disposition = media_type(disposition);
  part.body = text;
  return part;
}

PartKind kind_by_content(std::string_view body) {
  body = trim(body);
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  if (body.starts_with("v=0")) return PartKind::kSdp;
  if (!body.starts_with('<')) return PartKind::kUnknown;
  const auto head = body.substr(0, 512);
  return head.find("recording") != std::string_view::npos ? PartKind::kMetadata
                                                          : PartKind::kUnknown;
}

PartKind kind_by_type(std::string_view type) {
  if (type == "application/sdp") return PartKind::kSdp;
  if (type == "application/rs-metadata+xml" || type == "application/rs-metadata")
    return PartKind::kMetadata;
  return PartKind::kUnknown;
}

void sort_in(const BodyPart& part, SiprecBody& out) {
  auto kind = kind_by_type(part.type);
  if (kind == PartKind::kUnknown) {
    kind = kind_by_content(part.body);
    // "recording-session" says what it is even if type and content are both odd (RFC 7866, 9.1).
    if (kind == PartKind::kUnknown && part.disposition == "recording-session")
      kind = PartKind::kMetadata;
    if (kind != PartKind::kUnknown) add_flag(out.flags, "part_type_guessed");
  }
  switch (kind) {
    case PartKind::kSdp:
      out.sdp.push_back(part.body);
      break;
    case PartKind::kMetadata:
      out.metadata.push_back(part.body);
      break;
    case PartKind::kUnknown:
      ++out.unknown_parts;
      break;
  }
}

}  // namespace

Result<Multipart> parse_multipart(std::string_view content_type, std::string_view body) {
  if (body.size() > kBodyBytesMax) return fail(Errc::kTooLarge, "body too large");
  Multipart out;
  auto boundary = parameter(content_type, "boundary");
  if (boundary.empty() || !has_delimiter(body, boundary)) {
    out.flags.emplace_back(boundary.empty() ? "boundary_missing" : "boundary_mismatch");
    boundary = boundary_in(body);
    if (boundary.empty()) return fail(Errc::kMalformed, "multipart body without a delimiter");
  }
  if (boundary.size() > kBoundaryBytesMax) return fail(Errc::kTooLarge, "boundary too long");
  auto rest = body;
  const char* part_begin = nullptr;
  bool ended = false;
  const auto close_part = [&](const char* end) -> Status {
    if (part_begin == nullptr) return {};
    std::string_view text(part_begin, static_cast<std::size_t>(end - part_begin));
    if (text.ends_with('\n')) text.remove_suffix(1);  // the line end belongs to the delimiter
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (trim(text).empty()) return {};
    if (out.parts.size() == kBodyPartsMax) return fail(Errc::kTooLarge, "too many body parts");
    out.parts.push_back(TRY(read_part(text)));
    return {};
  };
  while (!rest.empty() && !ended) {
    const char* line_begin = rest.data();
    const auto found = delimiter(next_line(rest), boundary);
    if (found == Delimiter::kNone) continue;
    TRY(close_part(line_begin));
    ended = found == Delimiter::kLast;
    part_begin = ended ? nullptr : (rest.empty() ? body.data() + body.size() : rest.data());
  }
  if (!ended) {
    out.flags.emplace_back("body_unterminated");
    TRY(close_part(body.data() + body.size()));
  }
  return out;
}

Result<SiprecBody> parse_siprec_body(std::string_view content_type, std::string_view body) {
  if (body.size() > kBodyBytesMax) return fail(Errc::kTooLarge, "body too large");
  SiprecBody out;
  if (trim(body).empty()) return out;
  const auto type = media_type(content_type);
  const bool dashes = trim(body).starts_with("--");
  if (type.starts_with("multipart/") || dashes) {
    auto multipart = TRY(parse_multipart(content_type, body));
    out.flags = std::move(multipart.flags);
    if (!type.starts_with("multipart/")) add_flag(out.flags, "body_type_guessed");
    for (const auto& part : multipart.parts) sort_in(part, out);
  } else {
    sort_in({type, "", body}, out);
    if (out.sdp.empty() && out.metadata.empty())
      return fail(Errc::kUnsupported, "body is neither SDP nor multipart");
  }
  if (out.sdp.size() > 1) add_flag(out.flags, "two_sdp_parts");
  if (out.metadata.size() > 1) add_flag(out.flags, "two_metadata_parts");
  return out;
}

}  // namespace callward::wire
