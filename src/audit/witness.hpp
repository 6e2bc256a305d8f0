// A log's side of C2SP tlog-witness: asks a witness for its cosignature on a checkpoint, with the
// proof that the checkpoint continues what the witness signed before.
//
// INVARIANTS
//   (1) A cosignature counts only when it holds under the key that the configuration names.
//   (2) What a witness answers changes nothing but its own state here: one that is away, slow or
//       lying costs its cosignature.
//   (3) A refusal that says "you are another log than the one that I signed" (fork, roll-back) is
//       kept as an alarm until the same witness signs again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/note.hpp"

namespace callward::audit {

// The body of POST add-checkpoint, and of our exported days: "old SIZE", the proof's hashes in
// base64, an empty line, the checkpoint.
struct Continuation {
  std::uint64_t old_size = 0;
  std::vector<Hash> proof;
  std::string note;
};
inline constexpr std::size_t kContinuationProofMax = 63;  // hashes
std::string encode_continuation(const Continuation& continuation);
Result<Continuation> parse_continuation(std::string_view text);

struct WitnessConfig {
  std::string name;  // the key's; for people
  std::string url;   // submission prefix, without the "/" at its end
  WitnessKey key;
};

enum class WitnessState : std::uint8_t {
  kNew,         // not asked yet
  kGood,        // signed what it was asked last
  kAway,        // no answer, or one that says nothing about the log
  kUnknownLog,  // does not know this log or its key: its operator must add it
  kLies,        // answered with a cosignature that does not hold
  kFork,        // holds another tree than ours at a size that we both have
  kRollback,    // has seen a longer log than ours
};
const char* to_text(WitnessState state);
[[nodiscard]] constexpr bool is_alarm(WitnessState state) {
  return state == WitnessState::kLies || state == WitnessState::kFork ||
         state == WitnessState::kRollback;
}

class WitnessClient {
 public:
  struct Answer {
    long status = 0;
    std::string body;
  };
  // POSTs `body` to `url`; bounded in time and in what it takes.
  using Post = std::function<Result<Answer>(const std::string& url, const std::string& body)>;
  WitnessClient(WitnessConfig config, Post post);

  // One checkpoint: two exchanges at most (the second when the witness knows another size than we
  // thought). `nodes` are those of the checkpoint's tree.
  Result<Cosignature> ask(const std::string& note, const Checkpoint& checkpoint,
                          const NodeSource& nodes);

  [[nodiscard]] const WitnessConfig& config() const { return config_; }
  [[nodiscard]] WitnessState state() const { return state_; }
  [[nodiscard]] const std::string& why() const { return why_; }  // empty when all is well
  [[nodiscard]] std::uint64_t signed_size() const { return signed_size_; }
  [[nodiscard]] std::uint64_t signed_at_s() const { return signed_at_s_; }
  // What an earlier life knew; a wrong one costs an exchange.
  void set_known_size(std::uint64_t size) { known_size_ = size; }

  static constexpr std::size_t kAnswerBytesMax = 16u << 10;

 private:
  tl::unexpected<Error> settle(WitnessState state, Errc code, std::string why);
  Result<Cosignature> take_signed(const std::string& note, std::uint64_t size,
                                  const std::string& body);
  Result<Cosignature> refused(const Answer& answer, std::uint64_t size);

  WitnessConfig config_;
  Post post_;
  WitnessState state_ = WitnessState::kNew;
  std::string why_;
  std::uint64_t known_size_ = 0;  // what the witness signed last, as far as we know
  std::uint64_t signed_size_ = 0, signed_at_s_ = 0;
};

}  // namespace callward::audit
