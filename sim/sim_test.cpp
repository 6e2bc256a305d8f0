// Runs the simulated machine (world.hpp), seed by seed.
//
//   sim_test [--seeds N] [--first S] [--jobs N] [--verbose]     N seeds from S on, default 200 from 1
//
// A seed that fails is printed with its schedule; the same seed gives the same run. Seeds that found
// something run first, always.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include "sim/world.hpp"

using callward::sim::SimCounts;
using callward::sim::World;

namespace {

struct Kept {
  std::uint64_t seed;
  const char* showed;
};
constexpr std::array kKept{
    Kept{11, "a removed spool file came back after a loss of power, and its calls with it"},
    Kept{12, "an order about a running call was refused: the clock was set, the keeper restarted"},
    Kept{14, "an accepted order was cut to the age that the wall clock gave the call"},
    Kept{4, "a day's folder, and the object in it, did not survive a loss of power"},
    Kept{1, "an ended call was found running: what said that it was over had been overwritten"},
    Kept{2, "both died, and what they took was called sealed"},
    Kept{85, "a page written before a keeper's death opened what the next one had erased"},
    Kept{210, "the same"},
    Kept{470, "the same"},
    Kept{376, "an object whose publishing had failed behind the rename was taken for durable"},
    Kept{433, "a mirror was filled half and stood alone: it opened as a store without rows"},
    Kept{544, "a mirror that had been left out was taken for the truth: the other gave an error"},
    Kept{442, "the same"},
    Kept{373, "what was unconfirmed stayed so when a keeper that took over destroyed the rest"},
    Kept{344, "the same, with the next erasure"},
    Kept{502, "the same"},
    Kept{41, "frames that a killed recorder had not synced were believed, and lost with the power"},
    Kept{69, "the same"},
    Kept{282, "the same"},
    Kept{816, "a mirror filled by a life that was killed: its file was gone with the power"},
    Kept{1236, "one refused read of a mirror, and its state of a commit before was in force"},
    Kept{600, "an order for what another one had erased never had its end in the log"},
    Kept{516, "a file was used again before it was durable that its call had been freed"},
    Kept{832, "the same"},
    Kept{578, "a call that no keeper knew at its end was accounted as sealed"},
    Kept{2988, "killed before the superblock's sync, then without power: no key of the state left"},
    Kept{2287, "an order about a call whose row had never reached a disk had no end in the log"},
    Kept{4321, "nor had the call"},
    Kept{4776, "the same"},
    Kept{1575, "a row told the end of a call that was in no log, and no keeper logged it any more"},
    Kept{1674, "a round of persisting that met a failed log was left out for another 30 s"},
    // Those showed that the model was wrong.
    Kept{239, "a person decides also when the listener is done: it never did"},
    Kept{286, "the same"},
    Kept{455, "the same"},
    Kept{513, "the same"},
    Kept{534, "the same"},
    Kept{44, "who orders may not decide: it was the same person"},
    Kept{93, "an order that met an error is repeated, as the listener does it"},
    Kept{649, "a keeper that did not start was told of wipes"},
    Kept{193, "a decision whose answer was lost had not been taken: another order took all of it"},
    Kept{512, "the same"},
    Kept{716, "the same"},
};

struct Options {
  std::uint64_t seeds = 200, first = 1, jobs = 2;
  bool verbose = false;
};

void add(SimCounts& to, const SimCounts& one) {
  std::uint64_t SimCounts::* const kFields[] = {
      &SimCounts::calls,        &SimCounts::orders,        &SimCounts::held,
      &SimCounts::records,      &SimCounts::keeper_deaths, &SimCounts::recorder_deaths,
      &SimCounts::power_losses, &SimCounts::refusals,      &SimCounts::handovers,
      &SimCounts::clock_jumps,  &SimCounts::mirrors_away,  &SimCounts::opened,
      &SimCounts::refused,      &SimCounts::disk_calls};
  for (const auto field : kFields) to.*field += one.*field;
}

bool run_seed(std::uint64_t seed, const Options& options, SimCounts& counts) {
  World world(seed);
  const auto findings = world.run();
  add(counts, world.counts());
  if (findings.empty() && !options.verbose) return true;
  for (const auto& line : world.schedule()) std::printf("  %s\n", line.c_str());
  for (const auto& line : findings)
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), line.c_str());
  std::fflush(stdout);
  return findings.empty();
}

// One of `jobs` processes: each `jobs`-th seed. Its counts go through the pipe.
struct Share {
  std::uint64_t done = 0, failed = 0;
  SimCounts counts;
};
Share run_share(const std::vector<std::uint64_t>& seeds, std::uint64_t which,
                const Options& options, std::uint64_t& now) {
  Share share;
  for (auto i = which; i < seeds.size(); i += options.jobs) {
    ++share.done;
    now = seeds[i];
    if (!run_seed(seeds[i], options, share.counts)) ++share.failed;
  }
  return share;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (std::strcmp(argv[i], "--seeds") == 0)
      options.seeds = number();
    else if (std::strcmp(argv[i], "--first") == 0)
      options.first = number();
    else if (std::strcmp(argv[i], "--jobs") == 0)
      options.jobs = std::max<std::uint64_t>(1, number());
    else if (std::strcmp(argv[i], "--verbose") == 0)
      options.verbose = true;
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  std::vector<std::uint64_t> seeds;
  for (const auto& kept : kKept)
    if (options.seeds != 1) seeds.push_back(kept.seed);
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    seeds.push_back(options.first + i);
  }
  // The product tells of every fault on standard error.
  if (!options.verbose && std::freopen("/dev/null", "w", stderr) == nullptr) return 3;
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return 3;
  // The seed that each job is at: a job that dies must be found.
  auto* const at = static_cast<std::uint64_t*>(::mmap(nullptr, options.jobs * sizeof(std::uint64_t),
                                                      PROT_READ | PROT_WRITE,
                                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (at == MAP_FAILED) return 3;
  std::vector<pid_t> children;
  for (std::uint64_t job = 0; job < options.jobs; ++job) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    const auto share = run_share(seeds, job, options, at[job]);
    _exit(::write(pipe_ends[1], &share, sizeof share) == sizeof share ? 0 : 3);
  }
  ::close(pipe_ends[1]);
  Share all, share;
  while (::read(pipe_ends[0], &share, sizeof share) == sizeof share) {
    all.done += share.done;
    all.failed += share.failed;
    add(all.counts, share.counts);
  }
  bool whole = true;
  int status = 0;
  for (pid_t child = 0; (child = ::wait(&status)) > 0;) {
    if (status == 0) continue;
    whole = false;
    const auto job = std::find(children.begin(), children.end(), child) - children.begin();
    std::printf("seed %llu: its process died, status %d\n",
                static_cast<unsigned long long>(at[job]), status);
  }
  const auto& c = all.counts;
  const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
  std::printf(
      "%llu calls, %llu orders (%llu held), %llu records sealed; %llu faults planned: %llu keeper "
      "deaths, %llu recorder deaths, %llu power losses; %llu hand-overs, %llu clock jumps, %llu "
      "mirrors away; %llu calls to disks; %llu records opened, %llu refused\n",
      n(c.calls), n(c.orders), n(c.held), n(c.records), n(c.refusals), n(c.keeper_deaths),
      n(c.recorder_deaths), n(c.power_losses), n(c.handovers), n(c.clock_jumps), n(c.mirrors_away),
      n(c.disk_calls), n(c.opened), n(c.refused));
  std::printf("%llu seeds, %llu failed\n", n(all.done), n(all.failed));
  return all.failed == 0 && whole && all.done == seeds.size() ? 0 : 1;
}
