// What must hold.
#include <algorithm>

#include "audit/rules.hpp"
#include "audit/verify.hpp"
#include "crypto/hpke.hpp"
#include "sim/page_hunter.hpp"
#include "sim/world_ask.hpp"

namespace callward::sim {

using store::AccountState;

namespace {
constexpr std::size_t kHeadersMost = 600;

bool within(const std::vector<keys::SegmentRange>& ranges, std::uint8_t stream,
            std::uint32_t index) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const keys::SegmentRange& range) {
    return range.stream == stream && range.first <= index && index < range.end;
  });
}
std::string place(std::uint8_t stream, std::uint32_t index) {
  return "stream " + std::to_string(stream) + " segment " + std::to_string(index);
}
}  // namespace

std::optional<World::Opened> World::open(SimCall& call,
                                         const std::vector<keys::HeaderBytes>& headers) {
  keys::Open message{.call = call.id,
                     .actor = "operator",
                     .purpose = keys::OpenPurpose::kPlay,
                     .reason_hash = std::string(64, '0'),
                     .headers = headers};
  message.reader_key = *crypto::x25519_public(reader_);
  auto answer = ask<keys::Opened>(&erase::Keeper::open, std::move(message));
  if (!answer || !*answer || (*answer)->states.size() != headers.size()) return std::nullopt;
  Opened out{(*answer)->states, {}};
  crypto::PublicKey enc{};
  std::copy((*answer)->enc.begin(), (*answer)->enc.end(), enc.begin());
  const auto plain = crypto::hpke_open(reader_, enc, as_bytes("callward open v1"), call.id.bytes,
                                       (*answer)->sealed);
  std::size_t at = 0;
  for (const auto state : out.states) {
    const bool given = plain && state == static_cast<std::uint8_t>(keys::KeyState::kGiven);
    out.keys.emplace_back();
    if (!given) continue;
    out.keys.back() =
        Key32(std::span<const std::uint8_t, 32>(plain->expose().subspan(32 * at++).first<32>()));
  }
  return out;
}

// A keeper that has just begun: what was accepted is closed, whatever it remembers otherwise.
void World::judge_recovered_keeper() {
  for (auto& call : calls_) {
    const auto state = keeper_->call_state(call->id);
    if (keeper_vfs_.down()) return;
    if (!state) continue;  // a call to the disk was refused
    if (!state->known) {
      expect(call->start_unsettled || call->keyless || !call->begin_durable,
             "a call is not known any more: " + name_of(call->id));
      continue;
    }
    std::vector<keys::SegmentRange> closed;
    for (const auto& one : state->erased)
      if (one.outcome != keys::OrderOutcome::kKept) closed.push_back(one.range);
    for (const auto& order : call->orders) {
      if (!order.goes()) continue;
      std::vector<keys::HeaderBytes> headers;
      for (const auto& range : order.ranges)
        for (auto i = range.first; i < range.end; ++i) {
          if (call->ended && i >= call->ends[range.stream])
            break;  // lost with the recorder: there is nothing
          expect(within(closed, range.stream, i),
                 "an accepted order is forgotten: " + name_of(order.id) + " of " +
                     name_of(call->id) + ", " + place(range.stream, i));
          for (const auto& record : call->records[{range.stream, i}])
            if (headers.size() < kHeadersMost) headers.push_back(record.header);
        }
      if (headers.empty() || !findings_.empty()) continue;
      const auto opened = open(*call, headers);
      if (!opened) continue;
      for (const auto one : opened->states)
        expect(one != static_cast<std::uint8_t>(keys::KeyState::kGiven),
               "a key is given of what was ordered away");
      counts_.refused += opened->states.size();
    }
  }
}

// At the end, when everything that waited is done:
//   - each call that was ever durable has an object that verifies; every record that was
//     acknowledged is in it, byte for byte; of an index written twice the first one that survived
//   - its account covers each stream from 0 to its end without a hole: sealed, erased, or lost, and
//     the losses are within what is promised; what is sealed opens, and is what was said; what is
//     erased is exactly what was ordered, and nothing opens it
//   - the log verifies, keeps its rules, and has both ends of every erasure
//   - no page that was ever written opens an ordered leaf, under any key that lives
// (No key and no salt twice, and one size of record: at each sealing, world_recorder.cpp.)
void World::judge() {
  for (auto& call : calls_)
    if (call->begin_durable && findings_.empty()) judge_call(*call);
  judge_log();
  judge_pages();
  for (const auto& finding : keys_->check().value_or(std::vector<std::string>{"not readable"}))
    // Noise of a destruction whose second write was refused: no key, and the next put takes it.
    expect(finding.find("neither a key nor empty") != std::string::npos, "fsck: " + finding);
}

void World::judge_call(SimCall& call) {
  const auto name = store::object_name(call.id, call.started_at, store::ObjectKind::kRecording);
  const auto reader = store::open_object(objects_, name);
  if (!reader) return expect(false, "no object: " + reader.error().message);
  const auto verified = reader->verify();
  expect(verified.has_value(), "the object does not verify");
  expect(reader->summary().root == call.summary.root, "the object is not the one that was sealed");
  judge_records(call, *reader);
  if (!call.keyless) return judge_account(call, *reader);
  for (const auto& interval : reader->head().account)
    expect(interval.state == store::RecorderState::kLost, "no key is anywhere, and it is not lost");
}

void World::judge_records(SimCall& call, const store::ObjectReader& reader) {
  std::set<std::pair<std::uint8_t, std::uint32_t>> there;
  for (const auto& entry : reader.entries()) {
    if (entry.kind != keys::RecordKind::kAudio) continue;
    expect(there.insert({entry.stream, entry.first}).second, "an index is there twice");
    const auto record = reader.record(entry);
    const auto digest = record ? crypto::sha256(*record) : crypto::Digest{};
    bool found = false;
    for (const auto& attempt : call.records[{entry.stream, entry.first}]) {
      found = attempt.digest == digest;
      if (found || attempt.durable) break;  // a later one must not take an acknowledged one's place
    }
    expect(found, "not the first record of its index: " + place(entry.stream, entry.first));
  }
  for (const auto& [key, attempts] : call.records)
    for (const auto& attempt : attempts)
      expect(!attempt.durable || there.contains(key),
             "an acknowledged record is missing: " + place(key.first, key.second));
}

void World::judge_account(SimCall& call, const store::ObjectReader& reader) {
  const auto state = keeper_->call_state(call.id);
  if (!state) return expect(false, "call_state: " + state.error().message);
  const auto merged = store::merge_account(reader.head().account, *state);
  if (!merged) return expect(false, "account: " + merged.error().message);
  for (const auto& stream : *merged) {
    std::uint32_t at = 0;
    std::uint64_t lost_by_keeper = 0;
    for (const auto& interval : stream.intervals) {
      expect(interval.start_ms == at && interval.end_ms > at, "the account has a hole");
      at = interval.end_ms;
      expect(interval.state == AccountState::kSealed || interval.state == AccountState::kErased ||
                 interval.state == AccountState::kLost,
             "a state that it cannot have: " + std::string(store::to_string(interval.state)));
      expect(interval.state != AccountState::kSealed || interval.reason.empty(),
             "still closed, and not erased: " + interval.reason);
      for (auto i = interval.start_ms / 100; i < interval.end_ms / 100; ++i) {
        const bool gone = call.gone(stream.stream, i);
        expect((interval.state == AccountState::kErased) == gone,
               std::string(gone ? "ordered and not erased: " : "erased, and nobody ordered it: ") +
                   place(stream.stream, i) + " is " +
                   std::string(store::to_string(interval.state)));
        const auto records = call.records.find({stream.stream, i});
        const bool durable = records != call.records.end() &&
                             std::any_of(records->second.begin(), records->second.end(),
                                         [](const SimRecord& record) { return record.durable; });
        if (interval.state == AccountState::kLost && interval.reason != store::kLostKeeper)
          expect(!durable, "acknowledged and called lost (" + interval.reason +
                               "): " + place(stream.stream, i));
      }
      if (interval.state == AccountState::kLost && interval.reason == store::kLostKeeper)
        lost_by_keeper += (interval.end_ms - interval.start_ms) / 100;
    }
    for (const auto& spec : reader.head().streams)
      if (spec.stream == stream.stream)
        expect(at >= spec.end_index * 100, "the account ends before the stream does");
    expect(lost_by_keeper <= call.keeper_loss_most,
           "the keeper's death cost " + std::to_string(lost_by_keeper) + " segments, at most " +
               std::to_string(call.keeper_loss_most) + " are promised");
  }
  judge_opening(call, reader, *merged);
}

void World::judge_opening(SimCall& call, const store::ObjectReader& reader,
                          const std::vector<store::AccountedStream>& account) {
  const auto state_at = [&](std::uint8_t stream, std::uint32_t index) {
    for (const auto& one : account)
      if (one.stream == stream)
        for (const auto& interval : one.intervals)
          if (interval.start_ms <= index * 100 && index * 100 < interval.end_ms)
            return interval.state;
    return AccountState::kLost;
  };
  std::vector<store::ObjectEntry> piece;
  const auto open_piece = [&] {
    if (piece.empty()) return;
    std::vector<keys::HeaderBytes> headers;
    std::vector<Bytes> records;
    for (const auto& entry : piece) {
      records.push_back(reader.record(entry).value_or(Bytes(keys::kRecordHeaderBytes)));
      std::copy_n(records.back().begin(), keys::kRecordHeaderBytes, headers.emplace_back().begin());
    }
    const auto opened = open(call, headers);
    if (!opened) return expect(false, "nothing opens");
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const auto where = place(piece[i].stream, piece[i].first);
      const bool given = opened->states[i] == static_cast<std::uint8_t>(keys::KeyState::kGiven);
      const bool sealed = state_at(piece[i].stream, piece[i].first) == AccountState::kSealed;
      expect(given == sealed, (given ? "opens, and should not: " : "does not open: ") + where +
                                  ", state " + std::to_string(opened->states[i]));
      ++(given ? counts_.opened : counts_.refused);
      if (!given) continue;
      const auto plain = cipher_.open(records[i], call.id, opened->keys[i]);
      segment::AudioSegment audio;
      expect(plain && segment::unpack_payload(plain->expose(), audio) &&
                 audio.samples[7] == static_cast<std::uint8_t>(piece[i].first),
             "it opens to something else: " + where);
    }
    piece.clear();
  };
  auto entries = reader.entries();
  std::erase_if(entries, [](const auto& e) { return e.kind != keys::RecordKind::kAudio; });
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.stream, a.first) < std::pair(b.stream, b.first);
  });
  for (const auto& entry : entries) {
    if (piece.size() >= kHeadersMost ||
        (!piece.empty() && (piece.front().stream != entry.stream ||
                            entry.first - piece.front().first >= kHeadersMost)))
      open_piece();
    piece.push_back(entry);
  }
  open_piece();
}

void World::judge_log() {
  std::set<std::string> intended, gone;
  const auto replayed = log_->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
    if (entry.type == "erase_intended")
      intended.insert(std::string(entry.data.at("order").as_string()));
    if (entry.type == "erased")
      for (const auto& one : entry.data.at("orders").as_array())
        gone.insert(std::string(one.as_string()));
    return {};
  });
  expect(replayed.has_value(), "the log cannot be read");
  for (const auto& call : calls_)
    for (const auto& order : call->orders)
      if (order.goes() && (!order.moot || intended.contains(order.id.hex())))
        expect(intended.contains(order.id.hex()) && gone.contains(order.id.hex()),
               "an order is not in the log as intended and as erased");
  expect(log_->publish().has_value(), "the log is not published");
  const audit::NamedKey key{"test/log", *crypto::ed25519_public(log_seed_)};
  const auto report = audit::verify_log(keeper_vfs_, "/k/log", key);
  if (!report) return expect(false, "verify_log: " + report.error().message);
  for (const auto& finding : report->findings) expect(false, "verify_log: " + finding);
  const auto rules = audit::check_rules(keeper_vfs_, "/k/log", key);
  if (!rules) return expect(false, "check_rules: " + rules.error().message);
  // Known, and no loss: an entry whose batch was refused and was there all the same is logged twice.
  for (const auto& finding : rules->findings)
    if (finding.rule->weight == audit::RuleWeight::kBreach &&
        finding.rule->name != "call-begins-once")
      expect(false, "rule " + std::string(finding.rule->name) + ": " + finding.what);
}

void World::judge_pages() {
  std::map<CallId, const SimCall*> by_id;
  for (const auto& call : calls_) by_id[call->id] = call.get();
  std::size_t rows = 0;
  for (const auto& mirror : mirrors_) {
    const auto anchor = keys::open_file_anchor(keeper_vfs_, keeper_entropy_, mirror.anchor_dir,
                                               wrap_, keys::AnchorMode::kExisting);
    if (!anchor) return expect(false, "an anchor does not open: " + anchor.error().message);
    std::vector<Key32> living;
    for (const auto epoch : (*anchor)->epochs().value_or(std::vector<std::uint64_t>{}))
      living.push_back(*(*anchor)->get(epoch));
    expect(living.size() == 1, "not one epoch key lives");
    std::vector<ByteView> pages;
    for (const auto& write : keeper_disk_.ever_written())
      if (write.path == mirror.store_dir + "/pages") pages.emplace_back(write.content);
    hunt_rows(pages, living, [&](ByteView raw) {
      const auto row = erase::CallKeys::decode_row(0, raw);
      const auto call = row ? by_id.find(row->id) : by_id.end();
      if (call == by_id.end()) return;
      ++rows;
      for (const auto& order : call->second->orders)
        if (order.goes())
          for (const auto& range : order.ranges)
            for (auto i = range.first; i < range.end; ++i)
              expect(!row->cover.opens(keys::leaf_of(range.stream, i)),
                     "a page that was once written opens " + place(range.stream, i));
    });
  }
  expect(rows > 0 || calls_.empty(), "the hunter found no row: it proves nothing");
}

}  // namespace callward::sim
