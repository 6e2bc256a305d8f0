#include "audit/tiles.hpp"

#include <charconv>

namespace callward::audit {
namespace {

constexpr std::uint32_t kTileHeight = 8;  // 2^8 = kTileWidth

// Three digits a path element, all but the last with an x in front.
std::string number_path(std::uint64_t index) {
  const auto three = [](std::uint64_t n) {
    const auto text = std::to_string(n);
    return std::string(3 - text.size(), '0') + text;
  };
  std::string path = three(index % 1000);
  for (index /= 1000; index > 0; index /= 1000) path = "x" + three(index % 1000) + "/" + path;
  return path;
}

std::string with_width(const std::string& path, std::uint64_t width) {
  return width == kTileWidth ? path : path + ".p/" + std::to_string(width);
}

bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// Lenient; parse_tile_name writes the name again and compares.
bool take_index(std::string_view& text, std::uint64_t& index) {
  for (index = 0;;) {
    const bool more = text.starts_with('x');
    if (more) text.remove_prefix(1);
    std::uint64_t part = 0;
    if (!take_number(text, part) || part > 999 || index > ~std::uint64_t{0} / 1000 - 1)
      return false;
    index = index * 1000 + part;
    if (!more) return true;
    if (!text.starts_with('/')) return false;
    text.remove_prefix(1);
  }
}

Result<Bytes> read_either(Vfs& vfs, const std::string& partial, const std::string& full,
                          std::size_t bytes_max, bool* is_full) {
  auto raw = vfs.read_file(partial, bytes_max);
  *is_full = partial == full;
  if (raw || raw.error().code != Errc::kNotFound || *is_full) return raw;
  *is_full = true;
  auto whole = vfs.read_file(full, bytes_max);
  if (whole || whole.error().code != Errc::kNotFound) return whole;
  return raw;  // the partial one is what is missing
}

}  // namespace

std::string tile_path(std::uint32_t level, std::uint64_t index, std::uint64_t width) {
  return with_width("tile/" + std::to_string(level) + "/" + number_path(index), width);
}

std::string bundle_path(std::uint64_t index, std::uint64_t width) {
  return with_width("tile/entries/" + number_path(index), width);
}

Result<TileName> parse_tile_name(std::string_view path) {
  const auto wrong = [] { return fail(Errc::kMalformed, "not the name of a tile"); };
  TileName name{.width = kTileWidth};
  auto rest = path;
  std::uint64_t level = 0;
  if (rest.starts_with("tile/entries/")) {
    name.bundle = true;
    rest.remove_prefix(13);
  } else {
    if (!rest.starts_with("tile/")) return wrong();
    rest.remove_prefix(5);
    if (!take_number(rest, level) || level >= kTileLevelsMax || !rest.starts_with('/'))
      return wrong();
    name.level = static_cast<std::uint32_t>(level);
    rest.remove_prefix(1);
  }
  if (!take_index(rest, name.index)) return wrong();
  if (rest.starts_with(".p/")) {
    rest.remove_prefix(3);
    if (!take_number(rest, name.width) || name.width == 0 || name.width >= kTileWidth)
      return wrong();
  }
  const auto again = name.bundle ? bundle_path(name.index, name.width)
                                 : tile_path(name.level, name.index, name.width);
  if (again != path) return wrong();
  return name;
}

Bytes tile_bytes(const std::vector<Hash>& hashes) {
  Bytes out;
  out.reserve(hashes.size() * 32);
  for (const auto& hash : hashes) out.insert(out.end(), hash.begin(), hash.end());
  return out;
}

Result<std::vector<Hash>> parse_tile(ByteView content, std::uint64_t width) {
  if (content.size() != width * 32) return fail(Errc::kCorrupt, "tile has a wrong length");
  std::vector<Hash> hashes(static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < hashes.size(); ++i)
    std::memcpy(hashes[i].data(), content.data() + i * 32, 32);
  return hashes;
}

Result<std::vector<std::string>> read_bundle(Vfs& vfs, const std::string& dir, std::uint64_t index,
                                             std::uint64_t width) {
  bool full = false;
  const auto raw =
      TRY(read_either(vfs, dir + "/" + bundle_path(index, width),
                      dir + "/" + bundle_path(index, kTileWidth), kBundleBytesMax, &full));
  auto entries = TRY(parse_bundle(raw, full ? kTileWidth : width));
  entries.resize(static_cast<std::size_t>(width));
  return entries;
}

Result<std::vector<Hash>> read_tile(Vfs& vfs, const std::string& dir, std::uint32_t level,
                                    std::uint64_t index, std::uint64_t width) {
  bool full = false;
  const auto raw =
      TRY(read_either(vfs, dir + "/" + tile_path(level, index, width),
                      dir + "/" + tile_path(level, index, kTileWidth), kTileBytesMax, &full));
  auto hashes = TRY(parse_tile(raw, full ? kTileWidth : width));
  hashes.resize(static_cast<std::size_t>(width));
  return hashes;
}

NodeSource tile_nodes(Vfs& vfs, std::string dir, std::uint64_t size) {
  return
      [&vfs, dir = std::move(dir), size](std::uint32_t level, std::uint64_t index) -> Result<Hash> {
        // The node is the root of 2^k hashes that lie in one tile.
        const auto tile_level = level / kTileHeight;
        const auto k = level % kTileHeight;
        const auto first = index << k;
        const auto tile = first / kTileWidth;
        const auto hashes_of_level =
            tile_level < kTileLevelsMax ? size >> (kTileHeight * tile_level) : 0;
        if (first + (std::uint64_t{1} << k) > hashes_of_level)
          return fail(Errc::kNotFound, "the tree has no such node");
        const auto width = std::min(kTileWidth, hashes_of_level - tile * kTileWidth);
        const auto hashes = TRY(read_tile(vfs, dir, tile_level, tile, width));
        const auto begin = hashes.begin() + static_cast<std::ptrdiff_t>(first % kTileWidth);
        return merkle_root({begin, begin + (std::ptrdiff_t{1} << k)});
      };
}

}  // namespace callward::audit
