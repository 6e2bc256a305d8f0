#pragma once

#include <string>

namespace CLI {
class App;
}

namespace callward::app {

// A script for bash: at each place the subcommands and long options that this tree has there.
std::string completion_script(const CLI::App& app);

}  // namespace callward::app
