// The listening pipeline over sound files, without a server: what `callward` would erase, as JSON a
// file, and how long recognising took. Used by bench/listening, which scores it.
//
//   listening_bench --grammar DIR --out DIR [--cache DIR] [--transcript DIR] [--turns DIR] [--words]
//                   --worker ARG... -- FILE...
//
// With --cache, a recogniser's answers are kept by the hash of what it was asked, so that a change
// of the conversation model is measured in seconds. Answers are transcripts: the cache is for test
// calls only.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>

#include "app/recogniser_worker.hpp"
#include "app/sandbox.hpp"
#include "base/event_log.hpp"
#include "base/vfs.hpp"
#include "codec/audio_file.hpp"
#include "codec/g711.hpp"
#include "crypto/sha256.hpp"
#include "io/frame.hpp"
#include "listen/call_listener.hpp"

namespace callward {
namespace {

constexpr std::uint64_t kSamplesMax = 8'000ull * 3'600 * 4;

struct Options {
  std::string grammar, out, cache, transcript, turns;
  bool words = false;
  std::vector<std::string> worker, files;
};

class Engine {
 public:
  explicit Engine(Options options) : options_(std::move(options)) {}
  ~Engine() {
    socket_.reset();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  template <class Reply, class Request>
  Result<Reply> ask(const Request& request, const std::string& key) {
    const auto path = options_.cache.empty() ? std::string{} : options_.cache + "/" + key;
    if (!path.empty() && vfs_.exists(path))
      return unpack<Reply>(TRY(vfs_.read_file(path, listen::kWorkerFrameBytesMax)));
    TRY(start());
    const auto began = wall_seconds();
    const auto body = TRY(round_trip(io::make_frame(request, 1), Reply::kType));
    seconds_ += wall_seconds() - began;
    if (!path.empty()) TRY(vfs_.write_file_atomic(path, body));
    return unpack<Reply>(body);
  }
  [[nodiscard]] double seconds() const { return seconds_; }
  // Of the worker, once it has ended: what all of it took, its start included.
  double cpu_seconds() {
    socket_.reset();
    rusage usage{};
    if (pid_ > 0) ::wait4(pid_, nullptr, 0, &usage);
    pid_ = -1;
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

 private:
  static double wall_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  }
  Status start() {
    if (pid_ > 0) return {};
    auto worker = TRY(app::start_worker(options_.worker, TRY(app::worker_filter())));
    pid_ = worker.pid;
    socket_ = std::move(worker.socket);
    const auto hello = TRY(unpack<listen::WorkerHello>(TRY(receive(listen::WorkerHello::kType))));
    std::fprintf(stderr, "recogniser: %s %s, %s, confined: %s\n", hello.engine.c_str(),
                 hello.engine_version.c_str(), hello.model.c_str(), hello.confined ? "yes" : "no");
    return {};
  }
  Status read_all(MutByteView out) {
    std::size_t got = 0;
    while (got < out.size()) {
      const auto n = ::read(socket_.get(), out.data() + got, out.size() - got);
      if (n <= 0) return fail(Errc::kUnavailable, "the recogniser went away");
      got += static_cast<std::size_t>(n);
    }
    return {};
  }
  Result<Bytes> receive(std::uint16_t type) {
    std::array<std::uint8_t, io::kFrameHeaderBytes> header;
    TRY(read_all(header));
    ByteReader in(header);
    const auto length = in.u32();
    const auto got = in.u16();
    if (length > listen::kWorkerFrameBytesMax) return fail(Errc::kTooLarge, "frame over the limit");
    Bytes body(length);
    TRY(read_all(body));
    if (got != type)
      return fail(Errc::kMalformed, "the recogniser answered with type " + std::to_string(got));
    return body;
  }
  Result<Bytes> round_trip(const io::Frame& frame, std::uint16_t type) {
    ByteWriter out;
    out.u32(static_cast<std::uint32_t>(frame.body.size()));
    out.u16(frame.type);
    out.u16(0);
    out.u32(frame.id);
    out.bytes(frame.body);
    std::size_t sent = 0;
    while (sent < out.size()) {
      const auto n =
          ::send(socket_.get(), out.view().data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return fail(Errc::kUnavailable, "the recogniser went away");
      sent += static_cast<std::size_t>(n);
    }
    return receive(type);
  }

  Options options_;
  RealVfs vfs_;
  pid_t pid_ = -1;
  io::Fd socket_;
  double seconds_ = 0;
};

std::string hash_hex(ByteView a, ByteView b) {
  Bytes all = to_bytes(a);
  all.insert(all.end(), b.begin(), b.end());
  return to_hex(crypto::sha256(all));
}

struct Erased {
  const char* channel;
  std::uint32_t start_ms, end_ms;
  std::string reason;
};

class Run {
 public:
  Run(const listen::Grammar& grammar, Engine& engine, bool print_words)
      : listener_(grammar), engine_(engine), print_words_(print_words) {}

  Result<std::vector<Erased>> file(const std::string& path) {
    RealVfs vfs;
    const auto channels = TRY(codec::read_audio(vfs, path, kSamplesMax));
    for (const auto& channel : channels) audio_ms_ += channel.size() / 8;
    if (channels.size() < 2) return fail(Errc::kUnsupported, path + ": needs two channels");
    for (std::uint8_t stream = 0; stream < 2; ++stream)
      listener_.open_stream(stream, stream == 0 ? listen::Side::kCustomer : listen::Side::kAgent,
                            0);
    const auto segments =
        static_cast<std::uint32_t>(channels[0].size() / listen::kListenSegmentSamples);
    for (std::uint32_t index = 0; index < segments; ++index) {
      for (std::uint8_t stream = 0; stream < 2; ++stream)
        TRY(listener_.audio(stream, index,
                            std::span(channels[stream])
                                .subspan(index * std::size_t{listen::kListenSegmentSamples},
                                         listen::kListenSegmentSamples),
                            {}));
      TRY(work());
    }
    for (std::uint8_t stream = 0; stream < 2; ++stream) note_keys(stream, channels[stream]);
    for (std::uint8_t stream = 0; stream < 2; ++stream) listener_.end_stream(stream, segments);
    TRY(work());
    if (!listener_.finished()) return fail(Errc::kState, path + ": not finished");
    return std::move(erased_);
  }
  [[nodiscard]] std::string transcript() const { return transcript_ + "]\n"; }
  // For typed_bench: a line a turn (stream, start, end, whether it is believed, whether it is
  // keyed), then one a word, indented (start, end, confidence, text).
  [[nodiscard]] const std::string& turns() const { return turns_; }
  [[nodiscard]] std::uint64_t turn_ms() const { return turn_ms_; }
  [[nodiscard]] std::uint64_t audio_ms() const { return audio_ms_; }

 private:
  Status work() {
    for (bool more = true; more;) {
      more = false;
      while (const auto job = listener_.take_vad()) {
        chain_[job->stream] = hash_hex(as_bytes(chain_[job->stream]), job->pcm.expose());
        listen::VadRequest request{
            .stream = job->stream,
            .flags = static_cast<std::uint8_t>((job->begin ? listen::kVadBegin : 0) |
                                               (job->end ? listen::kVadEnd : 0)),
            .pcm = SecretBytes(job->pcm.expose())};
        const auto reply =
            TRY(engine_.ask<listen::VadReply>(request, "vad-" + chain_[job->stream]));
        listener_.vad_done(job->stream, reply.probabilities);
        more = true;
      }
      while (const auto job = listener_.take_turn()) {
        const auto reply = TRY(engine_.ask<listen::RecogniseReply>(
            listen::RecogniseRequest{SecretBytes(job->pcm.expose())},
            "turn-" + hash_hex({}, job->pcm.expose())));
        if (print_words_) print(*job, reply);
        note(*job, reply);
        listener_.turn_done(job->id, reply);
        more = true;
      }
    }
    collect();
    return {};
  }
  static void print(const listen::TurnJob& job, const listen::RecogniseReply& reply) {
    const auto start = job.end_ms - static_cast<std::uint32_t>(job.pcm.size() / 16);
    std::uint32_t sum = 0;
    for (const auto& word : reply.words) sum += word.confidence;
    std::printf("  %7.1f-%7.1f conf %3u nosp %3u fl %u ", start / 1e3, job.end_ms / 1e3,
                reply.words.empty() ? 0 : sum / static_cast<std::uint32_t>(reply.words.size()),
                reply.no_speech, reply.flags);
    for (const auto& word : reply.words) std::printf(" %s", word.text.c_str());
    std::printf("\n");
  }
  // What was heard, for peers that work on words; times as the listener would place them.
  void note(const listen::TurnJob& job, const listen::RecogniseReply& reply) {
    const auto length = static_cast<std::uint32_t>(job.pcm.size() / 16);
    turn_ms_ += length;
    const auto start = job.end_ms - length;
    note_turn(job.stream, start, job.end_ms, reply.flags == 0, false);
    for (const auto& word : reply.words)
      note_word(start + std::min(word.start_ms, length), start + std::min(word.end_ms, length),
                word.confidence, word.text);
    for (const auto& word : reply.words) {
      if (transcript_.size() > 1) transcript_ += ",\n";
      transcript_ += "{\"channel\":\"" + std::string(job.stream == 0 ? "customer" : "agent") +
                     "\",\"start_ms\":" + std::to_string(job.end_ms - length + word.start_ms) +
                     ",\"end_ms\":" + std::to_string(job.end_ms - length + word.end_ms) +
                     ",\"text\":" + json_quote(word.text) + "}";
    }
  }
  void note_turn(std::uint8_t stream, std::uint32_t start, std::uint32_t end, bool believed,
                 bool keyed) {
    for (const std::uint32_t number : {std::uint32_t{stream}, start, end, std::uint32_t{believed}})
      turns_ += std::to_string(number) + " ";
    turns_ += keyed ? "1\n" : "0\n";
  }
  void note_word(std::uint32_t start, std::uint32_t end, std::uint8_t confidence,
                 const std::string& text) {
    turns_ += " " + std::to_string(start) + " " + std::to_string(end) + " " +
              std::to_string(confidence) + " " + text + "\n";
  }
  void note_keys(std::uint8_t stream, std::span<const std::int16_t> samples) {
    codec::InbandDtmf tones;
    auto digits = tones.push(samples);
    for (const auto& more : tones.finish()) digits.push_back(more);
    for (const auto& digit : digits) {
      if (!digit.ended) continue;
      const auto start = static_cast<std::uint32_t>(digit.start_sample / 8);
      const auto end = static_cast<std::uint32_t>(digit.end_sample / 8);
      note_turn(stream, start, end, true, true);
      note_word(start, end, 255, std::string(1, digit.digit));
    }
  }
  void collect() {
    for (const auto& order : listener_.take_orders())
      for (const auto& range : order.ranges) {
        erased_.push_back({range.stream == 0 ? "customer" : "agent", range.first * 100,
                           range.end * 100, std::string(listen::reason_of(order.kind))});
        if (print_words_)
          std::printf("  ERASE %s %.1f-%.1f %s\n", erased_.back().channel, range.first / 10.0,
                      range.end / 10.0, erased_.back().reason.c_str());
      }
    (void)listener_.take_clearance();
    (void)listener_.take_derived();
  }

  listen::CallListener listener_;
  Engine& engine_;
  bool print_words_;
  std::map<std::uint8_t, std::string> chain_;
  std::string transcript_ = "[", turns_;
  std::uint64_t turn_ms_ = 0, audio_ms_ = 0;
  std::vector<Erased> erased_;
};

Status write_result(const std::string& out, const std::string& file,
                    const std::vector<Erased>& erased) {
  std::string json = "[";
  for (const auto& item : erased) {
    if (json.size() > 1) json += ",\n";
    json += "{\"channel\":\"" + std::string(item.channel) +
            "\",\"start_ms\":" + std::to_string(item.start_ms) +
            ",\"end_ms\":" + std::to_string(item.end_ms) + ",\"reason\":\"" + item.reason + "\"}";
  }
  json += "]\n";
  RealVfs vfs;
  return vfs.write_file_atomic(out + "/" + std::filesystem::path(file).stem().string() + ".json",
                               as_bytes(json));
}

Status run(const Options& options) {
  RealVfs vfs;
  std::map<std::string, std::string> texts;
  for (const auto& name : TRY(vfs.list(options.grammar)))
    texts[name] = std::string(
        as_text(TRY(vfs.read_file(options.grammar + "/" + name, listen::kLanguageFileBytesMax))));
  const auto grammar = TRY(listen::Grammar::parse(texts));
  TRY(vfs.make_dirs(options.out));
  if (!options.cache.empty()) TRY(vfs.make_dirs(options.cache));
  if (!options.transcript.empty()) TRY(vfs.make_dirs(options.transcript));
  if (!options.turns.empty()) TRY(vfs.make_dirs(options.turns));
  Engine engine(options);
  std::uint64_t turn_ms = 0, audio_ms = 0;
  for (const auto& file : options.files) {
    if (options.words) std::printf("%s\n", std::filesystem::path(file).filename().c_str());
    Run run(grammar, engine, options.words);
    TRY(write_result(options.out, file, TRY(run.file(file))));
    if (!options.transcript.empty())
      TRY(vfs.write_file_atomic(
          options.transcript + "/" + std::filesystem::path(file).stem().string() + ".json",
          as_bytes(run.transcript())));
    if (!options.turns.empty())
      TRY(vfs.write_file_atomic(
          options.turns + "/" + std::filesystem::path(file).stem().string() + ".turns",
          as_bytes(run.turns())));
    turn_ms += run.turn_ms();
    audio_ms += run.audio_ms();
  }
  const auto wall = engine.seconds(), cpu = engine.cpu_seconds();
  std::printf("{\"recogniser_s\":%.2f,\"worker_cpu_s\":%.2f,\"turn_s\":%.1f,\"audio_s\":%.1f}\n",
              wall, cpu, static_cast<double>(turn_ms) / 1e3, static_cast<double>(audio_ms) / 1e3);
  return {};
}

}  // namespace
}  // namespace callward

int main(int argc, char** argv) {
  callward::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--grammar" && i + 1 < argc)
      options.grammar = argv[++i];
    else if (arg == "--out" && i + 1 < argc)
      options.out = argv[++i];
    else if (arg == "--cache" && i + 1 < argc)
      options.cache = argv[++i];
    else if (arg == "--transcript" && i + 1 < argc)
      options.transcript = argv[++i];
    else if (arg == "--turns" && i + 1 < argc)
      options.turns = argv[++i];
    else if (arg == "--words")
      options.words = true;
    else if (arg == "--worker")
      while (++i < argc && std::string_view(argv[i]) != "--") options.worker.emplace_back(argv[i]);
    else
      options.files.emplace_back(arg);
  }
  if (options.grammar.empty() || options.out.empty() || options.worker.empty() ||
      options.files.empty()) {
    std::fprintf(stderr,
                 "listening_bench --grammar DIR --out DIR [--cache DIR] [--transcript DIR] "
                 "[--turns DIR] [--words] --worker ARG... "
                 "-- FILE...\n");
    return 2;
  }
  const auto outcome = callward::run(options);
  if (!outcome) std::fprintf(stderr, "listening_bench: %s\n", outcome.error().message.c_str());
  return outcome ? 0 : 1;
}
