// A reader of what build_mail() writes that shares no line with it: strict about lines, columns and
// names; shared by unit tests and fuzzer.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace callward::courier::test {

struct ReadMail {
  std::vector<std::pair<std::string, std::string>> headers;  // unfolded
  std::string text;                                          // lines end with \n
  [[nodiscard]] std::string header(const std::string& name) const {
    std::string found;
    for (const auto& [key, value] : headers)
      if (key == name) found += (found.empty() ? "" : "|") + value;
    return found;
  }
};

// The same with its lines' ends taken apart: nothing at a bare CR or LF, nor at a line that is too
// long or not ASCII.
inline std::optional<std::vector<std::string>> mail_lines(std::string_view raw) {
  std::vector<std::string> lines;
  while (!raw.empty()) {
    const auto end = raw.find("\r\n");
    if (end == std::string_view::npos || end > 998) return std::nullopt;
    lines.emplace_back(raw.substr(0, end));
    for (const char c : lines.back())
      if ((c < ' ' && c != '\t') || c == 0x7F) return std::nullopt;
    raw.remove_prefix(end + 2);
  }
  return lines;
}

// Encoded words back to UTF-8 (RFC 2047, B alone).
inline std::optional<std::string> decode_words(std::string text) {
  constexpr std::string_view kHead = "=?utf-8?B?";
  std::string out;
  bool after_word = false;
  for (std::size_t at = 0; at < text.size();) {
    if (text.compare(at, kHead.size(), kHead) == 0) {
      const auto end = text.find("?=", at);
      if (end == std::string::npos || end + 2 - at > 75) return std::nullopt;
      const auto raw = from_base64(text.substr(at + kHead.size(), end - at - kHead.size()));
      if (!raw) return std::nullopt;
      out += as_text(*raw);
      at = end + 2;
      after_word = true;
      continue;
    }
    if (after_word && text[at] == ' ' && text.compare(at + 1, kHead.size(), kHead) == 0) {
      ++at;
      continue;
    }
    after_word = false;
    out += text[at++];
  }
  return out;
}

inline std::optional<std::string> decode_quoted(const std::vector<std::string>& lines,
                                                std::size_t first) {
  std::string out;
  for (auto i = first; i < lines.size(); ++i) {
    const auto& line = lines[i];
    if (line.size() > 76 || line.ends_with(' ') || line.ends_with('\t')) return std::nullopt;
    bool joined = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
      if (line[at] != '=') {
        out += line[at];
      } else if (at + 1 == line.size()) {
        joined = true;
      } else {
        const auto byte = from_hex(line.substr(at + 1, 2));
        if (!byte || byte->size() != 1) return std::nullopt;
        out += static_cast<char>((*byte)[0]);
        at += 2;
      }
    }
    if (!joined) out += '\n';
    if (joined && i + 1 == lines.size()) return std::nullopt;
  }
  return out;
}

inline std::optional<ReadMail> read_mail(std::string_view raw) {
  const auto lines = mail_lines(raw);
  if (!lines) return std::nullopt;
  ReadMail mail;
  std::size_t at = 0;
  for (; at < lines->size() && !(*lines)[at].empty(); ++at) {
    const auto& line = (*lines)[at];
    for (const char c : line)
      if (static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
    if (line.size() > 78 && line.find('@') == std::string::npos) return std::nullopt;
    if (line.starts_with(' ')) {
      if (mail.headers.empty() || line.size() < 2) return std::nullopt;
      mail.headers.back().second += line;
      continue;
    }
    const auto colon = line.find(": ");
    if (colon == std::string::npos) return std::nullopt;
    mail.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  if (at == lines->size()) return std::nullopt;
  const auto text = decode_quoted(*lines, at + 1);
  if (!text) return std::nullopt;
  mail.text = *text;
  return mail;
}

}  // namespace callward::courier::test
