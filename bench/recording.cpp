// Recording: N calls of G.711 both ways on loopback, from socket to verified object. Three
// processes: the recorder as it is shipped, a generator (signal's part and the RTP of both sides),
// and a key issuer (a key tree a call: what the keeper does for the recorder, without its log and
// its store). No listener is connected. The figure is the CPU of recorder and issuer together, from
// start to exit: opening, capture, spool, object, verification; the generator's is printed apart.
//
//   recording_bench [--calls N] [--seconds S] [--dir D] [--json]
#include <filesystem>

#include "app/recorder_process.hpp"
#include "base/event_log.hpp"
#include "load.hpp"

namespace {

using namespace callward;
using namespace callward::bench;

using Options = LoadOptions;

struct Outcome {  // generator -> parent, through a pipe
  LoadOutcome load;
  std::uint64_t received = 0, opened = 0, sealed = 0, lost_ms = 0, sealed_ms = 0, commits = 0;
};

// ---- the key issuer -----------------------------------------------------------------------------

void run_issuer(const Options& options) {
  SystemClock clock;
  SystemEntropy entropy;
  auto loop = std::move(*io::Loop::create(clock));
  std::vector<std::unique_ptr<io::Channel>> channels;
  const auto on_frame = [&](io::Channel& channel, io::Frame& frame) {
    switch (frame.type) {
      case keys::Hello::kType:
        channel.reply(frame, keys::Welcome{keys::kKeeperProtocolVersion, true});
        return;
      case keys::CallStart::kType: {
        auto cover = keys::Cover::whole(entropy.key());
        cover.puncture(keys::leaf_of(15, 0), 1u << keys::kTreeLevels);
        keys::CallStarted started;
        started.row = 1;
        started.nodes = cover.take_nodes();
        channel.reply(frame, started);
        return;
      }
      case keys::SpareRoots::kType:
        channel.reply(frame, keys::SpareRootsGiven{});
        return;
      case keys::LogAppend::kType:
        channel.reply(frame, keys::LogAppended{});
        return;
      default:
        channel.reply(frame, keys::Ack{});
    }
  };
  auto server = io::ChannelServer::listen(
      *loop, options.dir + "/keeper.sock", {"bench", keys::kKeeperFrameBytesMax, 64u << 20},
      [&](std::unique_ptr<io::Channel> channel) {
        auto* raw = channel.get();
        raw->set_handlers([&, raw](io::Frame frame) { on_frame(*raw, frame); }, [] {});
        channels.push_back(std::move(channel));
      });
  if (!server) die(server.error().message);
  (void)loop->on_stop_signal([&] { loop->stop(); });
  (void)loop->run();
}

// ---- the recorder -------------------------------------------------------------------------------

void run_the_recorder(const Options& options) {
  SystemClock clock;
  SystemEntropy entropy;
  RealVfs vfs;
  auto loop = std::move(*io::Loop::create(clock));
  app::RecorderConfig config;
  config.spool_dir = options.dir + "/spool";
  config.objects_dir = options.dir + "/objects";
  config.calls_max = options.calls + 16;
  config.rtp_port_first = 10'000;
  config.rtp_port_last = 65'000;
  config.disk_reserve_bytes = 0;
  raise_descriptor_limit();
  app::Recorder recorder(*loop, clock, entropy, vfs, config, options.dir);
  (void)loop->on_stop_signal([&] { loop->stop(); });
  if (const auto listening = recorder.listen(); !listening) die(listening.error().message);
  recorder.set_on_failed([](const Error& error) { die(error.message); });
  recorder.start({});
  (void)loop->run();
  recorder.stop();
}

// ---- the generator ------------------------------------------------------------------------------

std::uint64_t number_after(const std::string& json, const std::string& key) {
  const auto at = json.find("\"" + key + "\":");
  return at == std::string::npos ? 0
                                 : std::strtoull(json.c_str() + at + key.size() + 3, nullptr, 10);
}

Outcome run_generator(const Options& options) {
  SystemClock clock;
  Outcome outcome;
  std::unique_ptr<io::BlockingClient> client;
  for (int i = 0; i < 200 && client == nullptr; ++i) {
    if (auto connected = io::BlockingClient::connect(
            options.dir + "/recorder.sock", store::kRecorderFrameBytesMax, keys::ErrorReply::kType))
      client = std::move(*connected);
    else
      ::usleep(50'000);
  }
  if (client == nullptr) die("the recorder did not start");
  store::Hello hello;
  hello.role = store::ClientRole::kSignal;
  if (!client->call<store::Welcome>(hello)) die("no welcome");
  std::vector<Leg> legs;
  std::vector<CallId> calls;
  SeededEntropy noise(1);
  for (std::uint32_t i = 0; i < options.calls; ++i) {
    store::SessionOpen open;
    open.direction = keys::Direction::kIncoming;
    open.media_address = "127.0.0.1";
    open.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive, 0, 0},
                    {1, store::Party::kAgent, store::StreamMode::kActive, 8, 8}};
    open.call_data = SecretBytes(as_bytes("{}"));
    Result<store::SessionOpened> opened = fail(Errc::kBusy, "");
    for (int tries = 0; tries < 100 && !opened; ++tries) {
      opened = client->call<store::SessionOpened>(open);
      if (!opened) ::usleep(20'000);  // the keeper's connection may still be on its way
    }
    if (!opened) die("call refused: " + opened.error().message);
    calls.push_back(opened->call);
    for (std::size_t side = 0; side < 2; ++side) {
      legs.emplace_back(opened->ports[side], side == 0 ? 0 : 8, noise);
    }
  }
  outcome.opened = calls.size();
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  outcome.load = send_rtp(fd, legs, options.seconds);
  ::close(fd);
  for (const auto& call : calls) (void)client->call<store::Ack>(store::SessionEnd{call, "bye"});
  const auto status = client->call<store::RecorderStatus>(store::RecorderStatusRequest{});
  if (status) outcome.received = number_after(status->json, "received");
  if (status) outcome.commits = number_after(status->json, "commits");
  // Until all are sealed: their accounts are read from the objects.
  RealVfs vfs;
  store::FileObjectStore objects(vfs, options.dir + "/objects");
  for (const auto& call : calls) {
    const auto now = clock.utc_ms();
    Result<store::ObjectReader> object = fail(Errc::kNotFound, "");
    for (int tries = 0; tries < 1'200 && !object; ++tries) {
      object =
          store::open_object(objects, store::object_name(call, now, store::ObjectKind::kRecording));
      if (!object)
        object = store::open_object(
            objects, store::object_name(call, now - 600'000, store::ObjectKind::kRecording));
      if (!object) ::usleep(50'000);
    }
    if (!object || !object->verify()) continue;
    ++outcome.sealed;
    for (const auto& interval : object->head().account) {
      if (interval.state == store::RecorderState::kLost)
        outcome.lost_ms += interval.end_ms - interval.start_ms;
      if (interval.state == store::RecorderState::kSealed)
        outcome.sealed_ms += interval.end_ms - interval.start_ms;
    }
  }
  return outcome;
}

void print(const Options& options, const Outcome& outcome, const rusage& recorder,
           double issuer_cpu, double generator_cpu) {
  using Number = unsigned long long;
  const double recorder_cpu = cpu_seconds(recorder);
  const double minutes = static_cast<double>(outcome.opened) * options.seconds / 60;
  const double per_minute = (recorder_cpu + issuer_cpu) / minutes;
  const auto sent = outcome.load.sent;
  const auto lost = sent > outcome.received ? sent - outcome.received : 0;
  const char* format =
      options.json
          ? "{\"calls\":%llu,\"seconds\":%u,\"sealed\":%llu,\"packets_sent\":%llu,"
            "\"packets_lost\":%llu,\"lost_ms\":%llu,\"sealed_ms\":%llu,\"commits\":%llu,"
            "\"recorder_cpu_s\":%.3f,\"issuer_cpu_s\":%.3f,\"generator_cpu_s\":%.3f,"
            "\"cpu_s_per_call_minute\":%.5f,\"calls_per_core\":%.0f,"
            "\"rss_kb_per_call\":%.1f,\"generator_worst_gap_ms\":%lld,\"send_errors\":%llu}\n"
          : "calls %llu for %u s, sealed and verified %llu\n"
            "packets sent %llu, lost %llu; lost %llu ms of %llu ms sealed; %llu commits of the "
            "spool, each with fdatasync\n"
            "CPU-s: recorder %.3f, key issuer %.3f, generator %.3f\n"
            "recorder and issuer: %.5f CPU-s per call-minute = %.0f calls per core, "
            "%.1f kB of peak memory a call\n"
            "generator's longest gap: %lld ms, %llu send errors\n";
  std::printf(format, Number{outcome.opened}, options.seconds, Number{outcome.sealed}, Number{sent},
              Number{lost}, Number{outcome.lost_ms}, Number{outcome.sealed_ms},
              Number{outcome.commits}, recorder_cpu, issuer_cpu, generator_cpu, per_minute,
              60 / per_minute,
              static_cast<double>(recorder.ru_maxrss) / static_cast<double>(outcome.opened),
              static_cast<long long>(outcome.load.worst_gap_ms), Number{outcome.load.send_errors});
}

}  // namespace

int main(int argc, char** argv) {
  Options options{.dir = "/tmp/callward-bench-recording"};
  parse_options(argc, argv, options, "recording_bench");
  std::filesystem::remove_all(options.dir);
  std::filesystem::create_directories(options.dir);
  set_log_process("bench");
  const auto issuer = spawn("issuer", [&] { run_issuer(options); });
  const auto recorder = spawn("recorder", [&] { run_the_recorder(options); });
  int pipe_fds[2];
  if (::pipe(pipe_fds) != 0) die("pipe");
  const auto generator = spawn("generator", [&] {
    const auto outcome = run_generator(options);
    (void)!::write(pipe_fds[1], &outcome, sizeof outcome);
  });
  ::close(pipe_fds[1]);
  Outcome outcome;
  const bool told = ::read(pipe_fds[0], &outcome, sizeof outcome) == sizeof outcome;
  const auto generator_cpu = cpu_seconds(reap(generator));
  ::kill(recorder, SIGTERM);
  const auto recorder_usage = reap(recorder);
  ::kill(issuer, SIGTERM);
  const auto issuer_cpu = cpu_seconds(reap(issuer));
  std::filesystem::remove_all(options.dir);
  if (!told) die("the generator failed");
  print(options, outcome, recorder_usage, issuer_cpu, generator_cpu);
  return outcome.sealed == outcome.opened ? 0 : 1;
}
