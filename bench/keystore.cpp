// The key store on real files: bytes a call, time of an erase batch, of a small erasure, of
// opening.
//
// Rows of 450 bytes (a call without erasures) and 1,700 bytes (with five), filled in the order in
// which calls begin; then batches over rows drawn at random. Every figure includes its syncs.
// Printed beside them: what the same disk needs for one write and one fdatasync, the floor of every
// step.
//
//   keystore_bench [--rows N] [--batch N] [--dir D] [--json]
//
// Exits 1 if a target is missed: batch of 10,000 rows <= 5 s with two mirrors, <= 600 and <= 2,500
// bytes a call.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/entropy.hpp"
#include "base/vfs.hpp"
#include "keys/key_store.hpp"

using namespace callward;

namespace {

constexpr double kBatchSecondsMax = 5.0;
constexpr double kPlainBytesMax = 600;
constexpr double kErasedBytesMax = 2'500;
constexpr std::uint64_t kFillBatchRows = 5'000;
constexpr int kSmallErasures = 50;

struct Options {
  std::uint64_t rows = 100'000;
  std::uint64_t batch = 10'000;
  std::string dir = "/tmp/callward-bench-keystore";
  bool json = false;
};

// Fails the whole program: a bench whose work went wrong has no figure.
template <class T>
T need(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Figures {
  std::size_t mirrors = 0;
  std::uint32_t row_bytes = 0;
  double bytes_a_row = 0, file_bytes_a_row = 0, fill_rows_a_s = 0;
  double batch_s = 0, file_bytes_a_row_after = 0;
  double erase_ms_median = 0, erase_ms_worst = 0, erase_bytes = 0, open_ms = 0, read_us = 0;
};

class Run {
 public:
  Run(const Options& options, std::size_t mirrors, std::uint32_t row_bytes)
      : options_(options), row_bytes_(row_bytes) {
    figures_.mirrors = mirrors;
    figures_.row_bytes = row_bytes;
    for (std::size_t i = 0; i < mirrors; ++i) {
      const auto disk = options.dir + "/disk" + std::to_string(i);
      paths_.push_back({disk + "/store", disk + "/anchor"});
    }
  }

  Figures all() {
    std::filesystem::remove_all(options_.dir);
    need(keys::KeyStore::create(vfs_, entropy_, paths_, wrap_));
    open();
    fill();
    batch();
    small();
    reopen_and_read();
    std::filesystem::remove_all(options_.dir);
    return figures_;
  }

 private:
  void open() { store_ = need(keys::KeyStore::open(vfs_, entropy_, paths_, wrap_)); }
  double seconds_since(std::int64_t start_ns) {
    return static_cast<double>(clock_.monotonic_ns() - start_ns) / 1e9;
  }
  SecretBytes row() {
    SecretBytes content(row_bytes_);
    entropy_.fill(content.expose_mut());
    return content;
  }
  void erase() {
    need(store_->write_pages(0));
    need(store_->put_epoch());
    need(store_->switch_superblock());
    need(store_->reread());
    need(store_->destroy_old());
  }
  std::uint64_t random_row() {
    std::uint64_t number = 0;
    const auto raw = entropy_.array<8>();
    std::memcpy(&number, raw.data(), raw.size());
    return number % options_.rows;
  }
  double file_bytes_a_row() {
    return static_cast<double>(std::filesystem::file_size(paths_[0].store_dir + "/pages")) /
           static_cast<double>(options_.rows);
  }

  void fill() {
    const auto start = clock_.monotonic_ns();
    for (std::uint64_t done = 0; done < options_.rows;) {
      for (std::uint64_t i = 0; i < kFillBatchRows && done < options_.rows; ++i, ++done)
        store_->stage_put(store_->allot_row(), row());
      need(store_->commit(done));
    }
    figures_.fill_rows_a_s = static_cast<double>(options_.rows) / seconds_since(start);
    figures_.file_bytes_a_row = file_bytes_a_row();
    auto tree = need(
        keys::PageTree::open(vfs_, entropy_, paths_[0].store_dir,
                             need(keys::open_file_anchor(vfs_, entropy_, paths_[0].anchor_dir,
                                                         wrap_, keys::AnchorMode::kExisting))));
    figures_.bytes_a_row =
        static_cast<double>(tree->used_bytes()) / static_cast<double>(options_.rows);
  }
  // Each row of the batch is changed, as a puncture changes it; rows drawn at random: the worst
  // case, nearly every one in a leaf of its own.
  void batch() {
    for (std::uint64_t i = 0; i < options_.batch; ++i) store_->stage_put(random_row(), row());
    const auto start = clock_.monotonic_ns();
    erase();
    figures_.batch_s = seconds_since(start);
    figures_.file_bytes_a_row_after = file_bytes_a_row();
  }
  void small() {
    std::vector<double> ms;
    const auto written = bytes_written();
    for (int i = 0; i < kSmallErasures; ++i) {
      store_->stage_put(random_row(), row());
      const auto start = clock_.monotonic_ns();
      erase();
      ms.push_back(seconds_since(start) * 1e3);
    }
    figures_.erase_bytes = static_cast<double>(bytes_written() - written) / kSmallErasures;
    std::sort(ms.begin(), ms.end());
    figures_.erase_ms_median = ms[ms.size() / 2];
    figures_.erase_ms_worst = ms.back();
  }
  void reopen_and_read() {
    store_.reset();
    auto start = clock_.monotonic_ns();
    open();
    figures_.open_ms = seconds_since(start) * 1e3;
    constexpr int kReads = 2'000;
    start = clock_.monotonic_ns();
    for (int i = 0; i < kReads; ++i) need(store_->get(random_row()));
    figures_.read_us = seconds_since(start) * 1e6 / kReads;
  }
  // What this process passed to write(2) (proc(5), io: wchar).
  static std::uint64_t bytes_written() {
    std::uint64_t bytes = 0;
    if (auto* file = std::fopen("/proc/self/io", "r"); file != nullptr) {
      char line[128];
      while (std::fgets(line, sizeof line, file) != nullptr)
        if (std::strncmp(line, "wchar:", 6) == 0) bytes = std::strtoull(line + 6, nullptr, 10);
      std::fclose(file);
    }
    return bytes;
  }

  Options options_;
  std::uint32_t row_bytes_;
  Figures figures_;
  RealVfs vfs_;
  SystemEntropy entropy_;
  SystemClock clock_;
  Key32 wrap_ = entropy_.key();
  std::vector<keys::MirrorPaths> paths_;
  std::unique_ptr<keys::KeyStore> store_;
};

// The floor: 4 KiB overwritten and synced, as the anchor does it.
double sync_ms(const Options& options) {
  RealVfs vfs;
  SystemClock clock;
  need(vfs.make_dirs(options.dir));
  const auto file = need(vfs.open(options.dir + "/floor", OpenMode::kCreate));
  std::vector<double> ms;
  for (int i = 0; i < 50; ++i) {
    const auto start = clock.monotonic_ns();
    need(file->write_at(0, Bytes(4'096, static_cast<std::uint8_t>(i))));
    need(file->sync_data());
    ms.push_back(static_cast<double>(clock.monotonic_ns() - start) / 1e6);
  }
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

void print(const Figures& f, const Options& options, bool json) {
  if (json) {
    std::printf(
        "{\"mirrors\":%zu,\"row_bytes\":%u,\"bytes_a_row\":%.1f,\"file_bytes_a_row\":%.1f,\"fill_"
        "rows_a_s\":%.0f,"
        "\"batch_rows\":%llu,\"batch_s\":%.3f,\"file_bytes_a_row_after\":%.1f,\"erase_ms_median\":%"
        ".2f,"
        "\"erase_ms_worst\":%.2f,\"erase_bytes\":%.0f,\"open_ms\":%.1f,\"read_us\":%.1f}\n",
        f.mirrors, f.row_bytes, f.bytes_a_row, f.file_bytes_a_row, f.fill_rows_a_s,
        static_cast<unsigned long long>(options.batch), f.batch_s, f.file_bytes_a_row_after,
        f.erase_ms_median, f.erase_ms_worst, f.erase_bytes, f.open_ms, f.read_us);
    return;
  }
  std::printf("%zu mirror%s, rows of %u bytes\n", f.mirrors, f.mirrors == 1 ? "" : "s",
              f.row_bytes);
  std::printf("  bytes a row in pages in force / in the file        %8.1f / %.1f\n", f.bytes_a_row,
              f.file_bytes_a_row);
  std::printf("  bytes a row in the file after the batch            %8.1f\n",
              f.file_bytes_a_row_after);
  std::printf("  rows a second, filled in batches of %llu           %8.0f\n",
              static_cast<unsigned long long>(kFillBatchRows), f.fill_rows_a_s);
  std::printf("  %llu rows erased in one batch, s                 %8.3f\n",
              static_cast<unsigned long long>(options.batch), f.batch_s);
  std::printf("  one row erased, ms, median / worst of %d           %8.2f / %.2f\n", kSmallErasures,
              f.erase_ms_median, f.erase_ms_worst);
  std::printf("  bytes written for it, all mirrors and anchors      %8.0f\n", f.erase_bytes);
  std::printf("  opening, ms; a row read, us                        %8.1f; %.1f\n", f.open_ms,
              f.read_us);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const bool more = i + 1 < argc;
    if (name == "--json")
      options.json = true;
    else if (name == "--rows" && more)
      options.rows = std::strtoull(argv[++i], nullptr, 10);
    else if (name == "--batch" && more)
      options.batch = std::strtoull(argv[++i], nullptr, 10);
    else if (name == "--dir" && more)
      options.dir = argv[++i];
    else {
      std::fprintf(stderr, "usage: keystore_bench [--rows N] [--batch N] [--dir D] [--json]\n");
      return 2;
    }
  }
  if (options.rows == 0 || options.batch == 0) return 2;
  const auto floor = sync_ms(options);
  if (options.json)
    std::printf("{\"rows\":%llu,\"sync_ms\":%.2f}\n", static_cast<unsigned long long>(options.rows),
                floor);
  else
    std::printf("%llu rows; one 4 KiB write and fdatasync on this disk: %.2f ms\n",
                static_cast<unsigned long long>(options.rows), floor);
  bool good = true;
  for (const auto& [mirrors, bytes] :
       {std::pair<std::size_t, std::uint32_t>{1, 450}, {2, 450}, {2, 1'700}}) {
    const auto figures = Run(options, mirrors, bytes).all();
    print(figures, options, options.json);
    good = good && figures.bytes_a_row <= (bytes == 450 ? kPlainBytesMax : kErasedBytesMax);
    if (options.batch <= 10'000) good = good && figures.batch_s <= kBatchSecondsMax;
  }
  if (!good) std::fprintf(stderr, "a target is missed\n");
  return good ? 0 : 1;
}
