#include "audit/log.hpp"

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "base/check.hpp"

namespace callward::audit {
namespace {

// How many of the newest full tiles of a level are searched for partial ones that a crash left
// behind.
constexpr std::uint64_t kSweepTiles = 16;

// Whoever hears "unavailable" asks again; "state" would tell a recorder that it was done before.
tl::unexpected<Error> refused() {
  return fail(Errc::kUnavailable, "the log has failed and takes nothing until it is opened anew");
}

}  // namespace

// The thread of publish_beside(): one write_publish() at a time, begun and taken by the log's own
// thread.
class Log::Publisher {
 public:
  enum Wait : bool { kNow, kWait };
  // Null where the machine gives no thread.
  static std::unique_ptr<Publisher> of(Log& log) {
    try {
      return std::make_unique<Publisher>(log);
    } catch (const std::system_error&) {
      return nullptr;
    }
  }
  explicit Publisher(Log& log) : log_(log), thread_([this] { run(); }) {}
  ~Publisher() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    turn_.notify_all();
    thread_.join();
  }
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Begun, and its outcome not taken yet. Known to the log's thread without a lock: it alone
  // changes it.
  [[nodiscard]] bool writing() const { return writing_; }
  void begin() {
    {
      const std::lock_guard lock(mutex_);
      asked_ = true;
    }
    writing_ = true;
    turn_.notify_all();
  }
  std::optional<Status> outcome(Wait wait) {
    std::unique_lock lock(mutex_);
    if (wait == kWait) turn_.wait(lock, [this] { return outcome_.has_value(); });
    auto outcome = std::exchange(outcome_, std::nullopt);
    writing_ = !outcome.has_value();
    return outcome;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      turn_.wait(lock, [this] { return asked_ || stop_; });
      if (!asked_) return;
      asked_ = false;
      lock.unlock();
      auto written = log_.write_publish();
      lock.lock();
      outcome_ = std::move(written);
      turn_.notify_all();
    }
  }

  Log& log_;
  std::mutex mutex_;
  std::condition_variable turn_;
  bool asked_ = false, stop_ = false;
  std::optional<Status> outcome_;
  bool writing_ = false;
  std::thread thread_;  // last: begins when all else is there
};

Log::Log(Vfs& vfs, std::string dir, std::string origin, Key32 seed)
    : vfs_(vfs), dir_(std::move(dir)), origin_(std::move(origin)), seed_(std::move(seed)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(Vfs& vfs, const std::string& dir, const std::string& origin,
                                       const Key32& seed) {
  std::unique_ptr<Log> log(new Log(vfs, dir, origin, seed.clone()));
  TRY(log->load_checkpoint());
  if (!log->have_checkpoint_) TRY(log->make_folders());
  TRY(log->load_journals());
  log->drop_stale_partials();
  return log;
}

// Until there is a checkpoint, nothing says that the folders' names ever became durable.
Status Log::make_folders() {
  const auto deepest = dir_ + "/tile/entries";
  TRY(vfs_.make_dirs(deepest));
  for (auto up = deepest; up.size() >= dir_.size(); up = parent_of(up)) TRY(vfs_.sync_dir(up));
  auto up = parent_of(dir_);
  TRY(vfs_.sync_dir(up));
  // Folders further up may be another's, not even readable to us: then they are older than the log.
  while (up != "/" && up != "." && vfs_.sync_dir(parent_of(up))) up = parent_of(up);
  return {};
}

Status Log::load_checkpoint() {
  const auto note = vfs_.read_file(dir_ + "/checkpoint", kNoteBytesMax);
  if (!note && note.error().code == Errc::kNotFound) return {};
  if (!note) return tl::unexpected<Error>(note.error());
  const NamedKey key{origin_, TRY(crypto::ed25519_public(seed_))};
  const auto checkpoint = TRY(open_checkpoint(std::string(as_text(*note)), key));
  published_size_ = durable_size_ = checkpoint.size;
  TRY(load_edge());
  if (tree_.root() != checkpoint.root)
    return fail(Errc::kCorrupt, dir_ + ": tiles do not lead to the checkpoint's root");
  TRY(load_growing_bundle());
  have_checkpoint_ = true;
  return {};
}

// The tiles' right edge, and from it the roots of the full subtrees.
Status Log::load_edge() {
  for (std::uint32_t level = 0; level < kTileLevelsMax && published_size_ >> (8 * level) > 0;
       ++level) {
    const auto count = published_size_ >> (8 * level);
    Level edge{.full = count / kTileWidth * kTileWidth};
    if (const auto width = count % kTileWidth; width > 0) {
      auto hashes = read_tile(vfs_, dir_, level, count / kTileWidth, width);
      if (!hashes)
        return fail(hashes.error().code, dir_ + "/" + tile_path(level, count / kTileWidth, width) +
                                             ": " + hashes.error().message);
      edge.partial = std::move(*hashes);
    }
    levels_.push_back(std::move(edge));
  }
  // Within each tile the trailing hashes form subtrees of 1 << (8 level + k) leaves, k < 8.
  std::vector<Hash> roots;
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
  return {};
}

// It will be written again, grown: so what it holds now must be what the tree says.
Status Log::load_growing_bundle() {
  const auto width = published_size_ % kTileWidth;
  if (width == 0) return {};
  const auto path = dir_ + "/" + bundle_path(published_size_ / kTileWidth, width);
  const auto entries = read_bundle(vfs_, dir_, published_size_ / kTileWidth, width);
  if (!entries) return fail(entries.error().code, path + ": " + entries.error().message);
  for (std::size_t i = 0; i < entries->size(); ++i) {
    if (leaf_hash(as_bytes((*entries)[i])) != levels_[0].partial[i])
      return fail(Errc::kCorrupt,
                  path + ": entry " + std::to_string(i) + " is not that of its tile");
    append_bundle_entry(bundle_, (*entries)[i]);
  }
  return {};
}

Status Log::load_journals() {
  std::vector<std::string> names;
  for (const auto& name : TRY(vfs_.list(dir_)))
    if (name.starts_with(kJournalPrefix)) names.push_back(name);
  for (std::size_t i = 0; i < names.size(); ++i) TRY(load_journal(names[i], i + 1 == names.size()));
  old_journals_ = names.size() > 1;
  if (!names.empty()) return {};
  // The journal is made before anything else, and a newer one before the older goes.
  if (have_checkpoint_) return fail(Errc::kCorrupt, dir_ + ": the journal is missing");
  return start_journal(durable_size_);
}

Status Log::load_journal(const std::string& name, bool newest) {
  const auto path = dir_ + "/" + name;
  const auto first = parse_journal_name(name);
  if (!first) return fail(Errc::kCorrupt, path + ": " + first.error().message);
  if (*first > durable_size_) return fail(Errc::kCorrupt, path + ": entries before it are missing");
  auto file = TRY(vfs_.open(path, OpenMode::kReadWrite));
  Bytes content(TRY(file->size()));
  content.resize(TRY(file->read_at(0, content)));
  auto scan = scan_journal(content, *first);
  const auto reaches = *first + scan.entries.size();
  if (scan.torn && (!newest || scan.valid_after_tear || reaches < published_size_))
    return fail(Errc::kCorrupt, path + ": damaged at byte " + std::to_string(scan.end));
  if (newest && reaches < published_size_)
    return fail(Errc::kCorrupt,
                path + ": ends at entry " + std::to_string(reaches) + ", before the checkpoint");
  if (newest) TRY(settle_journal(*file, content, scan));
  for (auto index = durable_size_; index < reaches; ++index) {
    pending_.push_back(std::move(scan.entries[static_cast<std::size_t>(index - *first)]));
    pending_bytes_ += pending_.back().size() + 2;
  }
  durable_size_ = std::max(durable_size_, reaches);
  if (!newest) return {};
  journal_ = std::move(file);
  journal_name_ = name;
  journal_first_ = *first;
  journal_end_ = scan.end;
  return {};
}

// Cuts a torn batch: its fdatasync never returned, so nobody was told an index in it. And writes
// what lies beyond the checkpoint once more: after an fdatasync that failed, the kernel may show
// bytes that are on no disk.
Status Log::settle_journal(VfsFile& file, ByteView content, const JournalScan& scan) {
  if (scan.torn) TRY(file.truncate(scan.end));
  auto from = scan.end;
  for (const auto& batch : scan.batches) {
    if (batch.end <= published_size_) continue;
    from = batch.offset;
    break;
  }
  if (from < scan.end) TRY(file.write_at(from, content.subspan(from, scan.end - from)));
  if (from < scan.end || scan.torn) TRY(file.sync_data());
  return {};
}

Status Log::start_journal(std::uint64_t first) {
  const auto name = journal_name(first);
  journal_ = TRY(vfs_.open(dir_ + "/" + name, OpenMode::kCreateNew));
  TRY(journal_->sync_data());
  TRY(vfs_.sync_dir(dir_));
  journal_name_ = name;
  journal_first_ = first;
  journal_end_ = 0;
  return {};
}

Result<std::uint64_t> Log::stage(const Entry& entry) {
  if (failed_) return refused();
  auto text = TRY(encode_entry(entry));
  if (staged_bytes_ + text.size() + 2 > kStagedBytesMax)
    return fail(Errc::kFull, "too much waits for the log");
  staged_bytes_ += text.size() + 2;
  staged_.push_back(std::move(text));
  return durable_size_ + staged_.size() - 1;
}

// The file that a start would read is the one that was written so far: who removes it, cuts it or
// puts an older one in its place while we run is not answered as if there was a log.
Status Log::still_there() {
  const auto file = TRY(vfs_.open(dir_ + "/" + journal_name_, OpenMode::kRead));
  return TRY(file->size()) == journal_end_
             ? Status{}
             : fail(Errc::kCorrupt, "the journal is not the one that was written");
}

Status Log::commit() {
  if (failed_) return refused();
  if (staged_.empty()) return {};
  const auto batch = journal_batch(durable_size_, staged_);
  auto written = still_there();
  if (written) written = journal_->write_at(journal_end_, batch);
  if (written) written = journal_->sync_data();
  if (written) {
    journal_end_ += batch.size();
    durable_size_ += staged_.size();
    for (auto& text : staged_) pending_.push_back(std::move(text));
    pending_bytes_ += staged_bytes_;
  }
  staged_.clear();
  staged_bytes_ = 0;
  if (written) return make_room();
  fail_now();
  return fail(written.error().code, "audit log: " + written.error().message);
}

bool Log::over_bounds() const {
  return publishing_.size() + pending_.size() >= kUnpublishedMax ||
         publishing_bytes_ + pending_bytes_ >= kUnpublishedBytesMax;
}

// First by what is on its way: to wait for that may be enough.
Status Log::make_room() {
  if (over_bounds()) TRY(settle_publish());
  return over_bounds() ? publish() : Status{};
}

Status Log::publish() {
  if (failed_) return refused();
  TRY(settle_publish());
  return begin_publish() ? end_publish(write_publish()) : Status{};
}

Status Log::publish_beside() {
  if (failed_) return refused();
  if (!publisher_) publisher_ = Publisher::of(*this);
  if (!publisher_) return publish();  // whoever appends waits for it; the next call tries again
  if (publisher_->writing()) {
    auto written = publisher_->outcome(Publisher::kNow);
    if (!written) return {};
    TRY(end_publish(std::move(*written)));
  }
  if (begin_publish()) publisher_->begin();
  return {};
}

Status Log::settle_publish() {
  if (!publisher_ || !publisher_->writing()) return {};
  return end_publish(std::move(*publisher_->outcome(Publisher::kWait)));
}

void Log::let_go() { fail_now(); }

void Log::fail_now() {
  failed_ = true;
  if (publisher_ && publisher_->writing()) (void)publisher_->outcome(Publisher::kWait);
}

bool Log::begin_publish() {
  if (failed_ || (durable_size_ == published_size_ && have_checkpoint_)) return false;
  publishing_.swap(pending_);
  std::swap(publishing_bytes_, pending_bytes_);
  return true;
}

Status Log::write_publish() {
  for (const auto& text : publishing_) TRY(integrate(text));
  TRY(write_partials());
  TRY(sync_dirs());
  TRY(write_checkpoint());
  for (const auto& path : completed_) drop_partials_of(path);
  completed_.clear();
  return {};
}

Status Log::end_publish(Status written) {
  publishing_.clear();
  publishing_bytes_ = 0;
  if (written) {
    published_size_ = tree_.size();
    have_checkpoint_ = true;
    written = rotate_journal();
  }
  if (!written) {
    fail_now();
    return fail(written.error().code, "audit log: " + written.error().message);
  }
  return {};
}

Status Log::integrate(const std::string& text) {
  Status status;
  tree_.append(leaf_hash(as_bytes(text)),
               [&](std::uint32_t level, std::uint64_t, const Hash& hash) {
                 if (status && level % 8 == 0) status = add_hash(level / 8, hash);
               });
  TRY(std::move(status));
  append_bundle_entry(bundle_, text);
  if (tree_.size() % kTileWidth == 0) {
    const auto path = bundle_path(tree_.size() / kTileWidth - 1, kTileWidth);
    TRY(write_synced(path, bundle_));
    completed_.push_back(path);
    bundle_.clear();
  }
  return {};
}

Status Log::add_hash(std::uint32_t tile_level, const Hash& hash) {
  if (levels_.size() <= tile_level) levels_.resize(tile_level + 1);
  auto& level = levels_[tile_level];
  level.partial.push_back(hash);
  level.grown = true;
  if (level.partial.size() < kTileWidth) return {};
  const auto path = tile_path(tile_level, level.full / kTileWidth, kTileWidth);
  TRY(write_synced(path, tile_bytes(level.partial)));
  completed_.push_back(path);
  level.full += kTileWidth;
  level.partial.clear();
  return {};
}

Status Log::write_partials() {
  for (std::uint32_t i = 0; i < levels_.size(); ++i) {
    auto& level = levels_[i];
    if (level.grown && !level.partial.empty())
      TRY(write_synced(tile_path(i, level.full / kTileWidth, level.partial.size()),
                       tile_bytes(level.partial)));
    level.grown = false;
  }
  if (const auto width = tree_.size() % kTileWidth; width > 0)
    TRY(write_synced(bundle_path(tree_.size() / kTileWidth, width), bundle_));
  return {};
}

Status Log::write_checkpoint() {
  const auto note = TRY(sign_checkpoint({origin_, tree_.size(), tree_.root()}, seed_));
  return vfs_.write_file_atomic(dir_ + "/checkpoint", as_bytes(note));
}

Status Log::write_synced(const std::string& path, ByteView content) {
  const auto whole = dir_ + "/" + path;
  const auto folder = parent_of(whole);
  const bool first = folders_.insert(folder).second;
  if (first) TRY(vfs_.make_dirs(folder));
  const auto fresh = whole + ".new";
  {
    const auto file = TRY(vfs_.open(fresh, OpenMode::kCreate));
    TRY(file->truncate(0));
    TRY(file->write_at(0, content));
    TRY(file->sync_data());
  }
  TRY(vfs_.rename(fresh, whole));
  // The name must be durable before the checkpoint; so must the folders' above it, unless we saw to
  // that before.
  for (auto up = folder; up.size() >= dir_.size(); up = first ? parent_of(up) : "")
    dirty_dirs_.insert(up);
  return {};
}

Status Log::sync_dirs() {
  for (const auto& dir : dirty_dirs_) TRY(vfs_.sync_dir(dir));
  dirty_dirs_.clear();
  return {};
}

// Of a journal that is large enough the next one goes on; it may go itself once all that it holds
// is in tiles under a durable checkpoint.
Status Log::rotate_journal() {
  if (journal_end_ > kJournalBytesMax) {
    TRY(start_journal(durable_size_));
    old_journals_ = true;
  }
  return old_journals_ && published_size_ >= journal_first_ ? drop_old_journals() : Status{};
}

Status Log::drop_old_journals() {
  for (const auto& name : TRY(vfs_.list(dir_)))
    if (name.starts_with(kJournalPrefix) && name < journal_name_)
      TRY(vfs_.remove(dir_ + "/" + name));
  old_journals_ = false;
  return vfs_.sync_dir(dir_);
}

// What cannot be removed costs space and nothing else: no error.
void Log::drop_partials_of(const std::string& full_path) {
  const auto folder = dir_ + "/" + full_path + ".p";
  const auto names = vfs_.list(folder);
  if (!names) return;
  for (const auto& name : *names)
    if (!vfs_.remove(folder + "/" + name)) return;
  (void)vfs_.remove(folder);
  folders_.erase(folder);
}

// A crash between a checkpoint and the removal of what it made superfluous.
void Log::drop_stale_partials() {
  for (std::uint32_t level = 0; level < levels_.size(); ++level) {
    const auto full = levels_[level].full / kTileWidth;
    for (auto index = full - std::min(full, kSweepTiles); index < full; ++index) {
      drop_partials_of(tile_path(level, index, kTileWidth));
      if (level == 0) drop_partials_of(bundle_path(index, kTileWidth));
    }
  }
}

Status Log::replay(std::uint64_t first,
                   const std::function<Status(std::uint64_t, const Entry&)>& on_entry) {
  if (failed_) return refused();
  TRY(settle_publish());
  while (first < durable_size_) {
    // A bundle's entries at a time, then what is not integrated yet.
    std::vector<std::string> texts;
    auto begin = first / kTileWidth * kTileWidth;
    if (first >= tree_.size()) {
      begin = tree_.size();
      texts = pending_;
    } else if (begin == tree_.size() / kTileWidth * kTileWidth) {
      texts = TRY(parse_bundle(bundle_, tree_.size() % kTileWidth));
    } else {
      texts = TRY(read_bundle(vfs_, dir_, begin / kTileWidth, kTileWidth));
    }
    for (; first < begin + texts.size(); ++first)
      TRY(on_entry(first, TRY(decode_entry(texts[static_cast<std::size_t>(first - begin)]))));
  }
  return {};
}

}  // namespace callward::audit
