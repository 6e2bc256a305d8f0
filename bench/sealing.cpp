// How many 100 ms segments one core seals in a second, step by step, beside what AES-256-GCM alone
// can do on the same bytes. The first rows are the limit, the last one is what the recorder does
// for each segment: derive the leaf, pack, draw a salt, derive the record's key, commit to it,
// encrypt. Seconds are of the thread's own CPU time, the kernel's part included, so that what else
// the machine does is not counted.
//
//   bench/sealing [--seconds S] [--json]
//
// Exits 1 below the target of 300,000 segments a second.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string_view>
#include <vector>

#include "base/entropy.hpp"
#include "crypto/aead.hpp"
#include "keys/record.hpp"
#include "keys/tree.hpp"
#include "segment/sealing_writer.hpp"

using namespace callward;

namespace {

constexpr double kTargetPerSecond = 300'000;
constexpr std::uint32_t kRoundSegments = 20'000;
constexpr int kRepeats = 5;

// Fails the whole program: a bench whose work went wrong has no figure.
template <class T>
T need(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

struct Row {
  const char* name;
  double per_second;  // the median of the repeats
};

std::int64_t cpu_ns() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return spent.tv_sec * 1'000'000'000LL + spent.tv_nsec;
}

// Runs `round`, which does kRoundSegments pieces of work, for about `seconds` in each of the
// repeats.
Row measure(const char* name, double seconds, const std::function<void()>& round) {
  round();
  std::vector<double> rates;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = cpu_ns();
    std::uint64_t done = 0;
    std::int64_t spent = 0;
    do {
      round();
      done += kRoundSegments;
      spent = cpu_ns() - start;
    } while (static_cast<double>(spent) < seconds * 1e9 / kRepeats);
    rates.push_back(static_cast<double>(done) * 1e9 / static_cast<double>(spent));
  }
  std::sort(rates.begin(), rates.end());
  return {name, rates[kRepeats / 2]};
}

std::vector<Row> run(double seconds) {
  SystemEntropy entropy;
  const auto root = entropy.key();
  const auto call = CallId::random(entropy);
  const auto cover = keys::Cover::whole(root.clone());
  const auto leaf = need(cover.leaf(0));
  Bytes plain(segment::kAudioPayloadBytes);
  entropy.fill(plain);
  crypto::Aes256Gcm gcm;
  Bytes out(plain.size() + crypto::kAeadTagBytes);
  const keys::HeaderBytes aad{};
  keys::RecordCipher cipher;
  std::vector<Row> rows;

  // One long message at one key: AES-GCM as `openssl speed -evp aes-256-gcm` shows it, in these
  // sizes.
  Bytes long_plain(plain.size() * 20);
  Bytes long_out(long_plain.size() + crypto::kAeadTagBytes);
  rows.push_back(
      measure("AES-256-GCM, long messages, one key (limit of the machine)", seconds, [&] {
        for (std::uint32_t i = 0; i < kRoundSegments / 20; ++i)
          gcm.seal(long_out, leaf, {}, {}, {}, long_plain);
      }));
  rows.push_back(
      measure("AES-256-GCM, 848 bytes, a key and AAD for each (limit of the format)", seconds, [&] {
        for (std::uint32_t i = 0; i < kRoundSegments; ++i)
          gcm.seal(out, leaf, {}, aad, call.bytes, plain);
      }));
  keys::ForwardKeys path(cover.slice(0, keys::leaf_of(15, 0)), 0);
  std::uint32_t next = 0;
  rows.push_back(measure("key tree: the next leaf of a stream", seconds, [&] {
    for (std::uint32_t i = 0; i < kRoundSegments; ++i) {
      if (next > keys::kIndexMax) {
        next = 0;
        path = keys::ForwardKeys(cover.slice(0, keys::leaf_of(15, 0)), 0);
      }
      (void)need(path.take(next++));
    }
  }));
  rows.push_back(measure("salt: 16 bytes from the kernel", seconds, [&] {
    for (std::uint32_t i = 0; i < kRoundSegments; ++i) (void)entropy.array<16>();
  }));
  keys::RecordHeader header{.kind = keys::RecordKind::kAudio, .stream = 0};
  rows.push_back(measure("record: salt, key, commitment, encryption", seconds, [&] {
    for (std::uint32_t i = 0; i < kRoundSegments; ++i)
      (void)cipher.seal(entropy, header, call, plain, leaf);
  }));

  segment::AudioSegment audio;
  std::memcpy(audio.samples.data(), plain.data(), audio.samples.size());
  audio.present.set_all();
  segment::AudioPayload payload;
  const auto new_writer = [&] {
    return segment::SealingWriter(call, 0, keys::ForwardKeys(cover, 0));
  };
  auto writer = new_writer();
  std::uint32_t index = 0;
  rows.push_back(
      measure("SEALED SEGMENT: leaf, packing, record (the recorder's work)", seconds, [&] {
        for (std::uint32_t i = 0; i < kRoundSegments; ++i) {
          if (index > keys::kIndexMax) {
            index = 0;
            writer = new_writer();
          }
          (void)need(writer.seal(cipher, entropy, index++, segment::kCodecPcmu, audio, payload));
        }
      }));
  return rows;
}

void print_text(const std::vector<Row>& rows) {
  std::printf("%zu bytes of payload a segment; one core; median of %d\n",
              segment::kAudioPayloadBytes, kRepeats);
  for (const auto& row : rows)
    std::printf("%12.0f /s %8.2f us %8.1f MB/s  %s\n", row.per_second, 1e6 / row.per_second,
                row.per_second * segment::kAudioPayloadBytes / 1e6, row.name);
  const auto& sealed = rows.back();
  std::printf("target %.0f /s: %s; one core seals %.0f calls of two streams\n", kTargetPerSecond,
              sealed.per_second >= kTargetPerSecond ? "held" : "MISSED", sealed.per_second / 20);
}

void print_json(const std::vector<Row>& rows) {
  std::printf("{\"payload_bytes\":%zu,\"target_per_second\":%.0f,\"rows\":[",
              segment::kAudioPayloadBytes, kTargetPerSecond);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::printf("%s{\"name\":\"%s\",\"per_second\":%.0f}", i == 0 ? "" : ",", rows[i].name,
                rows[i].per_second);
  std::printf("]}\n");
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 2;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json") {
      json = true;
    } else if (word == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: sealing [--seconds S] [--json]\n");
      return 2;
    }
  }
  if (!(seconds > 0 && seconds <= 600)) {
    std::fprintf(stderr, "--seconds: more than 0, at most 600\n");
    return 2;
  }
  const auto rows = run(seconds);
  json ? print_json(rows) : print_text(rows);
  return rows.back().per_second >= kTargetPerSecond ? 0 : 1;
}
