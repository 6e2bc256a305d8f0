#include "audit/group_committer.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <thread>

#include "audit/verify.hpp"

namespace callward::audit {
namespace {

TEST(GroupCommitter, ManyWritersEachGetAnIndexOfTheirOwn) {
  const auto dir = ::testing::TempDir() + "cw-group-" + std::to_string(::getpid());
  std::filesystem::remove_all(dir);
  RealVfs vfs;
  SeededEntropy entropy(2);
  const auto seed = entropy.key();
  constexpr int kWriters = 16, kEach = 20;
  std::vector<std::vector<std::uint64_t>> indices(kWriters);
  {
    auto log = *Log::open(vfs, dir, "example.com/log", seed);
    GroupCommitter front(*log);
    std::vector<std::thread> threads;
    for (int writer = 0; writer < kWriters; ++writer)
      threads.emplace_back([&, writer] {
        for (int i = 0; i < kEach; ++i) {
          // One that the table refuses, among those that it takes: its writer alone is refused.
          const auto bad = front.append({"call_missing", "recorder", "-", 1, {{"cause", "x"}}});
          EXPECT_EQ(bad.error().code, Errc::kMalformed);
          const auto index = front.append({"call_missing",
                                           "recorder",
                                           std::to_string(writer),
                                           i,
                                           {{"cause", "x"}, {"sip_status", i}}});
          ASSERT_TRUE(index);
          indices[static_cast<std::size_t>(writer)].push_back(*index);
        }
      });
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) EXPECT_TRUE(front.publish());
    });
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(front.publish());
  }
  const auto log = *Log::open(vfs, dir, "example.com/log", seed);
  std::set<std::uint64_t> seen;
  EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const Entry& entry) -> Status {
    const auto& of_writer = indices[static_cast<std::size_t>(std::stoi(entry.subject))];
    EXPECT_EQ(of_writer[static_cast<std::size_t>(entry.at)], index);
    seen.insert(index);
    return {};
  }));
  EXPECT_EQ(seen.size(), std::size_t{kWriters * kEach});
  const NamedKey key{"example.com/log", *crypto::ed25519_public(seed)};
  EXPECT_TRUE(verify_log(vfs, dir, key)->good());
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace callward::audit
