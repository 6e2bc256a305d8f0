// Checking a proof of erasure. Reads the proof and nothing else: no keys, no store, no keeper.
#include <algorithm>
#include <map>

#include "audit/entry.hpp"
#include "crypto/sha256.hpp"
#include "erase/call_keys.hpp"
#include "erase/proof.hpp"

namespace callward::erase {
namespace {

using keys::SegmentRange;

std::string words(const SegmentRange& range) {
  return "stream " + std::to_string(range.stream) + ", " + std::to_string(range.first * 100ull) +
         " to " + std::to_string(range.end * 100ull) + " ms";
}

// a without b; both joined.
std::vector<SegmentRange> without(const std::vector<SegmentRange>& a,
                                  const std::vector<SegmentRange>& b) {
  std::vector<SegmentRange> out;
  for (auto rest : a) {
    for (const auto& cut : b) {
      if (cut.stream != rest.stream || cut.end <= rest.first || cut.first >= rest.end) continue;
      if (cut.first > rest.first) out.push_back({rest.stream, rest.first, cut.first});
      rest.first = std::min(cut.end, rest.end);
    }
    if (rest.first < rest.end) out.push_back(rest);
  }
  return out;
}
std::vector<SegmentRange> both(const std::vector<SegmentRange>& a,
                               const std::vector<SegmentRange>& b) {
  return without(a, without(a, b));
}

// The leaves that the nodes open, as ranges of streams.
std::vector<SegmentRange> opened_by(const std::vector<NodePlace>& nodes) {
  std::vector<SegmentRange> out;
  for (const auto& node : nodes) {
    const auto shift = keys::kTreeLevels - node.level;
    auto first = std::uint64_t{node.index} << shift;
    const auto end = std::uint64_t{node.index + 1} << shift;
    while (first < end) {
      const auto stream = first >> keys::kIndexBits;
      const auto stop = std::min(end, (stream + 1) << keys::kIndexBits);
      out.push_back({static_cast<std::uint8_t>(stream),
                     static_cast<std::uint32_t>(first - (stream << keys::kIndexBits)),
                     static_cast<std::uint32_t>(stop - (stream << keys::kIndexBits))});
      first = stop;
    }
  }
  return join(std::move(out));
}

class Check {
 public:
  Check(const ErasureProof& proof, const audit::NamedKey& key) : proof_(proof), key_(key) {}

  Result<ProofReport> run() {
    report_.statement = TRY(decode_statement(proof_.statement));
    auto checkpoint = audit::open_checkpoint(proof_.checkpoint, key_);
    if (!checkpoint) {
      finding("checkpoint: " + checkpoint.error().message);
      return std::move(report_);
    }
    report_.checkpoint = *checkpoint;
    for (const auto& entry : proof_.entries) take(entry);
    check_statement();
    check_ends();
    collect_erased();
    check_nodes();
    add_notes();
    return std::move(report_);
  }

 private:
  struct Order {
    std::vector<SegmentRange> ranges;
    std::string reason, source;
    std::int64_t at = 0;
    std::uint64_t index = 0;
    std::int64_t erased_at = 0;
    std::uint64_t erased_index = 0, epoch = 0;
    bool confirmed = false;
  };

  void finding(std::string text) { report_.findings.push_back(std::move(text)); }

  static std::vector<SegmentRange> ranges_in(const audit::Entry& entry, const char* field) {
    std::vector<SegmentRange> out;
    for (const auto& item : entry.data.at(field).as_array()) {
      const auto stream = item.at(0).to_number<std::uint64_t>();
      const auto first = item.at(1).to_number<std::uint64_t>();
      const auto end = item.at(2).to_number<std::uint64_t>();
      if (stream < keys::kCallDataStream && first < end && end <= keys::kIndexMax + 1)
        out.push_back({static_cast<std::uint8_t>(stream), static_cast<std::uint32_t>(first),
                       static_cast<std::uint32_t>(end)});
    }
    return out;
  }

  void take(const ErasureProof::LoggedEntry& logged) {
    const auto name = "entry " + std::to_string(logged.index);
    if (auto there =
            audit::check_inclusion(audit::leaf_hash(as_bytes(logged.text)), logged.index,
                                   report_.checkpoint.size, logged.path, report_.checkpoint.root);
        !there)
      return finding(name + " is not in the log: " + there.error().message);
    const auto entry = audit::decode_entry(logged.text);
    if (!entry) {
      report_.notes.push_back(name + " is of a kind that this version does not know");
      return;
    }
    if (entry->type == "erased" || entry->type == "erase_unconfirmed")
      return take_erased(*entry, logged.index);
    if (entry->subject != report_.statement.call.hex())
      return finding(name + " is about something else");
    if (entry->type == "erase_intended") {
      auto& order = orders_[std::string(entry->data.at("order").as_string())];
      const auto ranges = ranges_in(*entry, "ranges");
      order.ranges.insert(order.ranges.end(), ranges.begin(), ranges.end());
      order.reason = entry->data.at("reason").as_string();
      order.source = entry->data.at("source").as_string();
      if (order.at == 0) order.at = entry->at;
      order.index = logged.index;
    } else if (entry->type == "order_held") {
      const auto ranges = ranges_in(*entry, "ranges");
      held_.insert(held_.end(), ranges.begin(), ranges.end());
    } else if (entry->type == "keeper_adopted") {
      const auto lost = ranges_in(*entry, "lost");
      report_.lost.insert(report_.lost.end(), lost.begin(), lost.end());
    } else if (entry->type == "call_ended") {
      ends_ = entry->data.at("ends").as_array();
      ended_ = true;
    } else if (entry->type == "call_sealed") {
      report_.object_root = entry->data.at("root").as_string();
    } else if (entry->type == "key_statement") {
      statement_hash_ = entry->data.at("hash").as_string();
      report_.statement_index = logged.index;
    }
  }

  void take_erased(const audit::Entry& entry, std::uint64_t index) {
    for (const auto& item : entry.data.at("orders").as_array()) {
      if (!item.is_string()) continue;
      const auto order = orders_.find(std::string(item.as_string()));
      if (order == orders_.end()) continue;  // of another call: batches serve many
      order->second.erased_at = entry.at;
      order->second.erased_index = index;
      order->second.epoch = entry.data.at("epoch").to_number<std::uint64_t>();
      order->second.confirmed = entry.type == "erased";
    }
  }

  void check_statement() {
    const auto hash = to_hex(crypto::sha256(as_bytes(proof_.statement)));
    if (statement_hash_.empty())
      finding("no entry of the log stands for the keeper's statement");
    else if (statement_hash_ != hash)
      finding("the statement is not the one that the log names");
    if (report_.statement.live && ended_)
      finding("the log says that the call ended, the statement that it runs");
    if (!report_.statement.live && !ended_ && report_.statement.row)
      finding("the statement says that the call ended, and the log does not");
  }

  void check_ends() {
    if (!ended_ || !report_.statement.row) return;
    std::map<std::uint64_t, std::uint64_t> logged, stated;
    for (const auto& item : ends_)
      if (const auto end = item.at(2).to_number<std::uint64_t>(); end > 0)
        logged[item.at(0).to_number<std::uint64_t>()] = end;
    for (const auto& end : report_.statement.streams)
      if (end.end_index > 0) stated[end.stream] = end.end_index;
    if (logged != stated) finding("the streams end elsewhere than the log says");
  }

  void collect_erased() {
    for (const auto& [id, order] : orders_)
      for (const auto& range : join(order.ranges))
        report_.erased.push_back({range, id, order.reason, order.source, order.at, order.erased_at,
                                  order.index, order.erased_index, order.epoch, order.confirmed});
    std::sort(report_.erased.begin(), report_.erased.end(), [](const auto& a, const auto& b) {
      return std::tie(a.range.stream, a.range.first, a.intended_index) <
             std::tie(b.range.stream, b.range.first, b.intended_index);
    });
  }

  // All leaves of the call's streams that a segment was or may be sealed under.
  [[nodiscard]] std::vector<SegmentRange> whole() const {
    std::vector<SegmentRange> out;
    for (const auto& stream : report_.statement.streams) {
      const auto end = report_.statement.live ? keys::kIndexMax + 1 : stream.end_index;
      if (end > 0) out.push_back({stream.stream, 0, end});
    }
    return join(std::move(out));
  }

  void check_nodes() {
    const auto opened = opened_by(report_.statement.nodes);
    std::vector<SegmentRange> audio, ordered, gone;
    for (const auto& range : opened)
      if (range.stream == keys::kCallDataStream)
        report_.call_data_open = true;
      else
        audio.push_back(range);
    for (const auto& line : report_.erased) {
      ordered.push_back(line.range);
      if (line.erased_at != 0 && line.erased_index < report_.statement_index)
        gone.push_back(line.range);
    }
    for (const auto& range : both(audio, join(gone)))
      finding("erased, and a key is there: " + words(range));
    report_.lost = join(std::move(report_.lost));
    auto explained = ordered;
    explained.insert(explained.end(), report_.lost.begin(), report_.lost.end());
    // What is held for a person stays in memory where it never touched a disk, and dies there.
    const auto unexplained = without(without(whole(), audio), join(std::move(explained)));
    for (const auto& range : both(unexplained, join(held_)))
      report_.notes.push_back("held for a person, and its keys died with a keeper: " +
                              words(range));
    for (const auto& range : without(unexplained, join(held_)))
      finding("its keys are gone, and no entry says why: " + words(range));
    if (!report_.statement.live)
      for (const auto& range : without(audio, whole()))
        finding("keys beyond the end of the call: " + words(range));
    report_.kept = both(whole(), audio);
  }

  void add_notes() {
    auto& notes = report_.notes;
    std::size_t waiting = 0, unconfirmed = 0;
    for (const auto& line : report_.erased) {
      waiting += line.erased_at == 0;
      unconfirmed += line.erased_at != 0 && !line.confirmed;
    }
    if (waiting != 0)
      notes.push_back(std::to_string(waiting) + " ranges are ordered and not gone yet");
    if (unconfirmed != 0)
      notes.push_back(std::to_string(unconfirmed) +
                      " ranges are gone from the mirrors that answer, and not confirmed by all");
    for (std::size_t i = 0; i < report_.statement.mirrors.size(); ++i) {
      const auto& mirror = report_.statement.mirrors[i];
      if (mirror.state == "good" && mirror.confirmed) continue;
      notes.push_back("mirror " + std::to_string(i + 1) + " is " +
                      (mirror.state == "good"      ? "good"
                       : mirror.state == "retired" ? "retired"
                                                   : "left out") +
                      (mirror.confirmed ? ", and holds no old key" : ", and may hold an old key"));
    }
    for (const auto& range : report_.statement.held)
      notes.push_back("closed until a person decides, its keys are there: " + words(range));
    if (report_.statement.live) notes.push_back("the call still runs");
    if (!report_.statement.row)
      notes.push_back("the key store holds nothing of this call any more");
    if (!key_.name.empty() && report_.checkpoint.origin != key_.name)
      finding("the checkpoint is of another log");
  }

  const ErasureProof& proof_;
  const audit::NamedKey& key_;
  ProofReport report_;
  std::map<std::string, Order> orders_;
  std::vector<SegmentRange> held_;  // by order_held, decided or not
  boost::json::array ends_;
  bool ended_ = false;
  std::string statement_hash_;
};

}  // namespace

Result<ProofReport> check_proof(const ErasureProof& proof, const audit::NamedKey& key) {
  return Check(proof, key).run();
}

}  // namespace callward::erase
