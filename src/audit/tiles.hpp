// Names and bytes of tiles and entry bundles (C2SP tlog-tiles).
#pragma once

#include <string>
#include <vector>

#include "audit/journal.hpp"
#include "audit/merkle.hpp"
#include "base/vfs.hpp"

namespace callward::audit {

inline constexpr std::uint64_t kTileWidth = 256;
inline constexpr std::size_t kTileBytesMax = kTileWidth * 32;
inline constexpr std::size_t kBundleBytesMax = kTileWidth * (65'535 + 2);
inline constexpr std::uint32_t kTileLevelsMax = 8;  // 64 bits of size, 8 a level

// Paths below the log's folder; `width` 256 is the full one.
std::string tile_path(std::uint32_t level, std::uint64_t index, std::uint64_t width);
std::string bundle_path(std::uint64_t index, std::uint64_t width);
// What a path below "tile/" names. kMalformed for anything that tile_path and bundle_path would not
// write.
struct TileName {
  bool bundle = false;
  std::uint32_t level = 0;  // 0 for bundles
  std::uint64_t index = 0, width = 0;
};
Result<TileName> parse_tile_name(std::string_view path);

Bytes tile_bytes(const std::vector<Hash>& hashes);
// kCorrupt unless it is exactly `width` hashes.
Result<std::vector<Hash>> parse_tile(ByteView content, std::uint64_t width);

// The first `width` entries of a bundle, the first `width` hashes of a tile. A reader of a log that
// grows finds that a partial one is gone: then the full one is there (tlog-tiles, "Partial Tiles").
Result<std::vector<std::string>> read_bundle(Vfs& vfs, const std::string& dir, std::uint64_t index,
                                             std::uint64_t width);
Result<std::vector<Hash>> read_tile(Vfs& vfs, const std::string& dir, std::uint32_t level,
                                    std::uint64_t index, std::uint64_t width);

// Nodes of the log's tree of `size`, read from its tiles: for proofs.
NodeSource tile_nodes(Vfs& vfs, std::string dir, std::uint64_t size);

}  // namespace callward::audit
