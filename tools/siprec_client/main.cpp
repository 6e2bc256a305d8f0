// siprec-client: a SIPREC recording client (RFC 7866) that plays a stereo file to a recording
// server.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <map>

#include "base/vfs.hpp"
#include "call.hpp"
#include "codec/audio_file.hpp"

namespace callward::siprec_client {
namespace {

constexpr std::int64_t kTurnMs = 5;  // how late a packet may be
constexpr std::uint64_t kSamplesMax = 8'000ull * 3'600 * 8;

Result<std::vector<std::shared_ptr<const Bytes>>> load(const Options& options) {
  RealVfs vfs;
  auto channels = TRY(codec::read_audio(vfs, options.file, kSamplesMax));
  if (channels.size() != 2)
    return fail(Errc::kUnsupported,
                options.file + ": two channels are wanted, not " + std::to_string(channels.size()));
  std::vector<std::shared_ptr<const Bytes>> out;
  for (const auto& channel : channels)
    out.push_back(std::make_shared<const Bytes>(codec::encode(options.law, channel)));
  return out;
}

class Client {
 public:
  explicit Client(const Options& options) : options_(options) {}

  Result<bool> run() {
    const auto sounds = TRY(load(options_));
    loop_ = TRY(io::Loop::create(clock_));
    TRY(loop_->on_stop_signal([this] { loop_->stop(); }));
    sip_ = TRY(SipSocket::open(
        *loop_, options_, [this](const SipMessage& message) { on_message(message); },
        [this] {
          for (auto& call : calls_) call->say_again();
        }));
    for (std::size_t i = 0; i < options_.calls; ++i) {
      calls_.push_back(std::make_unique<Call>(options_, *sip_, clock_, i, sounds));
      by_id_[calls_.back()->call_id()] = calls_.back().get();
    }
    started_ms_ = clock_.monotonic_ms();
    loop_->every_ms(kTurnMs, [this] { turn(); });
    TRY(loop_->run());
    bool good = printed_ == calls_.size();
    for (const auto& call : calls_) good = good && call->as_intended();
    if (!failure_.message.empty()) return tl::unexpected(failure_);
    return good;
  }

 private:
  void turn() {
    const auto now = clock_.monotonic_ms();
    while (begun_ < calls_.size() &&
           now >= started_ms_ + static_cast<std::int64_t>(begun_) * options_.stagger_ms)
      if (const auto ok = calls_[begun_++]->begin(); !ok) return stop(ok.error());
    for (auto& call : calls_) {
      const bool before = call->done();
      call->tick();
      if (!before && call->done()) told(*call);
    }
    if (printed_ == calls_.size()) loop_->stop();
  }
  void on_message(const SipMessage& message) {
    const auto known = by_id_.find(message.header("call-id"));
    if (known == by_id_.end()) return;
    const bool before = known->second->done();
    known->second->on_message(message);
    if (!before && known->second->done()) told(*known->second);
  }
  void told(const Call& call) {
    ++printed_;
    std::printf("%s\n", call.result().c_str());
    std::fflush(stdout);
    if (options_.sent_dir.empty()) return;
    if (const auto ok = call.write_sent(options_.sent_dir); !ok) stop(ok.error());
  }
  void stop(const Error& error) {
    failure_ = error;
    loop_->stop();
  }

  const Options& options_;
  SystemClock clock_;
  std::unique_ptr<io::Loop> loop_;
  std::unique_ptr<SipSocket> sip_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::map<std::string, Call*> by_id_;
  std::int64_t started_ms_ = 0;
  std::size_t begun_ = 0, printed_ = 0;
  Error failure_{Errc::kState, ""};
};

}  // namespace
}  // namespace callward::siprec_client

int main(int argc, char** argv) {
  using namespace callward::siprec_client;
  const auto options = read_options(argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
  const auto good = Client(options).run();
  if (!good) {
    std::fprintf(stderr, "siprec-client: %s\n", good.error().message.c_str());
    return 1;
  }
  return *good ? 0 : 1;
}
