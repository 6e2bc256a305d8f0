// Proofs of erasure, put together from the keeper's statement and the published log.
#include <algorithm>
#include <set>
#include <thread>

#include "api/service.hpp"
#include "audit/log.hpp"
#include "erase/proof.hpp"

namespace callward::api {
namespace {

constexpr int kPublishTries = 60;  // a checkpoint comes each second
constexpr std::int64_t kPublishWaitMs = 100;

// The checkpoint that holds entry `index`.
Result<std::pair<audit::Checkpoint, std::string>> checkpoint_over(Service& service,
                                                                  std::uint64_t index) {
  for (int i = 0; i < kPublishTries; ++i) {
    const auto raw =
        TRY(service.vfs.read_file(service.log_dir + "/checkpoint", audit::kNoteBytesMax));
    auto note = std::string(as_text(raw));
    const auto checkpoint = TRY(audit::open_checkpoint(note, service.log_key));
    if (checkpoint.size > index) return std::pair{checkpoint, std::move(note)};
    std::this_thread::sleep_for(std::chrono::milliseconds(kPublishWaitMs));
  }
  return fail(Errc::kUnavailable, "the log publishes no checkpoint; try again");
}

// Which entries belong to a call's proof: those about it, and those that end its orders. The text is
// looked at first, since a log has many entries and a call few.
class CallEntries {
 public:
  explicit CallEntries(const CallId& call) : call_(call.hex()) {}

  Status see(std::uint64_t index, std::string text) {
    const bool about = text.find(call_) != std::string::npos;
    const bool ends = text.find("\"type\":\"erase") != std::string::npos;
    if (!about && !ends) return {};
    const auto entry = audit::decode_entry(text);
    if (!entry) return {};  // of a newer kind: not needed for what we prove
    if (entry->type == "erased" || entry->type == "erase_unconfirmed") {
      const auto& ids = entry->data.at("orders").as_array();
      const bool ours = std::any_of(ids.begin(), ids.end(), [&](const boost::json::value& id) {
        return id.is_string() && orders_.contains(std::string(id.as_string()));
      });
      if (!ours) return {};
    } else {
      if (entry->subject != call_ || !wanted(entry->type)) return {};
      if (entry->type == "erase_intended")
        orders_.insert(std::string(entry->data.at("order").as_string()));
    }
    if (found_.size() >= callward::erase::kProofEntriesMax)
      return fail(Errc::kTooLarge, "the log says too much about this call for one proof");
    found_.push_back({index, std::move(text), {}});
    return {};
  }
  std::vector<callward::erase::ErasureProof::LoggedEntry> take() { return std::move(found_); }

 private:
  static bool wanted(std::string_view type) {
    static const std::set<std::string_view> kTypes = {
        "call_started", "call_ended",   "call_sealed",    "erase_intended",
        "order_held",   "held_decided", "keeper_adopted", "key_statement"};
    return kTypes.contains(type);
  }
  std::string call_;
  std::set<std::string> orders_;
  std::vector<callward::erase::ErasureProof::LoggedEntry> found_;
};

Result<Response> prove(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  const auto proved =
      TRY(service.keeper.call<keys::Proved>(keys::Prove{event.call, request.actor()}));
  auto [checkpoint, note] = TRY(checkpoint_over(service, proved.index));
  CallEntries entries(event.call);
  for (std::uint64_t first = 0; first < checkpoint.size; first += audit::kTileWidth) {
    const auto width = std::min(audit::kTileWidth, checkpoint.size - first);
    auto texts =
        TRY(audit::read_bundle(service.vfs, service.log_dir, first / audit::kTileWidth, width));
    for (std::uint64_t i = 0; i < texts.size(); ++i)
      TRY(entries.see(first + i, std::move(texts[i])));
  }
  callward::erase::ErasureProof proof{
      .statement = proved.statement,
      .entries = entries.take(),
      .checkpoint = note,
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
  routes.push_back({"POST", "/v1/calls/{id}/erasure-proofs", "proveErasure", kReaders,
                    guarded([&](const Request& r) { return prove(service, r); })});
}

}  // namespace callward::api
