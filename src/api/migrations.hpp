// The server's database, step by step: each once, in this order, whatever version wrote the file.
#pragma once

#include <string>
#include <vector>

namespace callward::api {

// Every step of every table. What is new goes to the end: a file knows only how many it has taken.
std::vector<std::string> server_migrations();

}  // namespace callward::api
