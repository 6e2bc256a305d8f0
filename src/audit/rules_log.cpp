// The rules over a log's folder: the entries that its checkpoint signs, no others.
#include <algorithm>

#include "audit/daily.hpp"
#include "audit/rules.hpp"
#include "audit/tiles.hpp"

namespace callward::audit {

Result<RulesReport> check_rules(Vfs& vfs, const std::string& dir, const NamedKey& key,
                                const RuleGrace& grace,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const auto checkpoint = TRY(read_checkpoint(vfs, dir + "/checkpoint", key)).checkpoint;
  const auto size = checkpoint.size;
  RuleChecker checker(grace);
  CompactRange tree;
  for (std::uint64_t at = 0; at < size; at += kTileWidth) {
    const auto texts = TRY(read_bundle(vfs, dir, at / kTileWidth, std::min(kTileWidth, size - at)));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      checker.add(at + i, texts[i]);
      tree.append(leaf_hash(as_bytes(texts[i])));
    }
    if (progress) progress(at + texts.size(), size);
  }
  if (tree.root() != checkpoint.root)
    return fail(Errc::kCorrupt,
                "the entries are not those that the checkpoint signs: no rule was checked; "
                "`callward log verify` names what is wrong");
  return checker.finish();
}

}  // namespace callward::audit
