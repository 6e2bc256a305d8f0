#include "audit/verify.hpp"

#include <algorithm>
#include <set>

namespace callward::audit {
namespace {

constexpr std::size_t kFileBytesMax = 32u << 20;
constexpr std::size_t kFindingsMax = 1'000;

class Verifier {
 public:
  Verifier(Vfs& vfs, std::string dir, const NamedKey& key) : vfs_(vfs), dir_(std::move(dir)), key_(key) {}

  Result<VerifyReport> run() {
    TRY(collect("", 0));
    report_.files = files_.size();
    read_checkpoint();
    read_bundles();
    check_tiles();
    check_journals();
    for (const auto& file : files_)
      if (used_.count(file) == 0) check_unused(file);
    if (have_checkpoint_ && tree_.size() == checkpoint_.size && tree_.root() != checkpoint_.root)
      finding("checkpoint", "its root is not that of the entries");
    report_.entries = tree_.size();
    report_.root = tree_.root();
    return std::move(report_);
  }

 private:
  void finding(const std::string& file, const std::string& what) {
    if (report_.findings.size() < kFindingsMax) report_.findings.push_back(file + ": " + what);
  }

  Status collect(const std::string& below, int depth) {
    constexpr int kDepthMax = 12;
    if (depth > kDepthMax) return {};
    for (const auto& name : TRY(vfs_.list(dir_ + (below.empty() ? "" : "/" + below)))) {
      const auto path = below.empty() ? name : below + "/" + name;
      if (vfs_.list(dir_ + "/" + path)) TRY(collect(path, depth + 1));
      else files_.insert(path);
    }
    return {};
  }

  Result<Bytes> read(const std::string& path) {
    used_.insert(path);
    return vfs_.read_file(dir_ + "/" + path, kFileBytesMax);
  }

  void read_checkpoint() {
    used_.insert("public.key");
    check_public_key();
    const auto note = read("checkpoint");
    if (!note) return finding("checkpoint", note.error().message);
    auto opened = open_checkpoint(std::string(as_text(*note)), key_);
    if (!opened) return finding("checkpoint", opened.error().message);
    checkpoint_ = std::move(*opened);
    have_checkpoint_ = true;
  }

  void check_public_key() {
    if (files_.count("public.key") == 0) return;
    const auto raw = read("public.key");
    const auto wanted = verifier_key(key_.name, key_.key) + "\n";
    if (!raw || as_text(*raw) != wanted) finding("public.key", "is not the key that the log is checked against");
  }

  void read_bundles() {
    if (!have_checkpoint_) return;
    for (std::uint64_t at = 0; at < checkpoint_.size; at += kTileWidth) {
      const auto width = std::min(kTileWidth, checkpoint_.size - at);
      const auto path = bundle_path(at / kTileWidth, width);
      const auto raw = read(path);
      if (!raw) return finding(path, raw.error().message);
      const auto entries = parse_bundle(*raw, width);
      if (!entries) return finding(path, entries.error().message);
      for (const auto& text : *entries) {
        check_entry(path, text);
        tree_.append(leaf_hash(as_bytes(text)), [this](std::uint32_t level, std::uint64_t, const Hash& hash) {
          if (level % 8 != 0) return;
          if (nodes_.size() <= level / 8) nodes_.resize(level / 8 + 1);
          nodes_[level / 8].push_back(hash);
        });
        texts_.push_back(leaf_hash(as_bytes(text)));
      }
    }
  }

  void check_entry(const std::string& path, const std::string& text) {
    const auto entry = decode_entry(text);
    const auto index = tree_.size();
    if (!entry) return finding(path, "entry " + std::to_string(index) + ": " + entry.error().message);
    constexpr std::int64_t kBackwardsMsMax = 1'000;
    if (entry->at + kBackwardsMsMax < last_at_)
      report_.warnings.push_back("entry " + std::to_string(index) + ": its time lies before the entry's in front of it");
    last_at_ = std::max(last_at_, entry->at);
  }

  void check_tiles() {
    for (std::uint32_t level = 0; level < nodes_.size(); ++level) {
      const auto& hashes = nodes_[level];
      for (std::uint64_t at = 0; at < hashes.size(); at += kTileWidth) {
        const auto width = std::min<std::uint64_t>(kTileWidth, hashes.size() - at);
        check_tile(tile_path(level, at / kTileWidth, width), hashes, at, width);
      }
    }
  }

  void check_tile(const std::string& path, const std::vector<Hash>& hashes, std::uint64_t at, std::uint64_t width) {
    const auto raw = read(path);
    if (!raw) return finding(path, raw.error().message);
    if (raw->size() != width * 32) return finding(path, "has a wrong length");
    for (std::uint64_t i = 0; i < width; ++i)
      if (!equal(ByteView(*raw).subspan(i * 32, 32), hashes[static_cast<std::size_t>(at + i)]))
        return finding(path, "hash " + std::to_string(i) + " is not that of the entries");
  }

  // Partial tiles and bundles of earlier checkpoints: they must be beginnings of what the entries say.
  void check_unused(const std::string& file) {
    if (check_old_partial(file)) return;
    if (file == "checkpoint.new" || file.find(".new") != std::string::npos) return report_.warnings.push_back(file + ": left over from a crash");
    report_.warnings.push_back(file + ": not a file of the log");
  }

  bool check_old_partial(const std::string& file) {
    const auto mark = file.rfind(".p/");
    if (mark == std::string::npos) return false;
    for (std::uint32_t level = 0; level < nodes_.size(); ++level) {
      const auto& hashes = nodes_[level];
      for (std::uint64_t at = 0; at < hashes.size(); at += kTileWidth) {
        if (file.substr(0, mark) != tile_path(level, at / kTileWidth, kTileWidth)) continue;
        const auto width = std::strtoull(file.c_str() + mark + 3, nullptr, 10);
        if (width == 0 || width >= kTileWidth || at + width > hashes.size()) break;
        check_tile(file, hashes, at, width);
        return true;
      }
    }
    return check_old_bundle(file, mark);
  }

  bool check_old_bundle(const std::string& file, std::size_t mark) {
    for (std::uint64_t at = 0; at < texts_.size(); at += kTileWidth) {
      if (file.substr(0, mark) != bundle_path(at / kTileWidth, kTileWidth)) continue;
      const auto width = std::strtoull(file.c_str() + mark + 3, nullptr, 10);
      const auto raw = read(file);
      if (!raw) return finding(file, raw.error().message), true;
      const auto entries = parse_bundle(*raw, width);
      if (!entries) return finding(file, entries.error().message), true;
      for (std::uint64_t i = 0; i < entries->size(); ++i)
        if (at + i >= texts_.size() || leaf_hash(as_bytes((*entries)[static_cast<std::size_t>(i)])) != texts_[static_cast<std::size_t>(at + i)])
          return finding(file, "entry " + std::to_string(at + i) + " is not that of the log"), true;
      return true;
    }
    return false;
  }

  void check_journals() {
    for (const auto& file : files_) {
      if (file.rfind("journal-", 0) != 0) continue;
      const auto raw = read(file);
      if (!raw) {
        finding(file, raw.error().message);
        continue;
      }
      const auto first = std::strtoull(file.c_str() + 8, nullptr, 10);
      const auto scan = scan_journal(*raw, first);
      if (scan.torn) finding(file, "damaged at byte " + std::to_string(scan.end));
      for (std::size_t i = 0; i < scan.entries.size(); ++i) {
        const auto index = first + i;
        if (index < texts_.size()) {
          if (leaf_hash(as_bytes(scan.entries[i])) != texts_[static_cast<std::size_t>(index)])
            finding(file, "entry " + std::to_string(index) + " is not that of the log");
        } else {
          ++report_.journal_entries;
          if (auto entry = decode_entry(scan.entries[i]); !entry)
            finding(file, "entry " + std::to_string(index) + ": " + entry.error().message);
        }
      }
    }
  }

  Vfs& vfs_;
  std::string dir_;
  NamedKey key_;
  VerifyReport report_;
  std::set<std::string> files_, used_;
  Checkpoint checkpoint_;
  bool have_checkpoint_ = false;
  CompactRange tree_;
  std::vector<std::vector<Hash>> nodes_;  // by tile level
  std::vector<Hash> texts_;               // leaf hash of each entry
  std::int64_t last_at_ = 0;
};

}  // namespace

Result<VerifyReport> verify_log(Vfs& vfs, const std::string& dir, const NamedKey& key) {
  return Verifier(vfs, dir, key).run();
}

}  // namespace callward::audit
