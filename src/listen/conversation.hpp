// The conversation model: what was asked last x who speaks x what was said -> what is secret. Pure;
// it hears turns in the order in which they began, from all streams of a call, and knows nothing of
// audio.
//
//   topic      none ------[cue named]----------> named      a word was mentioned, nobody asked
//              any  ------[request for K]------> asked      the answerer's whole next turns are the
//              secret asked -----[asker speaks on]----> answered   read-backs, corrections, what is
//              left of it any  ------[harmless request]---> harmless   digits belong to a phone, an
//              order, a date, ... answered, named --[moved on]----> none all  ------[time
//              passes]--------> none
//
// INVARIANTS
//   (1) While asked, speech of the answerer that is not recognised counts as the secret.
//   (2) Two or more secret-like tokens that nothing marks as harmless are secret, whoever says
//   them, unless the talk models are sure of the contrary (stay_max); a card's digits are. (3) What
//   was found secret stays secret when it is said again.
// Values of secrets stand in this object's memory while the call lives, and are wiped with it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "listen/clause_features.hpp"
#include "listen/grammar.hpp"
#include "listen/talk_model.hpp"
#include "listen/tokens.hpp"
#include "listen/worker_protocol.hpp"

namespace callward::listen {

inline constexpr std::size_t kMemoryMax = 256;  // of words, secret and kept numbers of a call
inline constexpr std::size_t kRememberedDigitsMin = 4;  // shorter numbers are anybody's

// kEither: a stream that carries both, or somebody whose part is not known.
enum class Side : std::uint8_t { kCustomer = 0, kAgent = 1, kEither = 2 };

// One turn of one stream, recognised or not.
struct Heard {
  std::uint8_t stream = 0;
  Side side{};
  std::uint32_t start_ms = 0, end_ms = 0;  // since the call began; start is the VAD's onset
  bool failed = false;                     // the recogniser could not: no words, whatever was said
  std::uint8_t no_speech = 0;
  std::uint8_t flags = 0;   // kLooped, kTruncated
  std::vector<Word> words;  // times since the call began
};
struct Keyed {
  std::uint8_t stream = 0;
  std::uint32_t start_ms = 0, end_ms = 0;
  char digit = 0;
};
struct Finding {
  std::uint8_t stream = 0;
  std::uint32_t start_ms = 0, end_ms = 0;
  Secret kind{};
  bool operator==(const Finding&) const = default;
};

struct ConversationLimits {
  std::uint32_t asked_ms_max = 60'000;  // an unanswered question is forgotten after this
  std::uint32_t answered_ms_max = 25'000;
  std::uint32_t harmless_ms_max = 40'000;
  std::uint32_t continue_ms = 9'000;  // the answer goes on in turns that begin so soon after it
  std::uint32_t settle_ms = 4'000;    // an answer is over so long after its last part
  std::uint32_t margin_ms = 500;      // around a run inside a turn
  std::uint32_t join_ms = 2'500;      // pauses inside an answer are erased with it
  std::uint8_t confidence_min = 90;   // mean of a turn; below it the words are not believed
  // How sure the models must be (of 1) that a clause asks for a secret, that what it says is of the
  // likeliest kind, that it is to be erased though no rule says so: after a question for a secret,
  // for something harmless, without one. With less than the last it stays though a rule would erase
  // it.
  float asks_min = 0.5F, says_min = 0.1F, erase_min = 0.4F, harmless_min = 0.6F, unasked_min = 0.5F,
        stay_max = 0.05F;
};

class Conversation {
 public:
  explicit Conversation(const Grammar& grammar, ConversationLimits limits = {});
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  std::vector<Finding> hear(const Heard& heard);
  std::vector<Finding> keyed(const Keyed& keyed);
  // All turns that begin before `now_ms` have been heard.
  void advance(std::uint32_t now_ms);

  // Instead of the model that judges clauses: what it is asked, and the clause. For training it.
  using Judge = std::function<bool(const std::vector<std::string>&, std::span<const Token>)>;
  void judge_by(Judge judge) { judge_ = std::move(judge); }

  // Where the oldest question stands whose answer is not over: clearance must not pass it.
  [[nodiscard]] std::optional<std::uint32_t> open_since_ms() const;

 private:
  enum class State : std::uint8_t { kNone, kNamed, kAsked, kAnswered, kHarmless };
  struct Topic {
    State state = State::kNone;
    Secret kind = Secret::kSecretLike;
    Side answerer = Side::kCustomer;
    bool told = false;           // the agent tells the customer, not the other way round
    std::uint32_t since_ms = 0;  // the question's end
    std::uint32_t last_ms = 0;   // its last sign of life
    std::uint32_t piece_ms = 0;  // end of the last part of the answer; 0: none yet
    std::uint8_t piece_stream = 0;
    int moved_on = 0;  // turns of the asker about something else
  };
  struct Clause {
    std::size_t begin = 0, end = 0;
    bool question = false;
    About about;         // by the talk models, if there are any
    bool erase = false;  // by them
  };
  // What would be erased: tokens [begin, end) of the turn.
  struct Proposal {
    Finding finding;
    std::size_t begin = 0, end = 0;
    bool sure = false;  // whatever the models say
    [[nodiscard]] bool meets(std::size_t from, std::size_t to) const {
      return begin < to && from < end;
    }
  };
  // A turn as context of those after it.
  struct Past : Said {
    std::uint8_t stream = 0;
    bool small = false;  // "mm-hm", "one moment"
  };
  // One turn while it is being weighed.
  struct Weighing {
    const Heard& heard;
    std::vector<Token> tokens;
    std::vector<MatchWord> words;
    std::vector<Match> cues;
    std::vector<bool> cue_token;
    std::vector<Clause> clauses;
    std::vector<bool> asks_at;  // the token stands in a clause that asks
    std::vector<Run> runs;
    std::vector<bool> run_done;
    std::vector<Proposal> proposals;
    std::vector<Finding> findings;
    std::uint32_t from_ms = 0;  // where the turn begins, or the pause before it
    bool whole = false;         // the whole turn is secret
  };

  static bool of_secret(const Topic& topic) {
    return topic.state != State::kNone && topic.state != State::kHarmless;
  }
  [[nodiscard]] bool answers(Side side) const;
  static bool may_ask(Side side);
  [[nodiscard]] bool unbelievable(const Heard& heard) const;
  [[nodiscard]] bool fresh(const Heard& heard) const;
  void weigh_answer(Weighing& w);
  void weigh_clauses(Weighing& w);
  void weigh_clause(Weighing& w, const Clause& clause);
  // conversation_judged.cpp: what the talk models say.
  [[nodiscard]] bool judged() const;
  void look_up_abouts(Weighing& w) const;
  bool weigh_asked_about(const Weighing& w, const Clause& clause);
  [[nodiscard]] std::string_view content_in(const Weighing& w, const Clause& clause) const;
  [[nodiscard]] Secret kind_in(const Weighing& w, const Clause& clause, const Topic& before) const;
  [[nodiscard]] ClauseView view_of(const Weighing& w, const Clause& clause) const;
  [[nodiscard]] Past past_of(const Weighing& w) const;
  void judge(Weighing& w, const Topic& before);
  template <class Fits>
  static bool all_runs(const Weighing& w, const Clause& clause, const Fits& fits);
  [[nodiscard]] bool explained(const Weighing& w, const Clause& clause) const;
  [[nodiscard]] bool known_to_stay(const Weighing& w, const Clause& clause) const;
  void remember_kept(const Weighing& w);
  void settle_judged(Weighing& w, const Topic& before);
  void find_clause(Weighing& w, const Clause& clause, Secret kind);
  void weigh_cues(Weighing& w, const Clause& clause);
  void weigh_own_secret(Weighing& w, const Clause& clause, const Match& cue);
  void weigh_told(Weighing& w, const Clause& clause);
  void weigh_small_talk(Weighing& w, const Clause& clause);
  void weigh_runs(Weighing& w, const Clause& clause);
  void weigh_memory(Weighing& w);
  void weigh_leftovers(Weighing& w);
  bool stated_value(Weighing& w, std::size_t from, std::size_t to, Secret kind);
  void find_whole(Weighing& w, Secret kind, bool sure = false);
  void find_part(Weighing& w, std::size_t begin, std::size_t end, Secret kind);
  void settle(Weighing& w);
  void remember(const Weighing& w, std::size_t begin, std::size_t end);
  void answer_went_on(const Heard& heard);
  [[nodiscard]] bool only_phrases(const Weighing& w, std::size_t begin, std::size_t end,
                                  bool* declined) const;
  [[nodiscard]] bool is_rare(const Token& token) const;
  [[nodiscard]] bool remembered(const Token& token) const;
  [[nodiscard]] bool sure_of(const Weighing& w, std::size_t begin, std::size_t end) const;
  [[nodiscard]] bool remembered_digits(const std::string& digits) const;
  [[nodiscard]] bool is_request(const Weighing& w, const Clause& clause) const;
  [[nodiscard]] std::optional<Match> harmless_label(const Weighing& w, const Run& run) const;
  [[nodiscard]] std::optional<Secret> secret_label(const Weighing& w, const Run& run) const;
  static std::vector<Clause> clauses_of(const Weighing& w);
  void ask(Secret kind, Side answerer, const Heard& heard, State state);
  void be_harmless(const Heard& heard);
  Secret kind_of_run(const Run& run) const;

  const Grammar& grammar_;
  ConversationLimits limits_;
  Topic topic_;
  std::uint32_t now_ms_ = 0;
  // Each bounded by kMemoryMax; the kept ones are numbers that stayed.
  std::vector<std::string> secret_words_, secret_digits_, kept_digits_;
  std::vector<Past> pasts_;    // bounded by kPastsMax
  bool secret_known_ = false;  // one was found in this call
  Judge judge_;
};

}  // namespace callward::listen
