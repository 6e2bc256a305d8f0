// Proofs of erasure, put together from the keeper's statement and the published log.
#include <algorithm>
#include <set>
#include <thread>

#include "api/service.hpp"
#include "audit/daily.hpp"
#include "audit/log.hpp"
#include "erase/proof.hpp"

namespace callward::api {
namespace {

constexpr int kPublishTries = 30;  // a checkpoint comes each second
constexpr std::int64_t kPublishWaitMs = 100;
constexpr std::int64_t kClockSlackMs = 3'600'000;  // wall clocks are set by people

// The checkpoint that holds entry `index`.
Result<audit::SignedCheckpoint> checkpoint_over(Service& service, std::uint64_t index) {
  for (int i = 0; i < kPublishTries; ++i) {
    auto signed_note =
        TRY(audit::read_checkpoint(service.vfs, service.log_dir + "/checkpoint", service.log_key));
    if (signed_note.checkpoint.size > index) return signed_note;
    std::this_thread::sleep_for(std::chrono::milliseconds(kPublishWaitMs));
  }
  return fail(Errc::kUnavailable, "the log publishes no checkpoint; try again");
}

Result<std::vector<std::string>> bundle(Service& service, std::uint64_t index, std::uint64_t size) {
  const auto width = std::min(audit::kTileWidth, size - index * audit::kTileWidth);
  return audit::read_bundle(service.vfs, service.log_dir, index, width);
}

// The bundle to begin with: the last one that begins well before the call did. A log has far more
// entries than a call; their times grow.
Result<std::uint64_t> first_bundle(Service& service, std::int64_t started_at, std::uint64_t size) {
  std::uint64_t low = 0;
  auto high = (size + audit::kTileWidth - 1) / audit::kTileWidth;
  while (high - low > 1) {
    const auto middle = low + (high - low) / 2;
    const auto texts = TRY(bundle(service, middle, size));
    const auto at = TRY(audit::check_entry(texts.front()));
    (at < started_at - kClockSlackMs ? low : high) = middle;
  }
  return low;
}

// Which entries belong to a call's proof: those about it, and those that end its orders. The text
// is looked at first, since a log has many entries and a call few.
class CallEntries {
 public:
  explicit CallEntries(const CallId& call) : call_(call.hex()) {}

  Status see(std::uint64_t index, std::string text) {
    const bool about = text.find(call_) != std::string::npos;
    const bool ends = text.find("\"type\":\"erase") != std::string::npos ||
                      text.find("\"type\":\"retention_int") != std::string::npos;
    const bool mirror = text.find("\"type\":\"mirror_re") != std::string::npos;
    if (!about && !ends && !mirror) return {};
    const auto entry = audit::decode_entry(text);
    if (!entry) return {};  // of a newer kind: not needed for what we prove
    if (entry->type == "erased" || entry->type == "erase_unconfirmed") {
      const auto& ids = entry->data.at("orders").as_array();
      const bool ours = std::any_of(ids.begin(), ids.end(), [&](const boost::json::value& id) {
        return id.is_string() && orders_.contains(std::string(id.as_string()));
      });
      if (!ours) return {};
    } else if (entry->type == "retention_intended") {
      if (!callward::erase::names_row(entry->data.at("rows"), row_)) return {};
      orders_.insert(std::string(entry->data.at("order").as_string()));
    } else if (entry->type != "mirror_retired" && entry->type != "mirror_returned") {
      if (entry->subject != call_ || !wanted(entry->type)) return {};
      begun_ = begun_ || entry->type == "call_started";
      if (entry->type == "call_started") row_ = entry->data.at("row").get_int64();
      if (entry->type == "erase_intended")
        orders_.insert(std::string(entry->data.at("order").as_string()));
    }
    if (found_.size() >= callward::erase::kProofEntriesMax)
      return fail(Errc::kTooLarge, "the log says too much about this call for one proof");
    found_.push_back({index, std::move(text), {}});
    return {};
  }
  [[nodiscard]] bool has_begun() const { return begun_; }
  std::vector<callward::erase::ErasureProof::LoggedEntry> take() { return std::move(found_); }

 private:
  static bool wanted(std::string_view type) {
    static const std::set<std::string_view> kTypes = {
        "call_started", "call_ended",   "call_sealed",    "erase_intended",
        "order_held",   "held_decided", "keeper_adopted", "key_statement"};
    return kTypes.contains(type);
  }
  std::string call_;
  bool begun_ = false;
  std::int64_t row_ = -1;
  std::set<std::string> orders_;
  std::vector<callward::erase::ErasureProof::LoggedEntry> found_;
};

// Up to the statement's own entry: what came after it is another proof's matter.
Result<CallEntries> gather(Service& service, const CallId& call, std::uint64_t first,
                           std::uint64_t statement, std::uint64_t size) {
  CallEntries entries(call);
  for (auto at = first; at * audit::kTileWidth <= statement; ++at) {
    auto texts = TRY(bundle(service, at, size));
    for (std::uint64_t i = 0; i < texts.size(); ++i)
      if (const auto index = at * audit::kTileWidth + i; index <= statement)
        TRY(entries.see(index, std::move(texts[i])));
  }
  return entries;
}

Result<Response> prove(Service& service, const Request& request) {
  // It reads much of the log: one at a time, so that the others' requests find a thread.
  const std::unique_lock one(service.proving, std::try_to_lock);
  if (!one.owns_lock())
    return fail(Errc::kBusy, "another proof is being put together; try again in a moment");
  // Of any call: an auditor hears none, and a proof has nothing that was said.
  const auto event = TRY(any_call_of(service, request));
  const auto proved =
      TRY(service.keeper.call<keys::Proved>(keys::Prove{event.call, request.actor()}));
  const auto over = TRY(checkpoint_over(service, proved.index));
  const auto& checkpoint = over.checkpoint;
  const auto first = TRY(first_bundle(service, event.started_at, checkpoint.size));
  auto entries = TRY(gather(service, event.call, first, proved.index, checkpoint.size));
  if (!entries.has_begun() && first > 0)  // the wall clock was set back further than the slack
    entries = TRY(gather(service, event.call, 0, proved.index, checkpoint.size));
  callward::erase::ErasureProof proof{
      .statement = proved.statement,
      .entries = entries.take(),
      .checkpoint = over.note,
      .verifier_key = audit::verifier_key(service.log_key.name, service.log_key.key)};
  const auto nodes = audit::tile_nodes(service.vfs, service.log_dir, checkpoint.size);
  for (auto& entry : proof.entries)
    entry.path = TRY(audit::inclusion_proof(entry.index, checkpoint.size, nodes));
  Response response;
  response.status = 201;
  response.body = callward::erase::encode_proof(proof);
  return response;
}

}  // namespace

void add_proof_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/calls/{id}/erasure-proofs", "proveErasure",
                    guarded([&](const Request& r) { return prove(service, r); })});
}

}  // namespace callward::api
