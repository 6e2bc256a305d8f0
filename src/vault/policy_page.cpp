#include "vault/policy_page.hpp"

#include <algorithm>
#include <array>

namespace callward::vault {
namespace {

using enum FieldClass;

std::string count(std::int64_t n, const char* one) {
  return std::to_string(n) + " " + one + (n == 1 ? "" : "s");
}

std::string span_of(std::int64_t ms) {
  constexpr std::int64_t kMinute = 60'000, kHour = 60 * kMinute;
  return ms % kHour == 0 ? count(ms / kHour, "hour") : count(ms / kMinute, "minute");
}

struct ClassText {
  FieldClass of_class;
  const char* title;
  const char* text;
};
// What each class means, to whom it is about.
constexpr std::array kTexts = {
    ClassText{kReference, "Kept while we need to know who called and why",
              "We need these to call you back and to find your case again."},
    ClassText{kContact, "Readable while your case is open",
              "When your last case is closed the text itself is destroyed. What remains can only "
              "tell whether somebody says the same again; nobody can read it."},
    ClassText{
        kSecret, "Destroyed at once",
        "Passwords, PINs, card numbers and codes are destroyed when somebody has seen them once, "
        "when your case is closed, or when their time is over, whichever is first. They are "
        "looked for in the recording, too, and erased where they are recognised."},
    ClassText{FieldClass::kServiceWord, "Never readable",
              "It can only be compared with what you say. What we keep of it nobody, we included, "
              "can read. Where you say it in a recorded call, those who may hear that recording "
              "can hear it, unless it was recognised and erased."}};

std::string row(const std::string& left, const std::string& right) {
  return "<tr><th scope=\"row\">" + left + "</th><td>" + right + "</td></tr>\n";
}

std::string fields_of(const Policy& policy, const ClassText& text) {
  std::string rows;
  for (const auto& field : policy.fields)
    if (field.of_class == text.of_class)
      rows += row(escape_html(field.label),
                  std::string(field.required ? "we ask everybody" : "only if it is needed"));
  if (rows.empty()) return {};
  return std::string("<h3>") + text.title + "</h3>\n<p>" + text.text + " Kept " +
         escape_html(kept_for(text.of_class, policy.keep)) + ".</p>\n<table>\n" + rows +
         "</table>\n";
}

std::string who_sees(const Limits& limits) {
  const auto checks = count(limits.checks_min, "further check");
  return "<h2>Who may see it</h2>\n"
         "<p>Nobody can simply look it up. What you tell is sealed before it is stored; even "
         "those who run our computers cannot read it. Whoever takes your call types it, and "
         "cannot read it afterwards. A technician who works on your open case sees what it is "
         "about, and nothing else.</p>\n"
         "<p>For everything else this has to happen, each time:</p>\n<ol>\n"
         "<li>An employee says in writing why it is needed.</li>\n"
         "<li>An expert, whom that employee cannot choose, calls you back on the number that you "
         "gave us. That call is recorded and lasts at least " +
         count(limits.call_seconds_min, "second") +
         ".</li>\n"
         "<li>The expert checks that it is you: at least " +
         checks +
         ", without seeing the answers. You are asked whether you agree.</li>\n"
         "<li>Another person, who has done nothing else on it, decides. If your number was "
         "changed in the last " +
         count(limits.number_days_young, "day") +
         ", two of them.</li>\n"
         "<li>Only then the employee sees it, for " +
         span_of(limits.window_ms) + " unless less was decided, and never for more than " +
         span_of(limits.window_ms_max) +
         ".</li>\n"
         "<li>A superior looks at it within " +
         span_of(limits.review_ms) +
         ".</li>\n</ol>\n"
         "<p>If life or property is in danger two such persons may open it together without the "
         "call. That is reported to the owner at once.</p>\n"
         "<p>Recordings of calls are heard by our reviewers. A call in which we called you back is "
         "heard, until the matter is closed, also by those who decide on it or look at it "
         "afterwards, never by the employee who asked or the expert who called you.</p>\n"
         "<p>Each of these steps is written into a log that cannot be changed later.</p>\n";
}

std::string rights(const Policy& policy) {
  const auto contact = escape_html(policy.contact);
  return "<h2>What you may ask for</h2>\n<ul>\n"
         "<li>What we have about you, and a receipt that says which calls of yours were recorded, "
         "what was kept and erased, of recordings too, when, and who read or heard it.</li>\n"
         "<li>That something wrong is put right.</li>\n"
         "<li>That one thing, or everything, is erased. Its keys are destroyed, so that nobody "
         "can read it any more, from backups either. The recordings of your calls are not part of "
         "it: they are kept for a time of their own, which we tell you when you ask, and go when "
         "it "
         "is over, or earlier when two of us order it.</li>\n</ul>\n"
         "<p>Write to <b>" +
         contact +
         "</b>, or say so in a call. We call you back on the number that you gave us, so that "
         "nobody else can ask in your name. If the law obliges us to keep something, we tell you "
         "so.</p>\n";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 ? c != 0x7F : c == '\n') out += c;
    }
  }
  return out;
}

std::string kept_for(FieldClass of_class, const Keep& keep) {
  switch (of_class) {
    case kReference:
      break;
    case kContact:
      return keep.contact_days == 0 ? "until your case is closed"
                                    : "until your case is closed, and for comparing " +
                                          count(keep.contact_days, "day") + " longer";
    case kSecret:
      return "for " + count(keep.secret_hours, "hour") + " at most";
    case FieldClass::kServiceWord:
      break;
  }
  return "until " + count(keep.reference_days, "day") + " after your case is closed";
}

std::string policy_page(const Policy& policy) {
  const auto company = escape_html(policy.company);
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>" +
      company + ": your data</title>\n</head>\n<body>\n<main>\n<h1>" + company +
      ": what becomes of what you tell us</h1>\n"
      "<p>Calls are recorded. Our computers listen for secrets that are spoken, such as passwords "
      "and card numbers. What they recognise is erased from the recording, so that it cannot be "
      "brought back. They do not recognise everything: say a secret only where you are asked for "
      "it. This page says what we ask you for besides, and what happens to it.</p>\n"
      "<h2>What we ask, and how long it is kept</h2>\n";
  for (const auto& text : kTexts) page += fields_of(policy, text);
  return page + who_sees(policy.limits) + rights(policy) + "</main>\n</body>\n</html>\n";
}

}  // namespace callward::vault
