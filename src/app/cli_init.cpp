// `callward init`: everything a first start needs.
#include <cstdio>

#include "app/cli.hpp"
#include "app/keeper_state.hpp"
#include "app/self_signed.hpp"
#include "app/server_database.hpp"
#include "app/vault_policy.hpp"
#include "people/people.hpp"

namespace callward::app {
namespace {

Result<SecretBytes> read_passphrase(Vfs& vfs, const std::string& file) {
  auto raw = TRY(vfs.read_file(file, people::People::kPassphraseBytesMax + 2));
  while (!raw.empty() && (raw.back() == '\n' || raw.back() == '\r')) raw.pop_back();
  SecretBytes passphrase{ByteView(raw)};
  wipe(raw);
  return passphrase;
}

}  // namespace

Result<ExitCode> command_init(const InitOptions& options) {
  RealVfs vfs;
  SystemClock clock;
  SystemEntropy entropy;
  std::optional<SecretBytes> passphrase;
  if (!options.passphrase_file.empty()) {
    passphrase = TRY(read_passphrase(vfs, options.passphrase_file));
    TRY(people::People::check_passphrase(*passphrase, {options.owner}));
  }
  TRY(vfs.make_dirs(options.dir));
  const auto file = options.dir + "/callward.toml";
  if (vfs.exists(file))
    return fail(Errc::kExists, file + " is there already; `init` never overwrites");
  TRY(vfs.write_file_atomic(file, as_bytes(default_config_text())));
  const auto config = TRY(load_config(file));
  TRY(vfs.write_file_atomic(config.vault.policy_file, as_bytes(vault::default_policy_text())));
  TRY(vfs.make_dirs(config.run_dir));
  TRY(create_keeper_state(vfs, entropy, config));
  TRY(write_self_signed(vfs, clock, config.server.tls_certificate, config.server.tls_key,
                        {"localhost", "127.0.0.1", "::1"}));
  const auto database = TRY(open_server_database(vfs, config));
  people::People people(*database, clock, entropy);
  const auto owner = TRY(people.add(
      options.owner, people::bit(people::Role::kOwner) | people::bit(people::Role::kReviewer),
      passphrase));
  std::string link;
  if (!passphrase) {
    // One token for both: it sets the passphrase, and founds the role chart.
    const auto token = TRY(people.make_enrolment(owner.id));
    TRY(keep_founding(vfs, config, token));
    link = config.server.origin + "/enrol#" + token;
  }
  if (options.json) {
    print_json({{"config", file}, {"owner", options.owner}, {"enrolment", link}});
    return ExitCode::kDone;
  }
  std::printf("Made %s\n", file.c_str());
  if (!link.empty())
    std::printf(
        "The owner, %s, sets a passphrase and a passkey here once (72 hours), and founds the role "
        "chart:\n  %s\n"
        "The address is that of [server] origin: set it first if browsers see another one.\n",
        options.owner.c_str(), link.c_str());
  else
    std::printf(
        "No role chart is founded: the passphrase alone opens this. `callward user found` gives "
        "the owner the link.\n");
  std::printf(
      "Two mirrors of the key store lie under %s/keeper. For real use put them on two disks "
      "([keys] mirrors).\n"
      "Start: callward serve --config %s\n",
      options.dir.c_str(), file.c_str());
  for (const auto& line : founding_lines()) std::printf("%s\n", line.c_str());
  return ExitCode::kDone;
}

}  // namespace callward::app
