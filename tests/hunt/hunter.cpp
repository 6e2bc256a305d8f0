// hunter PATTERNS TARGET...: searches each target at every byte for each pattern; a line of JSON a target.
//
//   PATTERNS   a file: { length u16, bytes }, little-endian; a pattern's number is its place. 6 to 512 bytes each.
//   TARGET     file:PATH  a file or a disk's image, but for holes that were never written
//              pid:N      the memory of a process: every page that is present, whatever its protection
//              doubled:N  the same, for 16-bit samples that stand there as floats at twice their rate
//
//   {"target":"pid:7","bytes":123456,"mb_per_s":900,"hits":[[number,times,first offset],...]}
//
// How: the first 6 bytes of the short patterns, the first 16 of the long ones, stand in a bit map (by a multiplicative hash)
// and in a sorted list. A position whose bytes are in neither map, nearly all of them, costs some multiplications and two looks.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/vfs.hpp"

namespace {

using callward::Bytes;
using callward::ByteView;

constexpr std::size_t kShortBytes = 6;
constexpr std::size_t kLongBytes = 16;
constexpr std::size_t kPatternBytesMax = 512;
constexpr std::size_t kDoubledSamples = 16;  // patterns of 32 bytes
constexpr std::size_t kPatternFileBytesMax = 1u << 30;
constexpr std::size_t kBlockBytes = 4u << 20;
constexpr std::size_t kPageBytes = 4096;
// A pattern takes 32 to 64 bits of the map, so that few positions pass by chance; it should fit the processor's cache.
constexpr int kMapBitsMin = 12, kMapBitsMax = 25, kBitsOfPattern = 5;

struct Pattern {
  std::uint64_t prefix;
  std::uint32_t number;
  ByteView bytes;
};

struct Hit {
  std::uint64_t times = 0, first = 0;
};
using Hits = std::map<std::uint32_t, Hit>;

std::uint64_t short_prefix(const std::uint8_t* at) {
  std::uint64_t out = 0;
  std::memcpy(&out, at, kShortBytes);
  return out;
}
std::uint64_t long_prefix(const std::uint8_t* at) {
  std::uint64_t first, second;
  std::memcpy(&first, at, sizeof first);
  std::memcpy(&second, at + sizeof first, sizeof second);
  return (first * 0xBF58476D1CE4E5B9ull ^ second) * 0x94D049BB133111EBull;
}

// Sample `i` behind `at`, of sound that was doubled in rate as 32-bit floats: every second one is
// the telephone's own, so its 16 bits come back by rounding.
std::int16_t doubled_sample(const std::uint8_t* at, std::size_t i) {
  float value;
  std::memcpy(&value, at + i * 2 * sizeof value, sizeof value);
  const float scaled = value * 32768.0f;
  return scaled > -32768.0f && scaled < 32767.0f ? static_cast<std::int16_t>(std::lrintf(scaled))
                                                 : std::int16_t{0};
}

// Patterns by how they begin.
class Index {
 public:
  void add(const Pattern& pattern) { patterns_.push_back(pattern); }
  void finish() {
    std::sort(patterns_.begin(), patterns_.end(),
              [](const Pattern& a, const Pattern& b) { return a.prefix < b.prefix; });
    bits_ = std::clamp(static_cast<int>(std::bit_width(patterns_.size())) + kBitsOfPattern,
                       kMapBitsMin, kMapBitsMax);
    map_.assign((1u << bits_) / 64, 0);
    for (const auto& pattern : patterns_) {
      const auto bit = bit_of(pattern.prefix);
      map_[bit / 64] |= 1ull << (bit % 64);
    }
  }
  [[nodiscard]] bool may_begin(std::uint64_t prefix) const {
    const auto bit = bit_of(prefix);
    return (map_[bit / 64] >> (bit % 64) & 1) != 0;
  }
  void compare(ByteView at, std::uint64_t prefix, std::uint64_t offset, Hits& hits) const {
    auto pattern =
        std::lower_bound(patterns_.begin(), patterns_.end(), prefix,
                         [](const Pattern& p, std::uint64_t wanted) { return p.prefix < wanted; });
    for (; pattern != patterns_.end() && pattern->prefix == prefix; ++pattern) {
      const auto& bytes = pattern->bytes;
      if (bytes.size() > at.size() || std::memcmp(bytes.data(), at.data(), bytes.size()) != 0)
        continue;
      auto& hit = hits[pattern->number];
      if (hit.times++ == 0) hit.first = offset;
    }
  }

 private:
  [[nodiscard]] std::uint64_t bit_of(std::uint64_t prefix) const {
    return prefix * 0x9E3779B97F4A7C15ull >> (64 - bits_);
  }
  int bits_ = kMapBitsMin;
  std::vector<Pattern> patterns_;
  std::vector<std::uint64_t> map_;
};

enum class How : std::uint8_t { kBytes, kDoubled };

class Searcher {
 public:
  static callward::Result<Searcher> load(const std::string& path) {
    callward::RealVfs vfs;
    Searcher made;
    made.raw_ = TRY(vfs.read_file(path, kPatternFileBytesMax));
    callward::ByteReader in(made.raw_);
    std::uint32_t number = 0;
    while (in.ok() && in.remaining() > 0) {
      const auto bytes = in.bytes(in.u16());
      if (!in.ok() || bytes.size() < kShortBytes || bytes.size() > kPatternBytesMax)
        return callward::fail(callward::Errc::kMalformed, "pattern of a wrong length");
      const bool is_long = bytes.size() >= kLongBytes;
      auto& index = is_long ? made.long_ : made.short_;
      index.add(
          {is_long ? long_prefix(bytes.data()) : short_prefix(bytes.data()), number++, bytes});
      made.longest_ = std::max(made.longest_, bytes.size());
    }
    made.long_.finish();
    made.short_.finish();
    return made;
  }

  // How much two blocks must share so that nothing on their border is missed.
  [[nodiscard]] std::size_t overlap() const {
    return std::max(longest_, kDoubledSamples * 2 * sizeof(float)) - 1;
  }

  // Finds what begins in `block` before `end`.
  void search(ByteView block, std::size_t end, std::uint64_t offset, Hits& hits) const {
    for (std::size_t i = 0; i < end && i + kShortBytes <= block.size(); ++i) {
      const auto* at = block.data() + i;
      if (const auto prefix = short_prefix(at); short_.may_begin(prefix))
        short_.compare(block.subspan(i), prefix, offset + i, hits);
      if (i + kLongBytes > block.size()) continue;
      if (const auto prefix = long_prefix(at); long_.may_begin(prefix))
        long_.compare(block.subspan(i), prefix, offset + i, hits);
    }
  }
  void search_doubled(ByteView block, std::size_t end, std::uint64_t offset, Hits& hits) const {
    std::array<std::int16_t, kDoubledSamples> samples;
    std::array<std::uint8_t, sizeof samples> bytes;
    constexpr std::size_t kSpan = kDoubledSamples * 2 * sizeof(float);
    for (std::size_t i = 0; i < end && i + kSpan <= block.size(); i += sizeof(float)) {
      samples[0] = doubled_sample(block.data() + i, 0);
      if (samples[0] == 0) continue;
      for (std::size_t k = 1; k < kDoubledSamples; ++k)
        samples[k] = doubled_sample(block.data() + i, k);
      std::memcpy(bytes.data(), samples.data(), sizeof samples);
      if (const auto prefix = long_prefix(bytes.data()); long_.may_begin(prefix))
        long_.compare(bytes, prefix, offset + i, hits);
    }
  }

 private:
  Bytes raw_;
  Index short_, long_;
  std::size_t longest_ = kLongBytes;
};

// [from, to) of `fd`, in blocks; an area that cannot be read ends there. Gives the bytes read.
std::uint64_t search_range(const Searcher& searcher, How how, int fd, std::uint64_t from,
                           std::uint64_t to, Hits& hits) {
  static Bytes block(kBlockBytes + kPatternBytesMax);
  std::uint64_t done = 0;
  for (auto at = from; at < to; at += kBlockBytes) {
    const auto wanted = std::min<std::uint64_t>(kBlockBytes + searcher.overlap(), to - at);
    std::size_t got = 0;
    while (got < wanted) {
      const auto n = ::pread(fd, block.data() + got, wanted - got, static_cast<off_t>(at + got));
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    const auto content = ByteView(block).first(got);
    if (how == How::kBytes) searcher.search(content, std::min(got, kBlockBytes), at, hits);
    if (how == How::kDoubled)
      searcher.search_doubled(content, std::min(got, kBlockBytes), at, hits);
    done += std::min(got, kBlockBytes);
    if (got < wanted) break;
  }
  return done;
}

std::uint64_t search_file(const Searcher& searcher, const std::string& path, Hits& hits) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::uint64_t done = 0;
  for (off_t at = 0; (at = ::lseek(fd, at, SEEK_DATA)) >= 0;) {
    const auto end = ::lseek(fd, at, SEEK_HOLE);
    if (end <= at) break;
    done += search_range(searcher, How::kBytes, fd, static_cast<std::uint64_t>(at),
                         static_cast<std::uint64_t>(end), hits);
    at = end;
  }
  ::close(fd);
  return done;
}

// Pages that are in memory or swapped out, joined to stretches; others have never been touched.
std::uint64_t search_mapping(const Searcher& searcher, How how, int memory, int pages,
                             std::uint64_t from, std::uint64_t to, Hits& hits) {
  constexpr std::uint64_t kPresentOrSwapped = 3ull << 62;
  std::vector<std::uint64_t> entries((to - from) / kPageBytes);
  const auto got = ::pread(pages, entries.data(), entries.size() * sizeof(std::uint64_t),
                           static_cast<off_t>(from / kPageBytes * sizeof(std::uint64_t)));
  entries.resize(got > 0 ? static_cast<std::size_t>(got) / sizeof(std::uint64_t) : 0);
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < entries.size();) {
    std::size_t end = i;
    while (end < entries.size() && (entries[end] & kPresentOrSwapped) != 0) ++end;
    if (end > i)
      done +=
          search_range(searcher, how, memory, from + i * kPageBytes, from + end * kPageBytes, hits);
    i = std::max(end, i + 1);
  }
  return done;
}

std::uint64_t search_process(const Searcher& searcher, How how, const std::string& pid,
                             Hits& hits) {
  const auto folder = "/proc/" + pid;
  const int memory = ::open((folder + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  const int pages = ::open((folder + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
  if (memory < 0 || pages < 0) return 0;
  std::ifstream maps(folder + "/maps");
  std::uint64_t done = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("[v") != std::string::npos) continue;  // [vvar], [vdso], [vsyscall]: the kernel's
    std::uint64_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64, &from, &to) == 2)
      done += search_mapping(searcher, how, memory, pages, from, to, hits);
  }
  ::close(memory);
  ::close(pages);
  return done;
}

void print(const std::string& target, std::uint64_t bytes, double seconds, const Hits& hits) {
  std::ostringstream out;
  out << "{\"target\":\"" << target << "\",\"bytes\":" << bytes << ",\"mb_per_s\":"
      << static_cast<std::uint64_t>(static_cast<double>(bytes) / 1e6 / std::max(seconds, 1e-6))
      << ",\"hits\":[";
  const char* comma = "";
  for (const auto& [number, hit] : hits) {
    out << comma << '[' << number << ',' << hit.times << ',' << hit.first << ']';
    comma = ",";
  }
  std::printf("%s]}\n", out.str().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() < 2) {
    std::fprintf(stderr, "hunter PATTERNS file:PATH|pid:N ...\n");
    return 2;
  }
  const auto searcher = Searcher::load(args[0]);
  if (!searcher) {
    std::fprintf(stderr, "%s: %s\n", args[0].c_str(), searcher.error().message.c_str());
    return 1;
  }
  for (std::size_t i = 1; i < args.size(); ++i) {
    const auto& target = args[i];
    const auto colon = target.find(':');
    const auto rest = target.substr(std::min(colon, target.size() - 1) + 1);
    Hits hits;
    const auto began = std::chrono::steady_clock::now();
    const auto bytes =
        target.starts_with("pid:")       ? search_process(*searcher, How::kBytes, rest, hits)
        : target.starts_with("doubled:") ? search_process(*searcher, How::kDoubled, rest, hits)
                                         : search_file(*searcher, rest, hits);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    print(target, bytes, took.count(), hits);
  }
  return 0;
}
