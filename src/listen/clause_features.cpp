#include "listen/clause_features.hpp"

#include <array>
#include <initializer_list>
#include <unordered_set>

namespace callward::listen {
namespace {

constexpr float kLeast = 0.1F;  // less is not worth a word

std::string_view level_of(float share) {
  if (share < 0.35F) return "1";
  return share < 0.7F ? "2" : "3";
}

// What a stretch is about, in a few words.
std::vector<std::string> abouts_of(const Said* said) {
  if (said == nullptr) return {"nobody"};
  const auto& about = said->about;
  std::vector<std::string> words;
  const std::array<std::pair<std::string_view, float>, 7> shares = {{{"asks", about.asks},
                                                                     {"says", about.says},
                                                                     {"wants", about.asks_harmless},
                                                                     {"tells", about.says_harmless},
                                                                     {"again", about.reads_back},
                                                                     {"answers", about.answers},
                                                                     {"declines", about.declines}}};
  for (const auto& [name, share] : shares)
    if (share >= kLeast) words.push_back(std::string(name) + std::string(level_of(share)));
  if (words.empty()) words.emplace_back("nothing");
  return words;
}

std::string_view pause_of(std::uint32_t from_ms, std::uint32_t to_ms) {
  const auto ms = to_ms > from_ms ? to_ms - from_ms : 0;
  if (ms < 1'000) return "now";
  if (ms < 3'000) return "soon";
  return ms < 10'000 ? "later" : "late";
}

std::string_view confidence_of(std::uint8_t mean) {
  if (mean < 110) return "unsure";
  if (mean < 150) return "half";
  return mean < 200 ? "fair" : "sure";
}

class Features {
 public:
  void add(std::initializer_list<std::string_view> parts) {
    std::string name;
    for (const auto part : parts) {
      if (!name.empty()) name += '|';
      name += part;
    }
    names_.insert(std::move(name));
  }
  [[nodiscard]] std::vector<std::string> all() const { return {names_.begin(), names_.end()}; }

 private:
  std::unordered_set<std::string> names_;
};

// What is around the clause, by itself and together with what is in it.
void add_pairs(Features& out, const ClauseView& view) {
  const auto content = view.content;
  const auto pair = [&](std::string_view where, std::string_view what) {
    out.add({where, what});
    out.add({content, where, what});
  };
  out.add({content});
  pair("who", view.agent ? "agent" : "customer");
  for (const auto& [where, said] : {std::pair{"own", view.own},
                                    {"before", view.before},
                                    {"other", view.other},
                                    {"earlier", view.earlier}})
    for (const auto& word : abouts_of(said)) pair(where, word);
  for (const auto& [where, said] :
       {std::pair{"other", view.other}, {"earlier", view.earlier}, {"own", view.own}})
    if (said != nullptr && said->about.asks >= kLeast)
      out.add({where, level_of(said->about.asks), reason_of(said->about.asked)});
  pair("topic", view.topic);
  out.add({content, view.topic, view.kind});
  pair("rule", view.rule);
  pair("heard", confidence_of(view.confidence));
  pair("call", view.secret_known ? "known" : "unknown");
  if (view.secret_cue) pair("cue", "secret");
  if (view.harmless_cue) pair("cue", "harmless");
  if (view.other != nullptr) {
    const auto pause = pause_of(view.other->end_ms, view.start_ms);
    pair("other", pause);
    if (view.other->secret) out.add({content, "other secret", pause});
    if (view.other->question) pair("other", "?");
  }
  if (view.last != nullptr && view.last->secret)
    out.add({content, "last secret", pause_of(view.last->end_ms, view.start_ms)});
  if (view.before != nullptr && view.before->secret) pair("before", "secret");
}

void add_threes(Features& out, const ClauseView& view) {
  const auto content = view.content;
  const std::string_view who = view.agent ? "agent" : "customer";
  const bool ruled = view.rule != kNoRule;
  const std::string_view rule = ruled ? "rule" : "no rule";
  std::string lately = view.last != nullptr && view.last->secret ? "last" : "";
  if (view.other != nullptr && view.other->secret) lately += "other";
  out.add({content, rule, view.topic, who});
  out.add({content, view.topic, who, view.secret_known ? "known" : "unknown"});
  out.add({content, "lately", lately, view.topic, who});
  out.add({view.rule, "lately", lately, who});
  const auto own = abouts_of(view.own);
  for (const auto& word : own) out.add({content, "own", word, view.topic, who});
  for (const auto& other : abouts_of(view.other)) {
    out.add({content, "other", other, view.topic, who});
    out.add({content, "other", other, rule, who});
    out.add({"other", other, view.rule, who});
    for (const auto& word : own) {
      out.add({content, "other", other, "own", word});
      out.add({"other", other, "own", word, who});
    }
  }
}

}  // namespace

std::string_view content_of(const Content& content) {
  const auto parts = content.digits + content.letters;
  if (content.digits > 0 && content.letters > 0 && parts >= 3) return "mixed";
  if (content.letters >= 3) return "letters";
  if (content.digits >= 13) return "d13";
  if (content.digits >= 9) return "d9";
  if (content.digits >= 6) return "d6";
  if (content.digits >= 3) return "d3";
  if (parts > 0) return content.rare > 0 ? "rare and d1" : "d1";
  if (content.declined) return "no";
  if (content.phrases) return "small";
  if (content.amount) return "amount";
  if (content.rare > 0) return content.rare > 1 ? "rare2" : "rare";
  return "plain";
}

std::vector<std::string> clause_features(const ClauseView& view) {
  Features out;
  add_pairs(out, view);
  add_threes(out, view);
  return out.all();
}

}  // namespace callward::listen
