// From an order to `erased`: the real keeper with its key store (mirrors on files, anchors, epochs) and its log,
// every sync included. Orders come as a person's do, at a pace that does not wait for us; the time of
// one runs from when it was due to the event that says it is gone everywhere. Then very many at once.
//
//   erasing_bench [--calls N] [--seconds S] [--rates N,N,...] [--punctures N] [--mirrors N] [--dir D] [--json]
//
// Calls are there before: kept, heard, their keys on the disk, so that every order needs the whole way (pages, epoch,
// superblock, reread, destroy), and none is spared by the call's being live. Recorder and listener answer at once: they
// stand for processes that have nothing of these calls in memory.
//
// Exits 1 when the 99th percentile at any pace is above 1 s, or the punctures take more than 5 s.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "erase/keeper.hpp"

using namespace callward;

namespace {

constexpr double kP99MsMax = 1'000;
constexpr double kPuncturesSecondsMax = 5;
constexpr std::uint32_t kCallSegments = 1'800;  // three minutes
constexpr std::uint32_t kSecretSegments = 30;   // three seconds
constexpr std::uint64_t kSetUpRound = 500;
constexpr std::int64_t kTickNs = 100'000'000;
constexpr double kSettleSeconds = 60;  // what has not come then does not come

struct Options {
  std::uint64_t calls = 20'000;
  double seconds = 10;
  std::vector<std::uint64_t> rates{1, 10, 100, 1'000};
  std::uint64_t punctures = 10'000;
  std::size_t mirrors = 2;
  std::string dir = "/tmp/callward-bench-erasing-" + std::to_string(::getpid());
  bool json = false;
};

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "erasing_bench: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T need(Result<T> result) {
  if (!result) die(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

template <class T>
erase::Reply<T> must_succeed() {
  return [](Result<T> outcome) { (void)need(std::move(outcome)); };
}

struct Paced {
  std::uint64_t rate = 0, orders = 0, epochs = 0;
  double p50_ms = 0, p99_ms = 0, max_ms = 0, cpu_ms_an_order = 0;
};
struct Burst {
  std::uint64_t punctures = 0, epochs = 0;
  double seconds = 0, cpu_seconds = 0;
};

class Run {
 public:
  explicit Run(const Options& options) : options_(options) {
    std::filesystem::remove_all(options.dir);
    std::vector<keys::MirrorPaths> paths;
    for (std::size_t i = 0; i < options.mirrors; ++i) {
      const auto disk = options.dir + "/disk" + std::to_string(i);
      paths.push_back({disk + "/store", disk + "/anchor"});
    }
    need(keys::KeyStore::create(vfs_, entropy_, paths, wrap_));
    store_ = need(keys::KeyStore::open(vfs_, entropy_, paths, wrap_));
    log_ = need(audit::Log::open(vfs_, options.dir + "/log", "bench.example/log", entropy_.key()));
    keeper_ = std::make_unique<erase::Keeper>(clock_, entropy_, *store_, *log_,
                                              erase::KeeperPolicy{}, outbox());
    need(keeper_->start());
  }
  ~Run() {
    keeper_.reset();
    log_.reset();
    store_.reset();
    std::filesystem::remove_all(options_.dir);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  double fill() {
    const auto start = clock_.monotonic_ns();
    while (calls_.size() < options_.calls) {
      const auto first = calls_.size();
      for (std::uint64_t i = 0; i < kSetUpRound && calls_.size() < options_.calls; ++i) begin();
      keeper_->end_round();
      for (auto i = first; i < calls_.size(); ++i) finish(calls_[i]);
      keeper_->end_round();
      keeper_->tick();
      keeper_->end_round();
    }
    for (int i = 0; i < 3; ++i) {
      keeper_->tick();
      keeper_->end_round();
    }
    return seconds_since(start);
  }

  Paced pace(std::uint64_t rate) {
    const auto epoch = store_->epoch();
    const auto cpu = cpu_seconds();
    const auto count = static_cast<std::uint64_t>(options_.seconds * static_cast<double>(rate));
    const auto start = clock_.monotonic_ns();
    spent_ms_.clear();
    std::uint64_t sent = 0;
    while (!due_.empty() || sent < count) {
      const auto now = clock_.monotonic_ns();
      const auto when = [&](std::uint64_t i) {
        return start +
               static_cast<std::int64_t>(1e9 / static_cast<double>(rate) * static_cast<double>(i));
      };
      for (; sent < count && when(sent) <= now; ++sent) order(when(sent));
      round();
      if (due_.empty() && sent < count)
        std::this_thread::sleep_for(std::chrono::nanoseconds(std::max<std::int64_t>(
            0, std::min<std::int64_t>(when(sent) - clock_.monotonic_ns(), kTickNs))));
      if (seconds_since(start) > options_.seconds + kSettleSeconds)
        die("orders do not come to an end");
    }
    std::sort(spent_ms_.begin(), spent_ms_.end());
    const auto part = [&](double share) {
      return spent_ms_[static_cast<std::size_t>(share * static_cast<double>(spent_ms_.size() - 1))];
    };
    return {rate,
            count,
            store_->epoch() - epoch,
            part(0.5),
            part(0.99),
            spent_ms_.back(),
            (cpu_seconds() - cpu) * 1e3 / static_cast<double>(count)};
  }

  Burst burst() {
    const auto epoch = store_->epoch();
    const auto cpu = cpu_seconds();
    const auto start = clock_.monotonic_ns();
    for (std::uint64_t i = 0; i < options_.punctures; ++i) order(start);
    while (!due_.empty()) {
      round();
      if (seconds_since(start) > kSettleSeconds) die("the punctures do not come to an end");
    }
    return {options_.punctures, store_->epoch() - epoch, seconds_since(start), cpu_seconds() - cpu};
  }

 private:
  erase::Keeper::Outbox outbox() {
    return {.derived_sealed = [](const keys::DerivedSealed&) {},
            .listening_done = [](const keys::ListeningDone&) {},
            .order_state = [this](const keys::OrderState& state) { settled(state); },
            .wipe = [](const keys::WipeRanges&, const std::function<void()>& done) { done(); }};
  }
  void begin() {
    const auto id = CallId::random(entropy_);
    keeper_->call_start({id, keys::CallSource::kImport, keys::Direction::kIncoming, 0b11,
                         clock_.utc_ms(), to_bytes(as_bytes("{}"))},
                        must_succeed<keys::CallStarted>());
    calls_.push_back(id);
  }
  void finish(const CallId& id) {
    keeper_->cleared({id, {{0, kCallSegments}, {1, kCallSegments}}, false});
    keeper_->call_end({id, clock_.utc_ms(), "import_end", {{0, kCallSegments}, {1, kCallSegments}}},
                      must_succeed<keys::Ack>());
    keeper_->listen_done({id});
    keeper_->call_sealed({id, {}, 2 * kCallSegments + 1, 1}, must_succeed<keys::Ack>());
  }
  // One secret somewhere in some call: hardly two fall into the same.
  void order(std::int64_t due_ns) {
    const auto id = OrderId::random(entropy_);
    const auto& call = calls_[random(calls_.size())];
    const auto first = static_cast<std::uint32_t>(random(kCallSegments - kSecretSegments));
    due_[id] = due_ns;
    keeper_->erase_order({id, call, {{0, first, first + kSecretSegments}}, "password", "operator"},
                         false, [](Result<keys::OrderAccepted> accepted) {
                           if (need(std::move(accepted)).outcome == keys::OrderOutcome::kHeld)
                             die("an order was held");
                         });
  }
  void settled(const keys::OrderState& state) {
    if (state.outcome != keys::OrderOutcome::kErased) return;
    const auto found = due_.find(state.order);
    if (found == due_.end()) return;
    spent_ms_.push_back(static_cast<double>(clock_.monotonic_ns() - found->second) / 1e6);
    due_.erase(found);
  }
  // As the process's loop does it: what came is taken, then one end of a round; a tick ten times a second.
  void round() {
    if (clock_.monotonic_ns() - ticked_ns_ >= kTickNs) {
      ticked_ns_ = clock_.monotonic_ns();
      keeper_->tick();
    }
    keeper_->end_round();
  }
  std::uint64_t random(std::uint64_t below) {
    std::uint64_t number = 0;
    const auto raw = entropy_.array<8>();
    std::memcpy(&number, raw.data(), raw.size());
    return number % below;
  }
  double seconds_since(std::int64_t start_ns) {
    return static_cast<double>(clock_.monotonic_ns() - start_ns) / 1e9;
  }
  static double cpu_seconds() {
    timespec spent{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
  }

  Options options_;
  RealVfs vfs_;
  SystemEntropy entropy_;
  SystemClock clock_;
  Key32 wrap_ = entropy_.key();
  std::unique_ptr<keys::KeyStore> store_;
  std::unique_ptr<audit::Log> log_;
  std::unique_ptr<erase::Keeper> keeper_;
  std::vector<CallId> calls_;
  std::unordered_map<OrderId, std::int64_t> due_;
  std::vector<double> spent_ms_;
  std::int64_t ticked_ns_ = 0;
};

std::string to_json(const Paced& row) {
  std::array<char, 240> text{};
  std::snprintf(
      text.data(), text.size(),
      "{\"orders_a_second\":%llu,\"orders\":%llu,\"epochs\":%llu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
      "\"max_ms\":%.2f,\"cpu_ms_an_order\":%.3f}",
      static_cast<unsigned long long>(row.rate), static_cast<unsigned long long>(row.orders),
      static_cast<unsigned long long>(row.epochs), row.p50_ms, row.p99_ms, row.max_ms,
      row.cpu_ms_an_order);
  return text.data();
}

Options parse(int argc, char** argv) {
  Options options;
  bool sane = true;
  const auto number = [&](const char* text) {
    const auto value = std::strtoull(text, nullptr, 10);
    sane = sane && value > 0;
    return value;
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool more = i + 1 < argc;
    if (word == "--json")
      options.json = true;
    else if (word == "--calls" && more)
      options.calls = number(argv[++i]);
    else if (word == "--seconds" && more)
      options.seconds = static_cast<double>(number(argv[++i]));
    else if (word == "--punctures" && more)
      options.punctures = number(argv[++i]);
    else if (word == "--mirrors" && more)
      options.mirrors = number(argv[++i]);
    else if (word == "--dir" && more)
      options.dir =
          std::string(argv[++i]) + "/callward-bench-erasing-" + std::to_string(::getpid());
    else if (word == "--rates" && more) {
      options.rates.clear();
      std::stringstream list(argv[++i]);
      for (std::string one; std::getline(list, one, ',');)
        options.rates.push_back(number(one.c_str()));
    } else {
      sane = false;
    }
  }
  if (!sane || options.rates.empty()) {
    std::fprintf(stderr,
                 "usage: erasing_bench [--calls N] [--seconds S] [--rates N,N,...] [--punctures N] "
                 "[--mirrors N] "
                 "[--dir D] [--json]; all of them at least 1\n");
    std::exit(2);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  Run run(options);
  const auto filled_s = run.fill();
  if (!options.json)
    std::printf("%llu calls kept, %zu mirror%s (made in %.1f s)\n",
                static_cast<unsigned long long>(options.calls), options.mirrors,
                options.mirrors == 1 ? "" : "s", filled_s);
  bool held = true;
  std::string rows;
  for (const auto rate : options.rates) {
    const auto row = run.pace(rate);
    held = held && row.p99_ms <= kP99MsMax;
    rows += (rows.empty() ? "" : ",") + to_json(row);
    if (!options.json)
      std::printf(
          "%6llu orders/s   to erased: p50 %7.2f   p99 %7.2f   max %7.2f ms   %6llu orders in %llu "
          "epochs, "
          "%.2f ms of CPU each\n",
          static_cast<unsigned long long>(row.rate), row.p50_ms, row.p99_ms, row.max_ms,
          static_cast<unsigned long long>(row.orders), static_cast<unsigned long long>(row.epochs),
          row.cpu_ms_an_order);
  }
  const auto burst = run.burst();
  held = held && burst.seconds <= kPuncturesSecondsMax;
  if (options.json)
    std::printf(
        "{\"calls\":%llu,\"mirrors\":%zu,\"paced\":[%s],\"burst\":{\"punctures\":%llu,\"seconds\":%"
        ".3f,"
        "\"cpu_seconds\":%.3f,\"epochs\":%llu},\"held\":%s}\n",
        static_cast<unsigned long long>(options.calls), options.mirrors, rows.c_str(),
        static_cast<unsigned long long>(burst.punctures), burst.seconds, burst.cpu_seconds,
        static_cast<unsigned long long>(burst.epochs), held ? "true" : "false");
  else
    std::printf(
        "%6llu punctures at once, each in a call drawn at random: %.2f s to the last erased, %.2f "
        "s of CPU, "
        "%llu epochs; targets %s\n",
        static_cast<unsigned long long>(burst.punctures), burst.seconds, burst.cpu_seconds,
        static_cast<unsigned long long>(burst.epochs), held ? "held" : "MISSED");
  return held ? 0 : 1;
}
