// Where typed values were said, in the words that a recogniser heard of a call. Used by bench/typed,
// which scores it.
//
//   typed_bench --grammar DIR TURNS VALUES
//
// TURNS as listening_bench --turns writes them, VALUES one a line. Prints a line a place: the
// value's line (0 the first), stream, start_ms, end_ms of what is ordered; at the end the
// microseconds that all searches took.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/vfs.hpp"
#include "listen/call_listener.hpp"

namespace callward {
namespace {

struct TurnLine {
  std::uint32_t stream = 0;
  listen::HeardTurn turn;
};

std::vector<TurnLine> turns_of(std::istream& in) {
  std::vector<TurnLine> turns;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    if (line.starts_with(' ')) {
      std::uint32_t start = 0, end = 0, confidence = 0;
      std::string text;
      fields >> start >> end >> confidence >> text;
      turns.back().turn.words.push_back(
          {start, end, static_cast<std::uint8_t>(confidence), std::move(text)});
      continue;
    }
    auto& next = turns.emplace_back();
    fields >> next.stream >> next.turn.start_ms >> next.turn.end_ms >> next.turn.believed >>
        next.turn.keyed;
  }
  std::stable_sort(turns.begin(), turns.end(),
                   [](const auto& a, const auto& b) { return a.turn.start_ms < b.turn.start_ms; });
  return turns;
}

Status run(const std::string& grammar_dir, const char* turns_file, const char* values_file) {
  RealVfs vfs;
  std::map<std::string, std::string> texts;
  for (const auto& name : TRY(vfs.list(grammar_dir)))
    texts[name] = std::string(
        as_text(TRY(vfs.read_file(grammar_dir + "/" + name, listen::kLanguageFileBytesMax))));
  const auto grammar = TRY(listen::Grammar::parse(texts));
  std::ifstream turns_in(turns_file), values_in(values_file);
  if (!turns_in || !values_in) return fail(Errc::kNotFound, "a file is not there");
  std::array<listen::HeardTurns, 2> streams;
  for (auto& item : turns_of(turns_in)) streams.at(item.stream).push_back(std::move(item.turn));
  const listen::CallLimits limits;
  const auto began = std::chrono::steady_clock::now();
  std::size_t number = 0;
  for (std::string value; std::getline(values_in, value); ++number) {
    const auto secret = listen::TypedSecret::create(as_bytes(value));
    if (!secret) continue;
    for (std::size_t stream = 0; stream < streams.size(); ++stream)
      for (const auto& place : secret->search(grammar, streams[stream], 0).places) {
        const auto start = place.start_ms - std::min(place.start_ms, limits.pad_before_ms);
        const auto end = place.end_ms + limits.pad_after_ms + listen::kListenSegmentMs - 1;
        std::printf("%zu %zu %u %u\n", number, stream, start / 100 * 100, end / 100 * 100);
      }
  }
  const auto took = std::chrono::steady_clock::now() - began;
  std::printf(
      "took %lld\n",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  return {};
}

}  // namespace
}  // namespace callward

int main(int argc, char** argv) {
  if (argc != 5 || std::string_view(argv[1]) != "--grammar") {
    std::fprintf(stderr, "typed_bench --grammar DIR TURNS VALUES\n");
    return 2;
  }
  const auto outcome = callward::run(argv[2], argv[3], argv[4]);
  if (!outcome) std::fprintf(stderr, "typed_bench: %s\n", outcome.error().message.c_str());
  return outcome ? 0 : 1;
}
