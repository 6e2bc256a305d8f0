// The audit log, read from its own published files.
#include <algorithm>

#include "api/service.hpp"
#include "audit/log.hpp"
#include "audit/verify.hpp"

namespace callward::api {
namespace {

Result<audit::Checkpoint> checkpoint(Service& service, std::string* note = nullptr) {
  const auto raw =
      TRY(service.vfs.read_file(service.log_dir + "/checkpoint", audit::kNoteBytesMax));
  if (note != nullptr) *note = std::string(as_text(raw));
  return audit::open_checkpoint(std::string(as_text(raw)), service.log_key);
}

struct EntryFilter {
  std::string type, subject;
  [[nodiscard]] bool fits(const audit::Entry& entry) const {
    return (type.empty() || entry.type == type) && (subject.empty() || entry.subject == subject);
  }
};

// Newest first. A filter may have to pass over many entries: one request reads at most so many
// bundles, and `next_before` says where the next one goes on.
Result<Response> entries(Service& service, const Request& request) {
  constexpr int kBundlesMax = 64;
  const auto text = [&](const char* name) -> std::string {
    const auto at = request.query.find(name);
    return at == request.query.end() ? std::string() : at->second.substr(0, 64);
  };
  const EntryFilter filter{text("type"), text("subject")};
  const auto size = static_cast<std::int64_t>(TRY(checkpoint(service)).size);
  const auto before = std::min(size, TRY(query_number(request, "before", size, 0, 1ll << 50)));
  const auto limit = TRY(query_number(request, "limit", 100, 1, 500));
  const auto width = static_cast<std::int64_t>(audit::kTileWidth);
  boost::json::array items;
  const auto full = [&] { return static_cast<std::int64_t>(items.size()) >= limit; };
  auto end = before;
  for (int bundles = 0; end > 0 && !full() && bundles < kBundlesMax; ++bundles) {
    const auto begin = (end - 1) / width * width;
    const auto count = std::min(width, size - begin);
    // By way of the reader that knows that a partial bundle gives way to a longer one meanwhile.
    const auto texts = TRY(audit::read_bundle(service.vfs, service.log_dir,
                                              static_cast<std::uint64_t>(begin / width),
                                              static_cast<std::uint64_t>(count)));
    for (; end > begin && !full(); --end) {
      const auto entry = TRY(audit::decode_entry(texts[static_cast<std::size_t>(end - 1 - begin)]));
      if (!filter.fits(entry)) continue;
      items.push_back({{"index", end - 1},
                       {"type", entry.type},
                       {"at", entry.at},
                       {"actor", entry.actor},
                       {"subject", entry.subject},
                       {"data", entry.data}});
    }
  }
  const auto next = end > 0 ? boost::json::value(end) : boost::json::value(nullptr);
  return Response::json({{"size", size}, {"entries", std::move(items)}, {"next_before", next}});
}

Result<Response> verify(Service& service) {
  const auto report = TRY(audit::verify_log(service.vfs, service.log_dir, service.log_key));
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

}  // namespace

void add_log_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"GET", "/v1/log/entries", "listLogEntries", kReaders,
                    guarded([&](const Request& r) { return entries(service, r); })});
  routes.push_back(
      {"GET", "/v1/log/checkpoint", "getCheckpoint", kReaders,
       guarded([&](const Request&) -> Result<Response> {
         std::string note;
         TRY(checkpoint(service, &note));
         return Response::json(
             {{"note", note},
              {"verifier_key", audit::verifier_key(service.log_key.name, service.log_key.key)}});
       })});
  routes.push_back({"POST", "/v1/log/verifications", "verifyLog", kReaders,
                    guarded([&](const Request&) { return verify(service); })});
}

}  // namespace callward::api
