// The spool: one log for all calls, in preallocated files, with one fdatasync for everybody each
// 100 ms.
//
// One thread appends (the recorder's loop), one writes (the spool's own). An appended frame has its
// place at once; it is durable when `durable()` has reached its number. Order on disk: file head
// (new generation) and its folder are synced before a file is used; frames are written in order,
// then synced together.
//
//   spare --[current is full]--> current --[next one]--> full --[its last call freed]--> spare (or
//   removed)
//
// A write or sync that fails is repeated, all of it, until it works; meanwhile the queue fills up
// to `queue_bytes_max` and then appends are refused (the caller accounts the loss). Without a spare
// file and without space for one, `can_admit()` is false: no new calls; running ones go on in what
// is left.
//
// INVARIANTS
//   (1) A frame that is durable is found by `open` after any crash, unless its bytes are damaged.
//   (2) A file is used again only when every call with a frame in it was freed.
//   (3) As long as a frame of a freed call is on the disk, so is the frame behind it that says so
//       (kCallFreed, kLogEntryDone): no file is used again before that frame is durable, and
//       before the file in which it stands is, it is written anew. Else a restart would find a call
//       without its beginning or its end, and take it for one that runs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/queue.hpp"
#include "store/spool_frame.hpp"

namespace callward::store {

struct SpoolOptions {
  std::string dir;
  std::uint64_t file_bytes = 256ull << 20;
  std::uint32_t files_max = 64;
  std::size_t queue_bytes_max = 64u << 20;  // appended, not yet durable
  std::uint32_t commit_ms =
      100;  // 0: only when when_durable() asks, for whoever drives time by hand
  std::uint32_t spares_kept_max = 2;
};

// Where a frame stands.
struct FrameRef {
  std::uint32_t file = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;  // whole frame
  bool operator==(const FrameRef&) const = default;
};

struct SpoolGauges {
  std::uint32_t files = 0, files_max = 0, spares = 0;
  std::uint64_t file_bytes = 0, appended_frames = 0, refused_frames = 0, commits = 0,
                write_errors = 0;
  bool failing = false;
  QueueGauge queue;
};

struct RecoveryReport {
  std::uint64_t files = 0, frames = 0, damaged_bytes = 0;
  std::uint64_t unfinished_files = 0;         // spares that were being made: removed
  std::vector<std::string> unreadable_files;  // names; set aside as *.bad, never overwritten
};

class Spool {
 public:
  using OnRecovered = std::function<void(const FrameView& frame, const FrameRef& ref)>;
  // Scans what is there (every frame, in the order it was written, goes to `on_frame`), prepares a
  // spare, starts the writer. kFull: not even one file fits on the disk.
  static Result<std::unique_ptr<Spool>> open(Vfs& vfs, SpoolOptions options,
                                             const OnRecovered& on_frame,
                                             RecoveryReport* report = nullptr);
  ~Spool();  // writes what is queued, then stops
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // kFull: the queue is at its bound, or no file is left. Nothing was appended.
  Result<FrameRef> append(FrameType type, const CallId& call, ByteView payload);
  // Whether a new call may begin.
  [[nodiscard]] bool can_admit() const;
  // The call's frames are of no more use. Files without any other call's frames become spares.
  void free_call(const CallId& call);
  // Everything recovered, and appended so far, is durable when `done` is called (on the writer's
  // thread).
  void when_durable(std::function<void()> done);

  // Bytes [offset, offset + bytes) of a file, from the queue if they are not yet written. Any
  // thread.
  Result<Bytes> read(std::uint32_t file, std::uint32_t offset, std::uint32_t bytes) const;
  // The frames in these bytes, in order; checks each. kCorrupt at the first that is damaged, unless
  // `salvage`: then the search goes on for the next whole one.
  Status read_frames(std::uint32_t file, std::uint32_t offset, std::uint32_t bytes,
                     const std::function<void(const FrameView&)>& on_frame,
                     bool salvage = false) const;

  [[nodiscard]] SpoolGauges gauges() const;

 private:
  struct File {
    std::shared_ptr<VfsFile> handle;
    std::uint64_t generation = 0;
    std::uint64_t bytes = 0;
    std::unordered_set<CallId> calls;  // with frames in it
    bool spare = false;
  };
  // A call that was freed, and what of it is still on the disk.
  struct Dead {
    std::set<std::uint32_t> files;  // with frames of it
    std::uint32_t mark = 0;         // file of the frame that says so; 0: none
    FrameType type{};               // of that frame
  };
  struct Batch {
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    std::shared_ptr<VfsFile> handle;
    std::shared_ptr<Bytes> bytes;
  };

  struct Recovered {
    std::shared_ptr<VfsFile> handle;
    std::uint64_t end = 0;  // of the last frame
    bool again = false;     // a sync of it failed
  };

  Spool(Vfs& vfs, SpoolOptions options) : vfs_(vfs), options_(std::move(options)) {}
  Status recover(const OnRecovered& on_frame, RecoveryReport& report);
  Status recover_file(const std::string& name, std::uint32_t number, const SpoolFileHead& head,
                      const OnRecovered& on_frame, RecoveryReport& report);
  Status set_aside(const std::string& name, const Error& why, RecoveryReport& report);
  [[nodiscard]] std::string path_of(std::uint32_t number) const;
  Status make_spare();
  bool wants_spare_locked() const;
  bool take_spare_locked();
  void release_locked(std::uint32_t number);
  void bury_locked(const CallId& call);
  bool carry_marks_locked(std::uint32_t number);
  void forget_dead_locked(std::uint32_t number);
  Result<FrameRef> append_locked(FrameType type, const CallId& call, ByteView payload);
  void run();
  bool settle_recovered();
  bool write_out(std::deque<Batch>& batches);
  std::shared_ptr<Bytes> take_buffer_locked();
  void give_buffer_locked(std::shared_ptr<Bytes> buffer);
  void tidy();

  Vfs& vfs_;
  SpoolOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::uint32_t, File> files_;
  std::unordered_map<CallId, std::set<std::uint32_t>> pins_;
  std::unordered_map<CallId, Dead> dead_;
  std::vector<std::uint32_t> spares_;
  std::vector<std::uint32_t> released_;   // since the writer took its last round
  std::vector<std::uint32_t> to_remove_;  // before: why is on its way to the disk, or there
  std::optional<std::uint32_t> current_;
  std::uint64_t current_end_ = 0;
  std::uint64_t next_generation_ = 1;
  std::uint32_t next_number_ = 1;
  std::deque<Batch> pending_, writing_;
  std::vector<Recovered> recovered_;                  // not yet known to be durable; the writer's
  std::vector<std::shared_ptr<Bytes>> free_buffers_;  // empty, with the room that they once had
  std::size_t queued_bytes_ = 0;
  std::vector<std::function<void()>> waiters_;
  bool stop_ = false;
  bool failing_ = false;
  bool space_short_ = false;
  SpoolGauges counts_;
  std::thread writer_;
};

}  // namespace callward::store
