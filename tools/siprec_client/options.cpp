#include "options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>

namespace callward::siprec_client {
namespace {

bool split_server(const std::string& text, Options& options) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) {
    options.host = text;
    return !text.empty();
  }
  options.host = text.substr(0, colon);
  char* end = nullptr;
  const auto port = std::strtol(text.c_str() + colon + 1, &end, 10);
  options.port = static_cast<std::uint16_t>(port);
  return !options.host.empty() && *end == '\0' && port > 0 && port < 65'536;
}

bool split_digits(const std::string& text, Options& options) {
  const auto at = text.find('@');
  options.digits = text.substr(0, at);
  if (at != std::string::npos) {
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + at + 1, end, options.digits_at_ms);
    if (error != std::errc{} || stop != end) return false;
  }
  return options.digits.find_first_not_of("0123456789*#ABCD") == std::string::npos;
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  std::string server = "127.0.0.1:5060", transport = "udp", direction = "in", law = "pcmu", digits;
  CLI::App app{"siprec-client: records a sound file with a SIPREC recording server, in real time"};
  app.add_option("--server", server, "host:port (an IPv4 address)");
  app.add_option("--transport", transport)->check(CLI::IsMember({"udp", "tcp"}));
  app.add_option("--calls", options.calls, "at once")->check(CLI::Range(std::size_t{1}, kCallsMax));
  app.add_option("--loss", options.loss, "share of packets that are never sent")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--reorder", options.reorder, "share that is sent after its successor")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--duplicate", options.duplicate, "share that is sent twice")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--dtmf", digits, "DIGITS[@MS]: keyed by the customer from that time on");
  app.add_option("--dtmf-every-ms", options.digits_every_ms)->check(CLI::Range(120, 60'000));
  app.add_option("--direction", direction, "in: the customer calls; out: the agent")
      ->check(CLI::IsMember({"in", "out"}));
  app.add_option("--codec", law)->check(CLI::IsMember({"pcmu", "pcma"}));
  app.add_option("--hold-at-ms", options.hold_at_ms, "re-INVITE with inactive streams");
  app.add_option("--hold-ms", options.hold_ms, "until the re-INVITE that resumes");
  app.add_option("--cancel-at-ms", options.cancel_at_ms, "CANCEL, so long after the INVITE");
  app.add_option("--bye-at-ms", options.bye_at_ms, "BYE, so long after the answer");
  app.add_option("--stagger-ms", options.stagger_ms, "between two calls' INVITEs");
  app.add_option("--customer", options.customer, "SIP URI");
  app.add_option("--agent", options.agent, "SIP URI");
  app.add_option("--seed", options.seed, "of everything that is random in the media");
  app.add_option("--sent-dir", options.sent_dir, "write what was sent, sample by sample");
  app.add_flag("--json", options.json, "one JSON line a call (it is always so)");
  app.add_option("file", options.file, "WAV or FLAC: left the customer, right the agent")
      ->required();
  const auto wrong = [&app](const char* text) {
    std::exit(app.exit(CLI::ValidationError(text), std::cerr, std::cerr) == 0 ? 0 : 2);
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  if (!split_server(server, options)) wrong("--server must be host:port");
  if (!digits.empty() && !split_digits(digits, options)) wrong("--dtmf must be digits, then @MS");
  if ((options.hold_at_ms >= 0) != (options.hold_ms > 0))
    wrong("--hold-at-ms and --hold-ms go together");
  options.tcp = transport == "tcp";
  options.outgoing = direction == "out";
  options.law = law == "pcma" ? codec::G711::kALaw : codec::G711::kMuLaw;
  return options;
}

}  // namespace callward::siprec_client
