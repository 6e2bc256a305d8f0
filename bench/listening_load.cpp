// The listener and its recognisers under load: labelled calls, many at once, in real time, with a
// script in place of recorder and keeper. Used by bench/listening_load, which plans and prints.
//
//   listening_load_bench --grammar DIR --check WAV --plan FILE --calls N --seconds S --workers W
//                        --worker ARG...
//
// A line of the plan is a call: its sound file, how long both sides speak in it and the silence
// behind it in ms, then of each secret that is spoken in it STREAM:START_MS:END_MS. The result is one line of JSON.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "app/listener_process.hpp"
#include "codec/audio_file.hpp"
#include "codec/g711.hpp"
#include "io/frame.hpp"
#include "segment/payload.hpp"

namespace callward {
namespace {

constexpr std::uint64_t kSamplesMax = 8'000ull * 3'600;
constexpr std::int64_t kSegmentMs = 100;
constexpr std::int64_t kSampleMs = 1'000;   // the backlog is looked at so often
constexpr std::int64_t kStaggerMs = 3'700;  // between the beginnings of two calls
constexpr std::int64_t kDrainMsMax = 120'000;
constexpr std::int64_t kKeptUpMs = 5'000;  // so soon after the last sound all of it was heard

struct Options {
  std::string grammar, check, plan;
  std::uint32_t calls = 1, seconds = 120, workers = 1;
  std::vector<std::string> worker;
};

struct Secret {
  std::uint8_t stream = 0;
  std::uint32_t start_ms = 0, end_ms = 0;
};
struct Material {
  std::array<std::vector<Bytes>, 2> payloads;  // of each stream's segments
  std::vector<Secret> secrets;
  std::uint32_t talk_ms = 0;  // of both sides together
  [[nodiscard]] std::uint32_t segments() const {
    return static_cast<std::uint32_t>(payloads[0].size());
  }
};

Bytes pack(std::span<const std::int16_t> samples) {
  segment::AudioSegment out;
  for (std::size_t i = 0; i < segment::kSegmentSamples; ++i)
    out.samples[i] = codec::encode_mu(i < samples.size() ? samples[i] : std::int16_t{0});
  out.present.set_all();
  segment::AudioPayload packed;
  segment::pack_payload(out, packed);
  return to_bytes(packed.expose());
}

Result<Material> read_material(const std::string& line) {
  std::istringstream words(line);
  std::string path, secret;
  std::uint32_t talk_ms = 0, silence_ms = 0;
  words >> path >> talk_ms >> silence_ms;
  RealVfs vfs;
  const auto channels = TRY(codec::read_audio(vfs, path, kSamplesMax));
  if (channels.size() < 2) return fail(Errc::kUnsupported, path + ": needs two channels");
  Material material;
  material.talk_ms = talk_ms;
  const auto segments = channels[0].size() / segment::kSegmentSamples + silence_ms / kSegmentMs;
  for (std::size_t side = 0; side < 2; ++side)
    for (std::size_t i = 0; i < segments; ++i) {
      const std::span<const std::int16_t> all(channels[side]);
      const auto from = std::min(i * segment::kSegmentSamples, all.size());
      material.payloads[side].push_back(pack(
          all.subspan(from, std::min<std::size_t>(segment::kSegmentSamples, all.size() - from))));
    }
  while (words >> secret) {
    unsigned stream = 0, start = 0, end = 0;
    if (std::sscanf(secret.c_str(), "%u:%u:%u", &stream, &start, &end) != 3 || stream > 1)
      return fail(Errc::kMalformed, "the plan says " + secret);
    material.secrets.push_back({static_cast<std::uint8_t>(stream), start, end});
  }
  return material;
}

// One call on its way: what the script of recorder and keeper knows of it.
struct Running {
  CallId id;
  const Material* material = nullptr;
  std::int64_t began_ms = 0;
  std::uint32_t sent = 0;
  bool ended = false;
  std::array<std::uint32_t, 2> cleared{};
  std::vector<bool> ordered;  // of each secret
};

// Recorder and keeper at once: a socket each.
class Script {
 public:
  Script(io::Loop& loop, Clock& clock, Entropy& entropy, std::string dir)
      : loop_(loop), clock_(clock), entropy_(entropy), dir_(std::move(dir)) {}

  Status listen() {
    keeper_ = TRY(serve("keeper", keys::kKeeperFrameBytesMax, keeper_channels_));
    recorder_ = TRY(serve("recorder", store::kRecorderFrameBytesMax, recorder_channels_));
    return {};
  }
  [[nodiscard]] bool greeted() const { return greeted_; }

  void begin(const Material& material) {
    Running call{.id = CallId::random(entropy_),
                 .material = &material,
                 .began_ms = clock_.monotonic_ms(),
                 .ordered = std::vector<bool>(material.secrets.size())};
    send(store::AudioOpen{call.id,
                          {{0, store::Party::kCustomer, store::StreamMode::kActive},
                           {1, store::Party::kAgent, store::StreamMode::kActive}},
                          0,
                          false});
    live_ = call.id;
    calls_[call.id] = std::move(call);
  }
  [[nodiscard]] const CallId& newest() const { return live_; }
  // What is due by now of this call; false once it is over.
  bool advance(const CallId& id) {
    auto& call = calls_.at(id);
    const auto due = std::min<std::int64_t>((clock_.monotonic_ms() - call.began_ms) / kSegmentMs,
                                            call.material->segments());
    for (; call.sent < due; ++call.sent)
      for (std::uint8_t stream = 0; stream < 2; ++stream)
        send(store::Audio{id, stream, 0, call.sent,
                          SecretBytes(call.material->payloads[stream][call.sent])});
    if (call.sent < call.material->segments()) return true;
    end(id);
    return false;
  }
  void end(const CallId& id) {
    auto& call = calls_.at(id);
    call.ended = true;
    send(store::AudioClose{id, ends(call)});
  }
  [[nodiscard]] std::size_t open_calls() const { return calls_.size(); }
  [[nodiscard]] std::vector<std::int64_t> latencies() const { return latencies_; }
  // Of calls that were not heard to their end, too: then fewer may have been ordered.
  [[nodiscard]] std::uint64_t secrets_said() const {
    auto sum = secrets_said_;
    for (const auto& [id, call] : calls_) sum += said_in(call);
    return sum;
  }
  [[nodiscard]] std::uint64_t passed_first() const { return passed_first_; }
  [[nodiscard]] double talk_seconds() const {
    auto sum = talk_done_ms_;
    for (const auto& [id, call] : calls_) sum += talk_of(call, call.cleared[0]);
    return sum / 1e3;
  }
  [[nodiscard]] double cleared_seconds() const {
    auto sum = static_cast<double>(cleared_done_);
    for (const auto& [id, call] : calls_) sum += call.cleared[0];
    return sum / 10;
  }

 private:
  static double talk_of(const Running& call, std::uint32_t segments) {
    return double{1} * call.material->talk_ms * segments / call.material->segments();
  }
  static std::uint64_t said_in(const Running& call) {
    return static_cast<std::uint64_t>(std::count_if(
        call.material->secrets.begin(), call.material->secrets.end(),
        [&](const Secret& secret) { return secret.end_ms <= call.sent * kSegmentMs; }));
  }
  using Channels = std::vector<std::unique_ptr<io::Channel>>;
  Result<std::unique_ptr<io::ChannelServer>> serve(const std::string& name, std::size_t bytes_max,
                                                   Channels& channels) {
    return io::ChannelServer::listen(
        loop_, dir_ + "/" + name + ".sock", {"bench", bytes_max, 256u << 20},
        [this, &channels](std::unique_ptr<io::Channel> channel) {
          auto* raw = channel.get();
          raw->set_handlers([this, raw](io::Frame frame) { on_frame(*raw, frame); }, [] {});
          channels.push_back(std::move(channel));
        });
  }
  template <class Message>
  void send(const Message& message) {
    if (!recorder_channels_.empty()) (void)recorder_channels_.back()->send(message);
  }
  static std::vector<keys::StreamEnd> ends(const Running& call) {
    return {{0, call.sent}, {1, call.sent}};
  }
  void on_frame(io::Channel& channel, io::Frame& frame) {
    if (frame.type == store::Hello::kType && &channel == recorder_of()) {
      greeted_ = true;
      channel.reply(frame, store::Welcome{});
    } else if (frame.type == keys::Hello::kType) {
      channel.reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
    } else if (frame.type == keys::UnheardRequest::kType) {
      keys::UnheardList list;
      for (const auto& [id, call] : calls_)
        list.calls.push_back(
            {id, call.ended, {{0, call.cleared[0]}, {1, call.cleared[1]}}, ends(call)});
      channel.reply(frame, list);
    } else if (frame.type == keys::EraseOrder::kType) {
      if (const auto order = unpack<keys::EraseOrder>(frame.body)) {
        on_order(*order);
        channel.reply(frame, keys::OrderAccepted{order->order, keys::OrderOutcome::kAccepted});
      }
    } else if (frame.type == keys::Cleared::kType) {
      if (const auto cleared = unpack<keys::Cleared>(frame.body)) on_cleared(*cleared);
    } else if (frame.type == keys::HearAgain::kType) {
      hear_again(channel, frame);
    } else if (frame.type == keys::ListenDone::kType) {
      if (const auto done = unpack<keys::ListenDone>(frame.body)) on_done(done->call);
    }
  }
  [[nodiscard]] io::Channel* recorder_of() const {
    return recorder_channels_.empty() ? nullptr : recorder_channels_.back().get();
  }
  // The first order that takes the middle of a secret ends its wait.
  void on_order(const keys::EraseOrder& order) {
    const auto at = calls_.find(order.call);
    if (at == calls_.end()) return;
    auto& call = at->second;
    for (std::size_t i = 0; i < call.ordered.size(); ++i) {
      const auto& secret = call.material->secrets[i];
      const auto middle = (secret.start_ms + secret.end_ms) / 2 / kSegmentMs;
      const bool taken =
          std::any_of(order.ranges.begin(), order.ranges.end(), [&](const auto& range) {
            return range.stream == secret.stream && range.first <= middle && middle < range.end;
          });
      if (!taken || call.ordered[i]) continue;
      call.ordered[i] = true;
      passed_first_ += call.cleared[secret.stream] > middle;
      latencies_.push_back(
          std::max<std::int64_t>(0, clock_.monotonic_ms() - call.began_ms - secret.end_ms));
    }
  }
  void on_cleared(const keys::Cleared& cleared) {
    const auto at = calls_.find(cleared.call);
    if (at == calls_.end()) return;
    for (const auto& mark : cleared.marks)
      if (mark.stream < 2)
        at->second.cleared[mark.stream] = std::max(at->second.cleared[mark.stream], mark.upto);
  }
  void on_done(const CallId& id) {
    const auto at = calls_.find(id);
    if (at == calls_.end() || !at->second.ended || at->second.cleared[0] < at->second.sent ||
        at->second.cleared[1] < at->second.sent)
      return;
    cleared_done_ += at->second.sent;
    talk_done_ms_ += talk_of(at->second, at->second.sent);
    secrets_said_ += said_in(at->second);
    calls_.erase(at);
  }
  void hear_again(io::Channel& channel, io::Frame& frame) {
    const auto wanted = unpack<keys::HearAgain>(frame.body);
    keys::HeardAgain again;
    const auto at = wanted ? calls_.find(wanted->call) : calls_.end();
    if (at != calls_.end() && wanted->range.stream < 2)
      for (auto i = wanted->range.first; i < std::min(wanted->range.end, at->second.sent); ++i)
        again.segments.push_back(
            {i, 0, SecretBytes(at->second.material->payloads[wanted->range.stream][i])});
    channel.reply(frame, again);
  }

  io::Loop& loop_;
  Clock& clock_;
  Entropy& entropy_;
  std::string dir_;
  std::unique_ptr<io::ChannelServer> keeper_, recorder_;
  Channels keeper_channels_, recorder_channels_;
  bool greeted_ = false;
  CallId live_;
  std::map<CallId, Running> calls_;
  std::vector<std::int64_t> latencies_;
  std::uint64_t secrets_said_ = 0, passed_first_ = 0, cleared_done_ = 0;
  double talk_done_ms_ = 0;
};

// All numbers of this name in a status.
std::vector<double> numbers_of(const std::string& json, const std::string& name) {
  std::vector<double> out;
  const auto key = "\"" + name + "\":";
  for (auto at = json.find(key); at != std::string::npos; at = json.find(key, at + 1))
    out.push_back(std::strtod(json.c_str() + at + key.size(), nullptr));
  return out;
}

double first_number(const std::string& json, const std::string& name) {
  const auto all = numbers_of(json, name);
  return all.empty() ? 0 : all.front();
}

// User and system time of these processes so far.
double cpu_seconds_of(const std::vector<double>& pids) {
  double ticks = 0;
  for (const auto pid : pids) {
    std::ifstream file("/proc/" + std::to_string(static_cast<long>(pid)) + "/stat");
    std::string line;
    std::getline(file, line);
    std::istringstream rest(line.substr(std::min(line.size(), line.rfind(')') + 1)));
    std::string word;
    for (int field = 3; field <= 15 && rest >> word; ++field)
      if (field >= 14) ticks += std::strtod(word.c_str(), nullptr);
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  return values[std::min(at, values.size() - 1)];
}

class Load {
 public:
  Load(const Options& options, std::vector<Material> materials)
      : options_(options), materials_(std::move(materials)) {}

  Status run(const std::string& dir) {
    loop_ = TRY(io::Loop::create(clock_));
    Script script(*loop_, clock_, entropy_, dir);
    TRY(script.listen());
    app::ListenerConfig config;
    config.worker_argv = options_.worker;
    config.workers = options_.workers;
    app::Listener listener(*loop_, clock_, entropy_, config, dir,
                           TRY(app::load_grammar(vfs_, options_.grammar)), {}, {},
                           TRY(app::load_check(vfs_, options_.check)));
    listener.start();
    const auto ready = [&] {
      const auto status = listener.status_json();
      return script.greeted() && status.find("\"state\":\"starting\"") == std::string::npos &&
             status.find("\"state\":\"checking\"") == std::string::npos;
    };
    const auto deadline = clock_.monotonic_ms() + 60'000;
    while (!ready() && clock_.monotonic_ms() < deadline) TRY(loop_->run_once(10));
    const auto pids = numbers_of(listener.status_json(), "pid");
    const auto cpu_before = cpu_seconds_of(pids), own_before = own_cpu_seconds();
    play(script, listener);
    const auto backlog_at_end = first_number(listener.status_json(), "lag_ms");
    const auto waiting_at_end = first_number(listener.status_json(), "turns_waiting");
    const auto drain_from = clock_.monotonic_ms();
    while (script.open_calls() > 0 && clock_.monotonic_ms() - drain_from < kDrainMsMax)
      TRY(loop_->run_once(10));
    print(script, listener.status_json(), cpu_seconds_of(pids) - cpu_before,
          own_cpu_seconds() - own_before, backlog_at_end, waiting_at_end,
          clock_.monotonic_ms() - drain_from);
    listener.stop();
    return {};
  }

 private:
  double own_cpu_seconds() const { return cpu_seconds_of({static_cast<double>(::getpid())}); }

  void play(Script& script, app::Listener& listener) {
    const auto began = clock_.monotonic_ms();
    std::vector<std::optional<CallId>> slots(options_.calls);
    std::size_t next = 0;
    auto sample_at = began;
    while (clock_.monotonic_ms() - began < std::int64_t{options_.seconds} * 1'000) {
      for (std::size_t slot = 0; slot < slots.size(); ++slot) {
        const auto from = began + static_cast<std::int64_t>(slot) * kStaggerMs %
                                      (std::int64_t{options_.seconds} * 500);
        if (!slots[slot] && clock_.monotonic_ms() >= from) {
          script.begin(materials_[next++ % materials_.size()]);
          slots[slot] = script.newest();
        }
        if (slots[slot] && !script.advance(*slots[slot])) slots[slot].reset();
      }
      if (clock_.monotonic_ms() >= sample_at) {
        const auto status = listener.status_json();
        lags_.push_back(first_number(status, "lag_ms"));
        waiting_.push_back(first_number(status, "turns_waiting"));
        sample_at += kSampleMs;
      }
      if (!loop_->run_once(5)) return;
    }
    for (const auto& slot : slots)
      if (slot) script.end(*slot);
  }

  void print(const Script& script, const std::string& status, double worker_cpu, double own_cpu,
             double backlog_at_end, double waiting_at_end, std::int64_t drain_ms) const {
    std::vector<double> latencies;
    for (const auto ms : script.latencies()) latencies.push_back(static_cast<double>(ms) / 1e3);
    const auto heard = script.cleared_seconds(), speech = script.talk_seconds();
    const bool kept_up = script.open_calls() == 0 && drain_ms <= kKeptUpMs;
    std::printf(
        "{\"calls\":%u,\"workers\":%u,\"seconds\":%u,\"call_s\":%.1f,\"speech_s\":%.1f,\"turn_s\":%"
        ".0f,"
        "\"worker_cpu_s\":%.2f,\"listener_cpu_s\":%.2f,\"speech_s_per_core_s\":%.2f,"
        "\"calls_per_core\":%.2f,\"secrets_ordered\":%zu,\"secrets_said\":%llu,"
        "\"order_s\":{\"p50\":%.2f,\"p95\":%.2f,\"p99\":%.2f},"
        "\"lag_s\":{\"p50\":%.1f,\"max\":%.1f,\"end\":%.1f},\"turns_waiting\":{\"max\":%.0f,"
        "\"end\":%.0f},\"drain_s\":%.1f,\"kept_up\":%s,\"cleared_before_its_order\":%llu}\n",
        options_.calls, options_.workers, options_.seconds, heard, speech,
        first_number(status, "turn_seconds"), worker_cpu, own_cpu,
        worker_cpu > 0 ? speech / worker_cpu : 0, worker_cpu > 0 ? heard / worker_cpu : 0,
        latencies.size(), static_cast<unsigned long long>(script.secrets_said()),
        percentile(latencies, 0.5), percentile(latencies, 0.95), percentile(latencies, 0.99),
        percentile(lags_, 0.5) / 1e3, percentile(lags_, 1) / 1e3, backlog_at_end / 1e3,
        percentile(waiting_, 1), waiting_at_end, static_cast<double>(drain_ms) / 1e3,
        kept_up ? "true" : "false", static_cast<unsigned long long>(script.passed_first()));
  }

  Options options_;
  std::vector<Material> materials_;
  SystemClock clock_;
  SystemEntropy entropy_;
  RealVfs vfs_;
  std::unique_ptr<io::Loop> loop_;
  std::vector<double> lags_, waiting_;
};

Status run(const Options& options) {
  std::vector<Material> materials;
  std::ifstream plan(options.plan);
  for (std::string line; std::getline(plan, line);)
    if (!line.empty()) materials.push_back(TRY(read_material(line)));
  if (materials.empty()) return fail(Errc::kNotFound, "the plan names no call");
  auto dir = (std::filesystem::temp_directory_path() / "cw-load-XXXXXX").string();
  if (::mkdtemp(dir.data()) == nullptr) return fail_errno("mkdtemp");
  auto outcome = Load(options, std::move(materials)).run(dir);
  std::filesystem::remove_all(dir);
  return outcome;
}

}  // namespace
}  // namespace callward

int main(int argc, char** argv) {
  callward::Options options;
  const auto number = [](const char* text) {
    return static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
  };
  for (int i = 1; i + 1 < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--grammar")
      options.grammar = argv[++i];
    else if (arg == "--check")
      options.check = argv[++i];
    else if (arg == "--plan")
      options.plan = argv[++i];
    else if (arg == "--calls")
      options.calls = number(argv[++i]);
    else if (arg == "--seconds")
      options.seconds = number(argv[++i]);
    else if (arg == "--workers")
      options.workers = number(argv[++i]);
    else if (arg == "--worker")
      while (++i < argc) options.worker.emplace_back(argv[i]);
  }
  if (options.grammar.empty() || options.check.empty() || options.plan.empty() ||
      options.worker.empty() || options.calls == 0 || options.workers == 0) {
    std::fprintf(stderr,
                 "listening_load_bench --grammar DIR --check WAV --plan FILE --calls N "
                 "--seconds S --workers W --worker ARG...\n");
    return 2;
  }
  const auto outcome = callward::run(options);
  if (!outcome) std::fprintf(stderr, "listening_load_bench: %s\n", outcome.error().message.c_str());
  return outcome ? 0 : 1;
}
