#include "listen/typed_secret.hpp"

#include <algorithm>
#include <array>

#include "listen/sounds.hpp"
#include "listen/turn_part.hpp"

namespace callward::listen {
namespace {

constexpr std::int32_t kStrong = 195, kWhole = 90, kEnd = 120;
constexpr std::int32_t kBeginning = 60;  // so much of the value's front keeps clearance waiting
constexpr std::int32_t kForeignCost = 25, kFreeCost = 1, kRetractedCost = 3;
constexpr std::int32_t kUnsaidCost = 30, kUnsaidSymbolCost = 5;
constexpr std::int32_t kNearGain = 10, kSoundCost = 20;
constexpr std::size_t kWildWordMax = 2, kWildTurnMax = 4;  // characters in one that is not believed
constexpr std::size_t kSoundsMin = 5;                      // shorter words have too many neighbours
constexpr std::size_t kSoundsAnEdit = 4;                   // one near sound for so many
constexpr std::size_t kDisguisedMin = 4;                   // letters of a word that is written p4ss
constexpr std::size_t kWordShorter =
    2;                                  // letters by which a word of the value may differ in length
constexpr std::size_t kColumns = 8;     // of the alignment at once: no arc is longer
constexpr std::size_t kAloneReach = 2;  // fillers over which a neighbouring digit is seen
constexpr std::size_t kOneWordShare = 3, kOneWordOf = 4;  // of the value, to be found by itself
constexpr std::size_t kBesideMax = 4;                     // words beside a place that go with it
constexpr std::uint16_t kNearMax = 1;
constexpr std::size_t kNearRealMin = 3;  // so many heard well bear one near sound

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_solid(char c) { return is_digit(c) || is_letter(c); }

bool stands_for(char written, char said) {
  static constexpr std::string_view kWritten = "43105$@!782+", kSaid = "aeiossaitbzt";
  for (std::size_t i = 0; i < kWritten.size(); ++i)
    if (kWritten[i] == written && kSaid[i] == said) return true;
  return written == '1' && said == 'l';
}

// p4ssw0rd, said as a word. "One" is not on3.
bool says(std::string_view word, std::string_view written) {
  if (word.size() > written.size()) return false;
  std::size_t others = 0;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == written[i]) continue;
    if (!stands_for(written[i], word[i])) return false;
    ++others;
  }
  return others == 0 || (word.size() >= kDisguisedMin && others * 2 <= word.size());
}

// How far an alignment has come that ends at an atom and a character, and what it is made of.
struct Cell {
  std::int32_t score = 0;  // 0: none ends here
  std::uint32_t begin = 0, last_ms = 0;
  std::uint16_t begin_at = 0;  // character
  std::uint16_t real = 0, wild = 0, near = 0, foreign = 0, unsaid = 0, words = 0;
  std::uint8_t kinds = 0;
  bool amounts = true;  // all of it prices, dates, times
};

struct Found {
  std::uint32_t begin = 0, end = 0;  // atoms
  bool strong = false;
};

class Alignment {
 public:
  Alignment(std::string_view value, const Grammar& grammar, const Spoken& spoken,
            const TypedLimits& limits)
      : value_(value), grammar_(grammar), spoken_(spoken), limits_(limits) {
    for (auto& column : columns_) column.assign(2 * (value.size() + 1), {});
    words_ = std::any_of(value.begin(), value.end(), is_letter);
    solid_ = static_cast<std::size_t>(std::count_if(value.begin(), value.end(), is_solid));
  }

  std::vector<Found> run() {
    std::size_t arc = 0;
    for (std::uint32_t at = 0; at < spoken_.atoms.size(); ++at) {
      unsaid(at);
      for (; arc < spoken_.arcs.size() && spoken_.arcs[arc].from == at; ++arc)
        follow(spoken_.arcs[arc]);
      step_over(at);
      column(at).assign(2 * (value_.size() + 1), {});
    }
    unsaid(static_cast<std::uint32_t>(spoken_.atoms.size()));
    return accepted();
  }

  // What the last words may be the beginning of.
  [[nodiscard]] std::optional<TypedFinding::Open> open() {
    std::optional<TypedFinding::Open> open;
    for (const auto& cell : column(static_cast<std::uint32_t>(spoken_.atoms.size()))) {
      if (cell.score < kBeginning || !front(cell.begin_at)) continue;
      const auto since = spoken_.atoms[cell.begin].start_ms;
      if (!open || since < open->since_ms) open = {since, cell.last_ms};
    }
    return open;
  }

 private:
  std::vector<Cell>& column(std::uint32_t at) { return columns_[at % kColumns]; }
  Cell& cell(std::uint32_t at, std::size_t p, bool exact) {
    return column(at)[2 * p + (exact ? 1 : 0)];
  }

  // Nothing but what people leave out stands before, or behind.
  [[nodiscard]] bool front(std::size_t at) const {
    return std::none_of(value_.begin(), value_.begin() + static_cast<std::ptrdiff_t>(at), is_solid);
  }
  [[nodiscard]] bool back(std::size_t at) const {
    return std::none_of(value_.begin() + static_cast<std::ptrdiff_t>(at), value_.end(), is_solid);
  }

  // Characters that nobody said.
  void unsaid(std::uint32_t at) {
    for (std::size_t p = 0; p < value_.size(); ++p)
      for (const bool exact : {false, true}) {
        auto next = cell(at, p, exact);
        if (next.score <= 0) continue;
        const bool solid = is_solid(value_[p]);
        next.score -= solid ? kUnsaidCost : value_[p] == ' ' ? 0 : kUnsaidSymbolCost;
        next.unsaid = static_cast<std::uint16_t>(next.unsaid + (solid ? 1 : 0));
        (void)keep(at, p + 1, next);
      }
  }

  void follow(const Arc& arc) {
    const auto& atom = spoken_.atoms[arc.from];
    const bool sounds = arc.whole_word && words_ && !arc.common_word;
    sounds_ = sounds ? sounds_of(arc.text) : std::string{};
    for (std::size_t p = 0; p < value_.size(); ++p)
      for (const bool exact : {false, true}) {
        auto from = cell(arc.from, p, exact);
        const bool late = atom.start_ms > from.last_ms + limits_.gap_ms_max;
        if (from.score <= 0 || late) {  // it may begin anew anywhere
          from = {};
          from.begin = arc.from;
          from.begin_at = static_cast<std::uint16_t>(p);
        }
        arc.whole_word ? follow_word(arc, from, p) : follow_characters(arc, from, p);
      }
  }

  void follow_characters(const Arc& arc, Cell cell, std::size_t p) {
    const auto size = arc.text.size();
    if (value_.compare(p, size, arc.text) == 0) return arrive(arc, cell, p + size, size, arc.gain);
    // A near sound: one for another.
    const bool named = arc.kind == ArcKind::kLetters || arc.kind == ArcKind::kDigits;
    if (size != 1 || !named || arc.gain < kNameGain || cell.score <= 0) return;
    if (!grammar_.near(value_[p], arc.text[0])) return;
    ++cell.near;
    arrive(arc, cell, p + 1, 0, kNearGain);
  }

  void follow_word(const Arc& arc, Cell cell, std::size_t p) {
    const auto size = arc.text.size();
    const auto rest = value_.substr(p);
    if (says(arc.text, rest)) {
      ++cell.words;
      return arrive(arc, cell, p + size, size, arc.gain);
    }
    if (sounds_.size() < kSoundsMin || rest.size() + kWordShorter < size) return;
    const auto most = static_cast<std::uint32_t>(sounds_.size() / kSoundsAnEdit);
    for (auto length = size - kWordShorter; length <= size + kWordShorter; ++length) {
      if (length > rest.size() || !std::all_of(rest.begin(), rest.begin() + length, is_letter))
        break;
      auto wanted = sounds_of(rest.substr(0, length));
      const auto distance = sound_distance(sounds_, wanted, most);
      wipe(wanted.data(), wanted.size());
      if (distance > most) continue;
      auto near = cell;
      ++near.words;
      const auto lost = kSoundCost * static_cast<std::int32_t>(distance + 1);
      arrive(arc, near, p + length, length, arc.gain - lost);
    }
  }

  // At the end of an arc.
  void arrive(const Arc& arc, Cell cell, std::size_t p, std::size_t real, std::int32_t gain) {
    if (gain <= 0) return;
    cell.score += gain;
    cell.real = static_cast<std::uint16_t>(cell.real + real);
    cell.kinds = static_cast<std::uint8_t>(cell.kinds | static_cast<std::uint8_t>(arc.kind));
    cell.last_ms = spoken_.atoms[arc.to - 1].end_ms;
    for (auto at = arc.from; at < arc.to; ++at)
      cell.amounts = cell.amounts && spoken_.atoms[at].amount;
    if (keep(arc.to, p, cell)) weigh(cell, arc.to, p);
  }

  // An atom that says no character of it, and one that may say any.
  void step_over(std::uint32_t at) {
    const auto& atom = spoken_.atoms[at];
    for (std::size_t p = 0; p <= value_.size(); ++p)
      for (const bool exact : {false, true}) {
        const auto from = cell(at, p, exact);
        if (from.score <= 0) continue;
        auto over = from;
        if (atom.wild || atom.retracted) {
          over.score -= kRetractedCost;
        } else if (atom.free) {
          over.score -= kFreeCost;
        } else {
          over.score -= kForeignCost;
          ++over.foreign;
        }
        (void)keep(at + 1, p, over);
        if (atom.wild && atom.start_ms <= from.last_ms + limits_.gap_ms_max) be_wild(at, p, from);
      }
  }
  void be_wild(std::uint32_t at, std::size_t p, Cell wild) {
    const auto most = spoken_.atoms[at].text.empty() ? kWildTurnMax : kWildWordMax;
    wild.amounts = false;
    for (auto q = p; q < value_.size() && q - p < most; ++q) {
      wild.score += (is_letter(value_[q]) ? kLetterGain : kDigitGain) / 2;
      ++wild.wild;
      if (keep(at + 1, q + 1, wild)) weigh(wild, at + 1, q + 1);
    }
  }

  // Beside the best of all the best without a mistake: a chance beginning further back with some
  // must not hide a short value that was said as it is.
  bool keep(std::uint32_t at, std::size_t p, const Cell& next) {
    const bool exact = next.foreign == 0 && next.unsaid == 0 && next.near <= kNearMax;
    const bool any = better(cell(at, p, false), next);
    return (exact && better(cell(at, p, true), next)) || any;
  }
  static bool better(Cell& into, const Cell& next) {
    // Of two that are as good the one that began later says more closely where.
    const bool is = next.score > into.score ||
                    (next.score == into.score && next.score > 0 && next.begin > into.begin);
    if (is) into = next;
    return is;
  }

  // Whether what ends here is the value or enough of it (see the header). What must stand alone is
  // looked at when all are known: it may be said twice, one behind the other.
  void weigh(const Cell& cell, std::uint32_t end, std::size_t p) {
    if (cell.score < kWhole || cell.wild * 2 > cell.real) return;
    const bool one_word =
        cell.words == 1 && cell.kinds == static_cast<std::uint8_t>(ArcKind::kWord);
    if (one_word && cell.real * kOneWordOf < solid_ * kOneWordShare) return;
    if (cell.score >= kStrong) {
      found_.push_back({cell.begin, end, true});
      return;
    }
    const bool first = front(cell.begin_at), last = back(p);
    const bool whole = first && last && cell.real >= kTypedCharactersMin;
    const bool near = cell.near <= (whole && cell.real >= kNearRealMin ? kNearMax : 0);
    const bool exact = cell.foreign == 0 && cell.unsaid == 0 && near;
    if (cell.amounts || (!exact && !whole)) return;
    if (cell.score >= kEnd ? whole || first || last : whole && exact)
      found_.push_back({cell.begin, end, false});
  }

  // ---- alone ------------------------------------------------------------------------------------

  [[nodiscard]] bool near_by(std::size_t before, std::size_t behind) const {
    const auto& a = spoken_.atoms[before];
    const auto& b = spoken_.atoms[behind];
    return a.turn == b.turn && !a.clause_end && b.start_ms <= a.end_ms + limits_.alone_ms;
  }
  // The part that stands beside it, over fillers; nothing when it stands alone.
  [[nodiscard]] std::optional<std::size_t> part_before(std::size_t begin) const {
    for (std::size_t over = 0; begin > 0 && over <= kAloneReach; ++over, --begin) {
      if (!near_by(begin - 1, begin)) return std::nullopt;
      const auto& atom = spoken_.atoms[begin - 1];
      if (atom.part) return begin - 1;
      if (!atom.free || atom.corrects) return std::nullopt;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::size_t> part_behind(std::size_t end) const {
    for (std::size_t over = 0; end < spoken_.atoms.size() && over <= kAloneReach; ++over, ++end) {
      if (!near_by(end - 1, end)) return std::nullopt;
      const auto& atom = spoken_.atoms[end];
      if (atom.part) return end;
      if (!atom.free || atom.corrects) return std::nullopt;
    }
    return std::nullopt;
  }
  // "Four, four seven nine two": the beginning, once more.
  [[nodiscard]] bool begins_value(std::size_t atom) const {
    const auto arc = std::find_if(spoken_.arcs.begin(), spoken_.arcs.end(),
                                  [&](const Arc& a) { return a.from == atom; });
    const auto start = std::find_if(value_.begin(), value_.end(), is_solid);
    return arc != spoken_.arcs.end() && start != value_.end() && arc->text[0] == *start;
  }
  [[nodiscard]] bool alone(const Found& found, const std::vector<bool>& covered) const {
    const auto before = part_before(found.begin), behind = part_behind(found.end);
    const auto harmless = [&](const std::optional<std::size_t>& part, bool stutter) {
      return !part || covered[*part] || spoken_.atoms[*part].retracted ||
             (stutter && begins_value(*part));
    };
    const bool stuttered = before && !part_before(*before);
    return harmless(before, stuttered) && harmless(behind, false);
  }

  [[nodiscard]] std::vector<Found> accepted() const {
    std::vector<bool> covered(spoken_.atoms.size());
    const auto cover = [&](const Found& found) {
      std::fill(covered.begin() + found.begin, covered.begin() + found.end, true);
    };
    // Digits beside it are its own only where another place of it, or a strong one, has them.
    for (const auto& found : found_) cover(found);
    std::vector<Found> kept;
    for (const auto& found : found_)
      if (found.strong || alone(found, covered)) kept.push_back(found);
    return kept;
  }

  std::string_view value_;
  const Grammar& grammar_;
  const Spoken& spoken_;
  TypedLimits limits_;
  std::size_t solid_ = 0;
  bool words_ = false;  // there are letters in it
  std::string sounds_;  // of the word that is being followed
  std::array<std::vector<Cell>, kColumns> columns_;
  std::vector<Found> found_;
};

// ---- from atoms to time -------------------------------------------------------------------------

// "Upper case" says of the letter behind it what it is; what is not believed may be one more part.
bool belongs(const Spoken& spoken, std::size_t at, std::size_t beside) {
  const auto& atom = spoken.atoms[at];
  return (atom.modifier || atom.wild) && atom.turn == spoken.atoms[beside].turn;
}
std::uint32_t with_neighbours(const Spoken& spoken, std::uint32_t begin) {
  for (std::size_t over = 0; over < kBesideMax && begin > 0; ++over, --begin)
    if (!belongs(spoken, begin - 1, begin)) break;
  return begin;
}

// Said wrongly just before it was said rightly: a secret as well.
std::uint32_t with_slip(const Spoken& spoken, std::uint32_t begin) {
  auto at = begin;
  bool corrected = false;
  while (at > 0 && begin - at < 4 && spoken.atoms[at - 1].turn == spoken.atoms[begin].turn &&
         !spoken.atoms[at - 1].part && spoken.atoms[at - 1].free)
    corrected = spoken.atoms[--at].corrects || corrected;
  if (!corrected) return begin;
  auto slip = at;
  while (slip > 0 && spoken.atoms[slip - 1].retracted) --slip;
  return slip < at ? slip : begin;
}

// A turn that is the value for the most part goes as a whole: times of words are not exact.
TypedPlace place_of(const Spoken& spoken, const HeardTurn& turn, std::uint32_t first,
                    std::uint32_t end, std::uint32_t turn_first, std::uint32_t turn_end,
                    const TypedLimits& limits) {
  std::size_t others = 0;
  for (auto at = turn_first; at < turn_end; ++at)
    if ((at < first || at >= end) && !spoken.atoms[at].free) ++others;
  if (!turn.believed || turn.keyed || others <= end - first) return {turn.start_ms, turn.end_ms};
  const auto part = part_of_turn({turn.start_ms, turn.end_ms},
                                 {spoken.atoms[first].start_ms, spoken.atoms[end - 1].end_ms},
                                 first == turn_first, end == turn_end, limits.margin_ms);
  return {part.start_ms, part.end_ms};
}

void add_places(const Spoken& spoken, const HeardTurns& turns, const Found& found,
                const TypedLimits& limits, std::vector<TypedPlace>& out) {
  std::optional<TypedPlace> whole;
  const auto begin = with_slip(spoken, with_neighbours(spoken, found.begin));
  auto stop = found.end;
  for (std::size_t over = 0; over < kBesideMax && stop < spoken.atoms.size(); ++over, ++stop)
    if (!belongs(spoken, stop, stop - 1)) break;
  for (auto at = begin; at < stop;) {
    const auto turn = spoken.atoms[at].turn;
    auto first = at, last = at;
    while (first > 0 && spoken.atoms[first - 1].turn == turn) --first;
    while (last < spoken.atoms.size() && spoken.atoms[last].turn == turn) ++last;
    const auto end = std::min(stop, last);
    const auto place = place_of(spoken, turns[turn], at, end, first, last, limits);
    if (whole && place.start_ms <= whole->end_ms + limits.join_ms) {
      whole->end_ms = std::max(whole->end_ms, place.end_ms);
    } else {
      if (whole) out.push_back(*whole);
      whole = place;
    }
    at = end;
  }
  if (whole) out.push_back(*whole);
}

std::vector<TypedPlace> merged(std::vector<TypedPlace> places) {
  std::sort(places.begin(), places.end(),
            [](const auto& a, const auto& b) { return a.start_ms < b.start_ms; });
  std::vector<TypedPlace> out;
  for (const auto& place : places) {
    if (!out.empty() && place.start_ms <= out.back().end_ms)
      out.back().end_ms = std::max(out.back().end_ms, place.end_ms);
    else
      out.push_back(place);
  }
  return out;
}

}  // namespace

Result<TypedSecret> TypedSecret::create(ByteView value) {
  if (value.empty() || value.size() > kTypedValueBytesMax)
    return fail(Errc::kMalformed, "a value of 1 to 256 bytes is looked for");
  auto folded = fold_text(as_text(value));
  const auto size = std::min(folded.size(), kTypedCharactersMax);
  TypedSecret secret(size);
  std::copy_n(folded.begin(), size, secret.folded_.expose_mut().begin());
  const auto solid = std::count_if(folded.begin(), folded.end(), is_solid);
  wipe(folded.data(), folded.size());
  if (static_cast<std::size_t>(solid) < kTypedCharactersMin)
    return fail(Errc::kMalformed, "a value of less than three letters or digits is not looked for");
  return secret;
}

TypedFinding TypedSecret::search(const Grammar& grammar, const HeardTurns& turns, std::size_t from,
                                 const TypedLimits& limits) const {
  const auto spoken = spoken_of(grammar, turns, from);
  Alignment alignment(as_text(folded_.expose()), grammar, spoken, limits);
  TypedFinding finding;
  for (const auto& found : alignment.run())
    add_places(spoken, turns, found, limits, finding.places);
  finding.places = merged(std::move(finding.places));
  finding.open = alignment.open();
  return finding;
}

}  // namespace callward::listen
