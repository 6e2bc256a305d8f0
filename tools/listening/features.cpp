// The turn model's features of lines of text, for tools/listening/train: a line in ("who said it"
// is not known here, nor needed), its features out, tab-separated, on one line.
//
//   turn_features GRAMMAR_DIR < lines
#include <iostream>

#include "base/vfs.hpp"
#include "listen/turn_model.hpp"

namespace {

using namespace callward;

Result<listen::Grammar> grammar_of(const std::string& dir) {
  RealVfs vfs;
  std::map<std::string, std::string> files;
  for (const auto* name : {"numbers.txt", "cues.txt", "phrases.txt", "common.txt"})
    files[name] =
        std::string(as_text(TRY(vfs.read_file(dir + "/" + name, listen::kLanguageFileBytesMax))));
  return listen::Grammar::parse(files);
}

std::vector<listen::Word> words_of(const std::string& line) {
  std::vector<listen::Word> words;
  for (std::size_t at = 0; at < line.size();) {
    const auto end = std::min(line.find(' ', at), line.size());
    if (end > at) words.push_back({0, 0, 255, line.substr(at, end - at)});
    at = end + 1;
  }
  return words;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "turn_features GRAMMAR_DIR < lines\n";
    return 2;
  }
  const auto grammar = grammar_of(argv[1]);
  if (!grammar) {
    std::cerr << "turn_features: " << grammar.error().message << "\n";
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const auto features = listen::turn_features(listen::tokenize(*grammar, words_of(line)));
    for (std::size_t i = 0; i < features.size(); ++i) std::cout << (i ? "\t" : "") << features[i];
    std::cout << "\n";
  }
  return 0;
}
