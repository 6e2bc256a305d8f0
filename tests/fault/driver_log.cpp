// Batches of the audit log, and what makes them into tiles under a checkpoint.
#include <sstream>

#include "audit/log.hpp"
#include "audit/rules.hpp"
#include "audit/verify.hpp"
#include "driver.hpp"

namespace callward::fault {
namespace {

constexpr const char* kOrigin = "test/log";
constexpr std::uint64_t kBefore = 200;  // entries; a tile is full at 256
constexpr std::uint64_t kBatch = 25;
constexpr std::uint64_t kBatches = 6;

Key32 seed() { return SeededEntropy(77).key(); }
std::string folder(const Scene& scene) { return scene.dir + "/log"; }

audit::Entry entry_of(std::uint64_t number) {
  return {"call_missing",
          "recorder",
          "-",
          1'700'000'000'000 + static_cast<std::int64_t>(number),
          {{"cause", "ports"}, {"sip_status", 503}, {"count", number}}};
}

void make_log(const Scene& scene) {
  RealVfs vfs;
  need(vfs.make_dirs(folder(scene)), "folder");
  auto log = need(audit::Log::open(vfs, folder(scene), kOrigin, seed()), "log");
  for (std::uint64_t i = 0; i < kBefore; ++i) (void)need(log->stage(entry_of(i)), "stage");
  need(log->commit(), "commit");
  need(log->publish(), "publish");
}

Status commit_batch(audit::Log& log, std::uint64_t batch, std::uint64_t& first) {
  const auto begin = kBefore + batch * kBatch;
  for (auto i = begin; i < begin + kBatch; ++i) {
    const auto index = TRY(log.stage(entry_of(i)));
    if (i == begin) first = index;
  }
  return log.commit();
}

// An error: the log takes no more, and is opened anew, as the keeper does it. The batch is then
// committed once more, though it may be there.
void act_log(const Scene& scene) {
  RealVfs vfs;
  auto log = need(audit::Log::open(vfs, folder(scene), kOrigin, seed()), "log");
  const auto open_anew = [&] {
    for (int tries = 0; tries < kTriesMax; ++tries)
      if (auto fresh = audit::Log::open(vfs, folder(scene), kOrigin, seed())) {
        log = std::move(*fresh);
        return;
      }
    say("stuck");
  };
  ready(this_thread());
  for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
    for (int tries = 0; tries < kTriesMax; ++tries) {
      std::uint64_t first = 0;
      if (commit_batch(*log, batch, first)) {
        say("acked " + std::to_string(batch) + " " + std::to_string(first));
        break;
      }
      open_anew();
    }
    if (batch % 2 == 0) continue;
    for (int tries = 0; tries < kTriesMax; ++tries) {
      if (log->publish()) {
        say("published " + std::to_string(log->published_size()));
        break;
      }
      open_anew();
    }
  }
  say("done");
}

void verify(const Scene& scene, RealVfs& vfs, const char* when) {
  const audit::NamedKey key{kOrigin, need(crypto::ed25519_public(seed()), "key")};
  const auto report = audit::verify_log(vfs, folder(scene), key);
  if (!report) return wrong(std::string(when) + ": " + report.error().message);
  for (const auto& finding : report->findings)
    wrong(std::string(when) + ": verify_log: " + finding);
}

// The old checkpoint is a beginning of the log as it is now.
void check_beginning(const std::string& dir, RealVfs& vfs, const std::vector<audit::Hash>& leaves) {
  const audit::NamedKey key{kOrigin, need(crypto::ed25519_public(seed()), "key")};
  const auto note = vfs.read_file(dir + "/log/checkpoint", audit::kNoteBytesMax);
  if (!note) return wrong("no checkpoint in " + dir);
  const auto point = audit::open_checkpoint(std::string(as_text(*note)), key);
  if (!point) return wrong("checkpoint: " + point.error().message);
  if (point->size > leaves.size()) return wrong("the log is shorter than a checkpoint of it");
  const std::vector<audit::Hash> first(leaves.begin(),
                                       leaves.begin() + static_cast<std::ptrdiff_t>(point->size));
  expect(audit::merkle_root(first) == point->root, "a checkpoint is not of this log");
}

void check_log(const Scene& scene) {
  RealVfs vfs;
  verify(scene, vfs, "as it died");
  auto log = audit::Log::open(vfs, folder(scene), kOrigin, seed());
  if (!log) return wrong("the log does not open: " + log.error().message);
  std::vector<audit::Hash> leaves;
  std::vector<std::uint64_t> numbers;
  need((*log)->replay(0,
                      [&](std::uint64_t, const audit::Entry& entry) -> Status {
                        numbers.push_back(entry.data.at("count").to_number<std::uint64_t>());
                        leaves.push_back(audit::leaf_hash(as_bytes(TRY(encode_entry(entry)))));
                        return {};
                      }),
       "replay");
  std::uint64_t acked = 0;
  for (const auto& line : scene.said_after("acked")) {
    std::istringstream in(line);
    std::uint64_t batch = 0, first = 0;
    in >> batch >> first;
    ++acked;
    for (std::uint64_t i = 0; i < kBatch; ++i)
      expect(first + i < numbers.size() && numbers[first + i] == kBefore + batch * kBatch + i,
             "an acknowledged entry is not where it was said to be");
  }
  for (const auto& line : scene.said_after("published"))
    expect((*log)->published_size() >= std::stoull(line), "what was published is not so any more");
  // A batch stands or falls as a whole.
  expect((numbers.size() - kBefore) % kBatch == 0, "a batch is there in part");
  expect(numbers.size() >= kBefore + acked * kBatch, "entries are missing");
  check_beginning(scene.before, vfs, leaves);
  check_beginning(scene.dead, vfs, leaves);
  std::uint64_t first = 0;
  need(commit_batch(**log, kBatches, first), "a batch afterwards");
  need((*log)->publish(), "publishing afterwards");
  verify(scene, vfs, "afterwards");
}

}  // namespace

const Operation kLog{"log", make_log, act_log, check_log};

}  // namespace callward::fault
