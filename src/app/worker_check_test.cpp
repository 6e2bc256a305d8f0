#include "app/worker_check.hpp"

#include <gtest/gtest.h>

#include "base/fresh_dir_test.hpp"
#include "codec/audio_file.hpp"

namespace callward::app {
namespace {

listen::RecogniseReply saying(const std::vector<std::string>& words) {
  listen::RecogniseReply reply;
  for (const auto& word : words) reply.words.push_back({0, 100, 200, word});
  return reply;
}

TEST(WorkerCheck, TheOneThatShipsIsASentenceWithItsWords) {
  RealVfs vfs;
  const auto check = load_check(vfs, std::string(CALLWARD_SOURCE_DIR) + "/data/check/en.wav");
  ASSERT_TRUE(check) << check.error().message;
  EXPECT_GE(check->pcm.size(), 2u * 8 * kCheckMsMin);
  EXPECT_LE(check->pcm.size(), 2u * 8 * kCheckMsMax);
  EXPECT_GE(check->words.size(), kCheckWordsMin);
  EXPECT_EQ(check->words.front(), "good") << "without capitals and signs";
}

TEST(WorkerCheck, HalfOfTheWordsMustBeHeardAndBelieved) {
  const WorkerCheck check{.pcm = Bytes(2), .words = {"the", "blue", "boat", "crosses"}};
  EXPECT_TRUE(check.understands(saying({"The", "Blue,"})));
  EXPECT_FALSE(check.understands(saying({"blue", "cheese"})));
  EXPECT_FALSE(check.understands(saying({})));
  auto looped = saying({"the", "blue", "boat"});
  looped.flags = listen::kLooped;
  EXPECT_FALSE(check.understands(looped));
  EXPECT_FALSE(check.understands(saying({"the", "blue", "\xFF"})));
  auto unsure = saying({"the", "blue", "boat", "crosses"});
  for (auto& word : unsure.words) word.confidence = 60;
  EXPECT_FALSE(check.understands(unsure)) << "it would be believed nothing of a call";
}

TEST(WorkerCheck, VoiceIsSpeechAndSilenceBoth) {
  const WorkerCheck check;
  Bytes half(100, 0);
  std::fill(half.begin(), half.begin() + 50, std::uint8_t{240});
  EXPECT_TRUE(check.finds_voice(half, 100));
  EXPECT_FALSE(check.finds_voice(half, 99)) << "one window too many";
  EXPECT_FALSE(check.finds_voice(Bytes(100, 0), 100)) << "deaf";
  EXPECT_FALSE(check.finds_voice(Bytes(100, 255), 100)) << "it calls all of it speech";
}

TEST(WorkerCheck, WhatIsNoneIsRefused) {
  RealVfs vfs;
  const auto dir = callward::test::fresh_dir("worker-check");
  const auto write = [&](const std::string& name, ByteView content) {
    ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + name, content));
  };
  const auto wav = [](std::size_t channels, std::size_t seconds) {
    return *codec::write_wav(
        codec::Channels(channels, std::vector<std::int16_t>(8'000 * seconds, 100)));
  };
  EXPECT_FALSE(load_check(vfs, dir + "/none.wav"));
  for (const auto& [name, channels, seconds, words] :
       {std::tuple{"two", 2, 4, "a good sentence of words"},
        {"short", 1, 1, "a b c d e"},
        {"long", 1, 15, "a b c d e"},
        {"few", 1, 4, "only four words here"}}) {
    write(std::string(name) + ".wav", wav(channels, seconds));
    write(std::string(name) + ".txt", as_bytes(words));
    EXPECT_FALSE(load_check(vfs, dir + "/" + name + ".wav")) << name;
  }
  write("good.wav", wav(1, 4));
  EXPECT_FALSE(load_check(vfs, dir + "/good.wav")) << "without its words";
  write("good.txt", as_bytes("A good sentence, of words.\n"));
  EXPECT_TRUE(load_check(vfs, dir + "/good.wav"));
}

}  // namespace
}  // namespace callward::app
