#include "people/leaked.hpp"

#include <algorithm>

#include "crypto/sha1.hpp"

namespace callward::people {
namespace {

constexpr std::size_t kNameDigits = 40;

Result<std::array<std::uint8_t, 20>> parse_name(std::string_view line) {
  auto digits = std::string(line.substr(0, kNameDigits));
  std::ranges::transform(digits, digits.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
  });
  const auto rest = line.substr(std::min(line.size(), kNameDigits));
  const auto raw = from_hex(digits);
  if (!raw || raw->size() != kNameDigits / 2 || (!rest.empty() && rest[0] != ':'))
    return fail(Errc::kCorrupt, "a line of the list of leaked passphrases is no SHA-1");
  std::array<std::uint8_t, 20> name{};
  std::ranges::copy(*raw, name.begin());
  return name;
}

}  // namespace

Result<LeakedList::Line> LeakedList::line_from(std::uint64_t at) const {
  // From one byte before: a line begins at `at` when the one before ends there.
  const auto from = at == 0 ? 0 : at - 1;
  std::array<char, 2 * kLineBytesMax> buffer{};
  const auto got = TRY(file_->read_at(
      from, MutByteView(reinterpret_cast<std::uint8_t*>(buffer.data()), buffer.size())));
  const std::string_view text(buffer.data(), got);
  std::size_t begin = 0;
  if (at != 0) {
    const auto before = text.find('\n');
    if (before == std::string_view::npos && from + got < size_)
      return fail(Errc::kCorrupt, "a line of the list of leaked passphrases has no end");
    begin = before == std::string_view::npos ? got : before + 1;
  }
  if (from + begin >= size_) return Line{size_, size_, {}};
  auto end = text.find('\n', begin);
  if (end == std::string_view::npos && from + got < size_)
    return fail(Errc::kCorrupt, "a line of the list of leaked passphrases has no end");
  if (end == std::string_view::npos) end = got;
  auto line = text.substr(begin, end - begin);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return Line{from + begin, std::min(from + end + 1, size_), TRY(parse_name(line))};
}

Status LeakedList::check_order() const {
  constexpr std::uint64_t kLooked = 256;
  std::uint64_t before = 0;
  Name name{};
  for (std::uint64_t i = 0; i < kLooked; ++i) {
    const auto line = TRY(line_from(size_ / kLooked * i));
    if (line.begin == size_) break;
    if (i > 0 && line.begin > before && line.name <= name)
      return fail(Errc::kConfig, "it is not in the order of its hashes");
    before = line.begin;
    name = line.name;
  }
  return {};
}

Result<LeakedList> LeakedList::open(Vfs& vfs, const std::string& path) {
  const auto wrong = [&path](const std::string& why) {
    return fail(Errc::kConfig, "server.leaked_passphrases: " + path + ": " + why);
  };
  auto file = vfs.open(path, OpenMode::kRead);
  if (!file) return wrong(file.error().message);
  const auto size = TRY((*file)->size());
  LeakedList list(std::move(*file), size);
  if (size == 0) return wrong("it is empty");
  if (const auto order = list.check_order(); !order) return wrong(order.error().message);
  return list;
}

Result<bool> LeakedList::has(const SecretBytes& passphrase) const {
  auto name = crypto::sha1(passphrase.expose());
  // The line, if there is one, begins at `low` or behind it, and before `high`.
  std::uint64_t low = 0, high = size_;
  bool found = false;
  while (low < high && !found) {
    const auto middle = low + (high - low) / 2;
    const auto line = TRY(line_from(middle));
    if (line.begin >= high || line.name > name)
      high = middle;
    else if (line.name < name)
      low = line.end;
    else
      found = true;
  }
  wipe(name.data(), name.size());
  return found;
}

}  // namespace callward::people
