// Opening and erasing: the two acts on a call.
#include <algorithm>

#include "api/service.hpp"
#include "crypto/sha256.hpp"
#include "erase/reasons.hpp"

namespace callward::api {
namespace {

constexpr std::int64_t kPieceMsMax = 60'000;
constexpr std::int64_t kAnswerKeptMs = 86'400'000;  // to a request with an Idempotency-Key

struct Wanted {
  std::vector<keys::RecordKind> kinds;
  bool notes = false;
  std::optional<std::int64_t> stream;
  std::int64_t start_ms = 0, end_ms = 0;
  keys::OpenPurpose purpose{};
  std::string reason, reader_request;
  std::array<std::uint8_t, 32> reader_key{};
};

Result<Wanted> parse_wanted(const Request& request) {
  auto body = TRY(BodyReader::parse(request.body));
  Wanted wanted;
  for (const auto& word : TRY(body.texts("kinds", 6))) {
    if (word == "notes") {
      wanted.notes = true;
      continue;
    }
    const auto kind = parse_kind(word);
    if (!kind) return fail(Errc::kMalformed, "unknown kind");
    if (std::find(wanted.kinds.begin(), wanted.kinds.end(), *kind) == wanted.kinds.end())
      wanted.kinds.push_back(*kind);
  }
  wanted.stream = TRY(body.optional_number("stream", 0, 15));
  wanted.start_ms = TRY(body.optional_number("start_ms", 0, 1ll << 40)).value_or(0);
  wanted.end_ms =
      TRY(body.optional_number("end_ms", 0, 1ll << 40)).value_or(wanted.start_ms + kPieceMsMax);
  const auto key = TRY(from_base64(TRY(body.text("reader_key", 44, 44))));
  if (key.size() != wanted.reader_key.size())
    return fail(Errc::kMalformed, "reader_key must be 32 bytes in base64");
  std::copy(key.begin(), key.end(), wanted.reader_key.begin());
  wanted.purpose = TRY(purpose_of(body));
  wanted.reason = TRY(body.text("reason", 3, 500));
  wanted.reader_request = TRY(body.optional_text("reader_request", 32));
  TRY(body.finish());
  if (wanted.end_ms < wanted.start_ms || wanted.end_ms - wanted.start_ms > kPieceMsMax)
    return fail(Errc::kMalformed, "a piece is at most 60 s");
  return wanted;
}

Result<std::vector<Bytes>> collect(Service& service, const store::CallEvent& event,
                                   const Wanted& wanted) {
  const auto first =
      static_cast<std::uint32_t>(std::min<std::int64_t>(wanted.start_ms / 100, 1 << 20));
  const auto end =
      static_cast<std::uint32_t>(std::min<std::int64_t>((wanted.end_ms + 99) / 100, 1 << 20));
  std::vector<Bytes> records;
  const auto add = [&](std::vector<Bytes> more) {
    records.insert(records.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  };
  for (const auto kind : wanted.kinds) {
    if (kind == keys::RecordKind::kCallData) {
      add(TRY(service.catalog.records(event, kind, keys::kCallDataStream, 0, 1 << 20)));
      continue;
    }
    for (const auto& stream : event.streams)
      if (!wanted.stream || *wanted.stream == stream.stream)
        add(TRY(service.catalog.records(event, kind, stream.stream, first, end)));
  }
  if (wanted.notes)
    for (const auto& row : TRY(service.database.query(
             "SELECT record FROM notes WHERE call = ?1 ORDER BY at LIMIT 1000",
             {event.call.hex()})))
      records.push_back(row.blob(0));
  return records;
}

const char* to_text(keys::KeyState state) {
  switch (state) {
    case keys::KeyState::kGiven:
      return "given";
    case keys::KeyState::kErased:
      return "erased";
    case keys::KeyState::kUnheard:
      return "unheard";
    case keys::KeyState::kRefused:
      return "refused";
  }
  return "refused";
}

Result<Response> open(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  const auto wanted = TRY(parse_wanted(request));
  const auto asks = [&](keys::RecordKind kind) {
    return std::ranges::find(wanted.kinds, kind) != wanted.kinds.end();
  };
  if (hears_call_backs_only(request) && (wanted.notes || asks(keys::RecordKind::kCallData)))
    return fail(Errc::kDenied, "who hears a call-back learns no number of it");
  const auto records = TRY(collect(service, event, wanted));
  boost::json::array items;
  if (records.empty())
    return Response::json({{"enc", ""}, {"sealed", ""}, {"records", std::move(items)}}, 201);
  keys::Open ask{.call = event.call,
                 .actor = TRY(actor_of(service, request, wanted.reader_request)),
                 .purpose = wanted.purpose,
                 .reason_hash = "",
                 .headers = {}};
  ask.reader_key = wanted.reader_key;
  std::vector<keys::RecordHeader> headers;
  for (const auto& record : records) {
    headers.push_back(TRY(keys::parse_record(record)));
    ask.headers.push_back(headers.back().encode());
  }
  ask.reason_hash = TRY(seal_reason(service, event.call, ask.actor, "open", wanted.reason));
  const auto opened = TRY(service.keeper.call<keys::Opened>(ask));
  if (opened.states.size() != headers.size())
    return fail(Errc::kMalformed, "the keeper answered another number of states");
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto& header = headers[i];
    items.push_back({{"kind", keys::to_text(header.kind)},
                     {"stream", header.stream},
                     {"first", header.first},
                     {"last", header.last},
                     {"salt", to_hex(header.salt)},
                     {"state", to_text(static_cast<keys::KeyState>(opened.states[i]))}});
  }
  return Response::json({{"enc", to_base64(opened.enc)},
                         {"sealed", to_base64(opened.sealed)},
                         {"records", std::move(items)}},
                        201);
}

Result<Response> erase(Service& service, const Request& request) {
  const auto event = TRY(call_of(service, request));
  auto body = TRY(BodyReader::parse(request.body));
  const auto side = TRY(side_of(body));
  const auto code = TRY(body.text("reason_code", 1, 32));
  const auto reason = TRY(body.text("reason", 3, 500));
  TRY(body.finish());
  return give_order(service, TRY(order_for(service, event, side, code, request.actor())), reason);
}

Result<Response> order(Service& service, const Request& request) {
  const std::lock_guard lock(service.orders_mutex);
  const auto known = service.orders.find(request.parameters.at("id"));
  if (known == service.orders.end())
    return fail(Errc::kNotFound,
                "no such order is known any more; the call's account says how it went");
  return Response::json(order_json(known->first, known->second));
}

// The place of a write that runs now; nobody else runs one of the same name meanwhile.
class Running {
 public:
  static std::optional<Running> begin(Service& service, const std::string& name) {
    const std::lock_guard lock(service.running_mutex);
    if (!service.running.insert(name).second) return std::nullopt;
    return Running(service, name);
  }
  ~Running() {
    if (service_ == nullptr) return;
    const std::lock_guard lock(service_->running_mutex);
    service_->running.erase(name_);
  }
  Running(Running&& other) noexcept
      : service_(std::exchange(other.service_, nullptr)), name_(std::move(other.name_)) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  Running& operator=(Running&&) = delete;

 private:
  Running(Service& service, std::string name) : service_(&service), name_(std::move(name)) {}
  Service* service_;
  std::string name_;
};

Response first_answer(const db::Row& row, const std::string& digest) {
  if (row.text(0) != digest)
    return Response::problem(409, "state", "this Idempotency-Key was used for another request");
  Response again;
  again.status = static_cast<int>(row.number(1));
  again.body = row.text(2);
  return again;
}

}  // namespace

Result<Side> side_of(BodyReader& body) {
  Side side{TRY(body.text("stream", 1, 16)), TRY(body.number("start_ms", 0, 1ll << 40)),
            TRY(body.number("end_ms", 1, 1ll << 40))};
  if (side.stream != "customer" && side.stream != "agent" && side.stream != "both")
    return fail(Errc::kMalformed, "stream is customer, agent or both");
  if (side.end_ms <= side.start_ms)
    return fail(Errc::kMalformed, "end_ms must lie behind start_ms");
  return side;
}

Result<keys::EraseOrder> order_for(Service& service, const store::CallEvent& event,
                                   const Side& side, const std::string& code,
                                   const std::string& actor) {
  if (!callward::erase::reason_number(code)) return fail(Errc::kMalformed, "unknown reason code");
  keys::EraseOrder order{.order = OrderId::random(service.entropy),
                         .call = event.call,
                         .reason = code,
                         .actor = actor};
  // Whole segments: a range that touches one takes all of it.
  const auto first =
      static_cast<std::uint32_t>(std::min<std::int64_t>(side.start_ms / 100, keys::kIndexMax));
  for (const auto& item : event.streams) {
    const bool wanted = side.stream == "both" || store::stream_name(item.stream) == side.stream;
    if (!wanted) continue;
    auto end = static_cast<std::uint32_t>(
        std::min<std::int64_t>((side.end_ms + 99) / 100, keys::kIndexMax));
    for (const auto& known : event.ends)
      if (known.stream == item.stream && event.phase != store::CallPhase::kLive)
        end = std::min(end, known.end_index);
    if (first < end) order.ranges.push_back({item.stream, first, end});
  }
  if (order.ranges.empty()) return fail(Errc::kMalformed, "the call has nothing in this range");
  return order;
}

Result<Response> give_order(Service& service, const keys::EraseOrder& order,
                            const std::string& reason) {
  TRY(seal_reason(service, order.call, order.actor, "erase", reason));
  const OrderInfo pending{order.call.hex(), order.reason, keys::OrderOutcome::kAccepted};
  service.remember_order(order.order.hex(), pending);
  const auto accepted = service.keeper.call<keys::OrderAccepted>(order);
  if (!accepted) {
    service.forget_order(order.order.hex(), pending.outcome);
    return tl::unexpected<Error>(accepted.error());
  }
  const OrderInfo info{order.call.hex(), order.reason, accepted->outcome};
  {
    const std::lock_guard lock(service.orders_mutex);
    auto& known = service.orders[order.order.hex()];
    // The order's end may have been told before its acceptance was read: the later word stands.
    if (known.call.empty() || known.outcome == keys::OrderOutcome::kAccepted) known = info;
  }
  return Response::json(order_json(order.order.hex(), info), 202);
}

Handler once(Service& service, const Handler& handler) {
  return [&service, handler](const Request& request) -> Response {
    const auto key = request.header("idempotency-key");
    if (key.empty()) return handler(request);
    if (key.size() > 128)
      return Response::problem(400, "malformed", "Idempotency-Key is at most 128 characters");
    const auto running = Running::begin(service, request.actor() + " " + key);
    if (!running) {
      auto busy = Response::problem(409, "state", "the same request runs now");
      busy.headers.emplace_back("Retry-After", "1");
      return busy;
    }
    const auto digest =
        to_hex(crypto::sha256(as_bytes(request.method + " " + request.path + "\n" + request.body)));
    const auto rows = service.database.query(
        "SELECT request, status, body FROM idempotency WHERE key = ?1 AND actor = ?2 AND at >= ?3",
        {key, request.actor(), service.clock.utc_ms() - kAnswerKeptMs});
    if (!rows) return Response::of(rows.error());
    if (!rows->empty()) return first_answer((*rows)[0], digest);
    auto response = handler(request);
    if (response.status / 100 == 2) {
      (void)service.database.write([&]() -> Status {
        const auto now = service.clock.utc_ms();
        TRY(service.database.execute("DELETE FROM idempotency WHERE at < ?1",
                                     {now - kAnswerKeptMs}));
        TRY(service.database.execute(
            "INSERT OR REPLACE INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            {request.actor(), key, digest, std::int64_t{response.status}, response.body, now}));
        return {};
      });
    }
    return response;
  };
}

void add_opening_routes(Service& service, std::vector<Route>& routes) {
  routes.push_back({"POST", "/v1/calls/{id}/openings", "openCall",
                    guarded([&](const Request& r) { return open(service, r); })});
  routes.push_back({"POST", "/v1/calls/{id}/erasures", "eraseRange",
                    once(service, guarded([&](const Request& r) { return erase(service, r); }))});
  routes.push_back({"GET", "/v1/orders/{id}", "getOrder",
                    guarded([&](const Request& r) { return order(service, r); })});
}

}  // namespace callward::api
