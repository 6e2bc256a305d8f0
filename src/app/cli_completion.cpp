// `callward completion`: from the commands themselves, so that it knows what they know.
#include "app/cli_completion.hpp"

#include <CLI/CLI.hpp>

namespace callward::app {
namespace {

// Hidden commands (group "") are the supervisor's business.
bool hidden(const CLI::App& app) { return app.get_group().empty(); }

std::string words_of(const CLI::App& app) {
  std::string words;
  for (const auto* sub : app.get_subcommands([](const CLI::App* s) { return !hidden(*s); }))
    words += sub->get_name() + " ";
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) words += "--" + name + " ";
  if (!words.empty()) words.pop_back();
  return words;
}

// One line of the case for `path` ("log verify"), and those of what lies below it.
void add_cases(const CLI::App& app, const std::string& path, std::string& out) {
  out += "    '" + path + "') words='" + words_of(app) + "' ;;\n";
  for (const auto* sub : app.get_subcommands([](const CLI::App* s) { return !hidden(*s); }))
    add_cases(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), out);
}

void add_paths(const CLI::App& app, const std::string& path, std::string& out) {
  for (const auto* sub : app.get_subcommands([](const CLI::App* s) { return !hidden(*s); })) {
    const auto below = path.empty() ? sub->get_name() : path + " " + sub->get_name();
    out += (out.empty() ? "'" : "|'") + below + "'";
    add_paths(*sub, below, out);
  }
}

}  // namespace

std::string completion_script(const CLI::App& app) {
  std::string paths, cases;
  add_paths(app, "", paths);
  add_cases(app, "", cases);
  return "# bash completion: callward completion > /etc/bash_completion.d/callward\n"
         "_callward() {\n"
         "  local at='' next words='' i\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         "    next=\"${at:+$at }${COMP_WORDS[i]}\"\n"
         "    case \"$next\" in " +
         paths +
         ") at=\"$next\" ;; esac\n"
         "  done\n"
         "  case \"$at\" in\n" +
         cases +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -o default -F _callward callward\n";
}

}  // namespace callward::app
