#include "sim/page_hunter.hpp"

#include <map>

#include "keys/page_tree.hpp"

namespace callward::sim {
namespace {

constexpr std::size_t kPageAlignment = 64;

std::uint32_t payload_bytes(ByteView page) { return load_le<std::uint32_t>(page.data() + 16); }

// Cut to its own length; empty if it is none.
ByteView as_page(ByteView at) {
  if (at.size() < keys::kPageOverheadBytes || as_text(at.first(4)) != "CWK1") return {};
  const auto bytes = std::uint64_t{payload_bytes(at)} + keys::kPageOverheadBytes;
  return bytes <= at.size() ? at.first(bytes) : ByteView();
}

using Place = std::pair<std::uint8_t, std::uint64_t>;  // level, index

}  // namespace

std::vector<ByteView> pages_in(ByteView file) {
  std::vector<ByteView> pages;
  for (auto at = 2 * keys::kSuperblockBytes; at < file.size(); at += kPageAlignment)
    if (const auto page = as_page(file.subspan(at)); !page.empty()) pages.push_back(page);
  return pages;
}

void hunt_rows(const std::vector<ByteView>& pages, const std::vector<Key32>& epoch_keys,
               const std::function<void(ByteView)>& on_row) {
  std::multimap<Place, ByteView> by_place;
  for (const auto raw : pages)
    if (const auto page = as_page(raw); !page.empty())
      by_place.emplace(Place{page[6], load_le<std::uint64_t>(page.data() + 8)}, page);
  std::vector<std::pair<Place, Key32>> doors;
  for (const auto& key : epoch_keys) doors.emplace_back(Place{keys::kRootLevel, 0}, key.clone());
  for (std::size_t at = 0; at < doors.size(); ++at) {
    const auto place = doors[at].first;
    const auto [begin, end] = by_place.equal_range(place);
    for (auto found = begin; found != end; ++found) {
      auto key = doors[at].second.clone();
      if (place.first == keys::kRootLevel) {
        const auto salt = keys::page_salt(found->second);
        if (!salt) continue;
        key = keys::root_page_key(*salt, key);
      }
      const auto payload =
          keys::open_page(keys::page_id(place.first, place.second), key, found->second);
      if (!payload) continue;
      const auto below = [&](const keys::Children& children) {
        for (const auto& [slot, child] : children)
          doors.emplace_back(
              Place{static_cast<std::uint8_t>(place.first - 1), place.second << 8 | slot},
              child.key.clone());
      };
      if (place.first == keys::kRootLevel) {
        if (const auto root = keys::decode_root(payload->expose())) below(root->children);
      } else if (place.first > 0) {
        if (const auto children = keys::decode_children(payload->expose())) below(*children);
      } else if (const auto rows = keys::decode_rows(payload->expose())) {
        for (const auto& [slot, row] : *rows) on_row(row.expose());
      }
    }
  }
}

}  // namespace callward::sim
