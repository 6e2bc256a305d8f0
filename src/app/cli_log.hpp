// `callward log ...`: the audit log for operators and auditors. Most of it needs files and keys
// alone: no running service, no configuration.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/cli.hpp"
#include "audit/note.hpp"

namespace CLI {
class App;
}

namespace callward::app {

// What was given as a key, or what stands in the file of that name.
Result<std::string> key_text(const std::string& given);

class LogCommands {
 public:
  // `chosen` is set when one of them was named; it runs it.
  void add(CLI::App& app, std::function<int()>& chosen);

 private:
  struct Place {  // a log's folder, its key, and whose cosignatures count
    std::string dir;
    audit::NamedKey key;
    audit::WitnessPolicy witnesses;
    bool witnesses_named = false;  // on the command line: then they must be there
    std::vector<audit::WitnessConfig> ask;
  };
  using Act = Result<ExitCode> (LogCommands::*)();
  CLI::App* command(const char* name, const char* text, Act act);
  void place_options(CLI::App* sub, bool positional);
  void key_option(CLI::App* sub, bool required);
  void witness_options(CLI::App* sub);
  [[nodiscard]] Result<Place> place() const;
  // Those of --witness-key, else the configured ones; and how many of them must have signed.
  [[nodiscard]] Result<audit::WitnessPolicy> witnesses(audit::WitnessPolicy configured = {}) const;

  Result<ExitCode> verify();
  Result<ExitCode> check();
  Result<ExitCode> receipt();
  Result<ExitCode> check_receipt();
  Result<ExitCode> export_day();
  Result<ExitCode> check_export();
  Result<ExitCode> witness();
  Result<ExitCode> types();
  Result<ExitCode> rules();
  Result<ExitCode> steps();

  CLI::App* log_ = nullptr;
  std::function<int()>* chosen_ = nullptr;
  std::string config_, dir_, key_, out_, entry_, day_, since_, file_;
  std::vector<std::string> files_, witness_keys_;
  std::optional<std::size_t> quorum_;
  std::uint64_t index_ = 0;
  bool json_ = false;
};

}  // namespace callward::app
