#include "store/spool.hpp"

#include <algorithm>
#include <optional>

#include "base/check.hpp"
#include "base/event_log.hpp"

namespace callward::store {
namespace {

constexpr std::string_view kPrefix = "spool-";
constexpr std::string_view kSuffix = ".cws";
constexpr std::size_t kBatchBytesMax = 8u << 20;
constexpr std::size_t kFreeBuffersMax = 2;  // one is filled while the other is written

std::optional<std::uint32_t> number_of(const std::string& name) {
  if (name.size() != kPrefix.size() + 8 + kSuffix.size() || !name.starts_with(kPrefix) ||
      !name.ends_with(kSuffix))
    return std::nullopt;
  const auto raw = from_hex(std::string_view(name).substr(kPrefix.size(), 8));
  if (!raw) return std::nullopt;
  return load_be<std::uint32_t>(raw->data());
}

// Says of what came before, under the same id, that it is over.
bool is_mark(FrameType type) {
  return type == FrameType::kCallFreed || type == FrameType::kLogEntryDone;
}

Result<bool> holds_only_zeros(VfsFile& file) {
  constexpr std::size_t kWindowBytes = 1u << 20;
  const auto end = TRY(file.written_end());
  Bytes window(kWindowBytes);
  for (std::uint64_t at = 0; at < end; at += kWindowBytes) {
    const auto got = TRY(file.read_at(at, window));
    if (std::any_of(window.begin(), window.begin() + static_cast<std::ptrdiff_t>(got),
                    [](std::uint8_t byte) { return byte != 0; }))
      return false;
    if (got < kWindowBytes) break;
  }
  return true;
}

}  // namespace

std::string Spool::path_of(std::uint32_t number) const {
  std::array<std::uint8_t, 4> raw{
      static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
      static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  return options_.dir + "/" + std::string(kPrefix) + to_hex(raw) + std::string(kSuffix);
}

Result<std::unique_ptr<Spool>> Spool::open(Vfs& vfs, SpoolOptions options,
                                           const OnRecovered& on_frame, RecoveryReport* report) {
  if (options.file_bytes < kSpoolFileBytesMin || options.file_bytes > kSpoolFileBytesMax)
    return fail(Errc::kConfig, "spool file size: between 64 kB and 2 GB");
  if (options.files_max < 2) return fail(Errc::kConfig, "the spool needs at least two files");
  std::unique_ptr<Spool> spool(new Spool(vfs, std::move(options)));
  TRY(vfs.make_dirs(spool->options_.dir));
  RecoveryReport own;
  TRY(spool->recover(on_frame, report != nullptr ? *report : own));
  if (spool->spares_.empty()) TRY(spool->make_spare());
  spool->writer_ = std::thread([raw = spool.get()] { raw->run(); });
  return spool;
}

Spool::~Spool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (writer_.joinable()) writer_.join();
}

// ---- recovery -----------------------------------------------------------------------------------

Status Spool::recover(const OnRecovered& on_frame, RecoveryReport& report) {
  struct Found {
    std::string name;
    std::uint32_t number;
    SpoolFileHead head;
  };
  std::vector<Found> found;
  for (const auto& name : TRY(vfs_.list(options_.dir))) {
    const auto number = number_of(name);
    if (!number) continue;
    next_number_ = std::max(next_number_, *number + 1);
    const auto file = TRY(vfs_.open(options_.dir + "/" + name, OpenMode::kRead));
    Bytes block(kSpoolFileHeadBytes);
    block.resize(TRY(file->read_at(0, block)));
    const auto head = parse_spool_file_head(block);
    if (!head) {
      TRY(set_aside(name, head.error(), report));
      continue;
    }
    found.push_back({name, *number, *head});
  }
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.head.generation < b.head.generation; });
  for (const auto& file : found) {
    next_generation_ = std::max(next_generation_, file.head.generation + 1);
    TRY(recover_file(file.name, file.number, file.head, on_frame, report));
  }
  for (const auto& [number, file] : files_)
    if (file.calls.empty()) release_locked(number);
  return {};
}

// A spare whose making was cut off: its head is durable before it is offered, so no call was in it.
Status Spool::set_aside(const std::string& name, const Error& why, RecoveryReport& report) {
  const auto path = options_.dir + "/" + name;
  const auto file = TRY(vfs_.open(path, OpenMode::kRead));
  if (TRY(holds_only_zeros(*file))) {
    ++report.unfinished_files;
    return vfs_.remove(path);
  }
  // It may hold calls that a person can still rescue: out of the way, never overwritten.
  report.unreadable_files.push_back(name);
  log_event("spool.file_unreadable", {{"file", name}, {"why", why.message}});
  return vfs_.rename(path, path + ".bad");
}

Status Spool::recover_file(const std::string& name, std::uint32_t number, const SpoolFileHead& head,
                           const OnRecovered& on_frame, RecoveryReport& report) {
  // A file is never continued after a restart: what follows its last frame may be half a write.
  auto& file = files_[number];
  file.handle = TRY(vfs_.open(options_.dir + "/" + name, OpenMode::kReadWrite));
  file.generation = head.generation;
  file.bytes = head.file_bytes;
  std::uint64_t end = 0;
  const auto outcome = TRY(scan_spool_file(
      *file.handle, head, [&](const FrameView& frame, std::uint64_t at, std::size_t bytes) {
        end = std::max(end, at + bytes);
        if (is_mark(frame.type)) {
          bury_locked(frame.call);
          dead_[frame.call].mark = number;
          dead_[frame.call].type = frame.type;
        } else {
          file.calls.insert(frame.call);
          pins_[frame.call].insert(number);
        }
        on_frame(frame,
                 {number, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(bytes)});
      }));
  if (end != 0) recovered_.push_back({file.handle, end});
  ++report.files;
  report.frames += outcome.frames;
  for (const auto& damage : outcome.damage) {
    report.damaged_bytes += damage.to - damage.from;
    log_event("spool.damage", {{"file", name}, {"from", damage.from}, {"to", damage.to}});
  }
  return {};
}

// ---- files --------------------------------------------------------------------------------------

// On the writer's thread (or before it runs). The head is durable before the file is offered.
Status Spool::make_spare() {
  std::uint32_t number;
  std::uint64_t generation;
  {
    const std::lock_guard lock(mutex_);
    if (files_.size() >= options_.files_max)
      return fail(Errc::kFull, "the spool has its full number of files");
    number = next_number_++;
    generation = next_generation_++;
  }
  const auto path = path_of(number);
  File file;
  const auto build = [&]() -> Status {
    file.handle = TRY(vfs_.open(path, OpenMode::kCreateNew));
    TRY(file.handle->preallocate(options_.file_bytes));
    TRY(file.handle->write_at(0, make_spool_file_head(generation, options_.file_bytes)));
    TRY(file.handle->sync_data());
    return vfs_.sync_dir(options_.dir);
  };
  if (auto built = build(); !built) {
    file.handle.reset();
    if (vfs_.exists(path)) (void)vfs_.remove(path);
    return built;
  }
  file.generation = generation;
  file.bytes = options_.file_bytes;
  file.spare = true;
  const std::lock_guard lock(mutex_);
  files_.emplace(number, std::move(file));
  spares_.push_back(number);
  return {};
}

bool Spool::wants_spare_locked() const {
  return spares_.empty() && files_.size() < options_.files_max;
}

bool Spool::take_spare_locked() {
  if (spares_.empty()) return false;
  const auto full = current_;
  current_ = spares_.front();
  spares_.erase(spares_.begin());
  files_[*current_].spare = false;
  current_end_ = kSpoolFileHeadBytes;
  if (full && files_[*full].calls.empty()) release_locked(*full);
  wake_.notify_all();  // a new spare is to be made
  return true;
}

// Used again only after the writer has given it a new generation: it is removed, and made anew when
// needed. Not before what was appended so far is durable, the frame among it that says why.
void Spool::release_locked(std::uint32_t number) {
  released_.push_back(number);
  wake_.notify_all();
}

void Spool::free_call(const CallId& call) {
  const std::lock_guard lock(mutex_);
  const auto pinned = pins_.find(call);
  if (pinned == pins_.end()) return;
  const auto files = pinned->second;
  bury_locked(call);
  for (const auto number : files)
    if (files_.at(number).calls.empty() && current_ != number) release_locked(number);
}

// Its frames so far are of no more use; later ones are another life's.
void Spool::bury_locked(const CallId& call) {
  auto& dead = dead_[call];
  const auto pinned = pins_.find(call);
  if (pinned == pins_.end()) return;
  for (const auto number : pinned->second) {
    files_.at(number).calls.erase(call);
    dead.files.insert(number);
  }
  pins_.erase(pinned);
}

// What is left to be said before this file may be used again. False: not yet.
bool Spool::carry_marks_locked(std::uint32_t number) {
  bool carried = false;
  for (auto& [call, dead] : dead_) {
    if (dead.mark != number || dead.files.empty() ||
        (dead.files.size() == 1 && dead.files.contains(number)))
      continue;
    // It lives again: said now, it would be said of its new frames.
    if (pins_.contains(call)) return false;
    if (!append_locked(dead.type, call, {})) {
      // A spare is made in a moment. If there is no room for one, audio needs this file more.
      if (!space_short_ && files_.size() < options_.files_max) return false;
      continue;
    }
    carried = true;
  }
  return !carried;
}

void Spool::forget_dead_locked(std::uint32_t number) {
  for (auto at = dead_.begin(); at != dead_.end();) {
    auto& dead = at->second;
    dead.files.erase(number);
    if (dead.mark == number) dead.mark = 0;
    at = dead.files.empty() ? dead_.erase(at) : std::next(at);
  }
}

bool Spool::can_admit() const {
  const std::lock_guard lock(mutex_);
  return !failing_ && !space_short_ && (!spares_.empty() || files_.size() < options_.files_max);
}

// ---- appending ----------------------------------------------------------------------------------

// A batch grows to what the calls make in 100 ms. New memory each time would mean page faults and
// copies while it grows, on the media thread.
std::shared_ptr<Bytes> Spool::take_buffer_locked() {
  if (free_buffers_.empty()) return std::make_shared<Bytes>();
  auto buffer = std::move(free_buffers_.back());
  free_buffers_.pop_back();
  return buffer;
}

void Spool::give_buffer_locked(std::shared_ptr<Bytes> buffer) {
  if (free_buffers_.size() >= kFreeBuffersMax) return;
  buffer->clear();
  free_buffers_.push_back(std::move(buffer));
}

Result<FrameRef> Spool::append(FrameType type, const CallId& call, ByteView payload) {
  if (payload.size() > kFramePayloadBytesMax) return fail(Errc::kTooLarge, "spool frame");
  const std::lock_guard lock(mutex_);
  const auto ref = append_locked(type, call, payload);
  if (ref && files_[*current_].calls.insert(call).second) pins_[call].insert(*current_);
  return ref;
}

Result<FrameRef> Spool::append_locked(FrameType type, const CallId& call, ByteView payload) {
  const auto bytes = frame_bytes(payload.size());
  if (bytes > options_.file_bytes - kSpoolFileHeadBytes)
    return fail(Errc::kTooLarge, "larger than a spool file");
  if (queued_bytes_ + bytes > options_.queue_bytes_max) {
    ++counts_.refused_frames;
    return fail(Errc::kFull, "the spool's queue is full: the disk does not keep up");
  }
  if ((!current_ || current_end_ + bytes > files_[*current_].bytes) && !take_spare_locked()) {
    ++counts_.refused_frames;
    return fail(Errc::kFull, "no spool file is left");
  }
  auto& file = files_[*current_];
  auto* batch = pending_.empty() ? nullptr : &pending_.back();
  if (batch == nullptr || batch->file != *current_ ||
      batch->bytes->size() + bytes > kBatchBytesMax) {
    pending_.push_back({*current_, current_end_, file.handle, take_buffer_locked()});
    batch = &pending_.back();
  }
  append_frame(*batch->bytes, type, file.generation, call, payload);
  const FrameRef ref{*current_, static_cast<std::uint32_t>(current_end_),
                     static_cast<std::uint32_t>(bytes)};
  current_end_ += bytes;
  queued_bytes_ += bytes;
  ++counts_.appended_frames;
  if (is_mark(type)) {
    auto& dead = dead_[call];
    dead.mark = *current_;
    dead.type = type;
  }
  return ref;
}

void Spool::when_durable(std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    waiters_.push_back(std::move(done));
  }
  if (options_.commit_ms == 0) wake_.notify_all();
}

// ---- writing ------------------------------------------------------------------------------------

void Spool::run() {
  std::unique_lock lock(mutex_);
  auto next_commit = std::chrono::steady_clock::now();
  for (;;) {
    next_commit = std::max(next_commit + std::chrono::milliseconds(options_.commit_ms),
                           std::chrono::steady_clock::now());
    if (options_.commit_ms == 0)
      wake_.wait(lock, [this] { return stop_ || !waiters_.empty(); });
    else
      wake_.wait_until(lock, next_commit, [this] { return stop_; });
    if (stop_ && pending_.empty() && writing_.empty() && waiters_.empty()) return;
    if (writing_.empty()) {
      std::swap(writing_, pending_);
      to_remove_.insert(to_remove_.end(), released_.begin(), released_.end());
      released_.clear();
    }
    auto waiters = std::exchange(waiters_, {});
    const bool stopping = stop_;
    lock.unlock();
    const bool written = settle_recovered() && (writing_.empty() || write_out(writing_));
    lock.lock();
    failing_ = !written;
    if (written) {
      for (auto& batch : writing_) {
        queued_bytes_ -= batch.bytes->size();
        give_buffer_locked(std::move(batch.bytes));
      }
      counts_.commits += writing_.empty() ? 0 : 1;
      writing_.clear();
    } else {
      ++counts_.write_errors;
      waiters_.insert(waiters_.begin(), std::make_move_iterator(waiters.begin()),
                      std::make_move_iterator(waiters.end()));
      waiters.clear();
      if (stopping) return;  // nobody will wait for a disk that refuses
    }
    lock.unlock();
    for (const auto& waiter : waiters) waiter();
    tidy();
    lock.lock();
  }
}

// What recovery found may stand in the system's cache only: a life before this one wrote it, and
// died before its sync. Nobody is told that anything is durable before that is.
bool Spool::settle_recovered() {
  const auto settle = [](const Recovered& file) -> Status {
    constexpr std::uint64_t kWindowBytes = 1u << 20;
    for (std::uint64_t at = 0; file.again && at < file.end; at += kWindowBytes) {
      Bytes window(std::min(kWindowBytes, file.end - at));
      window.resize(TRY(file.handle->read_at(at, window)));
      TRY(file.handle->write_at(at, window));
    }
    return file.handle->sync_data();
  };
  while (!recovered_.empty()) {
    if (const auto done = settle(recovered_.back()); !done) {
      recovered_.back().again = true;
      log_event("spool.sync_failed", {{"why", done.error().message}});
      return false;
    }
    recovered_.pop_back();
  }
  return true;
}

// All of it again after a failure: after a failed sync the kernel may have dropped what was
// written.
bool Spool::write_out(std::deque<Batch>& batches) {
  std::vector<VfsFile*> touched;
  for (const auto& batch : batches) {
    if (const auto done = batch.handle->write_at(batch.offset, *batch.bytes); !done) {
      log_event("spool.write_failed", {{"why", done.error().message}});
      return false;
    }
    if (std::find(touched.begin(), touched.end(), batch.handle.get()) == touched.end())
      touched.push_back(batch.handle.get());
  }
  for (auto* file : touched)
    if (const auto done = file->sync_data(); !done) {
      log_event("spool.sync_failed", {{"why", done.error().message}});
      return false;
    }
  return true;
}

// Removes or renews what was released, keeps a spare ready.
void Spool::tidy() {
  std::vector<std::uint32_t> going;
  bool wanted;
  {
    const std::lock_guard lock(mutex_);
    // A file that still has something to be written waits for the next round.
    const auto busy = [this](std::uint32_t number) {
      return std::any_of(pending_.begin(), pending_.end(),
                         [&](const Batch& b) { return b.file == number; });
    };
    // Nor anything while the disk refuses: what was carried into another file is not there yet.
    for (const auto number : std::exchange(to_remove_, {})) {
      const bool now =
          recovered_.empty() && writing_.empty() && !busy(number) && carry_marks_locked(number);
      (now ? going : to_remove_).push_back(number);
    }
  }
  for (const auto number : going) {
    std::shared_ptr<VfsFile> handle;
    std::uint64_t generation = 0, bytes = 0;
    bool keep;
    {
      const std::lock_guard lock(mutex_);
      auto& file = files_.at(number);
      handle = file.handle;
      bytes = file.bytes;
      keep = spares_.size() < options_.spares_kept_max && bytes == options_.file_bytes;
      generation = keep ? next_generation_++ : 0;
    }
    const auto renewed =
        keep && handle->write_at(0, make_spool_file_head(generation, bytes)) && handle->sync_data();
    // A name that comes back after a loss of power brings its frames back.
    const bool removed =
        !renewed && vfs_.remove(path_of(number)) && vfs_.sync_dir(options_.dir).has_value();
    const std::lock_guard lock(mutex_);
    if (renewed || removed) forget_dead_locked(number);
    if (renewed) {
      files_[number].generation = generation;
      files_[number].spare = true;
      spares_.push_back(number);
    } else {
      files_.erase(number);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    wanted = wants_spare_locked();
  }
  if (!wanted) return;
  const auto made = make_spare();
  if (!made && !space_short_) log_event("spool.no_space", {{"why", made.error().message}});
  const std::lock_guard lock(mutex_);
  space_short_ = !made;
}

// ---- reading ------------------------------------------------------------------------------------

Result<Bytes> Spool::read(std::uint32_t number, std::uint32_t offset, std::uint32_t bytes) const {
  struct Piece {
    std::uint64_t at;
    Bytes bytes;
  };
  std::vector<Piece> queued;
  std::shared_ptr<VfsFile> handle;
  const std::uint64_t end = std::uint64_t{offset} + bytes;
  std::uint64_t covered = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto file = files_.find(number);
    if (file == files_.end()) return fail(Errc::kNotFound, "no such spool file");
    handle = file->second.handle;
    for (const auto* queue : {&writing_, &pending_})
      for (const auto& batch : *queue) {
        if (batch.file != number) continue;
        const auto from = std::max<std::uint64_t>(offset, batch.offset);
        const auto upto = std::min<std::uint64_t>(end, batch.offset + batch.bytes->size());
        if (from >= upto) continue;
        const auto first = batch.bytes->begin() + static_cast<std::ptrdiff_t>(from - batch.offset);
        queued.push_back({from, Bytes(first, first + static_cast<std::ptrdiff_t>(upto - from))});
        covered += upto - from;
      }
  }
  Bytes out(bytes);
  if (covered < bytes && TRY(handle->read_at(offset, out)) != bytes)
    return fail(Errc::kCorrupt, "spool file is shorter than it was");
  for (const auto& piece : queued)
    std::copy(piece.bytes.begin(), piece.bytes.end(),
              out.begin() + static_cast<std::ptrdiff_t>(piece.at - offset));
  return out;
}

Status Spool::read_frames(std::uint32_t number, std::uint32_t offset, std::uint32_t bytes,
                          const std::function<void(const FrameView&)>& on_frame,
                          bool salvage) const {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto file = files_.find(number);
    if (file == files_.end()) return fail(Errc::kNotFound, "no such spool file");
    generation = file->second.generation;
  }
  const auto raw = TRY(read(number, offset, bytes));
  ByteView rest = raw;
  while (!rest.empty()) {
    const auto parsed = parse_frame(rest, generation);
    if (!parsed && !salvage) return fail(Errc::kCorrupt, "spool: " + parsed.error().message);
    if (parsed) on_frame(parsed->frame);
    rest = rest.subspan(parsed ? parsed->bytes : std::min(rest.size(), kFrameAlignment));
  }
  return {};
}

SpoolGauges Spool::gauges() const {
  const std::lock_guard lock(mutex_);
  auto out = counts_;
  out.files = static_cast<std::uint32_t>(files_.size());
  out.files_max = options_.files_max;
  out.spares = static_cast<std::uint32_t>(spares_.size());
  out.file_bytes = options_.file_bytes;
  out.failing = failing_;
  out.queue = {"spool", queued_bytes_, options_.queue_bytes_max, counts_.refused_frames};
  return out;
}

}  // namespace callward::store
