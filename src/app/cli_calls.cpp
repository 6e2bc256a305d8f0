// Commands on calls: all go through the server, as the console does; records are opened here.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "app/cli.hpp"
#include "app/json_fields.hpp"
#include "app/reader.hpp"
#include "codec/audio_file.hpp"
#include "codec/g711.hpp"
#include "segment/payload.hpp"
#include "store/account.hpp"

namespace callward::app {
namespace {

using namespace json_fields;

Result<std::string> full_id(const std::string& call) {
  if (!CallId::parse(call))
    return fail(Errc::kConfig,
                "a call is named by its 32 hexadecimal digits; `callward calls` lists them");
  return call;
}

}  // namespace

Result<ExitCode> command_calls(const CliContext& context, const std::string& day) {
  const auto http = TRY(HttpClient::create(context.config));
  boost::json::array all;
  std::string cursor;
  do {
    const auto page = TRY(http->get("/v1/calls?limit=1000" + (day.empty() ? "" : "&day=" + day) +
                                    (cursor.empty() ? "" : "&cursor=" + cursor)));
    for (const auto& call : array(page, "calls")) all.push_back(call);
    cursor = text(page, "next_cursor");
  } while (!cursor.empty());
  if (context.json) {
    print_json(all);
    return ExitCode::kDone;
  }
  std::printf("%-32s  %-23s  %8s  %-8s  %-9s  %9s  %8s\n", "call", "began (UTC)", "length", "way",
              "phase", "erased", "lost");
  for (const auto& call : all) {
    const auto& totals = call.at("totals");
    std::printf("%-32s  %-23s  %8s  %-8s  %-9s  %7.1f s  %6.1f s\n", text(call, "id").c_str(),
                short_time(number(call, "started_at")).c_str(),
                short_duration(number(call, "duration_ms")).c_str(),
                text(call, "direction").c_str(), text(call, "phase").c_str(),
                static_cast<double>(number(totals, "erased")) / 1000,
                static_cast<double>(number(totals, "lost")) / 1000);
  }
  return ExitCode::kDone;
}

Result<ExitCode> command_account(const CliContext& context, const std::string& call) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto account = TRY(http->get("/v1/calls/" + TRY(full_id(call)) + "/account"));
  if (context.json) {
    print_json(account);
    return ExitCode::kDone;
  }
  std::printf("%-9s  %10s  %10s  %-8s  %s\n", "stream", "from", "to", "state", "reason");
  for (const auto& item : array(account, "intervals"))
    std::printf("%-9s  %10s  %10s  %-8s  %s\n", text(item, "stream").c_str(),
                short_duration(number(item, "start_ms")).c_str(),
                short_duration(number(item, "end_ms")).c_str(), text(item, "state").c_str(),
                text(item, "reason").c_str());
  for (const auto& mirror : array(account, "unconfirmed_mirrors"))
    std::printf("erased, unconfirmed: mirror %lld, epoch %lld (retired)\n",
                static_cast<long long>(number(mirror, "mirror")),
                static_cast<long long>(number(mirror, "epoch")));
  return ExitCode::kDone;
}

namespace {

struct Word {
  std::int64_t start_ms = 0, end_ms = 0;
  std::string stream, text;
  int confidence = 0;
};

// The payload of a words record (docs/formats/derived.md).
void read_words(const OpenedRecord& record, std::vector<Word>& out) {
  ByteReader in(record.plain.expose());
  const auto count = in.u16();
  const std::int64_t window_ms = std::int64_t{record.header.first} * 100;
  for (int i = 0; i < count; ++i) {
    Word word;
    word.start_ms = window_ms + in.u16();
    word.end_ms = window_ms + in.u16();
    word.confidence = in.u8();
    word.text = std::string(as_text(in.bytes(in.u8())));
    if (!in.ok()) return;
    word.stream = store::stream_name(record.header.stream);
    out.push_back(std::move(word));
  }
}

// Instead of words, where the account says that there can be none.
std::string what_is_missing(const std::string& state, const std::string& reason) {
  if (state == "erased") return "[erased: " + reason + "]";
  if (state == "sealed" && reason == store::kSealedIntended) return "[being erased]";
  if (state == "sealed" && reason == store::kSealedHeld) return "[held: a person must decide]";
  return "";
}

// As much of a reason as a person's screen takes.
std::string shown(const std::string& reason) {
  constexpr std::size_t kShownMax = 100;
  auto out = reason.substr(0, kShownMax);
  if (out.size() < reason.size())  // not within a character
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80) != 0) out.pop_back();
  return out;
}

struct Utterance {
  std::int64_t start_ms = 0, end_ms = 0;
  std::string stream, text;
};

// Words of one party without a long pause between them; `words` by their start.
std::vector<Utterance> utterances(const std::vector<Word>& words) {
  constexpr std::int64_t kPauseMs = 1'000;
  std::vector<Utterance> lines;
  std::map<std::string, std::size_t> latest;  // of each party
  for (const auto& word : words) {
    const auto known = latest.find(word.stream);
    if (known != latest.end() && word.start_ms - lines[known->second].end_ms < kPauseMs) {
      auto& line = lines[known->second];
      line.text += " " + word.text;
      line.end_ms = std::max(line.end_ms, word.end_ms);
      continue;
    }
    latest[word.stream] = lines.size();
    lines.push_back({word.start_ms, word.end_ms, word.stream, word.text});
  }
  return lines;
}

}  // namespace

Result<ExitCode> command_transcript(const CliContext& context, const std::string& call,
                                    const std::string& reason) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto info = TRY(http->get("/v1/calls/" + TRY(full_id(call))));
  const auto consent = TRY(
      Consent::ask(*http, {*CallId::parse(call), keys::OpenPurpose::kTranscript}, shown(reason)));
  CallReader reader(*http, *CallId::parse(call), "transcript", reason,
                    consent ? &*consent : nullptr);
  std::vector<Word> words;
  TRY(reader.read({"words"}, 0, number(info, "duration_ms") + 100, [&](OpenedRecord record) {
    if (record.state == "given") read_words(record, words);
  }));
  // Words that begin together stay in the order in which they were said.
  std::stable_sort(words.begin(), words.end(),
                   [](const Word& a, const Word& b) { return a.start_ms < b.start_ms; });
  if (context.json) {
    boost::json::array items;
    for (const auto& word : words)
      items.push_back({{"stream", word.stream},
                       {"start_ms", word.start_ms},
                       {"end_ms", word.end_ms},
                       {"text", word.text},
                       {"confidence", word.confidence}});
    print_json({{"call", call}, {"words", std::move(items)}});
    return ExitCode::kDone;
  }
  auto lines = utterances(words);
  const auto account = TRY(http->get("/v1/calls/" + call + "/account"));
  for (const auto& item : array(account, "intervals"))
    if (const auto gone = what_is_missing(text(item, "state"), text(item, "reason")); !gone.empty())
      lines.push_back(
          {number(item, "start_ms"), number(item, "end_ms"), text(item, "stream"), gone});
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Utterance& x, const Utterance& y) { return x.start_ms < y.start_ms; });
  for (const auto& line : lines)
    std::printf("[%s] %-8s  %s\n", short_duration(line.start_ms).c_str(), line.stream.c_str(),
                line.text.c_str());
  return ExitCode::kDone;
}

Result<ExitCode> command_play(const CliContext& context, const PlayOptions& options) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto info = TRY(http->get("/v1/calls/" + TRY(full_id(options.call))));
  const auto duration_ms = number(info, "duration_ms") + 100;
  const auto consent = TRY(Consent::ask(
      *http, {*CallId::parse(options.call), keys::OpenPurpose::kExport}, shown(options.reason)));
  CallReader reader(*http, *CallId::parse(options.call), "export", options.reason,
                    consent ? &*consent : nullptr);
  std::array<std::vector<std::int16_t>, 2> sides;
  for (auto& side : sides) side.assign(static_cast<std::size_t>(duration_ms) * 8, 0);
  std::array<std::uint64_t, 2> given{}, withheld{};  // segments of each side
  const bool progress = progress_wanted(context.json);
  TRY(reader.read({"audio"}, 0, duration_ms, [&](OpenedRecord record) {
    if (record.header.stream > 1) return;
    if (record.state != "given") {
      ++withheld[record.header.stream];
      return;
    }
    ++given[record.header.stream];
    if (const auto n = given[0] + given[1]; progress && n % 600 == 0)
      std::fprintf(stderr, "\r%llu s", static_cast<unsigned long long>(n / 20));
    const auto plain = record.plain.expose();
    if (plain.size() < segment::kAudioPayloadBytes) return;
    auto& side = sides[record.header.stream];
    const auto at = static_cast<std::size_t>(record.header.first) * segment::kSegmentSamples;
    for (std::size_t i = 0; i < segment::kSegmentSamples && at + i < side.size(); ++i)
      side[at + i] =
          record.header.codec == 8 ? codec::kALawTable[plain[i]] : codec::kMuLawTable[plain[i]];
  }));
  if (given[0] + given[1] == 0)
    return fail(Errc::kDenied,
                (withheld[0] + withheld[1] == 0
                     ? std::string("nothing of this call is stored")
                     : "nothing of this call opens: it is erased, held, unheard or damaged") +
                    " (`callward account " + options.call + "` says which); no file is written");
  RealVfs vfs;
  const auto wav = TRY(codec::write_wav({std::move(sides[0]), std::move(sides[1])}));
  TRY(vfs.write_file_atomic(options.out, wav));
  if (context.json)
    print_json({{"call", options.call},
                {"out", options.out},
                {"segments", given[0] + given[1]},
                {"withheld", withheld[0] + withheld[1]}});
  else
    std::printf(
        "%s%s: customer %.1f s written, %.1f s withheld; agent %.1f s written, %.1f s withheld "
        "(erased, held, unheard or damaged: silence there)\n",
        progress ? "\r" : "", options.out.c_str(), static_cast<double>(given[0]) / 10,
        static_cast<double>(withheld[0]) / 10, static_cast<double>(given[1]) / 10,
        static_cast<double>(withheld[1]) / 10);
  return ExitCode::kDone;
}

namespace {

// Until its keys are gone, or ten seconds are over: then it is told how far it is.
Result<ExitCode> follow_order(const CliContext& context, HttpClient& http, value order) {
  constexpr int kTries = 100;
  const auto under_way = [&] {
    const auto outcome = text(order, "outcome");
    return outcome == "accepted" || outcome == "intended";
  };
  for (int i = 0; i < kTries && under_way(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    order = TRY(http.get("/v1/orders/" + text(order, "id")));
  }
  const auto outcome = text(order, "outcome");
  if (context.json)
    print_json(order);
  else
    std::printf("order %s: %s\n", text(order, "id").c_str(), outcome.c_str());
  const auto end = ending_of_order(outcome);
  if (!end.sentence.empty()) std::fprintf(stderr, "callward: %s\n", end.sentence.c_str());
  return end.code;
}

}  // namespace

Result<ExitCode> command_erase(const CliContext& context, const EraseOptions& options) {
  const auto http = TRY(HttpClient::create(context.config));
  if (options.all) {
    if (!options.stream.empty() || options.from_ms != 0 || options.to_ms != 0)
      return fail(Errc::kConfig, "--all is the whole call: no --stream, --from, --to with it");
    auto whole = TRY(http->post(
        "/v1/calls/" + TRY(full_id(options.call)) + "/whole-erasure",
        boost::json::object{{"reason_code", options.reason_code}, {"reason", options.reason}}));
    return follow_order(context, *http, std::move(whole));
  }
  if (options.stream.empty() || options.to_ms == 0)
    return fail(Errc::kConfig, "say what is erased: --stream, --from and --to, or --all");
  auto order = TRY(http->post("/v1/calls/" + TRY(full_id(options.call)) + "/erasures",
                              boost::json::object{{"stream", options.stream},
                                                  {"start_ms", options.from_ms},
                                                  {"end_ms", options.to_ms},
                                                  {"reason_code", options.reason_code},
                                                  {"reason", options.reason}}));
  return follow_order(context, *http, std::move(order));
}

Result<ExitCode> command_hold(const CliContext& context, const std::string& call, bool set,
                              const std::string& reason) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto hold =
      TRY(http->post("/v1/calls/" + TRY(full_id(call)) + "/hold",
                     boost::json::object{{"state", set ? "set" : "lifted"}, {"reason", reason}}));
  if (context.json)
    print_json(hold);
  else
    std::printf("%s: %s\n", call.c_str(), set ? "under a legal hold" : "no legal hold any more");
  return ExitCode::kDone;
}

Result<ExitCode> command_holds(const CliContext& context) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto holds = TRY(http->get("/v1/holds"));
  if (context.json) {
    print_json(holds);
    return ExitCode::kDone;
  }
  for (const auto& call : array(holds, "calls"))
    std::printf("%s\n", std::string(call.as_string()).c_str());
  const auto shown = static_cast<std::int64_t>(array(holds, "calls").size());
  if (shown == 0) std::printf("no call is under a legal hold\n");
  if (const auto total = number(holds, "total"); total > shown)
    std::printf("and %lld calls more\n", static_cast<long long>(total - shown));
  return ExitCode::kDone;
}

std::vector<std::string> held_lines(const value& held) {
  std::vector<std::string> lines;
  for (const auto& call : array(held, "calls"))
    for (const auto& order : array(call, "orders"))
      for (const auto& range : array(order, "ranges"))
        lines.push_back(text(call, "call") + "  " + text(order, "order") + "  " +
                        text(range, "stream") + "  " + short_duration(number(range, "start_ms")) +
                        " - " + short_duration(number(range, "end_ms")) + "  " +
                        text(order, "reason_code"));
  return lines;
}

Result<ExitCode> command_held(const CliContext& context) {
  const auto http = TRY(HttpClient::create(context.config));
  const auto held = TRY(http->get("/v1/held"));
  if (context.json) {
    print_json(held);
    return ExitCode::kDone;
  }
  const auto lines = held_lines(held);
  if (lines.empty()) {
    std::printf("nothing waits for a decision\n");
    return ExitCode::kDone;
  }
  std::printf("%-32s  %-32s  side, range, what the listener took it for\n", "call", "order");
  for (const auto& line : lines) std::printf("%s\n", line.c_str());
  const auto shown = static_cast<std::int64_t>(array(held, "calls").size());
  if (const auto total = number(held, "total"); total > shown)
    std::printf("and %lld calls more\n", static_cast<long long>(total - shown));
  return ExitCode::kDone;
}

Result<ExitCode> command_decide(const CliContext& context, const DecideOptions& options) {
  if (options.erase == options.keep)
    return fail(Errc::kConfig, "say what is decided: --erase or --keep");
  if (!OrderId::parse(options.order))
    return fail(Errc::kConfig,
                "an order is named by its 32 hexadecimal digits; `callward held` lists them");
  const auto http = TRY(HttpClient::create(context.config));
  auto order = TRY(
      http->post("/v1/calls/" + TRY(full_id(options.call)) + "/held/" + options.order + "/decision",
                 boost::json::object{{"decision", options.erase ? "erase" : "keep"},
                                     {"reason", options.reason}}));
  return follow_order(context, *http, std::move(order));
}

OrderEnding ending_of_order(const std::string& outcome) {
  if (outcome == "erased" || outcome == "kept") return {ExitCode::kDone, ""};
  if (outcome == "held")
    return {
        ExitCode::kFailed,
        "nothing is erased yet: the order goes beyond its bounds and waits for a person, that of "
        "a person for another one (`callward decide`); meanwhile the range opens to nobody"};
  if (outcome == "unconfirmed")
    return {ExitCode::kFailed,
            "the keys are gone from the mirrors that answer, not from one that is away; they are "
            "destroyed there when it is back (`callward status` names it)"};
  if (outcome == "accepted" || outcome == "intended")
    return {ExitCode::kFailed,
            "the order is taken, and after 10 s its keys are not known to be gone; the audit log "
            "says `erased` when they are"};
  if (outcome == "refused") return {ExitCode::kFailed, "the order is refused: nothing is erased"};
  return {ExitCode::kFailed, "what became of the order is not known"};
}

}  // namespace callward::app
