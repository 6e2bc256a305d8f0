#include "erase/typed_searches.hpp"

#include <algorithm>

namespace callward::erase {

Status TypedSearches::search(keys::SearchTyped wanted) {
  if (items_.contains(wanted.search)) return {};
  if (std::find(keys::kTypedKinds.begin(), keys::kTypedKinds.end(), wanted.kind) ==
      keys::kTypedKinds.end())
    return fail(Errc::kMalformed, "no such kind of a typed secret");
  if (wanted.value.empty() || wanted.value.size() > keys::kTypedValueBytesMax)
    return fail(Errc::kMalformed, "a typed secret has 1 to 256 bytes");
  const auto of_call = by_call_.find(wanted.call);
  if (items_.size() >= kSearchesMax ||
      (of_call != by_call_.end() && of_call->second.size() >= kSearchesPerCallMax)) {
    ++refused_;
    return fail(Errc::kFull, "too many typed secrets are being looked for");
  }
  by_call_[wanted.call].insert(wanted.search);
  const auto id = wanted.search;
  auto& item = items_[id];
  item.wanted = std::move(wanted);
  item.sent = send_(item.wanted);
  return {};
}

void TypedSearches::listener_came() {
  for (auto& [id, item] : items_) item.sent = send_(item.wanted);
}

void TypedSearches::tick() {
  for (auto& [id, item] : items_)
    if (!item.sent) item.sent = send_(item.wanted);
}

void TypedSearches::found(const keys::TypedFound& message) {
  const auto at = items_.find(message.search);
  if (at != items_.end() && !(at->second.wanted.call == message.call)) return;  // of another call
  if (at != items_.end()) at->second.places = message.places;
  if (message.done) forget(message.search);
  if (on_found_) on_found_(message);
}

void TypedSearches::call_over(const CallId& call) {
  const auto of_call = by_call_.find(call);
  if (of_call == by_call_.end()) return;
  const auto searches = of_call->second;
  for (const auto& search : searches) {
    const auto places = items_.at(search).places;
    forget(search);
    if (on_found_) on_found_({call, search, places, true, true});
  }
}

void TypedSearches::forget(const SearchId& search) {
  const auto at = items_.find(search);
  if (at == items_.end()) return;
  const auto of_call = by_call_.find(at->second.wanted.call);
  of_call->second.erase(search);
  if (of_call->second.empty()) by_call_.erase(of_call);
  items_.erase(at);  // SecretBytes: wiped
}

}  // namespace callward::erase
