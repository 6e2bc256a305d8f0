// A batch of erase orders, and the repair of a mirror that was away while one was carried out.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "audit/rules.hpp"
#include "audit/verify.hpp"
#include "driver.hpp"
#include "erase/keeper_rig_test.hpp"
#include "sim/page_hunter.hpp"

namespace callward::fault {
namespace {

namespace fs = std::filesystem;
using erase::Answer;
using erase::KeeperRig;
using erase::SegmentRange;

constexpr std::uint32_t kSegments = 600;
constexpr std::uint32_t kOtherSegments = 100;
constexpr std::int64_t kPhaseMs = 120'000;  // a process begins so much after the one before

const std::vector<SegmentRange> kOrdered{{0, 100, 160}, {1, 300, 301}, {0, 590, 600}};
OrderId order_id(std::size_t number) {
  SeededEntropy entropy(900 + number);
  return OrderId::random(entropy);
}
bool is_ordered(std::uint8_t stream, std::uint32_t index) {
  return std::any_of(kOrdered.begin(), kOrdered.end(), [&](const SegmentRange& range) {
    return range.stream == stream && range.first <= index && index < range.end;
  });
}

struct Recorded {
  CallId call;
  std::uint8_t stream = 0;
  std::uint32_t index = 0;
  Bytes record;
};

class Rig : public KeeperRig {
 public:
  Rig(Vfs& disk, const Scene& scene) : KeeperRig(disk, scene.dir) {
    // Keys of the credential are drawn by the base; from here on each phase draws its own.
    entropy = SeededEntropy(4'000 + static_cast<std::uint64_t>(scene.phase));
    clock.advance_ms(kPhaseMs * static_cast<std::int64_t>(scene.phase));
  }
  // As its process does it: the rig's own start() repairs mirrors first, and insists.
  Status open_and_start() {
    keeper.reset();
    store = TRY(keys::KeyStore::open(vfs, entropy, paths, wrap));
    log = TRY(audit::Log::open(vfs, dir + "/log", "test/log", seed));
    keeper = std::make_unique<erase::Keeper>(clock, entropy, *store, *log, policy, outbox());
    return keeper->start();
  }
  void begin_again() {
    if (const auto started = open_and_start(); !started) {
      wrong("the keeper does not start: " + started.error().message);
      std::exit(1);
    }
  }
  void whole_call(std::uint32_t segments) {
    const auto id = begin();
    record(id, segments);
    hear(id, segments);
    Answer<keys::Ack> ended;
    keeper->call_end({id, clock.utc_ms(), "bye", {{0, segments}, {1, segments}}}, ended.reply());
    keeper->end_round();
    (void)need(std::move(ended.value), "call_end");
    keeper->listen_done({id});
    keeper->end_round();
    Answer<keys::Ack> sealed;
    keeper->call_sealed({id, {}, 2ull * segments + 2, 1}, sealed.reply());
    keeper->end_round();
    (void)need(std::move(sealed.value), "call_sealed");
    for (auto& [place, bytes] : records)
      recorded.push_back({id, place.first, place.second, std::move(bytes)});
    records.clear();
  }
  void persist() {
    clock.advance_ms(31'000);
    keeper->tick();
  }
  // Sent once more while it was not answered, as a source does it.
  bool order_all(std::vector<bool>& accepted) {
    std::vector<Answer<keys::OrderAccepted>> answers(kOrdered.size());
    for (std::size_t i = 0; i < kOrdered.size(); ++i)
      if (!accepted[i])
        keeper->erase_order(
            {order_id(i), recorded.front().call, {kOrdered[i]}, "reviewer", "person"}, false,
            answers[i].reply());
    keeper->end_round();
    for (std::size_t i = 0; i < kOrdered.size(); ++i) {
      if (!answers[i].came || !answers[i].value) {
        if (answers[i].came)
          std::fprintf(stderr, "order: %s\n", answers[i].value.error().message.c_str());
        continue;
      }
      accepted[i] = true;
      say("accepted " + std::to_string(i));
    }
    return std::all_of(accepted.begin(), accepted.end(), [](bool one) { return one; });
  }
  bool all_gone() {
    std::vector<SegmentRange> gone;
    const auto state = keeper->call_state(recorded.front().call);
    if (!state) return false;
    for (const auto& range : state->erased)
      if (range.outcome == keys::OrderOutcome::kErased) gone.push_back(range.range);
    return keys::join(gone) == keys::join(kOrdered);
  }
  [[nodiscard]] bool mirrors_good() const {
    const auto mirrors = store->mirrors();
    return std::all_of(mirrors.begin(), mirrors.end(), [](const keys::MirrorStatus& mirror) {
      return mirror.good && mirror.confirmed;
    });
  }

  void save(const std::string& path) const {
    std::ofstream out(path);
    for (const auto& one : recorded)
      out << one.call.hex() << ' ' << int{one.stream} << ' ' << one.index << ' '
          << to_hex(one.record) << '\n';
  }
  void load(const std::string& path) {
    std::ifstream in(path);
    std::string call, hex;
    int stream = 0;
    for (Recorded one; in >> call >> stream >> one.index >> hex;) {
      one.call = *CallId::parse(call);
      one.stream = static_cast<std::uint8_t>(stream);
      one.record = *from_hex(hex);
      recorded.push_back(one);
    }
  }
  std::vector<Recorded> recorded;
};

std::string records_file(const Scene& scene) { return scene.dir + "/records"; }

void make_calls(Rig& rig, const Scene& scene) {
  for (const auto* folder : {"/a", "/b", "/log"}) need(rig.vfs.make_dirs(scene.dir + folder), "");
  need(keys::KeyStore::create(rig.vfs, rig.entropy, rig.paths, rig.wrap), "key store");
  rig.begin_again();
  rig.whole_call(kSegments);
  rig.whole_call(kOtherSegments);
  rig.persist();
  rig.save(records_file(scene));
}

// ---- what must hold afterwards -------------------------------------------------------------------

std::vector<Key32> living_keys(Rig& rig, const std::string& anchor_dir) {
  std::vector<Key32> out;
  auto anchor = keys::open_file_anchor(rig.vfs, rig.entropy, anchor_dir, rig.wrap,
                                       keys::AnchorMode::kExisting);
  if (!anchor) return out;
  for (const auto epoch : need((*anchor)->epochs(), "epochs"))
    out.push_back(need((*anchor)->get(epoch), "epoch key"));
  return out;
}

struct Hunted {
  std::size_t rows = 0, opening = 0;  // of the call; of those, that open something ordered
};
Hunted hunt(Rig& rig, const std::vector<std::string>& stores, const std::vector<Key32>& living) {
  constexpr std::size_t kPagesBytesMax = 64u << 20;
  std::vector<Bytes> files;
  for (const auto& store : stores)
    if (auto file = rig.vfs.read_file(store + "/pages", kPagesBytesMax))
      files.push_back(std::move(*file));
  std::vector<ByteView> pages;
  for (const auto& file : files)
    for (const auto page : sim::pages_in(file)) pages.push_back(page);
  Hunted out;
  sim::hunt_rows(pages, living, [&](ByteView row) {
    const auto call = erase::CallKeys::decode_row(0, row);
    if (!call || call->id != rig.recorded.front().call) return;
    ++out.rows;
    for (const auto& range : kOrdered)
      for (auto i = range.first; i < range.end; ++i)
        if (call->cover.opens(keys::leaf_of(range.stream, i))) {
          ++out.opening;
          return;
        }
  });
  return out;
}

// Each mirror's pages of every age, under each key that lives now.
void hunt_all(Rig& rig, const Scene& scene) {
  std::vector<std::string> stores;
  for (const auto& root : {scene.before, scene.dead, scene.dir})
    for (const auto* mirror : {"/a", "/b", "/a.old"}) stores.push_back(root + mirror + "/store");
  for (const auto* mirror : {"/a", "/b"}) {
    const auto living = living_keys(rig, scene.dir + mirror + "/anchor");
    expect(living.size() == 1, "not one epoch key lives");
    const auto found = hunt(rig, stores, living);
    expect(found.opening == 0, "a page opens what was erased");
    expect(found.rows > 0, "the hunter found no row: it proves nothing");
  }
  const auto old = living_keys(rig, scene.before + "/a/anchor");
  expect(hunt(rig, {scene.before + "/a/store"}, old).opening > 0,
         "the hunter does not find what is there");
}

// Pages of before beside the anchors of now: they open nothing, or nothing that was erased.
void put_older_back(Rig& rig, const Scene& scene) {
  const auto mixed = scene.dir + ".mixed";
  for (const auto& older : {scene.before, scene.dead}) {
    fs::remove_all(mixed);
    std::vector<keys::MirrorPaths> paths;
    for (const std::string mirror : {"/a", "/b"}) {
      fs::create_directories(mixed + mirror);
      fs::copy(older + mirror + "/store", mixed + mirror + "/store");
      fs::copy(scene.dir + mirror + "/anchor", mixed + mirror + "/anchor");
      paths.push_back({mixed + mirror + "/store", mixed + mirror + "/anchor"});
    }
    const auto store = keys::KeyStore::open(rig.vfs, rig.entropy, paths, rig.wrap);
    if (!store) continue;
    need((*store)->for_each([&](std::uint64_t row, ByteView content) -> Status {
      const auto call = TRY(erase::CallKeys::decode_row(row, content));
      if (call.id != rig.recorded.front().call) return {};
      for (const auto& range : kOrdered)
        for (auto i = range.first; i < range.end; ++i)
          expect(!call.cover.opens(keys::leaf_of(range.stream, i)),
                 "an older copy opens what was erased");
      return {};
    }),
         "rows of an older copy");
  }
  fs::remove_all(mixed);
}

// Every record that was made: the key that the keeper gives, or why not.
std::map<std::pair<CallId, std::uint32_t>, bool> open_everything(Rig& rig) {
  std::map<std::pair<CallId, std::uint32_t>, bool> opens;
  for (std::size_t at = 0; at < rig.recorded.size();) {
    const auto& first = rig.recorded[at];
    keys::Open message{.call = first.call,
                       .actor = "operator",
                       .purpose = keys::OpenPurpose::kPlay,
                       .reason_hash = std::string(64, '0'),
                       .headers = {}};
    message.reader_key = *crypto::x25519_public(rig.reader);
    auto end = at;
    for (; end < rig.recorded.size() && rig.recorded[end].call == first.call &&
           rig.recorded[end].stream == first.stream;
         ++end)
      std::copy_n(rig.recorded[end].record.begin(), keys::kRecordHeaderBytes,
                  message.headers.emplace_back().begin());
    Answer<keys::Opened> answer;
    rig.keeper->open(message, answer.reply());
    rig.keeper->end_round();
    const auto opened = need(std::move(answer.value), "open");
    crypto::PublicKey enc{};
    std::copy(opened.enc.begin(), opened.enc.end(), enc.begin());
    const auto keys = need(crypto::hpke_open(rig.reader, enc, as_bytes("callward open v1"),
                                             first.call.bytes, opened.sealed),
                           "hpke");
    std::size_t given = 0;
    for (auto i = at; i < end; ++i) {
      const auto& one = rig.recorded[i];
      auto& open = opens[{one.call, keys::leaf_of(one.stream, one.index)}];
      if (opened.states[i - at] != static_cast<std::uint8_t>(keys::KeyState::kGiven)) continue;
      const Key32 key(
          std::span<const std::uint8_t, 32>(keys.expose().subspan(32 * given++).first<32>()));
      const auto plain = rig.cipher.open(one.record, one.call, key);
      open = plain && as_text(plain->expose()) == "audio";
      expect(open, "a key was given that does not open its record");
    }
    at = end;
  }
  return opens;
}

void check_log_of(Rig& rig, const Scene& scene, bool rules) {
  const audit::NamedKey key{"test/log", need(crypto::ed25519_public(rig.seed), "key")};
  const auto report = audit::verify_log(rig.vfs, scene.dir + "/log", key);
  if (!report) return wrong("verify_log: " + report.error().message);
  for (const auto& finding : report->findings) wrong("verify_log: " + finding);
  if (!rules) return;
  const auto kept = audit::check_rules(rig.vfs, scene.dir + "/log", key);
  if (!kept) return wrong("check_rules: " + kept.error().message);
  for (const auto& finding : kept->findings)
    if (finding.rule->weight == audit::RuleWeight::kBreach)
      wrong("rule " + std::string(finding.rule->name) + ": " + finding.what);
}

void check_orders_logged(Rig& rig) {
  std::set<std::string> intended, gone;
  need(rig.log->replay(0,
                       [&](std::uint64_t, const audit::Entry& entry) -> Status {
                         if (entry.type == "erase_intended")
                           intended.insert(std::string(entry.data.at("order").as_string()));
                         if (entry.type == "erased")
                           for (const auto& one : entry.data.at("orders").as_array())
                             gone.insert(std::string(one.as_string()));
                         return {};
                       }),
       "replay");
  for (std::size_t i = 0; i < kOrdered.size(); ++i)
    expect(intended.contains(order_id(i).hex()) && gone.contains(order_id(i).hex()),
           "an order is not in the log as intended and as erased");
}

// The rest opens exactly, before the orders are repeated too: each is carried out whole or not.
void check_opening(Rig& rig, const std::vector<bool>& accepted, bool repeated) {
  const auto opens = open_everything(rig);
  for (const auto& one : rig.recorded) {
    if (one.call == rig.recorded.front().call && is_ordered(one.stream, one.index)) continue;
    expect(opens.at({one.call, keys::leaf_of(one.stream, one.index)}),
           "something that nobody ordered away does not open");
  }
  for (std::size_t n = 0; n < kOrdered.size(); ++n) {
    std::uint32_t open = 0;
    const auto& range = kOrdered[n];
    for (auto i = range.first; i < range.end; ++i)
      open += opens.at({rig.recorded.front().call, keys::leaf_of(range.stream, i)}) ? 1u : 0u;
    if (accepted[n] || repeated)
      expect(open == 0, "an ordered range opens");
    else
      expect(open == 0 || open == range.end - range.first, "an order is carried out in part");
  }
}

void check_keeper(const Scene& scene) {
  RealVfs vfs;
  Rig rig(vfs, scene);
  rig.load(records_file(scene));
  check_log_of(rig, scene, false);
  std::vector<bool> accepted(kOrdered.size());
  for (const auto& line : scene.said_after("accepted")) accepted.at(std::stoul(line)) = true;
  rig.begin_again();
  for (int tries = 0; tries < kTriesMax && !rig.mirrors_good(); ++tries) rig.mend();
  if (!scene.said_after("all").empty())
    expect(rig.all_gone(), "it was said to be gone, and is not");
  check_opening(rig, accepted, false);
  std::vector<bool> repeated(kOrdered.size());
  expect(rig.order_all(repeated), "an order that is repeated is not accepted");
  for (int tries = 0; tries < kTriesMax && !(rig.all_gone() && rig.mirrors_good()); ++tries)
    rig.mend();
  expect(rig.all_gone(), "not everything that was ordered is gone");
  expect(rig.mirrors_good() && rig.store->unconfirmed() == 0, "a mirror is not good");
  for (const auto& finding : need(rig.store->check(), "fsck")) wrong("fsck: " + finding);
  check_orders_logged(rig);
  need(rig.log->publish(), "publish");
  check_log_of(rig, scene, true);
  check_opening(rig, accepted, true);
  need(rig.log->publish(), "publish");
  check_log_of(rig, scene, false);
  hunt_all(rig, scene);
  put_older_back(rig, scene);
  expect(!testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed(), "see above");
}

// ---- a batch of orders ---------------------------------------------------------------------------

void make_erase(const Scene& scene) {
  RealVfs vfs;
  Rig rig(vfs, scene);
  make_calls(rig, scene);
}

void act_erase(const Scene& scene) {
  RealVfs vfs;
  Rig rig(vfs, scene);
  rig.load(records_file(scene));
  rig.begin_again();
  ready(this_thread());
  std::vector<bool> accepted(kOrdered.size());
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const bool all = rig.order_all(accepted);
    rig.keeper->tick();
    if (all && rig.all_gone() && !rig.log->failed() && rig.mirrors_good()) {
      say("all gone");
      say("done");
      return;
    }
    rig.mend();
  }
  say("stuck");
}

// ---- a mirror that was away ----------------------------------------------------------------------

void make_repair(const Scene& scene) {
  RealVfs vfs;
  Rig rig(vfs, scene);
  make_calls(rig, scene);
  fs::rename(scene.dir + "/a", scene.dir + "/a.away");
  rig.begin_again();
  std::vector<bool> accepted(kOrdered.size());
  if (!rig.order_all(accepted)) wrong("not accepted");
  rig.keeper.reset();
  fs::remove_all(scene.dir + "/a");
  fs::rename(scene.dir + "/a.away", scene.dir + "/a");
}

void act_repair(const Scene& scene) {
  RealVfs vfs;
  Rig rig(vfs, scene);
  auto store = need(keys::KeyStore::open(vfs, rig.entropy, rig.paths, rig.wrap), "key store");
  if (store->mirrors()[0].good) wrong("the mirror that was away is believed");
  ready(this_thread());
  const auto good = [&] { return store->mirrors()[0].good && store->mirrors()[1].good; };
  for (int tries = 0; tries < kTriesMax; ++tries) {
    for (std::size_t i = 0; i < 2; ++i)
      if (!store->mirrors()[i].good) (void)store->repair_mirror(i);
    if (!store->destroy_stale() || !good()) continue;
    say("repaired now");
    say("done");
    return;
  }
  say("stuck");
}

// Before anything is repaired: what opens is the newer state, whatever the older mirror holds.
void check_repair(const Scene& scene) {
  {
    RealVfs vfs;
    Rig rig(vfs, scene);
    rig.load(records_file(scene));
    const auto store = keys::KeyStore::open(vfs, rig.entropy, rig.paths, rig.wrap);
    if (!store) return wrong("the key store does not open: " + store.error().message);
    if (!scene.said_after("repaired").empty())
      expect((*store)->mirrors()[0].good, "it was said to be repaired, and is not good");
    need((*store)->for_each([&](std::uint64_t row, ByteView content) -> Status {
      const auto call = TRY(erase::CallKeys::decode_row(row, content));
      for (const auto& range : kOrdered)
        if (call.id == rig.recorded.front().call)
          expect(!call.cover.opens(keys::leaf_of(range.stream, range.first)),
                 "the older mirror was believed");
      return {};
    }),
         "rows");
  }
  auto all = scene;  // the orders were answered before the mirror came back
  for (std::size_t i = 0; i < kOrdered.size(); ++i)
    all.said.push_back("accepted " + std::to_string(i));
  check_keeper(all);
}

}  // namespace

const Operation kErase{"erase", make_erase, act_erase, check_keeper};
const Operation kRepair{"repair", make_repair, act_repair, check_repair};

}  // namespace callward::fault
