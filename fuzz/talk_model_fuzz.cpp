// Any bytes as a turn model, and any words before one: it is read or refused, and what it says of
// words are shares of one. The first two bytes say how much of the rest is the model.
#include "base/check.hpp"
#include "listen/talk_model.hpp"

namespace {

using namespace callward;
using namespace callward::listen;

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  while (!text.empty() && tokens.size() < 2 * kTurnTokensMax) {
    const auto end = std::min(text.find(' '), text.size());
    Token token;
    token.text = std::string(text.substr(0, end));
    token.kind = static_cast<TokenKind>(end % 8);
    token.question = end % 3 == 0;
    if (!token.text.empty()) tokens.push_back(std::move(token));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return tokens;
}

void weigh(const TalkModel& model, std::string_view words) {
  const auto about = model.about(tokens_of(words));
  const float sum = about.asks + about.says + about.asks_harmless + about.says_harmless +
                    about.reads_back + about.answers + about.declines;
  CHECK(sum >= 0.0F && sum <= 1.001F);
  const auto tokens = tokens_of(words);
  const StretchFeatures features(tokens, model.symbols(tokens));
  if (const auto erase = model.erase(features.all())) CHECK(*erase >= 0.0F && *erase <= 1.0F);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in({data, size});
  const auto length = in.u16();
  if (!in.ok()) return 0;
  const auto text = as_text(in.bytes(std::min<std::size_t>(length, in.remaining())));
  const auto words = as_text(in.bytes(in.remaining()));
  const std::string head =
      "callward-turns 2\nwords a b\nmodel turns\nclasses none | ask pin | say card | read back\n";
  if (const auto model = TalkModel::parse(text)) weigh(*model, words);
  if (const auto model = TalkModel::parse(head + "bias 1 -2 3 4\n" + std::string(text)))
    weigh(*model, words);
  return 0;
}
