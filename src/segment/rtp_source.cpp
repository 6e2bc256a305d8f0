#include "segment/rtp_source.hpp"

#include <algorithm>
#include <array>

namespace callward::segment {
namespace {

enum class Step : std::uint8_t { kRefuse, kTake, kTakeIfQuiet, kTakeIfGone };

// [holder][rank of a packet that is not the holder's own]
constexpr std::array<std::array<Step, 3>, 4> kSteps = {{
    //              exact        near                foreign
    /* nobody    */ {Step::kTake, Step::kTake, Step::kTakeIfQuiet},
    /* announced */ {Step::kTake, Step::kTakeIfQuiet, Step::kTakeIfGone},
    /* near      */ {Step::kTake, Step::kTakeIfQuiet, Step::kTakeIfGone},
    /* foreign   */ {Step::kTake, Step::kTake, Step::kTakeIfQuiet},
}};

// Who holds the stream once a packet of that rank has taken it.
constexpr std::array kHolders = {SourceHolder::kAnnounced, SourceHolder::kNear,
                                 SourceHolder::kForeign};

}  // namespace

void SourceRule::announce(std::vector<Endpoint> announced, std::int64_t now_ns) {
  if (announced.size() > kAnnouncedMax) announced.resize(kAnnouncedMax);
  if (announced == announced_) return;
  before_.clear();
  if (holder_ != SourceHolder::kNobody) {
    before_ = announced_;
    before_.push_back(held_);
    before_until_ns_ = now_ns + kChangeOverNs;
    // It goes on holding the stream until one of the new addresses speaks: a client behind a NAT
    // announces what we never see.
    announced_ = std::move(announced);
    holder_ = kHolders[static_cast<std::size_t>(rank_of(SourcePolicy::kLatch, held_))];
  } else {
    announced_ = std::move(announced);
  }
  silent_since_ns_ = std::max(silent_since_ns_, now_ns);
}

void SourceRule::restore(std::vector<Endpoint> announced, SourceHolder holder, const Endpoint& held,
                         std::int64_t now_ns) {
  announced_ = std::move(announced);
  if (announced_.size() > kAnnouncedMax) announced_.resize(kAnnouncedMax);
  holder_ = holder > SourceHolder::kForeign ? SourceHolder::kNobody : holder;
  held_ = held;
  proof_ = kProofPackets;
  silent_since_ns_ = now_ns;
}

SourceRule::Rank SourceRule::rank_of(SourcePolicy policy, const Endpoint& from) const {
  const bool strict = policy == SourcePolicy::kAnnounced;
  if (announced_.empty()) return strict ? Rank::kForeign : Rank::kNear;
  auto rank = Rank::kForeign;
  for (const auto& one : announced_) {
    if (!one.same_address(from)) continue;
    if (one.port == from.port) return Rank::kExact;
    if (one.port == 0 || !strict) rank = Rank::kNear;
  }
  return rank;
}

bool SourceRule::of_change_over(const Endpoint& from, std::int64_t now_ns) const {
  return now_ns < before_until_ns_ &&
         std::find(before_.begin(), before_.end(), from) != before_.end();
}

SourceVerdict SourceRule::not_taken(const Endpoint& from, std::int64_t now_ns,
                                    SourceVerdict verdict) {
  if (of_change_over(from, now_ns)) return SourceVerdict::kAccepted;
  ++refused_;
  return verdict;
}

bool SourceRule::steady(const Endpoint& from, std::int64_t now_ns) {
  auto at = std::find_if(runs_.begin(), runs_.end(), [&](const Run& r) { return r.from == from; });
  if (at == runs_.end()) {
    if (runs_.size() >= kSourceRunsMax) {
      // Who was silent longest makes room, if it is silent at all.
      at = std::min_element(runs_.begin(), runs_.end(),
                            [](const Run& a, const Run& b) { return a.last_ns < b.last_ns; });
      if (now_ns - at->last_ns <= kSourceGapNs) return false;
      runs_.erase(at);
    }
    at = runs_.insert(runs_.end(), {from, now_ns, now_ns});
  }
  if (now_ns - at->last_ns > kSourceGapNs) at->since_ns = now_ns;
  at->last_ns = std::max(at->last_ns, now_ns);
  return now_ns - at->since_ns >= kSourceSteadyNs;
}

SourceVerdict SourceRule::judge(SourcePolicy policy, const Endpoint& from, bool may_take,
                                std::int64_t now_ns) {
  if (policy == SourcePolicy::kAny) return SourceVerdict::kAccepted;
  const auto rank = rank_of(policy, from);
  const bool strict = policy == SourcePolicy::kAnnounced;
  const bool holds =
      holder_ != SourceHolder::kNobody && from == held_ && (!strict || rank != Rank::kForeign);
  if (holds && (rank == Rank::kExact) == (holder_ == SourceHolder::kAnnounced)) {
    silent_since_ns_ = std::max(silent_since_ns_, now_ns);
    if (may_take && proof_ < kProofPackets) ++proof_;
    return SourceVerdict::kAccepted;
  }
  auto step = kSteps[static_cast<std::size_t>(holder_)][static_cast<std::size_t>(rank)];
  if (strict && rank == Rank::kForeign) step = Step::kRefuse;
  if (step == Step::kRefuse) return not_taken(from, now_ns, SourceVerdict::kRefused);
  if (rank == Rank::kExact && !may_take) {
    const bool alone = holder_ == SourceHolder::kNobody || holder_ == SourceHolder::kAnnounced;
    return alone ? SourceVerdict::kAccepted : not_taken(from, now_ns, SourceVerdict::kRefused);
  }
  if (step == Step::kTakeIfGone && proof_ < kProofPackets) step = Step::kTakeIfQuiet;
  const auto silent_ns = now_ns - silent_since_ns_;
  const bool steadily = may_take && step != Step::kTake && steady(from, now_ns);
  const bool waits = !may_take || (step == Step::kTakeIfQuiet && silent_ns < kSourceQuietNs) ||
                     (step == Step::kTakeIfGone && (silent_ns < kSourceGoneNs || !steadily));
  if (waits) return not_taken(from, now_ns, SourceVerdict::kWaits);
  holder_ = kHolders[static_cast<std::size_t>(rank)];
  held_ = from;
  proof_ = 1;
  runs_.clear();
  silent_since_ns_ = std::max(silent_since_ns_, now_ns);
  return SourceVerdict::kTaken;
}

}  // namespace callward::segment
