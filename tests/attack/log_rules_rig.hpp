// A log as this office wrote it, changed by hand, and what `log check` says of it.
#pragma once

#include "tests/attack/office_rig.hpp"

namespace callward::attack {

struct LogRulesRig : OfficeRig {
  using Log = std::vector<audit::Entry>;

  audit::Entry& of(Log& log_entries, const std::string& type, const std::string& kind = "") {
    const auto at = std::ranges::find_if(log_entries, [&](const auto& entry) {
      return entry.type == type &&
             (kind.empty() || std::string_view(entry.data.at("kind").as_string()) == kind);
    });
    EXPECT_NE(at, log_entries.end()) << type;
    return *at;
  }
  // In its place something of which no rule speaks.
  void blank(audit::Entry& entry) {
    entry = {.type = "looked_up",
             .actor = "keeper",
             .subject = "-",
             .at = entry.at,
             .data = {{"field", "name"}, {"found", 0}}};
  }
  void say(Log& log_entries, audit::Entry entry) {
    entry.at = log_entries.back().at;
    log_entries.push_back(std::move(entry));
  }
  void expect(const Log& log_entries, const std::string& rule,
              audit::RuleWeight weight = audit::RuleWeight::kBreach) {
    const auto report = judge(log_entries);
    const auto at = std::ranges::find_if(
        report.findings, [&](const auto& found) { return found.rule->name == rule; });
    ASSERT_NE(at, report.findings.end())
        << rule << "; first: "
        << (report.findings.empty() ? "nothing" : std::string(report.findings[0].rule->name));
    EXPECT_EQ(at->rule->weight, weight);
  }
  void expect_clean(const Log& log_entries) {
    for (const auto& found : judge(log_entries).findings)
      ADD_FAILURE() << found.rule->name << " at " << found.index << ": " << found.what;
  }
  // A log whose keeper took a change that a keeper of ours may not have taken.
  Log with(Log log_entries, const people::Change& made, const std::vector<Someone>& by) {
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < log_entries.size(); ++i)
      if (log_entries[i].type == "chart_changed") before = i;
    audit::Entry entry{.type = "chart_changed",
                       .actor = by[0].id.hex(),
                       .subject = made.person.hex(),
                       .data = people::to_json(made)};
    entry.prev_step = before;
    entry.signature = people::signatures_to_json(signed_by(made, by).signatures);
    say(log_entries, entry);
    return log_entries;
  }
  // The same of a keeper before, which asked for less.
  static Log of_rules(Log log_entries, std::int64_t rules) {
    for (auto& entry : log_entries)
      if (entry.type == "keeper_started") entry.data["rules"] = rules;
    return log_entries;
  }
};

}  // namespace callward::attack
