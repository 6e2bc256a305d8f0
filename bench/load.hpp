// What the recording bench and its peer's share, so that both get the same packets at the same
// pace: the RTP of N calls, child processes and their CPU time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/entropy.hpp"

namespace callward::bench {

inline constexpr std::uint32_t kPacketMs = 20;
inline constexpr std::size_t kPacketBytes = 172;  // RTP header and 20 ms of G.711
inline constexpr std::size_t kSendBatch = 512;

[[noreturn]] inline void die(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

// What both take: --calls N, --seconds S, --dir D, --json.
struct LoadOptions {
  std::uint32_t calls = 400;
  std::uint32_t seconds = 20;
  std::string dir;
  bool json = false;
};
// `more` takes an option that only one of them has, and false is its word for one that it has not.
using Value = std::function<std::string()>;
using TakeOption = std::function<bool(const std::string& option, const Value& value)>;
inline void parse_options(int argc, char** argv, LoadOptions& options, const std::string& program,
                          const std::string& more_usage = "", const TakeOption& more = {}) {
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const Value value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (arg == "--calls")
      options.calls = static_cast<std::uint32_t>(std::stoul(value()));
    else if (arg == "--seconds")
      options.seconds = static_cast<std::uint32_t>(std::stoul(value()));
    else if (arg == "--dir")
      options.dir = value();
    else if (arg == "--json")
      options.json = true;
    else if (!more || !more(arg, value))
      die("usage: " + program + " [--calls N] [--seconds S] [--dir D] [--json]" + more_usage);
  }
}

struct LoadOutcome {
  std::uint64_t sent = 0, send_errors = 0;
  std::int64_t worst_gap_ms = 0;  // the longest pause of the generator, which should be 1 ms
};

// One direction of a call.
struct Leg {
  sockaddr_in to{};
  std::array<std::uint8_t, kPacketBytes> packet{};
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;

  // `payload_type` 0 or 8; content and SSRC are noise.
  Leg(std::uint16_t port, std::uint8_t payload_type, Entropy& noise) {
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    noise.fill(packet);
    packet[0] = 0x80;
    packet[1] = payload_type;
  }
  void next() {
    packet[2] = static_cast<std::uint8_t>(sequence >> 8);
    packet[3] = static_cast<std::uint8_t>(sequence++);
    for (std::size_t b = 0; b < 4; ++b)
      packet[4 + b] = static_cast<std::uint8_t>(timestamp >> (24 - 8 * b));
    timestamp += 8 * kPacketMs;
  }
};

inline void sleep_until(Clock& clock, std::int64_t due_ns) {
  for (auto left = due_ns - clock.monotonic_ns(); left > 0; left = due_ns - clock.monotonic_ns()) {
    const timespec nap{left / 1'000'000'000, left % 1'000'000'000};
    ::nanosleep(&nap, nullptr);
  }
}

// A packet of every leg each 20 ms of real time, spread over it in 20 steps. A generator that was
// kept from running makes up for it in a burst: what it sends is always what is due.
inline LoadOutcome send_rtp(int fd, std::vector<Leg>& legs, std::uint32_t seconds) {
  SystemClock clock;
  LoadOutcome outcome;
  std::vector<mmsghdr> messages;
  std::vector<iovec> parts;
  const auto start_ns = clock.monotonic_ns();
  auto last_ns = start_ns;
  for (std::uint32_t step = 0; step < seconds * 1000; ++step) {
    sleep_until(clock, start_ns + std::int64_t{step} * 1'000'000);
    const auto now_ns = clock.monotonic_ns();
    outcome.worst_gap_ms = std::max(outcome.worst_gap_ms, (now_ns - last_ns) / 1'000'000);
    last_ns = now_ns;
    messages.clear();
    parts.clear();
    parts.reserve(legs.size());
    for (std::size_t i = step % kPacketMs; i < legs.size(); i += kPacketMs) {
      auto& leg = legs[i];
      leg.next();
      parts.push_back({leg.packet.data(), leg.packet.size()});
      mmsghdr message{};
      message.msg_hdr.msg_name = &leg.to;
      message.msg_hdr.msg_namelen = sizeof leg.to;
      message.msg_hdr.msg_iov = &parts.back();
      message.msg_hdr.msg_iovlen = 1;
      messages.push_back(message);
    }
    for (std::size_t done = 0; done < messages.size();) {
      const auto count = static_cast<unsigned>(std::min(messages.size() - done, kSendBatch));
      const int n = ::sendmmsg(fd, messages.data() + done, count, 0);
      outcome.send_errors += n <= 0 ? 1 : 0;
      outcome.sent += n <= 0 ? 0 : static_cast<std::uint64_t>(n);
      done += n <= 0 ? 1 : static_cast<std::size_t>(n);
    }
  }
  return outcome;
}

inline double cpu_seconds(const rusage& usage) {
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A child that dies with us.
inline pid_t spawn(const char* name, const std::function<void()>& body) {
  const auto pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, name);
  body();
  std::_Exit(0);
}

inline rusage reap(pid_t pid) {
  rusage usage{};
  int status = 0;
  ::wait4(pid, &status, 0, &usage);
  return usage;
}

}  // namespace callward::bench
