// `callward listen report`: what reviewers' marks say of the listener, from the log alone.
#include "app/cli.hpp"
#include "audit/note.hpp"
#include "quality/leak_log.hpp"

namespace callward::app {

Result<ExitCode> command_listen_report(const CliContext& context,
                                       const ListenReportOptions& options) {
  constexpr std::size_t kKeyBytesMax = 1'024;
  RealVfs vfs;
  const auto& dir = context.config.log.dir;
  const auto raw = TRY(vfs.read_file(dir + "/public.key", kKeyBytesMax));
  const auto key = TRY(audit::parse_verifier_key(std::string(as_text(raw))));
  const auto window = quality::window_of(options.from, options.to);
  if (!window) return fail(Errc::kConfig, window.error().message);
  const auto report = TRY(quality::leaks_in_log(vfs, dir, key, *window));
  if (context.json)
    print_json(quality::to_json(report));
  else
    for (const auto& line : quality::report_lines(report)) std::printf("%s\n", line.c_str());
  return ExitCode::kDone;
}

}  // namespace callward::app
