// The audit log, read from its own published files.
#include <algorithm>
#include <charconv>
#include <map>

#include "api/service.hpp"
#include "audit/daily.hpp"
#include "audit/log.hpp"
#include "audit/receipt.hpp"
#include "audit/verify.hpp"
#include "erase/proof.hpp"

namespace callward::api {
namespace {

Result<audit::SignedCheckpoint> newest(Service& service) {
  return audit::read_checkpoint(service.vfs, service.log_dir + "/checkpoint", service.log_key);
}

boost::json::object entry_json(std::int64_t index, const audit::Entry& entry) {
  return {{"index", index},       {"type", entry.type},       {"at", entry.at},
          {"actor", entry.actor}, {"subject", entry.subject}, {"data", entry.data}};
}

// The entries that were asked for, from newest to oldest. What says that an order's keys are gone
// names orders, not calls: it waits here until the entry that intended the order, which is older,
// says whose call it was. Retention names the rows of its calls: that waits for the call's start.
class Sieve {
 public:
  Sieve(std::string type, std::string subject)
      : type_(std::move(type)), subject_(std::move(subject)) {}

  // `taking`: entries are still wanted; else only what waits is looked for.
  void put(std::int64_t index, const audit::Entry& entry, bool taking) {
    const bool of_type = type_.empty() || entry.type == type_;
    if (!subject_.empty() && entry.subject == subject_ && entry.type == "erase_intended")
      match(entry);
    if (!subject_.empty() && entry.subject == subject_ && entry.type == "call_started")
      match_row(entry.data.at("row").to_number<std::int64_t>());
    if (!taking || !of_type) return;
    if (subject_.empty() || entry.subject == subject_ || deletes(entry))
      found_.emplace(index, entry);
    else if ((entry.type == "erased" || entry.type == "erase_unconfirmed" ||
              entry.type == "retention_intended") &&
             waiting_.size() < kWaitingMax)
      waiting_.emplace(index, entry);
  }
  [[nodiscard]] std::size_t count() const { return found_.size(); }
  [[nodiscard]] bool waits() const { return !waiting_.empty(); }
  [[nodiscard]] boost::json::array json() const {
    boost::json::array items;
    for (const auto& [index, entry] : found_) items.push_back(entry_json(index, entry));
    return items;
  }

 private:
  static constexpr std::size_t kWaitingMax = 4'096;
  using Newest = std::map<std::int64_t, audit::Entry, std::greater<>>;
  [[nodiscard]] bool deletes(const audit::Entry& entry) const {
    if (entry.type != "objects_deleted") return false;
    const auto names = [this](const boost::json::array& list) {
      return std::find(list.begin(), list.end(), boost::json::value(subject_)) != list.end();
    };
    return names(entry.data.at("calls").as_array()) || names(entry.data.at("kept").as_array());
  }
  void match_row(std::int64_t row) {
    Newest intended;
    std::erase_if(waiting_, [&](const auto& item) {
      const bool ours = item.second.type == "retention_intended" &&
                        callward::erase::names_row(item.second.data.at("rows"), row);
      if (ours) intended.insert(item);
      return ours;
    });
    found_.insert(intended.begin(), intended.end());
    for (const auto& [index, entry] : intended) match(entry);
  }
  void match(const audit::Entry& intended) {
    const auto* order = intended.data.if_contains("order");
    if (order == nullptr) return;
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      const auto* orders = at->second.data.if_contains("orders");
      const bool names = orders != nullptr && orders->is_array() &&
                         std::find(orders->get_array().begin(), orders->get_array().end(),
                                   *order) != orders->get_array().end();
      if (names) found_.insert(*at);
      at = names ? waiting_.erase(at) : std::next(at);
    }
  }
  std::string type_, subject_;
  Newest found_, waiting_;
};

// Newest first. A filter may have to pass over many entries: one request reads at most so many
// bundles, and `next_before` says where the next one goes on.
Result<Response> entries(Service& service, const Request& request) {
  constexpr int kBundlesMax = 64;
  const auto text = [&](const char* name) -> std::string {
    const auto at = request.query.find(name);
    return at == request.query.end() ? std::string() : at->second.substr(0, 64);
  };
  Sieve sieve(text("type"), text("subject"));
  const auto size = static_cast<std::int64_t>(TRY(newest(service)).checkpoint.size);
  const auto before = std::min(size, TRY(query_number(request, "before", size, 0, 1ll << 50)));
  const auto limit = TRY(query_number(request, "limit", 100, 1, 500));
  const auto width = static_cast<std::int64_t>(audit::kTileWidth);
  const auto full = [&] { return static_cast<std::int64_t>(sieve.count()) >= limit; };
  auto end = before;
  auto next = before;  // where the next request goes on: what is looked up behind it is not taken
  bool taking = true;
  for (int bundles = 0; end > 0 && (taking || sieve.waits()) && bundles < kBundlesMax; ++bundles) {
    const auto begin = (end - 1) / width * width;
    const auto count = std::min(width, size - begin);
    // By way of the reader that knows that a partial bundle gives way to a longer one meanwhile.
    const auto texts = TRY(audit::read_bundle(service.vfs, service.log_dir,
                                              static_cast<std::uint64_t>(begin / width),
                                              static_cast<std::uint64_t>(count)));
    for (; end > begin && (taking || sieve.waits()); --end) {
      const auto entry = TRY(audit::decode_entry(texts[static_cast<std::size_t>(end - 1 - begin)]));
      sieve.put(end - 1, entry, taking);
      if (taking) next = end - 1;
      taking = taking && !full();
    }
  }
  return Response::json(
      {{"size", size},
       {"entries", sieve.json()},
       {"next_before", next > 0 ? boost::json::value(next) : boost::json::value(nullptr)}});
}

Result<Response> verify(Service& service) {
  const auto report = TRY(
      audit::verify_log(service.vfs, service.log_dir, service.log_key, {}, service.witness_policy));
  boost::json::array findings, warnings;
  for (const auto& line : report.findings) findings.emplace_back(line);
  for (const auto& line : report.warnings) warnings.emplace_back(line);
  return Response::json({{"good", report.good()},
                         {"entries", report.entries},
                         {"root", to_hex(report.root)},
                         {"findings", std::move(findings)},
                         {"warnings", std::move(warnings)},
                         {"at", service.clock.utc_ms()}});
}

// A file to keep: that the entry stands in the log, checked without us.
Result<Response> receipt(Service& service, const Request& request) {
  const auto text = request.parameters.at("index");
  std::uint64_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return fail(Errc::kMalformed, "an entry's index is a whole number");
  const auto made = TRY(audit::make_receipt(service.vfs, service.log_dir, service.log_key, index));
  Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"entry-" +
                                                           std::to_string(index) + ".tlog-proof\"");
  response.body = audit::encode_receipt(made);
  return response;
}

}  // namespace

void add_log_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/log/entries", "listLogEntries",
                    guarded([&](const Request& r) { return entries(service, r); })});
  routes.push_back(
      {"GET", "/v1/log/checkpoint", "getCheckpoint",
       guarded([&](const Request&) -> Result<Response> {
         return Response::json(
             {{"note", TRY(newest(service)).note},
              {"verifier_key", audit::verifier_key(service.log_key.name, service.log_key.key)}});
       })});
  routes.push_back({"GET", "/v1/log/entries/{index}/receipt", "getReceipt",
                    guarded([&](const Request& r) { return receipt(service, r); })});
  routes.push_back(
      {"GET", "/v1/log/witnesses", "getWitnesses", guarded([&](const Request&) -> Result<Response> {
         return Response::json(service.witness_state ? service.witness_state()
                                                     : boost::json::object{});
       })});
  routes.push_back({"POST", "/v1/log/verifications", "verifyLog",
                    guarded([&](const Request&) { return verify(service); })});
}

}  // namespace callward::api
