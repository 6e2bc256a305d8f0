// The rules over a log's folder: the entries that its checkpoint signs, no others; and the rules
// as a page.
#include <algorithm>

#include "audit/daily.hpp"
#include "audit/rules.hpp"
#include "audit/tiles.hpp"

namespace callward::audit {

Result<RulesReport> check_rules(Vfs& vfs, const std::string& dir, const NamedKey& key,
                                const RuleGrace& grace,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                                RuleJudge* judge) {
  const auto checkpoint = TRY(read_checkpoint(vfs, dir + "/checkpoint", key)).checkpoint;
  const auto size = checkpoint.size;
  RuleChecker checker(grace, judge);
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

std::string rules_markdown() {
  std::string out =
      "# What `callward log check` holds the log to\n\nGenerated from `src/audit/rules_table.cpp` "
      "(`callward log rules`); a test holds this page to it. Exit code 3 when there is a breach.\n"
      "\n| rule | weight | what holds |\n|---|---|---|\n";
  for (const auto& rule : rules())
    out += "| " + std::string(rule.name) + " | " + to_text(rule.weight) + " | " +
           std::string(rule.meaning) + " |\n";
  return out;
}

}  // namespace callward::audit
