#include "app/process.hpp"

#include "base/event_log.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {

SupervisorLink::SupervisorLink(io::Loop& loop, const ProcessContext& context,
                               std::function<std::string()> status, io::Channel::OnFrame on_event)
    : loop_(loop), name_(context.name), status_(std::move(status)) {
  client_ = std::make_unique<io::Client>(loop, context.config.socket("supervisor"),
                                         io::ChannelLimits{name_ + ".supervisor"},
                                         keys::ErrorReply::kType);
  client_->start([this] { beat(); }, [] {}, std::move(on_event));
  timer_ = loop.every_ms(1'000, [this] { beat(); });
}

SupervisorLink::~SupervisorLink() { loop_.cancel(timer_); }

void SupervisorLink::beat() { (void)client_->send(store::Heartbeat{name_, status_()}); }

Result<std::string> child_of_pid(const Config& config, int pid) {
  constexpr std::int64_t kWaitMs = 1'000;
  if (pid <= 0) return std::string();
  const auto supervisor = TRY(io::BlockingClient::connect(
      config.socket("supervisor"), io::ChannelLimits{}.frame_bytes_max, keys::ErrorReply::kType));
  auto child = TRY(
      supervisor->call<store::ChildName>(store::WhoIs{static_cast<std::uint32_t>(pid)}, kWaitMs));
  return std::move(child.name);
}

std::string queues_json(const std::vector<QueueGauge>& gauges) {
  std::string out = "[";
  for (const auto& gauge : gauges) {
    if (out.size() > 1) out += ",";
    out += "{\"name\":" + json_quote(gauge.name) + ",\"depth\":" + std::to_string(gauge.depth) +
           ",\"bound\":" + std::to_string(gauge.bound) +
           ",\"refused\":" + std::to_string(gauge.refused) + "}";
  }
  return out + "]";
}

}  // namespace callward::app
