// A call whose speech is known: each speech is samples of its own level, so that the rig can play
// voice detection and recogniser, promptly or late, in any order, or failing.
#pragma once

#include "listen/call_listener.hpp"
#include "listen/grammar_files_test.hpp"

namespace callward::listen::test {

struct Speech {
  std::uint8_t stream = 0;
  std::uint32_t start_ms = 0, end_ms = 0;
  std::string text;
  bool secret = false;
};

// A password is asked and told between harmless talk; the other side speaks into the answer.
inline const std::vector<Speech> kPasswordCall = {
    {1, 1'000, 4'000, "What is the password of your account?"},
    {0, 5'000, 8'000, "It is sunshine seven four nine two", true},
    {1, 9'000, 11'000, "Thank you. Is the printer switched on?"},
    {0, 12'000, 15'000, "Yes it prints the page and everything is fine"},
    {1, 16'000, 18'000, "Have a nice day"},
};

class CallRig {
 public:
  explicit CallRig(std::vector<Speech> speeches, std::uint32_t segments = 220)
      : listener(english()), speeches_(std::move(speeches)), segments_(segments) {
    listener.open_stream(0, Side::kCustomer, 0);
    listener.open_stream(1, Side::kAgent, 0);
  }

  [[nodiscard]] std::vector<std::int16_t> samples(std::uint8_t stream, std::uint32_t index) const {
    std::vector<std::int16_t> out(kListenSegmentSamples, 0);
    for (std::size_t s = 0; s < speeches_.size(); ++s) {
      const auto& speech = speeches_[s];
      if (speech.stream != stream) continue;
      for (std::size_t i = 0; i < out.size(); ++i) {
        const auto ms = index * 100 + i / 8;
        if (ms >= speech.start_ms && ms < speech.end_ms) out[i] = level(s);
      }
    }
    return out;
  }
  void give(std::uint32_t index) {
    for (std::uint8_t stream = 0; stream < 2; ++stream)
      ASSERT_TRUE(listener.audio(stream, index, samples(stream, index), digits[{stream, index}]));
  }
  void end() {
    for (std::uint8_t stream = 0; stream < 2; ++stream) listener.end_stream(stream, segments_);
  }
  void answer_vad(const VadJob& job) {
    Bytes probabilities;
    const auto pcm = job.pcm.expose();
    for (std::size_t at = 0; at < pcm.size(); at += 2 * kVadWindowSamples) {
      bool speech = false;
      for (std::size_t i = at; i < at + 2 * kVadWindowSamples; i += 2)
        speech = speech || load_le<std::int16_t>(pcm.data() + i) != 0;
      probabilities.push_back(speech ? 240 : 5);
    }
    listener.vad_done(job.stream, probabilities);
  }
  // The words of the speech that is loudest in it, spread over the turn.
  [[nodiscard]] RecogniseReply recognise(const TurnJob& job) const {
    const auto pcm = job.pcm.expose();
    std::map<std::size_t, std::size_t> heard;
    for (std::size_t i = 0; i + 1 < pcm.size(); i += 2)
      for (std::size_t s = 0; s < speeches_.size(); ++s)
        if (load_le<std::int16_t>(pcm.data() + i) == level(s)) ++heard[s];
    RecogniseReply reply;
    if (heard.empty()) return reply;
    const auto best = std::max_element(heard.begin(), heard.end(), [](auto& a, auto& b) {
                        return a.second < b.second;
                      })->first;
    reply.words = test::words_of(speeches_[best].text);
    const auto each = static_cast<std::uint32_t>(pcm.size() / 16 / reply.words.size());
    for (std::size_t i = 0; i < reply.words.size(); ++i) {
      reply.words[i].start_ms = static_cast<std::uint32_t>(i) * each;
      reply.words[i].end_ms = static_cast<std::uint32_t>(i + 1) * each;
    }
    return reply;
  }
  void work() {
    for (bool more = true; more;) {
      more = false;
      while (const auto job = listener.take_vad()) answer_vad(*job), more = true;
      while (const auto job = listener.take_turn())
        listener.turn_done(job->id, recognise(*job)), more = true;
    }
  }
  // Takes what there is, and holds it against the invariants.
  void collect() {
    for (const auto& order : listener.take_orders()) {
      EXPECT_FALSE(order.ranges.empty());
      for (const auto& range : order.ranges) {
        EXPECT_LT(range.first, range.end);
        if (order.kind == Secret::kTyped) {
          ordered.push_back(range);  // it may come when all of that is over
          continue;
        }
        EXPECT_GE(range.first, cleared[range.stream]) << "ordered after it was cleared";
        for (const auto& other : derived_ranges)
          EXPECT_FALSE(other.stream == range.stream && other.first < range.end &&
                       range.first < other.end)
              << "derived data of an ordered range";
        ordered.push_back(range);
      }
      kinds.push_back(order.kind);
    }
    if (const auto clearance = listener.take_clearance()) {
      for (const auto& [stream, upto] : clearance->marks) {
        EXPECT_GE(upto, cleared[stream]) << "a mark went back";
        cleared[stream] = upto;
      }
      question_open = clearance->question_open;
    }
    for (auto& item : listener.take_derived()) {
      EXPECT_LE(item.end - item.first, 2 * kWindowSegments);
      if (!item.words) {
        EXPECT_LE(item.end, cleared[item.stream]) << "derived before it was cleared";
      }
      for (const auto& range : ordered)
        EXPECT_FALSE(item.stream == range.stream && item.first < range.end &&
                     range.first < item.end)
            << "derived data of an ordered range";
      derived_ranges.push_back({item.stream, item.first, item.end});
      if (!item.words) continue;
      const auto words = parse_words(item.payload.expose());
      ASSERT_TRUE(words);
      for (const auto& word : *words) text[item.stream] += word.text + " ";
    }
  }
  [[nodiscard]] bool covered(std::uint8_t stream, std::uint32_t start_ms,
                             std::uint32_t end_ms) const {
    for (auto index = start_ms / 100; index < (end_ms + 99) / 100; ++index)
      if (std::none_of(ordered.begin(), ordered.end(), [&](const StreamRange& r) {
            return r.stream == stream && r.first <= index && index < r.end;
          }))
        return false;
    return true;
  }
  void expect_secrets_gone() const {
    for (const auto& speech : speeches_) {
      if (speech.secret) {
        EXPECT_TRUE(covered(speech.stream, speech.start_ms, speech.end_ms)) << speech.text;
      }
    }
  }
  void whole_call() {
    for (std::uint32_t index = 0; index < segments_; ++index) {
      give(index);
      work();
      collect();
    }
    end();
    work();
    collect();
  }
  static std::int16_t level(std::size_t speech) {
    return static_cast<std::int16_t>(1'000 + 16 * speech);
  }

  CallListener listener;
  std::map<std::pair<std::uint8_t, std::uint32_t>, std::vector<PayloadDigit>> digits;
  std::vector<StreamRange> ordered, derived_ranges;
  std::vector<Secret> kinds;
  std::map<std::uint8_t, std::uint32_t> cleared;
  std::map<std::uint8_t, std::string> text;
  bool question_open = false;

 private:
  std::vector<Speech> speeches_;
  std::uint32_t segments_;
};

}  // namespace callward::listen::test
