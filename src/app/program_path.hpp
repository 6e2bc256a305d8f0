// Where this program lies, for starting it anew after an upgrade: /proc/self/exe keeps pointing at
// the file that was started, also when another one has taken its name.
#pragma once

#include <sys/types.h>

#include <string>

namespace callward::app {

// The path by which this process was started, absolute, its links not resolved (an upgrade may set
// a link anew); by its own file if that cannot be known. Asked at start: later another file may
// stand there. "": unknown.
std::string program_path();
// The same, of what a process was started with (argv[0]), whose file has this real name.
std::string program_path_of(const std::string& word, const std::string& folder,
                            const std::string& search_path, const std::string& real);

// Whether `pid` is, or descends from, `ancestor`. A process that cannot be asked counts as one.
bool descends_from(pid_t pid, pid_t ancestor);

}  // namespace callward::app
