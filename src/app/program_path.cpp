#include "app/program_path.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace callward::app {
namespace {

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error) && !error;
}

}  // namespace

std::string program_path_of(const std::string& word, const std::string& folder,
                            const std::string& search_path, const std::string& real) {
  std::vector<std::string> candidates;
  if (word.starts_with('/')) {
    candidates.push_back(word);
  } else if (word.find('/') != std::string::npos) {
    candidates.push_back((std::filesystem::path(folder) / word).lexically_normal().string());
  } else if (!word.empty()) {
    std::istringstream folders(search_path);
    for (std::string dir; std::getline(folders, dir, ':');)
      if (dir.starts_with('/')) candidates.push_back(dir + "/" + word);
  }
  for (const auto& path : candidates)
    if (same_file(path, real)) return path;
  return same_file(real, real) ? real : std::string();
}

std::string program_path() {
  std::error_code error;
  const auto real = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  std::ifstream command_line("/proc/self/cmdline", std::ios::binary);
  std::string word;
  std::getline(command_line, word, '\0');
  const auto folder = std::filesystem::current_path(error);
  const char* search_path = std::getenv("PATH");
  return program_path_of(word, error ? std::string() : folder.string(),
                         search_path == nullptr ? "" : search_path, real.string());
}

bool descends_from(pid_t pid, pid_t ancestor) {
  constexpr int kDepthMax = 64;
  for (int depth = 0; depth < kDepthMax; ++depth) {
    if (pid == ancestor) return true;
    if (pid <= 1) return false;
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(stat, line)) return true;
    // pid (name) state ppid: the name may hold anything, so from its last bracket on.
    std::istringstream rest(line.substr(std::min(line.rfind(')') + 1, line.size())));
    char state = 0;
    pid_t parent = -1;
    rest >> state >> parent;
    if (!rest) return true;
    pid = parent;
  }
  return true;
}

}  // namespace callward::app
