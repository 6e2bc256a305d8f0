// Checking a proof of erasure. Reads the proof and nothing else: no keys, no store, no keeper.
#include <algorithm>
#include <map>
#include <set>

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

void add(std::vector<SegmentRange>& to, const std::vector<SegmentRange>& more) {
  to.insert(to.end(), more.begin(), more.end());
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
    read_entries();
    if (!find_statement()) return std::move(report_);
    for (const auto& [index, entry] : entries_)
      if (index < report_.statement_index)
        take(index, entry);
      else if (index > report_.statement_index)
        finding("entry " + std::to_string(index) +
                " is later than the statement: take a new proof");
    check_life();
    check_streams();
    check_epochs();
    collect_erased();
    check_words();
    check_nodes();
    add_notes();
    return std::move(report_);
  }

 private:
  // One `erase_intended`. An order may be carried out more than once, each time with an entry.
  struct Intention {
    std::string order, reason, source;
    std::vector<SegmentRange> ranges;
    std::int64_t at = 0;
    std::uint64_t index = 0;
    std::int64_t erased_at = 0;
    std::uint64_t erased_index = 0, epoch = 0;
    bool confirmed = false;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> retired;  // mirror, epoch last seen there
  };

  void finding(std::string text) {
    constexpr std::size_t kFindingsMax = 1'000;
    if (report_.findings.size() < kFindingsMax) report_.findings.push_back(std::move(text));
  }

  std::vector<SegmentRange> ranges_in(const audit::Entry& entry, const char* field,
                                      std::uint64_t index) {
    std::vector<SegmentRange> out;
    for (const auto& item : entry.data.at(field).as_array())
      if (const auto range = read_range(item))
        out.push_back(*range);
      else
        finding("entry " + std::to_string(index) + " names a range that is none");
    return join(std::move(out));
  }
  static std::uint64_t number_in(const audit::Entry& entry, const char* field) {
    const auto& value = entry.data.at(field);
    return value.is_int64() && value.get_int64() > 0 ? static_cast<std::uint64_t>(value.get_int64())
                                                     : 0;
  }

  // Only what the log holds, and only what is about this call.
  void read_entries() {
    for (const auto& logged : proof_.entries) {
      const auto name = "entry " + std::to_string(logged.index);
      const auto there =
          audit::check_inclusion(audit::leaf_hash(as_bytes(logged.text)), logged.index,
                                 report_.checkpoint.size, logged.path, report_.checkpoint.root);
      if (!there) {
        finding(name + " is not in the log: " + there.error().message);
        continue;
      }
      auto entry = audit::decode_entry(logged.text);
      if (!entry) {
        finding(name + " cannot be read (of a newer Callward?): " + entry.error().message);
        continue;
      }
      const bool of_many = entry->type == "erased" || entry->type == "erase_unconfirmed" ||
                           entry->type == "mirror_retired" || entry->type == "mirror_returned" ||
                           takes_by_row(*entry);
      if (!of_many && entry->subject != report_.statement.call.hex()) {
        finding(name + " is about something else");
        continue;
      }
      entries_.emplace(logged.index, std::move(*entry));
    }
  }

  // Retention names the rows of its calls; which one is this call's says the entry of its start.
  bool takes_by_row(const audit::Entry& entry) {
    if (entry.type == "call_started" && row_ < 0) row_ = entry.data.at("row").get_int64();
    return entry.type == "retention_intended" && names_row(entry.data.at("rows"), row_);
  }

  // The statement's own entry: of several, the last that holds its hash.
  bool find_statement() {
    const auto hash = to_hex(crypto::sha256(as_bytes(proof_.statement)));
    bool any = false;
    bool found = false;
    for (const auto& [index, entry] : entries_) {
      if (entry.type != "key_statement") continue;
      any = true;
      if (entry.data.at("hash").as_string() != hash) continue;
      report_.statement_index = index;
      found = true;
    }
    if (!any)
      finding("no entry of the log stands for the keeper's statement");
    else if (!found)
      finding("the statement is not the one that the log names");
    return found;
  }

  void take(std::uint64_t index, const audit::Entry& entry) {
    if (entry.type == "erased" || entry.type == "erase_unconfirmed") {
      take_erased(index, entry);
    } else if (entry.type == "erase_intended") {
      by_order_[std::string(entry.data.at("order").as_string())].push_back(intentions_.size());
      intentions_.push_back({.order = std::string(entry.data.at("order").as_string()),
                             .reason = std::string(entry.data.at("reason").as_string()),
                             .source = std::string(entry.data.at("source").as_string()),
                             .ranges = ranges_in(entry, "ranges", index),
                             .at = entry.at,
                             .index = index});
    } else if (entry.type == "retention_intended") {
      take_retired(index, entry);
    } else if (entry.type == "mirror_returned") {
      returned_[number_in(entry, "mirror")] = index;
    } else if (entry.type == "order_held") {
      if (entry.data.if_contains("whole") != nullptr)
        whole_orders_.emplace(entry.data.at("order").as_string());
      add(held_[std::string(entry.data.at("order").as_string())],
          ranges_in(entry, "ranges", index));
    } else if (entry.type == "held_decided") {
      const std::string order(entry.data.at("order").as_string());
      held_.erase(order);
      dropped_ = dropped_ || (whole_orders_.contains(order) &&
                              entry.data.at("decision").as_string() == "erase");
    } else if (entry.type == "keeper_adopted") {
      add(report_.lost, ranges_in(entry, "lost", index));
    } else if (entry.type == "call_started") {
      once(started_, "call_started", entry);
    } else if (entry.type == "call_ended") {
      once(ended_, "call_ended", entry);
    } else if (entry.type == "call_sealed") {
      once(sealed_, "call_sealed", entry);
    }
  }
  // All of the call, whatever its streams are.
  void take_retired(std::uint64_t index, const audit::Entry& entry) {
    Intention intention{.order = std::string(entry.data.at("order").as_string()),
                        .reason = std::string(kRetentionReason),
                        .source = entry.actor,
                        .ranges = {},
                        .at = entry.at,
                        .index = index};
    for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
      intention.ranges.push_back({stream, 0, keys::kIndexMax + 1});
    by_order_[intention.order].push_back(intentions_.size());
    intentions_.push_back(std::move(intention));
    over_ = true;
  }
  void once(std::optional<boost::json::object>& slot, const char* type, const audit::Entry& entry) {
    if (slot && *slot != entry.data) finding(std::string("two entries ") + type + " that differ");
    slot = entry.data;
  }

  void take_erased(std::uint64_t index, const audit::Entry& entry) {
    for (const auto& item : entry.data.at("orders").as_array()) {
      if (!item.is_string()) continue;
      const auto known = by_order_.find(std::string(item.as_string()));
      if (known == by_order_.end()) continue;  // of another call: batches serve many
      for (const auto at : known->second) end(intentions_[at], index, entry);
    }
  }
  static void end(Intention& intention, std::uint64_t index, const audit::Entry& entry) {
    if (intention.confirmed || (intention.erased_at != 0 && entry.type != "erased")) return;
    intention.erased_at = entry.at;
    intention.erased_index = index;
    intention.epoch = number_in(entry, "epoch");
    intention.confirmed = entry.type == "erased";
    intention.retired = retired_in(entry);
  }
  // Mirrors that `erased` leaves out, and the epochs that they were last seen in.
  static std::vector<std::pair<std::uint64_t, std::uint64_t>> retired_in(
      const audit::Entry& entry) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    const auto* list = entry.data.if_contains("retired");
    if (list == nullptr || !list->is_array()) return out;
    for (const auto& item : list->get_array()) {
      const auto* pair = item.if_array();
      if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_int64() || !(*pair)[1].is_int64())
        continue;
      out.emplace_back((*pair)[0].get_int64(), (*pair)[1].get_int64());
    }
    return out;
  }
  // Without the mirrors that came back since, and were destroyed first.
  void forget_returned(Intention& intention) {
    std::erase_if(intention.retired, [&](const auto& mirror) {
      const auto back = returned_.find(mirror.first);
      return back != returned_.end() && back->second > intention.erased_index;
    });
    retired_.insert(intention.retired.begin(), intention.retired.end());
  }

  void check_life() {
    const auto& said = report_.statement;
    if (!started_) finding("no entry says that the call began");
    if (said.live && ended_)
      finding("the log says that the call ended, the statement that it runs");
    if (!said.live && !ended_ && said.row)
      finding("the statement says that the call ended, and the log does not");
    if (sealed_) report_.object_root = std::string(sealed_->at("root").as_string());
  }

  // What streams there are, and how long: by the log. The statement must not know fewer.
  void check_streams() {
    std::map<std::uint8_t, std::uint32_t> logged, stated;
    if (started_ && started_->at("streams").is_int64())
      for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
        if ((started_->at("streams").get_int64() >> stream & 1) != 0) logged[stream] = 0;
    if (ended_)
      for (const auto& item : ended_->at("ends").as_array()) {
        const auto* end = item.if_array();
        if (end == nullptr || end->size() != 3 || !(*end)[0].is_int64() || !(*end)[2].is_int64() ||
            (*end)[0].get_int64() < 0 || (*end)[0].get_int64() >= keys::kCallDataStream ||
            (*end)[2].get_int64() < 0 || (*end)[2].get_int64() > keys::kIndexMax + 1)
          finding("call_ended names a stream that is none");
        else
          logged[static_cast<std::uint8_t>((*end)[0].get_int64())] =
              static_cast<std::uint32_t>((*end)[2].get_int64());
      }
    for (const auto& stream : report_.statement.streams) stated[stream.stream] = stream.end;
    for (const auto& [stream, end] : logged) {
      if (report_.statement.row && !stated.contains(stream))
        finding("the statement leaves out stream " + std::to_string(stream));
      const auto upto = report_.statement.live ? keys::kIndexMax + 1 : end;
      if (upto > 0) whole_.push_back({stream, 0, upto});
    }
    for (const auto& [stream, end] : stated) {
      const auto known = logged.find(stream);
      if (report_.statement.live && known == logged.end())
        whole_.push_back({stream, 0, keys::kIndexMax + 1});
      if (!report_.statement.live && end != (known == logged.end() ? 0 : known->second))
        finding("stream " + std::to_string(stream) + " ends elsewhere than the log says");
    }
    whole_ = join(std::move(whole_));
  }

  void check_epochs() {
    const auto& said = report_.statement;
    for (const auto& intention : intentions_)
      if (intention.epoch > said.epoch)
        finding("the statement is of an epoch before that of an erasure: the key store went back");
    if (said.mirrors.empty()) finding("the statement names no mirror");
    bool good = false;
    for (const auto& mirror : said.mirrors) {
      good = good || mirror.state == "good";
      if (mirror.state == "good" && mirror.epoch != said.epoch)
        finding("a good mirror is of another epoch");
    }
    if (!said.mirrors.empty() && !good) finding("no mirror is good");
  }

  void collect_erased() {
    for (auto& intention : intentions_) {
      forget_returned(intention);
      const bool everywhere = intention.confirmed && intention.retired.empty();
      const auto there = both(intention.ranges, whole_);
      for (const auto& range : there)
        report_.erased.push_back({range, intention.order, intention.reason, intention.source,
                                  intention.at, intention.erased_at, intention.index,
                                  intention.erased_index, intention.epoch, everywhere});
      add(ordered_, there);
      if (intention.confirmed) add(erased_, there);
    }
    std::sort(report_.erased.begin(), report_.erased.end(), [](const auto& a, const auto& b) {
      return std::tie(a.range.stream, a.range.first, a.intended_index) <
             std::tie(b.range.stream, b.range.first, b.intended_index);
    });
    ordered_ = join(std::move(ordered_));
    erased_ = join(std::move(erased_));
    report_.lost = both(join(std::move(report_.lost)), whole_);
  }

  // Keeper and log name the same ranges: an entry that was left out of the file shows here,
  // whatever the nodes say.
  void check_words() {
    const auto& said = report_.statement;
    if (!said.row) return;
    auto closed = said.erased;
    add(closed, said.ordered);
    closed = both(join(std::move(closed)), whole_);
    for (const auto& range : without(closed, ordered_))
      finding("the keeper closed it, and no entry is here that ordered it: " + words(range));
    for (const auto& range : without(ordered_, closed))
      finding("the log ordered it erased, and the keeper does not know: " + words(range));
    for (const auto& range : without(both(join(said.erased), whole_), erased_))
      finding("the keeper calls it erased, and no entry here does: " + words(range));
  }

  void check_nodes() {
    const auto& said = report_.statement;
    std::vector<SegmentRange> audio;
    for (const auto& range : opened_by(said.nodes))
      if (range.stream == keys::kCallDataStream)
        report_.call_data_open = true;
      else
        audio.push_back(range);
    if (said.row && !report_.call_data_open && !dropped_ && !over_)
      finding("the key of the call's own data is gone, and no entry says why");
    for (const auto& range : both(audio, erased_))
      finding("erased, and a key is there: " + words(range));
    auto explained = ordered_;
    add(explained, report_.lost);
    const auto unexplained = without(without(whole_, audio), join(std::move(explained)));
    // What is held for a person stays in memory where it never touched a disk, and dies there.
    std::vector<SegmentRange> held;
    for (const auto& [order, ranges] : held_) add(held, ranges);
    held = join(std::move(held));
    for (const auto& range : both(unexplained, held))
      report_.notes.push_back("waits for a person's decision, and its keys are gone already: " +
                              words(range));
    for (const auto& range : without(unexplained, held))
      finding("its keys are gone, and no entry says why: " + words(range));
    if (!said.live)
      for (const auto& range : without(audio, whole_))
        finding("keys beyond the end of the call: " + words(range));
    report_.kept = both(whole_, audio);
    std::vector<SegmentRange> heard;
    for (const auto& stream : said.streams)
      if (stream.heard > 0) heard.push_back({stream.stream, 0, stream.heard});
    auto closed = said.ordered;
    add(closed, said.held);
    report_.opens = without(both(report_.kept, join(std::move(heard))), join(std::move(closed)));
  }

  void add_notes() {
    const auto& said = report_.statement;
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
    for (const auto& [mirror, epoch] : retired_)
      notes.push_back("erased, unconfirmed: mirror " + std::to_string(mirror) +
                      ", retired by the owner, last seen in epoch " +
                      (epoch == 0 ? std::string("unknown") : std::to_string(epoch)));
    if (over_) notes.emplace_back("its time was over: all of the call went, its own data too");
    if (dropped_) notes.emplace_back("two persons had all of the call erased, its own data too");
    for (std::size_t i = 0; i < said.mirrors.size(); ++i) {
      const auto& mirror = said.mirrors[i];
      if (mirror.state == "good" && mirror.confirmed) continue;
      notes.push_back("mirror " + std::to_string(i + 1) + " is " +
                      (mirror.state == "left_out" ? "left out" : mirror.state) +
                      (mirror.confirmed ? ", and holds no old key" : ", and may hold an old key"));
    }
    for (const auto& range : said.held)
      notes.push_back("closed until a person decides: " + words(range));
    if (said.live) notes.emplace_back("the call still runs");
    if (!said.row) notes.emplace_back("the key store holds nothing of this call any more");
  }

  const ErasureProof& proof_;
  const audit::NamedKey& key_;
  ProofReport report_;
  std::map<std::uint64_t, audit::Entry> entries_;
  std::vector<Intention> intentions_;
  std::map<std::string, std::vector<std::size_t>> by_order_;  // places in intentions_
  std::map<std::string, std::vector<SegmentRange>> held_;     // by order, as long as undecided
  std::map<std::uint64_t, std::uint64_t> returned_;  // mirror, index of its last mirror_returned
  std::set<std::pair<std::uint64_t, std::uint64_t>> retired_;  // mirror, epoch: still unconfirmed
  std::set<std::string> whole_orders_;                         // held, about all of the call
  std::int64_t row_ = -1;                                      // of call_started
  bool over_ = false;                                          // retention took it
  bool dropped_ = false;  // such a one was confirmed by a second person
  std::optional<boost::json::object> started_, ended_, sealed_;
  std::vector<SegmentRange> whole_;  // every segment that was or may be sealed
  std::vector<SegmentRange> ordered_, erased_;
};

}  // namespace

Result<ProofReport> check_proof(const ErasureProof& proof, const audit::NamedKey& key) {
  return Check(proof, key).run();
}

}  // namespace callward::erase
