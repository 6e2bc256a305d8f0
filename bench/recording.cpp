// Recording: N calls of G.711 both ways on loopback, from socket to verified object. Three
// processes: the recorder as it is shipped, a generator (signal's part and the RTP of both sides),
// and a key issuer (a key tree a call: what the keeper does for the recorder, without its log and
// its store; its own CPU is printed apart). No listener is connected. Prints CPU-seconds per
// call-minute of each process, packets and milliseconds lost.
//
//   recording_bench [--calls N] [--seconds S] [--dir D] [--json]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "app/recorder_process.hpp"
#include "base/event_log.hpp"
#include "wire/rtp.hpp"

namespace {

using namespace callward;

struct Options {
  std::uint32_t calls = 400;
  std::uint32_t seconds = 20;
  std::string dir = "/tmp/callward-bench-recording";
  bool json = false;
};

struct Outcome {  // generator -> parent, through a pipe
  std::uint64_t sent = 0, received = 0, opened = 0, sealed = 0, lost_ms = 0, sealed_ms = 0,
                call_ms = 0, send_errors = 0;
  std::int64_t worst_gap_ms = 0;
};

double cpu_seconds(const rusage& usage) {
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "recording_bench: %s\n", why.c_str());
  std::exit(1);
}

// ---- the key issuer
// --------------------------------------------------------------------------------

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

// ---- the recorder
// ----------------------------------------------------------------------------------

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
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  app::Recorder recorder(*loop, clock, entropy, vfs, config, options.dir);
  (void)loop->on_stop_signal([&] { loop->stop(); });
  if (const auto listening = recorder.listen(); !listening) die(listening.error().message);
  if (const auto started = recorder.start({}); !started) die(started.error().message);
  (void)loop->run();
  recorder.stop();
}

// ---- the generator
// ---------------------------------------------------------------------------------

struct Leg {
  sockaddr_in to{};
  std::array<std::uint8_t, 172> packet{};
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
};

// All legs once every 20 ms, spread over it in 20 steps.
void send_rtp(std::vector<Leg>& legs, std::uint32_t seconds, Outcome& outcome, Clock& clock) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto start_ns = clock.monotonic_ns();
  std::vector<mmsghdr> messages;
  std::vector<iovec> parts;
  std::int64_t last_ns = start_ns;
  for (std::uint32_t step = 0; step < seconds * 1000; ++step) {
    const std::int64_t due_ns = start_ns + std::int64_t{step} * 1'000'000;
    for (auto left = due_ns - clock.monotonic_ns(); left > 0;
         left = due_ns - clock.monotonic_ns()) {
      const timespec nap{0, left};
      ::nanosleep(&nap, nullptr);
    }
    outcome.worst_gap_ms =
        std::max(outcome.worst_gap_ms, (clock.monotonic_ns() - last_ns) / 1'000'000);
    last_ns = clock.monotonic_ns();
    messages.clear();
    parts.clear();
    parts.reserve(legs.size());
    for (std::size_t i = step % 20; i < legs.size(); i += 20) {
      auto& leg = legs[i];
      leg.packet[2] = static_cast<std::uint8_t>(leg.sequence >> 8);
      leg.packet[3] = static_cast<std::uint8_t>(leg.sequence++);
      for (int b = 0; b < 4; ++b)
        leg.packet[4 + b] = static_cast<std::uint8_t>(leg.timestamp >> (24 - 8 * b));
      leg.timestamp += 160;
      parts.push_back({leg.packet.data(), leg.packet.size()});
      mmsghdr message{};
      message.msg_hdr.msg_name = &leg.to;
      message.msg_hdr.msg_namelen = sizeof leg.to;
      message.msg_hdr.msg_iov = &parts.back();
      message.msg_hdr.msg_iovlen = 1;
      messages.push_back(message);
    }
    for (std::size_t done = 0; done < messages.size();) {
      const int n =
          ::sendmmsg(fd, messages.data() + done,
                     static_cast<unsigned>(std::min<std::size_t>(messages.size() - done, 512)), 0);
      if (n <= 0) {
        ++outcome.send_errors;
        ++done;
        continue;
      }
      outcome.sent += static_cast<std::uint64_t>(n);
      done += static_cast<std::size_t>(n);
    }
  }
  ::close(fd);
}

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
      auto& leg = legs.emplace_back();
      leg.to.sin_family = AF_INET;
      leg.to.sin_port = htons(opened->ports[side]);
      leg.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      noise.fill(leg.packet);
      leg.packet[0] = 0x80;
      leg.packet[1] = side == 0 ? 0 : 8;
    }
  }
  outcome.opened = calls.size();
  send_rtp(legs, options.seconds, outcome, clock);
  for (const auto& call : calls) (void)client->call<store::Ack>(store::SessionEnd{call, "bye"});
  const auto status = client->call<store::RecorderStatus>(store::RecorderStatusRequest{});
  if (status) outcome.received = number_after(status->json, "received");
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
    outcome.call_ms +=
        static_cast<std::uint64_t>(object->head().ended_at - object->head().started_at);
    for (const auto& interval : object->head().account) {
      if (interval.state == store::RecorderState::kLost)
        outcome.lost_ms += interval.end_ms - interval.start_ms;
      if (interval.state == store::RecorderState::kSealed)
        outcome.sealed_ms += interval.end_ms - interval.start_ms;
    }
  }
  return outcome;
}

pid_t spawn(const std::function<void()>& body) {
  const auto pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  std::_Exit(0);
}

rusage reap(pid_t pid) {
  rusage usage{};
  int status = 0;
  ::wait4(pid, &status, 0, &usage);
  return usage;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (arg == "--calls")
      options.calls = static_cast<std::uint32_t>(std::stoul(value()));
    else if (arg == "--seconds")
      options.seconds = static_cast<std::uint32_t>(std::stoul(value()));
    else if (arg == "--dir")
      options.dir = value();
    else if (arg == "--json")
      options.json = true;
    else
      die("usage: recording_bench [--calls N] [--seconds S] [--dir D] [--json]");
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  std::filesystem::remove_all(options.dir);
  std::filesystem::create_directories(options.dir);
  set_log_process("bench");
  const auto issuer = spawn([&] { run_issuer(options); });
  const auto recorder = spawn([&] { run_the_recorder(options); });
  int pipe_fds[2];
  if (::pipe(pipe_fds) != 0) die("pipe");
  const auto generator = spawn([&] {
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
  const double recorder_cpu = cpu_seconds(recorder_usage);
  const double media_minutes = static_cast<double>(outcome.opened) * options.seconds / 60;
  const double per_minute = recorder_cpu / media_minutes;
  const auto lost_packets = outcome.sent > outcome.received ? outcome.sent - outcome.received : 0;
  const char* format =
      options.json ? "{\"calls\":%llu,\"seconds\":%u,\"sealed\":%llu,\"packets_sent\":%llu,"
                     "\"packets_lost\":%llu,\"lost_ms\":%llu,\"sealed_ms\":%llu,"
                     "\"recorder_cpu_s\":%.3f,\"issuer_cpu_s\":%.3f,\"generator_cpu_s\":%.3f,"
                     "\"recorder_cpu_s_per_call_minute\":%.5f,"
                     "\"calls_per_core\":%.0f,\"recorder_rss_kb_per_call\":%.1f,\"generator_worst_"
                     "gap_ms\":%lld}\n"
                   : "calls %llu for %u s, sealed and verified %llu\npackets sent %llu, lost %llu; "
                     "lost %llu ms of %llu ms sealed\n"
                     "CPU-s: recorder %.3f, key issuer %.3f, generator %.3f\nrecorder: %.5f CPU-s "
                     "per call-minute = %.0f calls per core, %.1f kB of peak memory a call\n"
                     "generator's longest gap: %lld ms\n";
  std::printf(format, static_cast<unsigned long long>(outcome.opened), options.seconds,
              static_cast<unsigned long long>(outcome.sealed),
              static_cast<unsigned long long>(outcome.sent),
              static_cast<unsigned long long>(lost_packets),
              static_cast<unsigned long long>(outcome.lost_ms),
              static_cast<unsigned long long>(outcome.sealed_ms), recorder_cpu, issuer_cpu,
              generator_cpu, per_minute, 60 / (per_minute > 0 ? per_minute : 1e-9),
              static_cast<double>(recorder_usage.ru_maxrss) /
                  static_cast<double>(std::max<std::uint64_t>(outcome.opened, 1)),
              static_cast<long long>(outcome.worst_gap_ms));
  return outcome.sealed == outcome.opened ? 0 : 1;
}
