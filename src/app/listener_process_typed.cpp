// The listener and typed values: what the keeper asks to be looked for, and what it is told.
#include <algorithm>

#include "app/listener_process.hpp"
#include "base/event_log.hpp"
#include "keys/typed_protocol.hpp"

namespace callward::app {

void Listener::search_typed(const io::Frame& frame) {
  const auto message = unpack<keys::SearchTyped>(frame.body);
  if (!message) return;
  const auto known = calls_.find(message->call);
  // Heard to its end, and the keeper told so: no order of it is taken any more.
  const bool late = known != calls_.end() && known->second->done_sent;
  auto* call = late ? nullptr : find_or_make(message->call);
  if (call == nullptr) return answer_typed(message->call, message->search, 0, true, true);
  ++typed_searches_;
  if (auto taken = call->listener().search(message->search, message->value.expose()); !taken) {
    log_event("listener.typed_refused",
              {{"call", call->id().hex()}, {"why", taken.error().message}});
    return answer_typed(message->call, message->search, 0, true, true);
  }
  // This listener came in the middle of the call: it hears the beginning, too.
  if (!call->listener().began_late()) return;
  collect(*call);
  call->hear_from_start(next_serial_++, grammar_);
}

void Listener::answer_typed(const CallId& call, const SearchId& search, std::uint32_t places,
                            bool done, bool missed) {
  (void)keeper_.send(keys::TypedFound{call, search, places, done, missed});
}

// When all its orders are acknowledged: what has been found since it was told last; at the end
// of the call everything.
void Listener::tell_typed(ListenedCall& call, bool done) {
  const bool missed =
      !call.listener().remembers_all() || !call.placed() || (done && !call.listener().finished());
  for (const auto& [search, places] : call.listener().searches()) {
    const auto [told, news] = call.typed_told.try_emplace(search, 0u);
    if (!done && !news && told->second == places) continue;
    typed_places_ += places - std::min(told->second, places);
    told->second = places;
    answer_typed(call.id(), search, places, done, missed);
  }
}

void Listener::bound_memory() {
  std::size_t words = 0;
  ListenedCall* fullest = nullptr;
  for (const auto& [id, call] : calls_) {
    const auto own = call->listener().remembered_words();
    words += own;
    if (fullest == nullptr || own > fullest->listener().remembered_words()) fullest = call.get();
  }
  if (words <= kRememberedWordsMax || fullest == nullptr) return;
  const auto before = fullest->listener().remembered_words();
  fullest->listener().forget_older_words();
  const auto gone = before - fullest->listener().remembered_words();
  if (words_forgotten_ == 0) log_event("listener.words_forgotten", {{"words", gone}});
  words_forgotten_ += gone;
}

}  // namespace callward::app
