// The listener with real sockets and real worker processes. Keeper and recorder here are scripts:
// they give what the test put into them, and remember what they were told.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>

#include "app/listener_process.hpp"
#include "app/peer_test_rig.hpp"
#include "base/fresh_dir_test.hpp"
#include "codec/g711.hpp"
#include "keys/typed_protocol.hpp"
#include "segment/payload.hpp"

namespace callward::app::test {

// A call whose sound is known, as both peers hand it out.
struct ScriptedCall {
  CallId id;
  std::array<std::vector<std::int16_t>, 2> sides;  // customer, agent

  [[nodiscard]] std::uint32_t segments() const {
    return static_cast<std::uint32_t>(sides[0].size() / segment::kSegmentSamples);
  }
  [[nodiscard]] SecretBytes payload(std::uint8_t stream, std::uint32_t index) const {
    segment::AudioSegment out;
    for (std::size_t i = 0; i < segment::kSegmentSamples; ++i)
      out.samples[i] =
          codec::encode_mu(sides[stream][std::size_t{index} * segment::kSegmentSamples + i]);
    out.present.set_all();
    segment::AudioPayload packed;
    segment::pack_payload(out, packed);
    return SecretBytes(packed.expose());
  }
  // Speech of a level from `start_ms` on.
  void speak(std::uint8_t stream, std::uint32_t start_ms, std::uint32_t end_ms, int text) {
    for (std::size_t i = start_ms * 8; i < end_ms * 8; ++i)
      sides[stream][i] = static_cast<std::int16_t>(1'000 * (text + 1));
  }
  [[nodiscard]] std::vector<keys::StreamEnd> ends() const {
    return {{0, segments()}, {1, segments()}};
  }
};

inline const std::vector<std::string> kPasswordTexts = {
    "What is the password of your account?", "It is sunshine seven four nine two",
    "Thank you. Is the printer switched on?", "Yes it prints the page and everything is fine"};

// 20 s: asked, answered, thanked, small talk.
inline ScriptedCall password_call(Entropy& entropy) {
  ScriptedCall call;
  call.id = CallId::random(entropy);
  for (auto& side : call.sides) side.assign(20 * 8'000, 0);
  call.speak(1, 1'000, 4'000, 0);
  call.speak(0, 5'000, 8'000, 1);
  call.speak(1, 9'000, 11'000, 2);
  call.speak(0, 12'000, 15'000, 3);
  return call;
}

// Whether every segment of [first, end) of the stream is ordered away.
inline bool covers(const std::vector<keys::EraseOrder>& orders, std::uint8_t stream,
                   std::uint32_t first, std::uint32_t end) {
  for (auto index = first; index < end; ++index) {
    bool found = false;
    for (const auto& order : orders)
      for (const auto& range : order.ranges)
        found = found || (range.stream == stream && range.first <= index && index < range.end);
    if (!found) return false;
  }
  return true;
}

class ScriptedKeeper final : public SocketPeer {
 public:
  ScriptedKeeper(io::Loop& loop, std::string path)
      : SocketPeer(loop, std::move(path), keys::kKeeperFrameBytesMax) {}
  void wipe(const CallId& call, const keys::SegmentRange& range) {
    channels.back()->send(keys::WipeRanges{call, {range}}, 77);
  }

  void search(const CallId& call_id, std::uint8_t number, std::string_view value) {
    keys::SearchTyped message{.call = call_id, .search = {}, .value = {}, .kind = "password"};
    message.search.bytes[0] = number;
    message.value = SecretBytes(as_bytes(value));
    channels.back()->send(io::make_secret_frame(message));
  }

  const ScriptedCall* call = nullptr;
  bool knows = true, ended = false, done = false;
  bool acknowledges = true;
  std::array<std::uint32_t, 2> heard{};
  std::vector<keys::EraseOrder> orders;  // every time that one came
  std::vector<keys::Cleared> cleared;
  std::vector<keys::SegmentRange> heard_again;
  std::vector<keys::DerivedPut> derived;
  std::vector<keys::TypedFound> typed;
  // Said right after Hello, as the keeper does to a listener that comes.
  std::vector<std::pair<std::uint8_t, std::string>> typed_values;
  int wiped = 0, dones = 0;

 private:
  void on_frame(io::Channel& channel, io::Frame& frame) override {
    switch (frame.type) {
      case keys::Hello::kType:
        channel.reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
        for (const auto& [number, value] : typed_values) search(call->id, number, value);
        return;
      case keys::TypedFound::kType:
        typed.push_back(*unpack<keys::TypedFound>(frame.body));
        return;
      case keys::UnheardRequest::kType: {
        keys::UnheardList list;
        if (call != nullptr && knows && !done)
          list.calls.push_back({call->id, ended, {{0, heard[0]}, {1, heard[1]}}, call->ends()});
        channel.reply(frame, list);
        return;
      }
      case keys::EraseOrder::kType:
        orders.push_back(*unpack<keys::EraseOrder>(frame.body));
        if (!acknowledges) return;
        channel.reply(frame,
                      keys::OrderAccepted{orders.back().order, keys::OrderOutcome::kAccepted});
        return;
      case keys::Cleared::kType:
        cleared.push_back(*unpack<keys::Cleared>(frame.body));
        for (const auto& mark : cleared.back().marks)
          heard[mark.stream] = std::max(heard[mark.stream], mark.upto);
        return;
      case keys::DerivedPut::kType:
        derived.push_back(std::move(*unpack<keys::DerivedPut>(frame.body)));
        return;
      case keys::ListenDone::kType:
        ++dones;
        done = ended && heard[0] >= call->segments() && heard[1] >= call->segments();
        return;
      case keys::HearAgain::kType: {
        const auto range = unpack<keys::HearAgain>(frame.body)->range;
        heard_again.push_back(range);
        keys::HeardAgain again;
        for (auto index = range.first; index < range.end; ++index)
          again.segments.push_back({index, 0, call->payload(range.stream, index)});
        channel.reply(frame, again);
        return;
      }
      case keys::Ack::kType:
        wiped += frame.id == 77;
        return;
      default:
        return;
    }
  }
};

class ScriptedRecorder final : public SocketPeer {
 public:
  ScriptedRecorder(io::Loop& loop, std::string path)
      : SocketPeer(loop, std::move(path), store::kRecorderFrameBytesMax) {}
  void open(const ScriptedCall& call, std::uint32_t first = 0, bool import = false) {
    send(store::AudioOpen{call.id,
                          {{0, store::Party::kCustomer, store::StreamMode::kActive},
                           {1, store::Party::kAgent, store::StreamMode::kActive}},
                          first,
                          import});
  }
  void audio(const ScriptedCall& call, std::uint32_t first, std::uint32_t end) {
    for (auto index = first; index < end; ++index)
      for (std::uint8_t stream = 0; stream < 2; ++stream)
        send(store::Audio{call.id, stream, 0, index, call.payload(stream, index)});
  }
  void close(const ScriptedCall& call) { send(store::AudioClose{call.id, call.ends()}); }
  template <class Message>
  void send(const Message& message) {
    ASSERT_FALSE(channels.empty());
    ASSERT_TRUE(channels.back()->send(message));
  }
  bool greeted = false;
  std::uint32_t credit = 0;

 private:
  void on_frame(io::Channel& channel, io::Frame& frame) override {
    if (frame.type == store::Hello::kType) {
      greeted = unpack<store::Hello>(frame.body)->role == store::ClientRole::kListener;
      channel.reply(frame, store::Welcome{});
    }
    if (frame.type == store::AudioCredit::kType)
      credit += unpack<store::AudioCredit>(frame.body)->segments;
  }
};

struct ListenerRig {
  ListenerRig(const std::string& name, std::vector<std::string> worker, std::uint32_t workers = 1,
              WorkerCheck checked = {})
      : dir(callward::test::fresh_dir("listener-" + name)), check(std::move(checked)) {
    loop = std::move(*io::Loop::create(clock));
    keeper = std::make_unique<ScriptedKeeper>(*loop, dir + "/keeper.sock");
    recorder = std::make_unique<ScriptedRecorder>(*loop, dir + "/recorder.sock");
    keeper->live();
    recorder->live();
    config.worker_argv = std::move(worker);
    config.workers = workers;
    start();
    EXPECT_TRUE(until([&] { return recorder->greeted; }));
  }
  ~ListenerRig() {
    listener.reset();
    std::filesystem::remove_all(dir);
  }
  void start() {
    recorder->greeted = false;
    auto grammar = load_grammar(vfs, std::string(CALLWARD_SOURCE_DIR) + "/data/listen/en");
    ASSERT_TRUE(grammar) << grammar.error().message;
    listener = std::make_unique<Listener>(*loop, clock, entropy, config, dir, std::move(*grammar),
                                          Bytes{}, limits, check);
    listener->start();
  }
  // A worker of listener_process_test_worker.py.
  static std::vector<std::string> scripted(const std::string& state, const std::string& mode,
                                           const std::vector<std::string>& texts) {
    const std::string source = CALLWARD_SOURCE_DIR;
    std::vector<std::string> argv = {"/usr/bin/python3",
                                     source + "/src/app/listener_process_test_worker.py",
                                     source + "/worker", state, mode};
    argv.insert(argv.end(), texts.begin(), texts.end());
    return argv;
  }
  template <class Condition>
  bool until(Condition condition, int seconds = 30) {
    const auto deadline = clock.monotonic_ms() + seconds * 1'000;
    while (!condition() && clock.monotonic_ms() < deadline) (void)loop->run_once(5);
    return condition();
  }
  // Until all of the call was heard, told and let go.
  bool all_heard(int seconds = 30) {
    return until([this] { return keeper->done && listener->calls() == 0; }, seconds);
  }
  void pump(int ms) {
    const auto deadline = clock.monotonic_ms() + ms;
    while (clock.monotonic_ms() < deadline) (void)loop->run_once(5);
  }
  [[nodiscard]] bool status_has(const std::string& text) const {
    return listener->status_json().find(text) != std::string::npos;
  }

  std::string dir;
  SystemClock clock;
  SystemEntropy entropy;
  RealVfs vfs;
  ListenerConfig config;
  WorkerCheck check;  // none
  WorkerLimits limits{.start_ms_max = 20'000,
                      .vad_ms_max = 3'000,
                      .turn_ms_max = 1'000,
                      .back_off_ms = 50,
                      .back_off_ms_max = 500,
                      .steady_ms = 60'000};
  std::unique_ptr<io::Loop> loop;
  std::unique_ptr<ScriptedKeeper> keeper;
  std::unique_ptr<ScriptedRecorder> recorder;
  std::unique_ptr<Listener> listener;
};

}  // namespace callward::app::test
