// What was typed into secret fields of running calls, until the listener has looked for where it
// was spoken. Pure: sends by a function. The values stand in this memory alone, and are wiped when
// the listener has searched the call to its end, or the call was listened to.
//
//   search() ─▶ waits ──[sent]──▶ asked ──[found, done]──▶ told and forgotten
//                 ▲                  │
//                 └─[listener_came]──┘        call_over(): told as not done, and forgotten
//
// After this process's death they are not asked again: a listener that lives goes on with those
// that it has, one that dies as well forgets them.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "base/queue.hpp"
#include "base/result.hpp"
#include "keys/typed_protocol.hpp"

namespace callward::erase {

class TypedSearches {
 public:
  static constexpr std::size_t kSearchesMax = 10'000;
  static constexpr std::size_t kSearchesPerCallMax = 32;  // as many as the listener takes

  // False: no listener is there, or its queue is full; tried again with the next tick.
  using Send = std::function<bool(const keys::SearchTyped&)>;
  using OnFound = std::function<void(const keys::TypedFound&)>;

  explicit TypedSearches(Send send) : send_(std::move(send)) {}
  // For whoever stores the field; may come several times for one search, the last with `done`.
  void set_on_found(OnFound on_found) { on_found_ = std::move(on_found); }

  // The same id again changes nothing. kMalformed: no such kind, no value, or too long; kFull.
  Status search(keys::SearchTyped wanted);
  void listener_came();  // another one, which knows nothing
  void tick();
  void found(const keys::TypedFound& message);
  // The call was listened to: what has not been answered by then never will be.
  void call_over(const CallId& call);

  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] QueueGauge gauge() const {
    return {"keeper.typed", items_.size(), kSearchesMax, refused_};
  }

 private:
  struct Item {
    keys::SearchTyped wanted;
    bool sent = false;
    std::uint32_t places = 0;  // as told last
  };
  void forget(const SearchId& search);

  Send send_;
  OnFound on_found_;
  std::map<SearchId, Item> items_;
  std::map<CallId, std::set<SearchId>> by_call_;
  std::uint64_t refused_ = 0;
};

}  // namespace callward::erase
