// `callward policy check | page`: files only, nothing has to run.
#include <cstdio>

#include "app/cli.hpp"
#include "app/vault_policy.hpp"
#include "vault/policy_page.hpp"

namespace callward::app {
namespace {

Result<vault::Policy> read_policy(Vfs& vfs, const std::string& file) {
  const auto raw = TRY(vfs.read_file(file, kPolicyBytesMax));
  return vault::parse_policy(std::string(as_text(raw)), file);
}

boost::json::object findings_json(const PolicyFindings& findings) {
  return {{"good", findings.wrong.empty()},
          {"findings", to_array(findings.wrong)},
          {"relaxes", to_array(findings.relaxes)}};
}

}  // namespace

Result<PolicyFindings> check_policy(Vfs& vfs, const std::string& file, const std::string& against) {
  PolicyFindings findings;
  const auto wanted = read_policy(vfs, file);
  if (!wanted && wanted.error().code != Errc::kConfig) return tl::unexpected<Error>(wanted.error());
  if (!wanted) findings.wrong.push_back(wanted.error().message);
  if (against.empty() || !wanted) return findings;
  // Nothing is judged against what is itself no policy: that is an error, and no finding.
  findings.relaxes = vault::relaxes(TRY(read_policy(vfs, against)), *wanted);
  return findings;
}

Result<ExitCode> command_policy_check(const PolicyOptions& options) {
  RealVfs vfs;
  const auto findings = TRY(check_policy(vfs, options.file, options.against));
  if (options.json) {
    print_json(findings_json(findings));
  } else {
    print_lines("wrong", findings.wrong);
    print_lines("relaxes", findings.relaxes);
    if (findings.wrong.empty())
      std::printf("%s: a policy that holds%s\n", options.file.c_str(),
                  options.against.empty()    ? ""
                  : findings.relaxes.empty() ? ", and relaxes nothing"
                                             : ", and relaxes what stands above");
  }
  return findings.wrong.empty() && findings.relaxes.empty() ? ExitCode::kDone : ExitCode::kFoundBad;
}

Result<ExitCode> command_policy_page(const PolicyOptions& options) {
  RealVfs vfs;
  const auto policy = options.config.empty()
                          ? TRY(read_policy(vfs, options.file))
                          : TRY(load_policy(vfs, TRY(load_config(options.config))));
  std::fputs(vault::policy_page(policy).c_str(), stdout);
  return ExitCode::kDone;
}

}  // namespace callward::app
