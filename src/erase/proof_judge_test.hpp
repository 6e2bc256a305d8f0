// What every reader must say of a proof, for tests/vectors/proof.json.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "erase/proof_rig_test.hpp"

namespace callward::erase {

using boost::json::array;
using boost::json::object;

// What a finding or a note is, in one word: readers need not share sentences.
struct Kind {
  std::string_view code, words;
};
inline constexpr Kind kFindings[] = {
    {"checkpoint", "checkpoint: "},
    {"entry_not_in_log", " is not in the log"},
    {"entry_unreadable", " cannot be read"},
    {"entry_of_another", " is about something else"},
    {"entry_later", " is later than the statement"},
    {"bad_range", " names a range that is none"},
    {"bad_range", " names a stream that is none"},
    {"no_statement", "no entry of the log stands for"},
    {"another_statement", "not the one that the log names"},
    {"entries_differ", " that differ"},
    {"not_begun", "no entry says that the call began"},
    {"end_contradicts", "the log says that the call ended"},
    {"end_contradicts", "the statement says that the call ended"},
    {"stream_left_out", "the statement leaves out stream"},
    {"stream_end", " ends elsewhere than the log says"},
    {"epoch_back", "the key store went back"},
    {"no_mirror", "names no mirror"},
    {"mirror_epoch", "a good mirror is of another epoch"},
    {"no_good_mirror", "no mirror is good"},
    {"order_left_out", "no entry is here that ordered it"},
    {"order_unknown", "and the keeper does not know"},
    {"erased_left_out", "calls it erased, and no entry here does"},
    {"call_data_gone", "the key of the call's own data is gone"},
    {"key_there", "erased, and a key is there"},
    {"key_gone", "its keys are gone, and no entry says why"},
    {"key_beyond_end", "keys beyond the end of the call"},
};
inline constexpr Kind kNotes[] = {
    {"ordered", "are ordered and not gone yet"},
    {"unconfirmed", "not confirmed by all"},
    {"mirror", "mirror "},
    {"held_gone", "and its keys are gone already"},
    {"held", "closed until a person decides"},
    {"live", "the call still runs"},
    {"whole", "two persons had all of the call erased"},
    {"no_row", "holds nothing of this call any more"},
    {"retention", "its time was over"},
};

template <std::size_t N>
array codes(const std::vector<std::string>& lines, const Kind (&kinds)[N]) {
  std::set<std::string_view> found;
  for (const auto& line : lines) {
    const auto* kind = std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& one) {
      return line.find(one.words) != std::string::npos;
    });
    EXPECT_NE(kind, std::end(kinds)) << line;
    if (kind != std::end(kinds)) found.insert(kind->code);
  }
  array out;
  for (const auto& code : found) out.emplace_back(boost::json::string(code));
  return out;
}

// What every reader must say of a proof: its fields are the vector's.
inline object judge(const std::string& text, const audit::NamedKey& key) {
  const auto word = [](const Error& error) {
    return object{{"outcome", error.code == Errc::kMalformed ? "malformed"
                                                             : std::string(to_string(error.code))}};
  };
  const auto proof = decode_proof(text);
  if (!proof) return word(proof.error());
  const auto report = check_proof(*proof, key);
  if (!report) return word(report.error());
  object out{{"outcome", report->holds() ? "ok" : "corrupt"},
             {"findings", codes(report->findings, kFindings)}};
  if (!report->holds()) return out;
  array erased;
  for (const auto& line : report->erased)
    erased.push_back(object{{"range", array{line.range.stream, line.range.first, line.range.end}},
                            {"order", line.order},
                            {"reason", line.reason},
                            {"source", line.source},
                            {"ordered_at", line.ordered_at},
                            {"erased_at", line.erased_at},
                            {"confirmed", line.confirmed}});
  out["notes"] = codes(report->notes, kNotes);
  out["erased"] = std::move(erased);
  out["kept"] = Forger::ranges(report->kept);
  out["opens"] = Forger::ranges(report->opens);
  out["lost"] = Forger::ranges(report->lost);
  out["size"] = report->checkpoint.size;
  return out;
}

}  // namespace callward::erase
