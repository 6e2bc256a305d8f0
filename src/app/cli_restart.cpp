// `callward restart keeper`: a planned restart, so that an upgrade loses nothing.
#include <cstdio>

#include "app/cli.hpp"
#include "io/frame.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {

Result<ExitCode> command_restart(const CliContext& context, const std::string& process) {
  constexpr std::int64_t kWaitMs = 75'000;  // longer than the supervisor lets it take
  if (process != "keeper") return fail(Errc::kConfig, "only the keeper can be restarted so");
  const auto supervisor = io::BlockingClient::connect(
      context.config.socket("supervisor"), store::kRecorderFrameBytesMax, keys::ErrorReply::kType);
  if (!supervisor)
    return fail(supervisor.error().code, "callward does not run on this folder: start it instead");
  const auto done = (*supervisor)->call<store::KeeperRestarted>(store::RestartKeeper{}, kWaitMs);
  if (!done) return fail(done.error().code, "not restarted: " + done.error().message);
  if (context.json)
    print_json(boost::json::object{{"restarted", process}, {"pid", done->pid}, {"ms", done->ms}});
  else
    std::printf("the keeper was restarted in %u ms, nothing lost; its process is now %u\n",
                done->ms, done->pid);
  return ExitCode::kDone;
}

}  // namespace callward::app
