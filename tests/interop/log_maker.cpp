// Writes a log, or lets one grow, as the keeper would: for the tests with other projects' tools.
//
//   log_maker DIR ORIGIN SEED SIZE [WORD]     SEED: 64 hexadecimal digits; WORD: what its entries
//                                             say, so that two logs of one key can differ
#include <cstdio>
#include <cstdlib>
#include <string>

#include "audit/log.hpp"

using namespace callward;

namespace {

template <class T>
T need(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "log_maker: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: log_maker DIR ORIGIN SEED SIZE [WORD]\n");
    return 2;
  }
  const std::string dir = argv[1], origin = argv[2], word = argc > 5 ? argv[5] : "ports";
  const auto raw = need(from_hex(argv[3]));
  const auto size = std::strtoull(argv[4], nullptr, 10);
  if (raw.size() != 32) return 2;
  const Key32 seed(std::span<const std::uint8_t, 32>(raw.data(), 32));
  RealVfs vfs;
  need(vfs.make_dirs(dir));
  auto log = need(audit::Log::open(vfs, dir, origin, seed));
  const auto key = audit::verifier_key(origin, need(crypto::ed25519_public(seed))) + "\n";
  need(vfs.write_file_atomic(dir + "/public.key", as_bytes(key)));
  constexpr std::uint64_t kBatch = 10'000;
  while (log->size() < size) {
    const auto begin = log->size();
    for (auto i = begin; i < std::min<std::uint64_t>(size, begin + kBatch); ++i)
      (void)need(log->stage({"call_missing",
                             "recorder",
                             "-",
                             1'700'000'000'000 + static_cast<std::int64_t>(i),
                             {{"cause", word}, {"sip_status", 503}, {"count", 1}}}));
    need(log->commit());
  }
  need(log->publish());
  return 0;
}
