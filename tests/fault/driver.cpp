#include "driver.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fstream>

namespace callward::fault {
namespace {
int findings = 0;
}

std::vector<std::string> Scene::said_after(const std::string& word) const {
  std::vector<std::string> out;
  for (const auto& line : said)
    if (line.starts_with(word + " ")) out.push_back(line.substr(word.size() + 1));
  return out;
}

void say(const std::string& line) {
  const auto whole = line + "\n";
  if (::write(STDOUT_FILENO, whole.data(), whole.size()) < 0) std::exit(3);
}

void ready(int thread) {
  // Whoever traces need not be our parent.
  (void)::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  say("ready " + std::to_string(thread));
  char go = 0;
  while (::read(STDIN_FILENO, &go, 1) == 1 && go != '\n') {
  }
}

void wrong(const std::string& finding) {
  ++findings;
  std::printf("%s\n", finding.c_str());
}
void expect(bool holds, const std::string& finding) {
  if (!holds) wrong(finding);
}

int this_thread() { return ::gettid(); }

int other_thread() {
  int other = 0;
  auto* tasks = ::opendir("/proc/self/task");
  for (const auto* task = ::readdir(tasks); task != nullptr; task = ::readdir(tasks)) {
    const int id = std::atoi(task->d_name);
    if (id != 0 && id != ::gettid()) other = id;
  }
  ::closedir(tasks);
  return other;
}

}  // namespace callward::fault

int main(int argc, char** argv) {
  using namespace callward::fault;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) {
    std::fprintf(stderr, "usage: fault_driver make|act|check OP DIR [BEFORE DEAD FILE]\n");
    return 2;
  }
  Scene scene{.dir = words[2]};
  for (const auto* op : {&kErase, &kRepair, &kLog, &kSpool, &kObject}) {
    if (words[1] != op->name) continue;
    if (words[0] == "make") {
      scene.phase = Phase::kMake;
      op->make(scene);
      return 0;
    }
    if (words[0] == "act") {
      scene.phase = Phase::kAct;
      op->act(scene);
      return 0;
    }
    if (words[0] == "check" && words.size() == 6) {
      scene.phase = Phase::kCheck;
      scene.before = words[3];
      scene.dead = words[4];
      std::ifstream file(words[5]);
      for (std::string line; std::getline(file, line);) scene.said.push_back(line);
      op->check(scene);
      return findings == 0 ? 0 : 1;
    }
  }
  return 2;
}
