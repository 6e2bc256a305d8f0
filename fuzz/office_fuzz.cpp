// A captured server with everybody's passkeys at hand: any verbs in any order, by anybody, about
// anything that there is, some of them spoilt, several in one round, with restarts between. Whatever
// comes of it, the keeper does not fall over, no value is seen that was not released to who sees it,
// and the rules of the log, which judge by the log alone, find nothing broken.
#include "base/check.hpp"
#include "tests/attack/office_rig.hpp"

namespace {

using namespace callward;
using attack::Office;

// The company is founded once; each input begins from that disk.
struct Beginning : attack::OfficeRig {
  Beginning() {
    one = carla();
    two = carla();
    ticks(1'000);
    told_before = log->size();
    stop();
    disk.emplace(vfs.fork(1));
    first_leaves = leaf_of;
    first_records = records;
    first_clock = clock;
  }
  void begin_again() {
    stop();
    vfs = disk->fork(7);
    leaf_of = first_leaves;
    records = first_records;
    clock = first_clock;
    entropy = SeededEntropy(13);
    requests_known.clear();
    statements.clear();
    dials.clear();
    codes.clear();
    gone.clear();
    wanted.clear();
    typed.clear();
    hung_up.clear();
    recording = {};
    CHECK(start().has_value());
  }
  CustomerId one, two;
  std::uint64_t told_before = 0;  // entries
  std::vector<RequestId> requests_known;
  std::optional<sim::SimVfs> disk;
  decltype(leaf_of) first_leaves;
  decltype(records) first_records;
  ManualClock first_clock;
};

class Story {
 public:
  Story(Beginning& rig, ByteReader& in) : rig_(rig), in_(in) { rig_.begin_again(); }
  void tell() {
    constexpr int kActsMax = 80;
    for (int i = 0; i < kActsMax && in_.ok() && in_.remaining() > 0; ++i) act();
    rig_.round();
    rig_.ticks(1'000);
    for (const auto& found : rig_.judge(rig_.entries()).findings) {
      // Calls are nobody's here after a restart, and nobody has to review.
      const auto name = found.rule->name;
      if (found.rule->weight != audit::RuleWeight::kBreach || name == "call-ends" ||
          name == "broken-is-reviewed")
        continue;
      std::fprintf(stderr, "entry %llu: %s: %s\n", static_cast<unsigned long long>(found.index),
                   std::string(name).c_str(), found.what.c_str());
      print_before(found.index);
      CHECK(false);
    }
  }

 private:
  const attack::Someone& anybody() {
    const std::array<const attack::Someone*, 9> all = {&rig_.tom,  &rig_.eve,  &rig_.anna,
                                                       &rig_.abe,  &rig_.max,  &rig_.emil,
                                                       &rig_.olga, &rig_.rita, &rig_.ada};
    return *all.at(in_.u8() % all.size());
  }
  CustomerId customer() { return in_.u8() % 4 == 0 ? rig_.two : rig_.one; }
  std::string field() {
    constexpr std::array kFields = {"email", "phone", "password", "name", "service_word", "query"};
    return kFields.at(in_.u8() % kFields.size());
  }
  RequestId request() {
    if (rig_.requests_known.empty()) return {};
    return rig_.requests_known.at(in_.u8() % rig_.requests_known.size());
  }
  keys::FieldRecord record(const CustomerId& of, const std::string& name) {
    const auto leaf = rig_.leaf_of.at({of, name});
    return {leaf, rig_.records[{of, leaf}]};
  }
  // The story as the log tells it, up to where it broke.
  void print_before(std::uint64_t index) {
    std::uint64_t at = 0;
    for (const auto& entry : rig_.entries()) {
      if (at > index) break;
      if (at >= rig_.told_before)
        std::fprintf(stderr, "  %llu %s by %s of %s, follows %lld, at %lld: %s\n",
                     static_cast<unsigned long long>(at), entry.type.c_str(), entry.actor.c_str(),
                     entry.subject.c_str(),
                     entry.prev_step ? static_cast<long long>(*entry.prev_step) : -1,
                     static_cast<long long>(entry.at), boost::json::serialize(entry.data).c_str());
      ++at;
    }
  }
  void act();
  void step();
  void check();
  void dial();
  void of_customer();
  void spoil(disclose::ChainStep& step);

  Beginning& rig_;
  ByteReader& in_;
  std::int64_t back_ = 0;  // minutes that the wall clock was set back
};

void Story::spoil(disclose::ChainStep& step) {
  switch (in_.u8() % 24) {
    case 0:
      step.number += 1;
      break;
    case 1:
      step.request = request();
      break;
    case 2:
      step.event.window_ms += 1'000'000;
      break;
    case 3:
      step.event.fields.push_back(3);
      break;
    case 4:
      step.event.by = anybody().id;
      break;
    case 5:
      step.at += 100'000;
      break;
    case 6:
      step.event.checks += 1;
      break;
    default:
      break;  // as it was drafted
  }
}

void Story::step() {
  constexpr std::array kKinds = {"ask",    "ring",   "pass",   "release", "view",
                                 "break",  "end",    "fail",   "decline", "time",
                                 "revoke", "review", "assign", "withdraw"};
  const std::string kind = kKinds.at(in_.u8() % kKinds.size());
  const auto& by = anybody();
  const auto of = customer();
  const auto name = field();
  const bool asks = kind == "ask";
  const auto id = asks ? RequestId{} : request();
  attack::OfficeRig::Said said{.kind = kind};
  if (asks) said.words = attack::kConcern;
  if (kind == "pass") said.words = attack::kVerdict;
  for (const char* reasoned : {"fail", "decline", "break", "revoke", "review"})
    if (kind == reasoned) said.words = attack::kWhy;
  const auto leaf = rig_.leaf_of.at({of, name});
  if (asks || kind == "release" || kind == "break" || kind == "view") said.fields = {leaf};
  std::optional<Key32> key;
  if (kind == "view") {
    key = rig_.browser(by);
    said.reader = *crypto::x25519_public(*key);
    said.record = record(of, in_.u8() % 8 == 0 ? field() : name);
  }
  if (kind == "ring") said.record = record(of, "phone");
  auto made = rig_.draft(id, by, said, of, 1);
  if (!made) return;
  const auto before = asks ? boost::json::object() : rig_.state(id);
  spoil(*made);
  const auto taken = rig_.put(*made, in_.u8() % 8 == 0 ? anybody() : by, said);
  if (!taken) return;
  if (asks) rig_.requests_known.push_back(taken->request);
  if (kind != "view") return;
  const auto value = rig_.open_view(*taken, *key, leaf);
  if (!value) return;
  CHECK(before.at("state") == "open" && before.at("until").as_int64() > made->at);
  CHECK(std::string_view(before.at("requester").as_string()) == by.id.hex());
  bool released = false;
  for (const auto& one : before.at("released").as_array())
    released = released || one.as_int64() == std::int64_t{leaf};
  CHECK(released);
  CHECK(before.at("broken").as_bool() ? before.at("second") != ""
                                      : before.at("call_recorded").as_bool());
}

void Story::check() {
  const auto id = request();
  const auto of = customer();
  const auto name = field();
  constexpr std::array kSaid = {"blue heron", "carla muster", "carla@example.com", "sunshine42",
                                "wrong"};
  const auto& expert = anybody();
  const auto code = rig_.codes.empty() ? std::string("12345678") : rig_.codes.back().code;
  switch (in_.u8() % 4) {
    case 0:
      (void)rig_.ask(&Office::send_code, keys::SendCode{id, expert.id, record(of, name)});
      break;
    case 1:
      (void)rig_.ask(&Office::check_code,
                     keys::CheckCode{id, expert.id, rig_.seal(code, "code", {id.hex()})});
      break;
    default:
      (void)rig_.check(id, expert, of, name, kSaid.at(in_.u8() % kSaid.size()));
  }
}

void Story::dial() {
  if (rig_.dials.empty()) return;
  switch (in_.u8() % 3) {
    case 0:
      rig_.talk(in_.u8() % 90, in_.u8() % 4 != 0);
      break;
    case 1:
      rig_.hang_up(in_.u8() % 90);
      break;
    default:
      rig_.office->dial_over(rig_.dials.back().dial, {.cause = "no_answer_customer"});
  }
}

void Story::of_customer() {
  const auto of = customer();
  const auto& by = anybody();
  const auto name = field();
  switch (in_.u8() % 5) {
    case 0:
      (void)rig_.store_values({{"email", "new@example.com"}}, of, in_.u8() % 3);
      break;
    case 1:
      (void)rig_.post(&Office::erase_fields,
                      keys::EraseFields{of, in_.u8() % 2 == 0, rig_.leaf_of.at({of, name}),
                                        by.id.hex(), attack::kReason});
      break;
    case 2:
      (void)rig_.post(&Office::hold_customer,
                      keys::HoldCustomer{of, in_.u8() % 2 == 0, by.id.hex(), attack::kReason});
      break;
    case 3:
      (void)rig_.post(&Office::close_case, keys::CloseCase{of, 1, by.id.hex(), {}});
      break;
    default: {
      const auto key = rig_.browser(by);
      (void)rig_.post(
          &Office::read_query,
          keys::ReadQuery{of, 1, by.id, *crypto::x25519_public(key), record(of, "query")});
    }
  }
}

void Story::act() {
  switch (in_.u8() % 12) {
    case 0:
      // In steps: a keeper ticks all the time, and the rules want secrets gone within the hour.
      for (auto steps = in_.u8(); steps > 0; steps -= std::min<std::uint8_t>(steps, 60))
        rig_.ticks(std::int64_t{std::min<std::uint8_t>(steps, 60)} * 20'000);
      break;
    case 1:
      // Back only, half a day at most: to the rules a clock that is set ahead is time that passed.
      if (const std::int64_t minutes = in_.u8() % 120; back_ + minutes <= 720) {
        back_ += minutes;
        rig_.clock.jump_utc_ms(-minutes * 60'000);
      }
      break;
    case 2:
      rig_.round();
      CHECK(rig_.start().has_value());
      break;
    case 3:
      (void)rig_.ask(&Office::duty_put, keys::DutyPut{anybody().id, in_.u8() % 3 != 0});
      rig_.round();
      break;
    case 4:
    case 5:
      check();
      break;
    case 6:
      dial();
      break;
    case 7:
      of_customer();
      break;
    default:
      step();
  }
}

}  // namespace

// Leaks are looked for at the end alone: the company outlives each input, so a look after each (all
// memory, whenever more was taken than given back) costs as much again as the story itself.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static std::string flag = "-detect_leaks=0";
  static std::vector<char*> args(*argv, *argv + *argc);
  args.insert(args.begin() + 1, flag.data());
  args.push_back(nullptr);
  *argv = args.data();
  ++*argc;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Beginning rig;
  ByteReader in(ByteView(data, size));
  Story(rig, in).tell();
  return 0;
}
