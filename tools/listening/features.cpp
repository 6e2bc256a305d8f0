// The features of the talk models (src/listen/talk_model.hpp), for tools/listening/train: one
// implementation of them for learning and for listening.
//
//   turn_features GRAMMAR_DIR TURNS_FILE lines < lines      a line of text in, its features out
//   turn_features GRAMMAR_DIR TURNS_FILE talk < dialogues   a line for each clause: whether to erase
//                                                           it (0, 1), the words of it that say so,
//                                                           and its features
//
// A dialogue is lines "call", then of each turn "turn STREAM SIDE START_MS END_MS", then of each word
// "word TEXT START_MS END_MS CONFIDENCE SECRET"; sides are 0 customer, 1 agent; SECRET is 1 for words of
// a secret. What is judged follows the truth: as if the clauses before had been judged well.
#include <iostream>
#include <sstream>

#include "base/vfs.hpp"
#include "listen/conversation.hpp"

namespace {

using namespace callward;

Result<listen::Grammar> grammar_of(const std::string& dir, const std::string& turns) {
  RealVfs vfs;
  std::map<std::string, std::string> files;
  for (const auto* name : {"numbers.txt", "cues.txt", "phrases.txt", "common.txt"})
    files[name] =
        std::string(as_text(TRY(vfs.read_file(dir + "/" + name, listen::kLanguageFileBytesMax))));
  files["turns.txt"] =
      std::string(as_text(TRY(vfs.read_file(turns, listen::kLanguageFileBytesMax))));
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

void print(const auto& features) {
  for (std::size_t i = 0; i < features.size(); ++i) std::cout << (i ? "\t" : "") << features[i];
  std::cout << "\n";
}

void lines(const listen::Grammar& grammar) {
  for (std::string line; std::getline(std::cin, line);) {
    const auto tokens = listen::tokenize(grammar, words_of(line));
    print(listen::StretchFeatures(tokens, grammar.talk()->symbols(tokens)).all());
  }
}

class Talk {
 public:
  explicit Talk(const listen::Grammar& grammar) : grammar_(grammar) {}

  void line(const std::string& line) {
    std::istringstream in(line);
    std::string first;
    in >> first;
    if (first == "call" || first == "turn") hear();
    if (first == "call") begin();
    if (first == "turn") {
      unsigned stream = 0, side = 0;
      in >> stream >> side >> heard_.start_ms >> heard_.end_ms;
      heard_.stream = static_cast<std::uint8_t>(stream);
      heard_.side = static_cast<listen::Side>(side);
      open_ = true;
    } else if (first == "word") {
      listen::Word word;
      unsigned confidence = 0;
      bool secret = false;
      in >> word.text >> word.start_ms >> word.end_ms >> confidence >> secret;
      word.confidence = static_cast<std::uint8_t>(confidence);
      if (secret) secret_.insert(word.start_ms);
      heard_.words.push_back(std::move(word));
    }
  }
  void hear() {
    if (open_) (void)talk_->hear(heard_);
    heard_ = {};
    secret_.clear();
    open_ = false;
  }

 private:
  void begin() {
    talk_ = std::make_unique<listen::Conversation>(grammar_);
    talk_->judge_by([this](const auto& features, std::span<const listen::Token> clause) {
      std::size_t words = 0;
      for (const auto& token : clause) words += secret_.contains(token.start_ms);
      std::cout << (words > 0) << "\t" << words << "\t";
      print(features);
      return words > 0;
    });
  }

  const listen::Grammar& grammar_;
  std::unique_ptr<listen::Conversation> talk_;
  listen::Heard heard_;
  std::set<std::uint32_t> secret_;  // when its words begin
  bool open_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 4 ? argv[3] : "";
  if (what != "lines" && what != "talk") {
    std::cerr << "turn_features GRAMMAR_DIR TURNS_FILE lines|talk < input\n";
    return 2;
  }
  const auto grammar = grammar_of(argv[1], argv[2]);
  if (!grammar) {
    std::cerr << "turn_features: " << grammar.error().message << "\n";
    return 1;
  }
  std::ios::sync_with_stdio(false);
  if (what == "lines") {
    lines(*grammar);
    return 0;
  }
  Talk talk(*grammar);
  for (std::string line; std::getline(std::cin, line);) talk.line(line);
  talk.hear();
  return 0;
}
