#include "app/worker_check.hpp"

#include <algorithm>

#include "codec/audio_file.hpp"
#include "listen/conversation.hpp"
#include "listen/turns.hpp"

namespace callward::app {
namespace {

// Letters and digits of ASCII in lower case; what is beyond it stays as it is.
std::string plain(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (c >= 'A' && c <= 'Z')
      out.push_back(static_cast<char>(c - 'A' + 'a'));
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) != 0)
      out.push_back(c);
  }
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find_first_of(" \n\r\t", at), text.size());
    if (auto word = plain(text.substr(at, end - at)); !word.empty()) words.push_back(word);
    at = end + 1;
  }
  return words;
}

}  // namespace

bool WorkerCheck::finds_voice(ByteView probabilities, std::size_t windows) const {
  static constexpr listen::TurnLimits kTurns;
  const auto speech = std::count_if(probabilities.begin(), probabilities.end(),
                                    [](auto p) { return p >= kTurns.onset; });
  const auto silence = std::count_if(probabilities.begin(), probabilities.end(),
                                     [](auto p) { return p < kTurns.release; });
  const auto all = static_cast<std::ptrdiff_t>(windows);
  return probabilities.size() == windows && 4 * speech >= all && 10 * silence >= all;
}

bool WorkerCheck::understands(const listen::RecogniseReply& reply) const {
  if (reply.flags != 0 || !listen::well_formed(reply.words)) return false;
  std::vector<std::string> heard;
  std::size_t confidence = 0;
  for (const auto& word : reply.words) {
    heard.push_back(plain(word.text));
    confidence += word.confidence;
  }
  if (confidence < reply.words.size() * listen::ConversationLimits{}.confidence_min) return false;
  const auto found = std::count_if(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(heard.begin(), heard.end(), word) != heard.end();
  });
  return 2 * static_cast<std::size_t>(found) >= words.size();
}

Result<WorkerCheck> load_check(Vfs& vfs, const std::string& path) {
  auto channels = TRY(codec::read_audio(vfs, path, std::uint64_t{8} * kCheckMsMax));
  if (channels.size() != 1 || channels[0].size() < std::size_t{8} * kCheckMsMin)
    return fail(Errc::kMalformed, path + ": a check is one channel of 2 to 14 s");
  const auto text = path.substr(0, path.rfind('.')) + ".txt";
  WorkerCheck check{.pcm = Bytes(2 * channels[0].size()),
                    .words = words_of(as_text(TRY(vfs.read_file(text, kCheckTextBytesMax))))};
  for (std::size_t i = 0; i < channels[0].size(); ++i)
    store_le(check.pcm.data() + 2 * i, channels[0][i]);
  if (check.words.size() < kCheckWordsMin)
    return fail(Errc::kMalformed, text + ": a check has five words at least");
  return check;
}

}  // namespace callward::app
