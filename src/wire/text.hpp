// Small words on text that the parsers of this folder share. ASCII only, whatever the locale.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace callward::wire {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

constexpr bool same_word(std::string_view a, std::string_view b) {  // without regard to case
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = lower(c);
  return out;
}

// Cuts the next line off `rest`; the line comes without its CRLF, LF or CR LF-less end.
constexpr std::string_view next_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  auto line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// Cuts the next word, up to one of `ends`, off `rest`; leading blanks are skipped.
constexpr std::string_view next_word(std::string_view& rest, std::string_view ends = " \t") {
  while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
  const auto end = rest.find_first_of(ends);
  const auto word = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return word;
}

// The whole of `text` as a number of this type, else nothing.
template <class Int>
std::optional<Int> number(std::string_view text) {
  Int value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace callward::wire
