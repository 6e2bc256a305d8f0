#include "settings/section.hpp"

#include <algorithm>

namespace callward::settings {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

const std::string& nearest(const std::string& name, const std::vector<std::string>& known) {
  return *std::ranges::min_element(known, {},
                                   [&](const auto& word) { return edit_distance(name, word); });
}

std::string line_of(const toml::node& node) {
  return "line " + std::to_string(node.source().begin.line) + ": ";
}

}  // namespace

Result<toml::table> parse(const std::string& text, const std::string& file) {
  try {
    return Result<toml::table>(toml::table(toml::parse(text, file)));
  } catch (const toml::parse_error& error) {
    return fail(Errc::kConfig, "line " + std::to_string(error.source().begin.line) + ": " +
                                   std::string(error.description()));
  } catch (const std::logic_error&) {
    return fail(Errc::kConfig, "the file is not TOML: a [ or a key has no name behind it");
  }
}

Status check_sections(const toml::table& root, const std::vector<std::string>& known) {
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    if (std::ranges::find(known, name) != known.end()) continue;
    return fail(Errc::kConfig, line_of(node) + "[" + name + "] is unknown; did you mean [" +
                                   nearest(name, known) + "]?");
  }
  return {};
}

Section::Section(const toml::table& root, std::string name) : name_(std::move(name)) {
  if (const auto* found = root.get(name_)) {
    table_ = found->as_table();
    if (table_ == nullptr) error_ = "[" + name_ + "] must be a table";
  }
}

void Section::text(const char* key, std::string& out) {
  if (const auto* found = node(key)) {
    if (const auto value = found->value_exact<std::string>())
      out = *value;
    else
      wrong(key, "a text in quotes");
  }
}

void Section::path(const char* key, std::string& out) {
  text(key, out);
  if (out.empty() && error_.empty()) wrong(key, "a path");
}

std::int64_t Section::whole(const char* key, std::int64_t before, std::int64_t least,
                            std::int64_t most) {
  const auto* found = node(key);
  if (found == nullptr) return before;
  const auto value = found->value_exact<std::int64_t>();
  if (value && *value >= least && *value <= most) return *value;
  wrong(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return before;
}

void Section::flag(const char* key, bool& out) {
  if (const auto* found = node(key)) {
    if (const auto value = found->value_exact<bool>())
      out = *value;
    else
      wrong(key, "true or false");
  }
}

void Section::texts(const char* key, std::vector<std::string>& out) {
  const auto* found = node(key);
  if (found == nullptr) return;
  const auto* array = found->as_array();
  if (array == nullptr) return wrong(key, "a list of texts");
  out.clear();
  for (const auto& item : *array) {
    const auto value = item.value_exact<std::string>();
    if (!value) return wrong(key, "a list of texts");
    out.push_back(*value);
  }
}

const toml::node* Section::node(const char* key) {
  known_.emplace_back(key);
  return table_ == nullptr ? nullptr : table_->get(key);
}

void Section::wrong(const char* key, const std::string& expected) {
  if (!error_.empty()) return;
  const auto* found = table_ == nullptr ? nullptr : table_->get(key);
  error_ = (found == nullptr ? std::string() : line_of(*found)) + name_ + "." + key + " must be " +
           expected;
}

std::string Section::unknown(const std::string& key, std::uint32_t line) const {
  return "line " + std::to_string(line) + ": " + name_ + "." + key + " is unknown; did you mean " +
         name_ + "." + nearest(key, known_) + "?";
}

Status Section::finish() {
  if (error_.empty() && table_ != nullptr)
    for (const auto& [key, found] : *table_)
      if (std::ranges::find(known_, key.str()) == known_.end())
        return fail(Errc::kConfig, unknown(std::string(key.str()), found.source().begin.line));
  if (!error_.empty()) return fail(Errc::kConfig, error_);
  return {};
}

}  // namespace callward::settings
