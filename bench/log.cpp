// The audit log in a closed loop: each writer appends one entry, waits until it is durable, appends
// the next; a checkpoint each second. Then the check of what was written.
//
//   log_bench [--writers N,N,...] [--seconds S] [--dir D] [--no-verify] [--json]     (bench/log runs
//   it, and the peer beside it)
//
// Exits 1 when the 99th percentile is above 50 ms, when fewer than 300,000 entries a second are
// checked, or when the log does not verify.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "audit/log.hpp"
#include "audit/verify.hpp"
#include "base/entropy.hpp"

using namespace callward;

namespace {

constexpr double kP99MsMax = 50;
constexpr std::int64_t kPublishNs = 1'000'000'000;
constexpr double kVerifiedPerSecondMin = 300'000;
constexpr std::uint64_t kVerifyEntries = 300'000;

template <class T>
T need(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// An entry as a read of a recording makes it.
audit::Entry an_entry(std::int64_t at) {
  return {"opened",
          "3f6c1d20a4b94be7",
          "8d0a52b1c6e34f7a9b1e2d3c4f5a6b7c",
          at,
          {{"purpose", "playback"},
           {"ranges", boost::json::array{boost::json::array{0, 1200, 1800},
                                         boost::json::array{1, 1200, 1800}}},
           {"kinds", boost::json::array{1, 2, 3}},
           {"reason_hash", std::string(64, 'a')},
           {"given", 1200}}};
}

struct Appended {
  std::size_t writers = 0;
  // `published_per_second`: until all of it stands in tiles under a checkpoint, too.
  double per_second = 0, published_per_second = 0, p50_ms = 0, p99_ms = 0, max_ms = 0,
         entry_bytes = 0;
};

// As the keeper's loop does it: what its writers ask for is staged, one commit makes it durable, then
// each of them is answered, and asks for the next. A writer is a task of that loop, as a peer's
// request is one of the keeper's; entries are encoded one after the other by it, too.
Appended append_loop(const std::string& dir, std::size_t writers, double seconds) {
  std::filesystem::remove_all(dir);
  RealVfs vfs;
  SystemClock clock;
  SystemEntropy entropy;
  auto log = need(audit::Log::open(vfs, dir, "bench.example/log", entropy.key()));
  std::vector<double> waits;
  const auto start = clock.monotonic_ns();
  std::vector<std::int64_t> asked(writers, start);
  auto published = start;
  const auto end = start + static_cast<std::int64_t>(seconds * 1e9);
  for (auto now = start; now < end; now = clock.monotonic_ns()) {
    for (std::size_t i = 0; i < writers; ++i) (void)need(log->stage(an_entry(clock.utc_ms())));
    need(log->commit());
    for (auto& since : asked) {
      const auto answered = clock.monotonic_ns();
      waits.push_back(static_cast<double>(answered - since) / 1e6);
      since = answered;  // it asks for the next at once
    }
    if (clock.monotonic_ns() - published < kPublishNs) continue;
    published = clock.monotonic_ns();
    need(log->publish_beside());
  }
  const auto spent = static_cast<double>(clock.monotonic_ns() - start) / 1e9;
  need(log->publish());
  const auto durable = static_cast<double>(clock.monotonic_ns() - start) / 1e9;
  std::sort(waits.begin(), waits.end());
  const auto part = [&](double share) {
    return waits[static_cast<std::size_t>(share * static_cast<double>(waits.size() - 1))];
  };
  return {writers,
          static_cast<double>(waits.size()) / spent,
          static_cast<double>(waits.size()) / durable,
          part(0.5),
          part(0.99),
          waits.back(),
          static_cast<double>(need(audit::encode_entry(an_entry(clock.utc_ms()))).size())};
}

// Entries checked a second, all files in the page cache; bytes on the disk for an entry.
std::pair<double, double> verify_rate(const std::string& dir) {
  std::filesystem::remove_all(dir);
  RealVfs vfs;
  SystemClock clock;
  SystemEntropy entropy;
  const auto seed = entropy.key();
  {
    auto log = need(audit::Log::open(vfs, dir, "bench.example/log", seed));
    for (std::uint64_t i = 0; i < kVerifyEntries; ++i) {
      (void)need(log->stage(an_entry(1'700'000'000'000 + static_cast<std::int64_t>(i))));
      if (i % 10'000 == 9'999) need(log->commit());
      if (i % 50'000 == 49'999) need(log->publish());
    }
  }
  double bytes = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(dir))
    if (item.is_regular_file()) bytes += static_cast<double>(item.file_size());
  const audit::NamedKey key{"bench.example/log", need(crypto::ed25519_public(seed))};
  const auto start = clock.monotonic_ns();
  const auto report = need(audit::verify_log(vfs, dir, key));
  const auto spent = static_cast<double>(clock.monotonic_ns() - start) / 1e9;
  if (!report.good() || report.entries != kVerifyEntries) {
    std::fprintf(stderr, "the log does not verify: %s\n",
                 report.good() ? "entries are missing" : report.findings.front().c_str());
    std::exit(1);
  }
  return {static_cast<double>(report.entries) / spent, bytes / static_cast<double>(report.entries)};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::size_t> writers{1, 64, 512, 2'048};
  double seconds = 5;
  std::string dir = "/tmp/callward-bench-log-" + std::to_string(::getpid());
  bool json = false, verify = true;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json")
      json = true;
    else if (word == "--no-verify")
      verify = false;
    else if (word == "--seconds" && i + 1 < argc)
      seconds = std::atof(argv[++i]);
    else if (word == "--dir" && i + 1 < argc)
      dir = std::string(argv[++i]) + "/callward-bench-log";
    else if (word == "--writers" && i + 1 < argc) {
      writers.clear();
      std::stringstream list(argv[++i]);
      for (std::string one; std::getline(list, one, ',');)
        writers.push_back(static_cast<std::size_t>(std::atoi(one.c_str())));
    } else {
      std::fprintf(
          stderr,
          "usage: log_bench [--writers N,N,...] [--seconds S] [--dir D] [--no-verify] [--json]\n");
      return 2;
    }
  }
  const bool sane = !writers.empty() && std::all_of(writers.begin(), writers.end(),
                                                    [](auto n) { return n >= 1 && n <= 4096; });
  if (!sane || !(seconds > 0 && seconds <= 600)) {
    std::fprintf(stderr, "--writers: each 1 to 4096; --seconds: more than 0, at most 600\n");
    return 2;
  }
  bool held = true;
  std::string rows;
  for (const auto count : writers) {
    const auto row = append_loop(dir, count, seconds);
    held = held && row.p99_ms <= kP99MsMax;
    if (!json)
      std::printf(
          "%5zu writers %9.0f entries/s (%.0f until published)   p50 %7.2f ms   p99 %7.2f ms   max "
          "%7.2f ms   (%.0f bytes "
          "an entry)\n",
          row.writers, row.per_second, row.published_per_second, row.p50_ms, row.p99_ms, row.max_ms,
          row.entry_bytes);
    std::array<char, 200> text;
    std::snprintf(text.data(), text.size(),
                  "%s{\"writers\":%zu,\"per_second\":%.0f,\"published_per_second\":%.0f,\"p50_ms\":"
                  "%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}",
                  rows.empty() ? "" : ",", row.writers, row.per_second, row.published_per_second,
                  row.p50_ms, row.p99_ms, row.max_ms);
    rows += text.data();
  }
  const auto [rate, bytes] = verify ? verify_rate(dir) : std::pair<double, double>{0, 0};
  std::filesystem::remove_all(dir);
  held = held && (!verify || rate >= kVerifiedPerSecondMin);
  if (json)
    std::printf(
        "{\"append\":[%s],\"verified_per_second\":%.0f,\"disk_bytes_per_entry\":%.0f,\"held\":%s}"
        "\n",
        rows.c_str(), rate, bytes, held ? "true" : "false");
  else if (verify)
    std::printf("%25.0f entries/s checked, %.0f bytes on the disk for each; targets %s\n", rate,
                bytes, held ? "held" : "MISSED");
  return held ? 0 : 1;
}
