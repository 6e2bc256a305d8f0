#include "app/recogniser_worker.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace callward::app {
namespace {

// A shell that answers on the worker's descriptor instead of a recogniser.
std::string answer_of(const std::string& script) {
  auto started = start_worker({"/bin/sh", "-c", script}, {});
  EXPECT_TRUE(started);
  if (!started) return {};
  std::string out;
  std::array<char, 4096> block;
  for (ssize_t n; (n = ::read(started->socket.get(), block.data(), block.size())) > 0;)
    out.append(block.data(), static_cast<std::size_t>(n));
  ::waitpid(started->pid, nullptr, 0);
  return out;
}

TEST(RecogniserWorker, HasNothingOfOurEnvironment) {
  ::setenv("CALLWARD_SOMETHING", "of ours", 1);
  const auto environment = answer_of("env >&3");
  ::unsetenv("CALLWARD_SOMETHING");
  EXPECT_NE(environment.find("HOME=/nonexistent\n"), std::string::npos);
  EXPECT_EQ(environment.find("of ours"), std::string::npos);
}

TEST(RecogniserWorker, OverwritesWhatItFrees) {
  const auto environment = answer_of("env >&3");
  EXPECT_NE(environment.find("glibc.malloc.perturb="), std::string::npos);
  EXPECT_EQ(environment.find("glibc.malloc.perturb=0"), std::string::npos);
  EXPECT_NE(environment.find("glibc.malloc.tcache_count=0"), std::string::npos);
  EXPECT_NE(environment.find("PYTHONMALLOC=malloc\n"), std::string::npos);
}

}  // namespace
}  // namespace callward::app
