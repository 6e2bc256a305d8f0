// The peer of the recording bench: rtpengine in user space, recording N calls as pcap, fed with the
// same packets at the same pace. It is started here, told of each call over its control protocol
// (bencoded dictionaries over UDP), and its CPU time is taken from when it first answers until its
// exit. What it forwards goes to a socket that nobody reads: the cheapest way out for it. Packets
// lost are those that are in none of its pcap files.
//
// --forward-only: nothing is recorded, to show how much of its time goes into forwarding.
//
//   recording_peer_bench [--calls N] [--seconds S] [--dir D] [--threads N] [--forward-only]
//   [--json]
#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "load.hpp"

namespace {

using namespace callward;
using namespace callward::bench;
namespace fs = std::filesystem;

constexpr int kAnswerTimeoutMs = 1'000;
constexpr int kStartTriesMax = 100;
constexpr int kReceiveBufferBytes = 1;  // the kernel takes its least: forwarded packets fall here
constexpr std::size_t kPcapHeadBytes = 24, kPcapPacketHeadBytes = 16;
constexpr std::size_t kIpUdpBytes = 28;

struct Options : LoadOptions {
  std::string program = "rtpengine";
  std::string threads = "1";  // of the peer: one is what costs it least on few cores
  bool record = true;
};

struct Outcome {  // generator -> parent, through a pipe
  LoadOutcome load;
  double cpu_before_s = 0;  // the peer's start-up
};

std::string text(const std::string& in) { return std::to_string(in.size()) + ":" + in; }

// A UDP socket on loopback and the port that it has.
std::pair<int, std::uint16_t> loopback_socket() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    die("no UDP socket");
  return {fd, ntohs(at.sin_port)};
}

// The control protocol: a cookie, a blank, a dictionary; the answer has the same cookie.
class Control {
 public:
  explicit Control(std::uint16_t port) : fd_(loopback_socket().first) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("connect");
    const timeval limit{kAnswerTimeoutMs / 1000, kAnswerTimeoutMs % 1000 * 1000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Control() { ::close(fd_); }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // Keys in order, as bencoding wants it. Empty: no answer.
  std::string ask(const std::string& dictionary) {
    const auto cookie = std::to_string(++cookie_);
    const auto request = cookie + " " + dictionary;
    if (::send(fd_, request.data(), request.size(), 0) < 0) return {};
    std::array<char, 65'536> answer;
    for (;;) {
      const auto n = ::recv(fd_, answer.data(), answer.size(), 0);
      if (n <= 0) return {};
      std::string got(answer.data(), static_cast<std::size_t>(n));
      if (got.starts_with(cookie + " ")) return got;
    }
  }

 private:
  int fd_;
  std::uint64_t cookie_ = 0;
};

std::string sdp(std::uint16_t port) {
  return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio " +
         std::to_string(port) + " RTP/AVP 0 8\r\na=sendrecv\r\n";
}

std::uint16_t port_in(const std::string& answer) {
  const auto at = answer.find("m=audio ");
  if (at == std::string::npos) die("the peer refused a call: " + answer.substr(0, 300));
  return static_cast<std::uint16_t>(std::stoul(answer.substr(at + 8)));
}

// Opens a call with both sides at `sink`, recorded; gives the port of each side.
std::array<std::uint16_t, 2> open_call(Control& control, std::uint32_t number, std::uint16_t sink,
                                       bool recorded) {
  const auto id = "call-" + std::to_string(number);
  const auto common = text("ICE") + text("remove") + text("call-id") + text(id);
  const auto record =
      text("record call") + text(recorded ? "yes" : "no") + text("sdp") + text(sdp(sink));
  const auto offered = control.ask("d" + common + text("command") + text("offer") +
                                   text("from-tag") + text("a") + record + "e");
  const auto answered =
      control.ask("d" + common + text("command") + text("answer") + text("from-tag") + text("a") +
                  record + text("to-tag") + text("b") + "e");
  return {port_in(answered), port_in(offered)};  // where a sends, where b sends
}

double cpu_of(pid_t pid) {
  clockid_t clock{};
  timespec spent{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &spent) != 0)
    die("the peer is gone");
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

Outcome run_generator(const Options& options, std::uint16_t control_port, pid_t peer) {
  Outcome outcome;
  Control control(control_port);
  const auto ping = "d" + text("command") + text("ping") + "e";
  int tries = 0;
  for (; tries < kStartTriesMax && control.ask(ping).empty(); ++tries) ::usleep(50'000);
  if (tries == kStartTriesMax) die("the peer did not start");
  outcome.cpu_before_s = cpu_of(peer);
  const auto [fd, sink] = loopback_socket();
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  std::vector<Leg> legs;
  SeededEntropy noise(1);
  for (std::uint32_t i = 0; i < options.calls; ++i) {
    const auto ports = open_call(control, i, sink, options.record);
    legs.emplace_back(ports[0], std::uint8_t{0}, noise);
    legs.emplace_back(ports[1], std::uint8_t{8}, noise);
  }
  outcome.load = send_rtp(fd, legs, options.seconds);
  for (std::uint32_t i = 0; i < options.calls; ++i)
    (void)control.ask("d" + text("call-id") + text("call-" + std::to_string(i)) + text("command") +
                      text("delete") + text("delete delay") + "i0e" + "e");
  ::close(fd);
  return outcome;
}

[[noreturn]] void run_peer(const Options& options, std::uint16_t control_port) {
  raise_descriptor_limit();
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(null, 1);
  ::dup2(null, 2);
  const auto control = "--listen-ng=127.0.0.1:" + std::to_string(control_port);
  const auto dir = "--recording-dir=" + options.dir;
  const auto threads = "--num-threads=" + options.threads;
  ::execlp(options.program.c_str(), "rtpengine", "--foreground", "--log-stderr", "--log-level=3",
           "--table=-1", "--interface=127.0.0.1", control.c_str(), "--port-min=30000",
           "--port-max=60000", dir.c_str(), threads.c_str(), "--recording-method=pcap",
           "--recording-format=raw", nullptr);
  std::_Exit(127);
}

struct Recorded {
  std::uint64_t files = 0, packets = 0, bytes = 0;
};

// RTP packets of our size in all pcap files.
Recorded count_recorded(const std::string& dir) {
  Recorded out;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".pcap") continue;
    ++out.files;
    out.bytes += entry.file_size();
    std::ifstream in(entry.path(), std::ios::binary);
    in.seekg(kPcapHeadBytes);
    std::array<char, kPcapPacketHeadBytes> head;
    while (in.read(head.data(), head.size())) {
      std::uint32_t length = 0;
      std::memcpy(&length, head.data() + 8, sizeof length);
      out.packets += length == kPacketBytes + kIpUdpBytes ? 1 : 0;
      in.seekg(length, std::ios::cur);
    }
  }
  return out;
}

Options parse(int argc, char** argv) {
  Options options;
  options.dir = "/tmp/callward-bench-peer";
  parse_options(argc, argv, options, "recording_peer_bench",
                " [--program P] [--threads N] [--forward-only]",
                [&](const std::string& option, const Value& value) {
                  if (option == "--program")
                    options.program = value();
                  else if (option == "--threads")
                    options.threads = value();
                  else if (option == "--forward-only")
                    options.record = false;
                  else
                    return false;
                  return true;
                });
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  fs::remove_all(options.dir);
  fs::create_directories(options.dir);
  const auto [probe, control_port] = loopback_socket();
  ::close(probe);
  const auto peer = spawn("peer", [&, port = control_port] { run_peer(options, port); });
  int pipe_fds[2];
  if (::pipe(pipe_fds) != 0) die("pipe");
  const auto generator = spawn("generator", [&, port = control_port] {
    const auto outcome = run_generator(options, port, peer);
    (void)!::write(pipe_fds[1], &outcome, sizeof outcome);
  });
  ::close(pipe_fds[1]);
  Outcome outcome;
  const bool told = ::read(pipe_fds[0], &outcome, sizeof outcome) == sizeof outcome;
  const auto generator_cpu = cpu_seconds(reap(generator));
  ::kill(peer, SIGTERM);
  const auto usage = reap(peer);
  const auto recorded = count_recorded(options.dir);
  fs::remove_all(options.dir);
  if (!told) die("the generator failed");
  using Number = unsigned long long;
  const double cpu = cpu_seconds(usage) - outcome.cpu_before_s;
  const double per_minute = cpu / (static_cast<double>(options.calls) * options.seconds / 60);
  const auto sent = outcome.load.sent;
  const auto lost = options.record && sent > recorded.packets ? sent - recorded.packets : 0;
  const char* format =
      options.json
          ? "{\"calls\":%u,\"seconds\":%u,\"files\":%llu,\"packets_sent\":%llu,\"packets_lost\":%"
            "llu,\"bytes\":%llu,\"peer_cpu_s\":%.3f,\"generator_cpu_s\":%.3f,"
            "\"cpu_s_per_call_minute\":%.5f,\"calls_per_core\":%.0f,\"rss_kb_per_call\":%.1f,"
            "\"generator_worst_gap_ms\":%lld,\"send_errors\":%llu}\n"
          : "calls %u for %u s, in %llu pcap files\n"
            "packets sent %llu, not in any file %llu; %llu bytes written\n"
            "CPU-s: rtpengine %.3f, generator %.3f\n"
            "rtpengine: %.5f CPU-s per call-minute = %.0f calls per core, %.1f kB of peak memory a "
            "call\n"
            "generator's longest gap: %lld ms, %llu send errors\n";
  std::printf(format, options.calls, options.seconds, Number{recorded.files}, Number{sent},
              Number{lost}, Number{recorded.bytes}, cpu, generator_cpu, per_minute, 60 / per_minute,
              static_cast<double>(usage.ru_maxrss) / options.calls,
              static_cast<long long>(outcome.load.worst_gap_ms), Number{outcome.load.send_errors});
  return recorded.packets > 0 || !options.record ? 0 : 1;
}
