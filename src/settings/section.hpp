// TOML files, read strictly: each key is declared by who reads it, of its kind and within its
// bounds; what is left over is an error that names the line and the nearest key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "settings/toml.hpp"

namespace callward::settings {

// kConfig, with the line.
Result<toml::table> parse(const std::string& text, const std::string& file);
// kConfig: a section that none of these is.
Status check_sections(const toml::table& root, const std::vector<std::string>& known);

// One table of the file. Reading goes on after an error; finish() tells the first one.
class Section {
 public:
  Section(const toml::table& root, std::string name);
  // An item of a list of tables.
  Section(const toml::table* item, std::string name) : name_(std::move(name)), table_(item) {}

  void text(const char* key, std::string& out);
  // An empty path would be the file system's root once something is appended to it.
  void path(const char* key, std::string& out);
  void flag(const char* key, bool& out);
  void texts(const char* key, std::vector<std::string>& out);
  template <class Int>
  void number(const char* key, Int& out, std::int64_t least, std::int64_t most) {
    out = static_cast<Int>(whole(key, static_cast<std::int64_t>(out), least, most));
  }
  // What stands there, for what is neither text nor number; null: nothing.
  const toml::node* node(const char* key);
  void wrong(const char* key, const std::string& expected);
  Status finish();

 private:
  std::int64_t whole(const char* key, std::int64_t before, std::int64_t least, std::int64_t most);
  [[nodiscard]] std::string unknown(const std::string& key, std::uint32_t line) const;
  std::string name_;
  const toml::table* table_ = nullptr;
  std::vector<std::string> known_;
  std::string error_;
};

}  // namespace callward::settings
