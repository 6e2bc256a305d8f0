// The grammar that ships, for tests.
#pragma once

#include <gtest/gtest.h>

#include "base/vfs.hpp"
#include "listen/grammar.hpp"
#include "listen/worker_protocol.hpp"

namespace callward::listen::test {

inline Grammar english_with(const std::map<std::string, std::string>& more) {
  RealVfs vfs;
  const std::string dir = std::string(CALLWARD_SOURCE_DIR) + "/data/listen/en";
  auto files = more;
  const auto names = vfs.list(dir);
  EXPECT_TRUE(names);
  for (const auto& name : *names)
    files.emplace(name, as_text(*vfs.read_file(dir + "/" + name, kLanguageFileBytesMax)));
  auto parsed = Grammar::parse(files);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return std::move(*parsed);
}

inline const Grammar& english() {
  static const Grammar grammar = english_with({});
  return grammar;
}

// "what is it?" as words of 300 ms each.
inline std::vector<Word> words_of(std::string_view text, std::uint32_t start_ms = 0,
                                  std::uint8_t confidence = 220) {
  std::vector<Word> words;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (end > at) {
      const auto begin = start_ms + static_cast<std::uint32_t>(words.size()) * 300;
      words.push_back({begin, begin + 300, confidence, std::string(text.substr(at, end - at))});
    }
    at = end + 1;
  }
  return words;
}

}  // namespace callward::listen::test
