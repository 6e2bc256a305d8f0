#include "audit/log.hpp"

#include <algorithm>
#include <bit>

#include "base/check.hpp"

namespace callward::audit {
namespace {

constexpr std::size_t kTileBytesMax = kTileWidth * 32;
constexpr std::size_t kBundleBytesMax = kTileWidth * (kEntryBytesMax + 2);
constexpr std::string_view kJournalPrefix = "journal-";

std::string journal_name(std::uint64_t first) {
  auto digits = std::to_string(first);
  return std::string(kJournalPrefix) + std::string(20 - digits.size(), '0') + digits;
}

Bytes bundle_entry(std::string_view text) {
  Bytes out{static_cast<std::uint8_t>(text.size() >> 8), static_cast<std::uint8_t>(text.size())};
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

Bytes tile_bytes(const std::vector<Hash>& hashes) {
  Bytes out;
  for (const auto& hash : hashes) out.insert(out.end(), hash.begin(), hash.end());
  return out;
}

}  // namespace

Log::Log(Vfs& vfs, std::string dir, std::string origin, Key32 seed)
    : vfs_(vfs), dir_(std::move(dir)), origin_(std::move(origin)), seed_(std::move(seed)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(Vfs& vfs, const std::string& dir, const std::string& origin, const Key32& seed) {
  TRY(vfs.make_dirs(dir + "/tile/entries"));
  std::unique_ptr<Log> log(new Log(vfs, dir, origin, seed.clone()));
  TRY(log->load_checkpoint());
  TRY(log->load_journals());
  return log;
}

Status Log::load_checkpoint() {
  if (!vfs_.exists(dir_ + "/checkpoint")) return {};
  const auto note = TRY(vfs_.read_file(dir_ + "/checkpoint", kNoteBytesMax));
  const NamedKey key{origin_, TRY(crypto::ed25519_public(seed_))};
  const auto checkpoint = TRY(open_checkpoint(std::string(as_text(note)), key));
  published_size_ = durable_size_ = checkpoint.size;
  TRY(load_edge());
  if (tree_.root() != checkpoint.root) return fail(Errc::kCorrupt, dir_ + ": tiles do not lead to the checkpoint's root");
  return {};
}

// The tiles' right edge, and from it the roots of the full subtrees.
Status Log::load_edge() {
  std::vector<Hash> roots;
  std::vector<std::vector<Hash>> by_level;
  for (std::uint32_t level = 0; (published_size_ >> (8 * level)) > 0; ++level) {
    const auto count = published_size_ >> (8 * level);
    Level edge;
    edge.full = count / kTileWidth * kTileWidth;
    if (const auto width = count % kTileWidth; width > 0) {
      const auto path = dir_ + "/" + tile_path(level, count / kTileWidth, width);
      const auto raw = TRY(vfs_.read_file(path, kTileBytesMax));
      if (raw.size() != width * 32) return fail(Errc::kCorrupt, path + ": wrong length");
      for (std::uint64_t i = 0; i < width; ++i) {
        Hash hash;
        std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(32 * i), 32, hash.begin());
        edge.partial.push_back(hash);
      }
    }
    levels_.push_back(std::move(edge));
    if (level >= 7) break;
  }
  // Within each tile the trailing hashes form subtrees of 1 << (8 level + k) leaves, k < 8.
  for (auto level = levels_.size(); level-- > 0;) {
    const auto& hashes = levels_[level].partial;
    std::size_t at = 0;
    for (int bit = 7; bit >= 0; --bit) {
      const auto width = std::size_t{1} << bit;
      if ((hashes.size() & width) == 0) continue;
      roots.push_back(merkle_root({hashes.begin() + static_cast<std::ptrdiff_t>(at),
                                   hashes.begin() + static_cast<std::ptrdiff_t>(at + width)}));
      at += width;
    }
  }
  tree_ = TRY(CompactRange::restore(published_size_, std::move(roots)));
  const auto width = published_size_ % kTileWidth;
  if (width > 0) {
    const auto path = dir_ + "/" + bundle_path(published_size_ / kTileWidth, width);
    bundle_ = TRY(vfs_.read_file(path, kBundleBytesMax));
    if (auto entries = parse_bundle(bundle_, width); !entries) return fail(Errc::kCorrupt, path + ": " + entries.error().message);
  }
  return {};
}

Status Log::load_journals() {
  std::vector<std::string> names;
  for (const auto& name : TRY(vfs_.list(dir_)))
    if (name.rfind(kJournalPrefix, 0) == 0) names.push_back(name);
  for (std::size_t i = 0; i < names.size(); ++i) TRY(load_journal(names[i], i + 1 == names.size()));
  if (names.empty()) return start_journal(durable_size_);
  return {};
}

Status Log::load_journal(const std::string& name, bool newest) {
  const auto path = dir_ + "/" + name;
  std::uint64_t first = 0;
  for (const char c : name.substr(kJournalPrefix.size())) {
    if (c < '0' || c > '9') return fail(Errc::kCorrupt, path + ": not a journal's name");
    first = first * 10 + static_cast<std::uint64_t>(c - '0');
  }
  auto file = TRY(vfs_.open(path, OpenMode::kReadWrite));
  Bytes content(TRY(file->size()));
  content.resize(TRY(file->read_at(0, content)));
  auto scan = scan_journal(content, first);
  if (scan.torn && (!newest || scan.valid_after_tear))
    return fail(Errc::kCorrupt, path + ": damaged at byte " + std::to_string(scan.end));
  if (scan.torn) {
    // Only a batch that was never acknowledged can be torn: its fdatasync had not returned.
    TRY(file->truncate(scan.end));
    TRY(file->sync_data());
  }
  if (first > durable_size_) return fail(Errc::kCorrupt, path + ": entries before it are missing");
  for (std::size_t i = 0; i < scan.entries.size(); ++i) {
    if (first + i < durable_size_) continue;
    pending_.push_back(std::move(scan.entries[i]));
    ++durable_size_;
  }
  if (newest) {
    journal_ = std::move(file);
    journal_name_ = name;
    journal_end_ = scan.end;
  }
  return {};
}

Status Log::start_journal(std::uint64_t first) {
  const auto name = journal_name(first);
  journal_ = TRY(vfs_.open(dir_ + "/" + name, OpenMode::kCreate));
  TRY(journal_->truncate(0));
  TRY(journal_->sync_data());
  TRY(vfs_.sync_dir(dir_));
  journal_name_ = name;
  journal_end_ = 0;
  return {};
}

Result<std::uint64_t> Log::stage(const Entry& entry) {
  if (failed_) return fail(Errc::kState, "the log has failed and takes nothing until it is opened anew");
  auto text = TRY(encode_entry(entry));
  if (staged_bytes_ + text.size() > kStagedBytesMax) return fail(Errc::kFull, "too much waits for the log");
  staged_bytes_ += text.size();
  staged_.push_back(std::move(text));
  return durable_size_ + staged_.size() - 1;
}

Status Log::commit() {
  if (staged_.empty()) return {};
  if (failed_) return fail(Errc::kState, "the log has failed and takes nothing until it is opened anew");
  ByteWriter batch;
  for (std::size_t i = 0; i < staged_.size(); ++i) batch.bytes(journal_frame(durable_size_ + i, staged_[i]));
  auto written = journal_->write_at(journal_end_, batch.view());
  if (written) written = journal_->sync_data();
  if (!written) {
    failed_ = true;
    staged_.clear();
    staged_bytes_ = 0;
    return fail(written.error().code, "audit log: " + written.error().message);
  }
  journal_end_ += batch.size();
  durable_size_ += staged_.size();
  for (auto& text : staged_) pending_.push_back(std::move(text));
  staged_.clear();
  staged_bytes_ = 0;
  return {};
}

Status Log::publish() {
  if (failed_) return fail(Errc::kState, "the log has failed and takes nothing until it is opened anew");
  if (durable_size_ == published_size_ && vfs_.exists(dir_ + "/checkpoint")) return {};
  const auto done = [this]() -> Status {
    for (auto& text : pending_) TRY(integrate(std::move(text)));
    pending_.clear();
    TRY(write_partials());
    TRY(sync_dirs());
    const auto note = TRY(sign_checkpoint({origin_, tree_.size(), tree_.root()}, seed_));
    TRY(vfs_.write_file_atomic(dir_ + "/checkpoint", as_bytes(note)));
    published_size_ = tree_.size();
    if (journal_end_ > kJournalBytesMax) {
      TRY(start_journal(durable_size_));
      TRY(drop_old_journals());
    }
    return {};
  }();
  if (!done) failed_ = true;
  return done;
}

Status Log::integrate(std::string text) {
  Status status;
  tree_.append(leaf_hash(as_bytes(text)), [&](std::uint32_t level, std::uint64_t, const Hash& hash) {
    if (status && level % 8 == 0) status = add_hash(level / 8, hash);
  });
  TRY(std::move(status));
  const auto entry = bundle_entry(text);
  bundle_.insert(bundle_.end(), entry.begin(), entry.end());
  if (tree_.size() % kTileWidth == 0) {
    TRY(write_synced(bundle_path(tree_.size() / kTileWidth - 1, kTileWidth), bundle_));
    bundle_.clear();
  }
  return {};
}

Status Log::add_hash(std::uint32_t tile_level, const Hash& hash) {
  if (levels_.size() <= tile_level) levels_.resize(tile_level + 1);
  auto& level = levels_[tile_level];
  level.partial.push_back(hash);
  if (level.partial.size() < kTileWidth) return {};
  TRY(write_synced(tile_path(tile_level, level.full / kTileWidth, kTileWidth), tile_bytes(level.partial)));
  level.full += kTileWidth;
  level.partial.clear();
  return {};
}

Status Log::write_partials() {
  for (std::uint32_t i = 0; i < levels_.size(); ++i) {
    const auto& level = levels_[i];
    if (level.partial.empty()) continue;
    const auto path = tile_path(i, level.full / kTileWidth, level.partial.size());
    // A partial tile of the same width has the same content: nothing under a published name ever changes.
    if (!vfs_.exists(dir_ + "/" + path)) TRY(write_synced(path, tile_bytes(level.partial)));
  }
  if (const auto width = tree_.size() % kTileWidth; width > 0)
    TRY(write_synced(bundle_path(tree_.size() / kTileWidth, width), bundle_));
  return {};
}

Status Log::write_synced(const std::string& path, ByteView content) {
  const auto whole = dir_ + "/" + path;
  const auto folder = parent_of(whole);
  if (!vfs_.exists(folder)) TRY(vfs_.make_dirs(folder));
  const auto fresh = whole + ".new";
  {
    const auto file = TRY(vfs_.open(fresh, OpenMode::kCreate));
    TRY(file->truncate(0));
    TRY(file->write_at(0, content));
    TRY(file->sync_data());
  }
  TRY(vfs_.rename(fresh, whole));
  // The name itself, and those of the folders above it, must be durable before the checkpoint.
  for (auto up = folder; up.size() >= dir_.size(); up = parent_of(up))
    if (std::find(dirty_dirs_.begin(), dirty_dirs_.end(), up) == dirty_dirs_.end()) dirty_dirs_.push_back(up);
  return {};
}

Status Log::sync_dirs() {
  for (const auto& dir : dirty_dirs_) TRY(vfs_.sync_dir(dir));
  dirty_dirs_.clear();
  return {};
}

Status Log::drop_old_journals() {
  for (const auto& name : TRY(vfs_.list(dir_)))
    if (name.rfind(kJournalPrefix, 0) == 0 && name < journal_name_) TRY(vfs_.remove(dir_ + "/" + name));
  return vfs_.sync_dir(dir_);
}

Result<std::string> Log::read_entry_text(std::uint64_t index) {
  if (index >= tree_.size()) return pending_[static_cast<std::size_t>(index - tree_.size())];
  const auto bundle = index / kTileWidth;
  if (bundle == tree_.size() / kTileWidth) {
    auto entries = TRY(parse_bundle(bundle_, tree_.size() % kTileWidth));
    return entries[static_cast<std::size_t>(index % kTileWidth)];
  }
  const auto raw = TRY(vfs_.read_file(dir_ + "/" + bundle_path(bundle, kTileWidth), kBundleBytesMax));
  auto entries = TRY(parse_bundle(raw, kTileWidth));
  return entries[static_cast<std::size_t>(index % kTileWidth)];
}

Status Log::replay(std::uint64_t first, const std::function<Status(std::uint64_t, const Entry&)>& on_entry) {
  std::vector<std::string> bundle;
  std::uint64_t bundle_first = ~std::uint64_t{0};
  for (auto index = first; index < durable_size_; ++index) {
    std::string text;
    const auto begin = index / kTileWidth * kTileWidth;
    if (begin + kTileWidth <= tree_.size()) {
      if (begin != bundle_first) {
        const auto raw = TRY(vfs_.read_file(dir_ + "/" + bundle_path(begin / kTileWidth, kTileWidth), kBundleBytesMax));
        bundle = TRY(parse_bundle(raw, kTileWidth));
        bundle_first = begin;
      }
      text = bundle[static_cast<std::size_t>(index - begin)];
    } else {
      text = TRY(read_entry_text(index));
    }
    TRY(on_entry(index, TRY(decode_entry(text))));
  }
  return {};
}

}  // namespace callward::audit
