// Carries the log's checkpoints to its witnesses, in the server's process: the keeper has no
// network and reads no byte of a stranger (ADR 11).
//
//   tick (the loop): newest checkpoint ──▶ a round ──▶ one thread a witness: asks ──▶ enough
//   cosignatures: log/witness/checkpoint
//
// INVARIANTS
//   (1) All cosignatures of that file are over one checkpoint, each checked against its key.
//   (2) A witness that is away, slow or lying delays nobody: each has its own thread, each request
//       ends after kRequestSecondsMax.
//   (3) Nothing here can stop recording, erasing or logging.
#pragma once

#include <boost/json/object.hpp>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/config.hpp"
#include "audit/daily.hpp"
#include "base/clock.hpp"

namespace callward::app {

inline constexpr long kRequestSecondsMax = 10;
// POST by libcurl: http and https, no redirects, no proxy of the environment for loopback,
// bounded in time and size.
Result<audit::WitnessClient::Answer> post_to_witness(const std::string& url,
                                                     const std::string& body);

class WitnessCarrier {
 public:
  struct Setup {
    Clock& clock;
    Vfs& vfs;
    LogConfig log;
    audit::NamedKey key;
    audit::WitnessClient::Post post;
    std::function<void()> on_alarm;  // a witness began to refuse, or ceased to
  };
  explicit WitnessCarrier(Setup setup);
  ~WitnessCarrier();
  WitnessCarrier(const WitnessCarrier&) = delete;
  WitnessCarrier& operator=(const WitnessCarrier&) = delete;

  void start();  // threads: after the sandbox was entered
  void tick();   // once a second
  // {quorum, size, at_s, asked, alarms, list: [{name, state, alarm, why, size, at_s}]}
  [[nodiscard]] boost::json::object status() const;

  static constexpr std::int64_t kRefreshMs = 3'600'000;  // signed anew though nothing was added

 private:
  struct Round {
    std::uint64_t number = 0;
    std::string note;
    audit::Checkpoint checkpoint;
    std::map<std::string, std::string> lines;  // by witness
  };
  struct Shown {  // of a witness, for whoever asks
    audit::WitnessState state = audit::WitnessState::kNew;
    std::string why;
    std::uint64_t size = 0, at_s = 0;
  };
  void run(std::size_t which);
  void take(std::size_t which, const Round& asked, const audit::WitnessClient& client,
            const Result<audit::Cosignature>& outcome);
  void write_witnessed(const Round& round, std::uint64_t at_s);

  Setup setup_;
  std::mutex write_mutex_;  // of the file; taken before mutex_, never by the loop
  std::pair<std::uint64_t, std::size_t> written_;  // the file's round, and how many lines it has
  mutable std::mutex mutex_;  // of what follows; held for moments, never over I/O
  std::condition_variable changed_;
  bool stop_ = false;
  Round round_;
  std::vector<Shown> shown_;
  std::vector<std::uint64_t> known_;  // sizes, from the file that an earlier life wrote
  std::uint64_t witnessed_size_ = 0, witnessed_at_s_ = 0, asked_ = 0;
  std::int64_t next_round_ms_ = 0, round_began_ms_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace callward::app
