// `callward import`: files of an older recorder. Audio goes to the recorder's socket directly,
// never through the server.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "app/cli.hpp"
#include "codec/audio_file.hpp"
#include "codec/g711.hpp"
#include "io/frame.hpp"
#include "segment/payload.hpp"
#include "store/account.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {
namespace {

keys::Direction parse_direction(const std::string& word) {
  if (word == "incoming") return keys::Direction::kIncoming;
  if (word == "outgoing") return keys::Direction::kOutgoing;
  return keys::Direction::kUnknown;
}

std::vector<store::StreamSpec> specs(std::size_t channels) {
  std::vector<store::StreamSpec> streams;
  if (channels == 1) {
    streams.push_back(
        {.stream = 0, .party = store::Party::kMixed, .mode = store::StreamMode::kActive});
    return streams;
  }
  streams.push_back(
      {.stream = 0, .party = store::Party::kCustomer, .mode = store::StreamMode::kActive});
  streams.push_back(
      {.stream = 1, .party = store::Party::kAgent, .mode = store::StreamMode::kActive});
  return streams;
}

class Importer {
 public:
  Importer(io::BlockingClient& recorder, const CliContext& context)
      : recorder_(recorder), context_(context) {}

  Result<CallId> run(const std::string& file, const ImportOptions& options) {
    RealVfs vfs;
    constexpr std::uint64_t kSamplesMax = codec::kImportHoursMax * 3'600 * 8'000;
    const auto sound = TRY(codec::read_audio(vfs, file, kSamplesMax));
    const auto channels = sound.size();
    if (channels < 1 || channels > 2)
      return fail(Errc::kUnsupported, file + ": one or two channels can be imported");
    store::ImportOpen open{.direction = parse_direction(options.direction),
                           .started_at = 0,
                           .streams = specs(channels)};
    open.call_data = SecretBytes(as_bytes("{\"source\":\"import\"}"));
    const auto opened = TRY(recorder_.call<store::ImportOpened>(open));
    call_ = opened.call;
    credit_ = opened.credit_segments;
    const auto frames = sound[0].size();
    const auto segments = static_cast<std::uint32_t>((frames + segment::kSegmentSamples - 1) /
                                                     segment::kSegmentSamples);
    const bool progress = progress_wanted(context_.json);
    for (std::uint32_t index = 0; index < segments; ++index) {
      TRY(wait_for_credit(static_cast<std::uint32_t>(channels)));
      for (std::size_t channel = 0; channel < channels; ++channel) {
        const auto side = options.swapped && channels == 2 ? 1 - channel : channel;
        TRY(send_segment(sound[side], static_cast<std::uint8_t>(channel), index));
      }
      if (progress && index % 50 == 49)
        std::fprintf(stderr, "\r%s: %u of %u s", file.c_str(), (index + 1) / 10, segments / 10);
    }
    if (progress) std::fprintf(stderr, "\r\033[K");
    constexpr std::int64_t kSealWaitMs = 300'000;
    TRY(recorder_.call(io::make_frame(store::ImportEnd{call_}), kSealWaitMs,
                       [this](io::Frame frame) { on_event(frame); }));
    return call_;
  }

 private:
  void on_event(const io::Frame& frame) {
    if (frame.type != store::ImportCredit::kType) return;
    if (const auto credit = unpack<store::ImportCredit>(frame.body);
        credit && credit->call == call_)
      credit_ += credit->segments;
  }
  Status wait_for_credit(std::uint32_t needed) {
    constexpr std::int64_t kCreditWaitMs = 600'000;  // the listener hears at the machine's pace
    while (credit_ < needed) on_event(TRY(recorder_.receive(kCreditWaitMs)));
    credit_ -= needed;
    return {};
  }
  Status send_segment(const std::vector<std::int16_t>& samples, std::uint8_t stream,
                      std::uint32_t index) {
    const auto first = std::size_t{index} * segment::kSegmentSamples;
    const auto count = std::min<std::size_t>(segment::kSegmentSamples,
                                             samples.size() - std::min(samples.size(), first));
    SecretBytes coded(count);
    for (std::size_t i = 0; i < count; ++i)
      coded.expose_mut()[i] = codec::encode_mu(samples[first + i]);
    store::ImportAudio audio{.call = call_, .stream = stream, .index = index};
    audio.samples = std::move(coded);
    return recorder_.send(io::make_frame(audio));
  }

  io::BlockingClient& recorder_;
  const CliContext& context_;
  CallId call_;
  std::uint32_t credit_ = 0;
};

// The last orders may still be on their way. A mirror that is away is not waited for: the account
// says what it has not confirmed.
void wait_erased(HttpClient& http, const CallId& call) {
  constexpr int kTriesMax = 100;  // ten seconds
  for (int i = 0; i < kTriesMax; ++i) {
    const auto account = http.get("/v1/calls/" + call.hex() + "/account");
    if (!account ||
        boost::json::serialize(*account).find(store::kSealedIntended) == std::string::npos)
      return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

// Until listening and erasing are done.
Status wait_complete(HttpClient& http, const CallId& call) {
  constexpr int kTriesMax = 36'000;  // an hour
  for (int i = 0; i < kTriesMax; ++i) {
    const auto info = http.get("/v1/calls/" + call.hex());
    if (info && info->is_object() && info->at("phase").is_string() &&
        info->at("phase").get_string() == "complete") {
      wait_erased(http, call);
      return {};
    }
    if (!info && info.error().code != Errc::kNotFound && info.error().code != Errc::kUnavailable)
      return tl::unexpected<Error>(info.error());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return fail(Errc::kTimeout, "listening is not done after an hour");
}

// What is imported is imported: its id is printed whether or not it was heard to the end.
bool wait_for_all(const CliContext& context, boost::json::array& done) {
  const auto http = HttpClient::create(context.config);
  bool all = true;
  for (auto& item : done) {
    const auto& call = item.at("call").get_string();
    const auto& file = item.at("file").get_string();
    const auto complete = http ? wait_complete(**http, *CallId::parse(std::string(call)))
                               : Status(tl::unexpected<Error>(http.error()));
    if (!context.json) std::printf("%s  %s\n", call.c_str(), file.c_str());
    if (!complete) {
      all = false;
      std::fprintf(stderr, "%s: imported as %s, but not known to be heard to the end: %s\n",
                   file.c_str(), call.c_str(), complete.error().message.c_str());
    }
    item.as_object()["complete"] = complete.has_value();
  }
  return all;
}

}  // namespace

Result<ExitCode> command_import(const CliContext& context, const ImportOptions& options) {
  auto recorder = io::BlockingClient::connect(
      context.config.socket("recorder"), store::kRecorderFrameBytesMax, keys::ErrorReply::kType);
  if (!recorder)
    return fail(Errc::kUnavailable, "Callward does not run on " + context.config.file +
                                        "; start it with `callward serve`");
  TRY((*recorder)->call<store::Welcome>(
      store::Hello{store::kRecorderProtocolVersion, store::ClientRole::kImporter}));
  boost::json::array done;
  bool failed = false;
  for (const auto& file : options.files) {
    auto call = Importer(**recorder, context).run(file, options);
    if (!call) {
      failed = true;
      std::fprintf(stderr, "%s: %s\n", file.c_str(), call.error().message.c_str());
      continue;
    }
    done.push_back({{"file", file}, {"call", call->hex()}});
    if (!context.json && !options.wait) std::printf("%s  %s\n", call->hex().c_str(), file.c_str());
  }
  if (options.wait) failed = !wait_for_all(context, done) || failed;
  if (context.json) print_json(done);
  return failed ? ExitCode::kFailed : ExitCode::kDone;
}

}  // namespace callward::app
