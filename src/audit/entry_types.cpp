// The one table of entry types. docs/log-entries.md is generated from it (`callward log types`).
#include "audit/entry.hpp"

namespace callward::audit {

const std::vector<EntryType>& entry_types() {
  using enum FieldKind;
  static const std::vector<EntryType> types = {
      {"keeper_started",
       kByKeeper,
       "The keeper opened its key store. `handed_over`: in a planned restart, with all that the "
       "one "
       "before it had in memory, the keys of `calls` calls among it. `rules`: which rules what "
       "follows can be held to (`release-heard`, `review-answers`, `in-call-by-whose-it-is` from 1 "
       "on); they hold from the first that says it.",
       {{"epoch", kNumber},
        {"mirrors", kNumber},
        {"log_size", kNumber},
        {"handed_over", kFlag, true},
        {"calls", kNumber, true},
        {"rules", kNumber, true}}},
      {"hand_over_failed",
       kByKeeper,
       "A planned restart came to nothing: the keeper that ran goes on with all it had. A "
       "`keeper_started` with `handed_over` just before is void.",
       {{"why", kText}}},
      {"call_started",
       kByKeeper,
       "A call began and got its row of keys.",
       {{"row", kNumber},
        {"source", kText},
        {"direction", kText},
        {"streams", kNumber},
        {"started_at", kNumber}}},
      {"call_at",
       kByKeeper,
       "At whose telephone a call is, from here on: the recorder says the telephone, the role "
       "chart "
       "in "
       "force whose it is; `person` is nothing for nobody in it. Said again by a keeper that was "
       "started anew.",
       {{"person", kText}}},
      {"call_ended",
       kByKeeper,
       "A call ended; `ends` has [stream, 0, end] in segments, so that a truncated tail shows. "
       "Empty, `cause` never_recorded: a crash left nothing of it, and there is nothing to seal.",
       {{"ended_at", kNumber}, {"cause", kText}, {"ends", kRanges}}},
      {"call_sealed",
       kByKeeper,
       "The recording object is written; `root` commits to every byte of it.",
       {{"root", kHash}, {"leaves", kNumber}, {"bytes", kNumber}}},
      {"call_missing",
       kByRecorder,
       "A call that was offered and could not be recorded. Of one cause and code 60 a minute stand "
       "here one by one, with `count` 1; those beyond are one entry at the minute's end, with "
       "their "
       "number.",
       {{"cause", kText}, {"sip_status", kNumber}, {"count", kNumber, true}}},
      {"keeper_adopted",
       kByKeeper,
       "After the keeper's death: a running call was taken on again from segment `first`; what "
       "`lost` names is gone. So too when a call had ended, or when a person decided to `keep` "
       "what "
       "was held and its keys had been in that memory: `first` is then the end of the last loss.",
       {{"first", kNumber}, {"lost", kRanges}}},
      {"cleared_unheard",
       kByKeeper,
       "The listener was behind: keys of segments that nobody heard were persisted.",
       {{"ranges", kRanges}}},
      {"heard_again",
       kByKeeper,
       "A stretch was decrypted for the listener once more.",
       {{"ranges", kRanges}}},
      {"listened", kByKeeper, "The listener is done with a call.", {{"heard_live", kFlag}}},
      {"erase_intended",
       kByKeeper,
       "From here on `ranges` ([stream, first, end) in segments) open to nobody; their keys are "
       "about to be destroyed.",
       {{"order", kText},
        {"reason", kText},
        {"source", kText},
        {"ranges", kRanges},
        {"epoch", kNumber}}},
      {"erased",
       kByKeeper,
       "The keys of these orders are gone from every mirror; `epoch` is the one that lives now. "
       "`retired`: but for these, [mirror, epoch it was last seen in, 0 unknown], which the owner "
       "retired and which may hold them until `mirror_returned`.",
       {{"orders", kList}, {"epoch", kNumber}, {"retired", kList, true}}},
      {"erase_unconfirmed",
       kByKeeper,
       "The keys of these orders are gone from the mirrors that answer; from `unconfirmed_mirrors` "
       "they are not. It is done again when those are back, and `erased` follows.",
       {{"orders", kList}, {"epoch", kNumber}, {"unconfirmed_mirrors", kNumber}}},
      {"secret_missed",
       kByServer,
       "A reviewer heard a secret that the listener had not found: what it was (`kind`) and why it "
       "was not found (`cause`), never the secret. Its erasure is ordered next, as `order`.",
       {{"order", kText}, {"kind", kText}, {"cause", kText}, {"ranges", kRanges}}},
      {"erasure_needless",
       kByServer,
       "A reviewer says that what was erased in `ranges` was no secret: what it was (`kind`), and "
       "why it was taken for one (`cause`). Nothing of it comes back. Said again, this holds.",
       {{"kind", kText}, {"cause", kText}, {"ranges", kRanges}}},
      {"call_reviewed",
       kByServer,
       "A reviewer has listened to a call wholly, and marked what was missed. `chosen`: random or "
       "reason, as they say.",
       {{"chosen", kText}}},
      {"mirror_left_out",
       kByKeeper,
       "A mirror (1 is the first) failed, or is older than the others: from here on it misses what "
       "they take, until it is filled anew. `epoch` is the others'.",
       {{"mirror", kNumber}, {"epoch", kNumber}}},
      {"mirror_retired",
       kByKeeper,
       "The owner gave up a mirror (1 is the first) that could not be reached; `epoch` is the one "
       "that it was last seen in, 0 if that is not known. Keys erased since may live there.",
       {{"mirror", kNumber}, {"epoch", kNumber}, {"reason_hash", kText}}},
      {"mirror_returned",
       kByKeeper,
       "A mirror that was retired answered again: what it held was destroyed, then it was filled "
       "anew.",
       {{"mirror", kNumber}, {"epoch", kNumber}}},
      {"order_held",
       kByKeeper,
       "An order beyond its bounds waits for a person, that of a person (`source` is an id) for a "
       "second one; opened to nobody meanwhile. The same order again, of a person: all of a call "
       "is to go that the listener's order closed. `whole`: about all of the call, its own data "
       "too.",
       {{"order", kText},
        {"reason", kText},
        {"source", kText},
        {"ranges", kRanges},
        {"whole", kFlag, true}}},
      {"hold_set",
       kByKeeper,
       "A legal hold on a call: it is not erased as a whole.",
       {{"reason_hash", kText}}},
      {"hold_lifted", kByKeeper, "The legal hold is over.", {{"reason_hash", kText}}},
      {"hold_refused",
       kByKeeper,
       "A person ordered more of a call erased than a legal hold lets, or its retention is over "
       "(then `order` is the run); nothing was done.",
       {{"order", kText}}},
      {"private_on",
       kByKeeper,
       "An agent is private: from here on `ranges`, up to the bound, open to nobody. `times`: how "
       "often in this call, this one included. `sides`: both, or customer: then the agent's "
       "streams, "
       "`kept`, stay recorded. Said again under the same order when one side becomes both. "
       "`private_off` follows, or with a keeper's death `erase_intended` for all of it.",
       {{"order", kText},
        {"ranges", kRanges},
        {"times", kNumber},
        {"sides", kText, true},
        {"kept", kList, true}}},
      {"private_off",
       kByKeeper,
       "It is over: `ranges` are erased (`erase_intended` of the same number follows), what lies "
       "behind them opens again. `cause`: off (by the agent), bound, call_ended.",
       {{"order", kText},
        {"ranges", kRanges},
        {"cause", kText},
        {"times", kNumber},
        {"sides", kText, true},
        {"kept", kList, true}}},
      {"private_refused",
       kByKeeper,
       "An agent wanted to be private beyond the bounds; nothing was done. `cause`: pause, share, "
       "many_calls (one person in more calls at once than may be), other_person. `count`: how many "
       "times since the last such entry.",
       {{"cause", kText}, {"count", kNumber}}},
      {"held_decided",
       kByKeeper,
       "A person decided about an order that was held: `decision` is erase (then `erase_intended` "
       "of "
       "the same number follows) or keep (then `ranges` open again). `whole`: the call was closed, "
       "and this is about all of it.",
       {{"order", kText},
        {"decision", kText},
        {"reason", kText},
        {"ranges", kRanges},
        {"whole", kFlag},
        {"reason_hash", kText}}},
      {"retention_run",
       kByKeeper,
       "A run of retention begins: `due` calls have been kept for as long as the configuration "
       "says; `held` more are under a legal hold and stay. `usual` is what a day has, `may` how "
       "many may go now.",
       {{"run", kText}, {"due", kNumber}, {"held", kNumber}, {"usual", kNumber}, {"may", kNumber}}},
      {"retention_intended",
       kByKeeper,
       "From here on nothing of these `calls` calls opens: those of `rows` ([first, end) of the "
       "numbers in `call_started`), of one class, kept for `days` days. All of their keys are "
       "about to be destroyed; `erased` names the order.",
       {{"order", kText},
        {"class", kText},
        {"days", kNumber},
        {"calls", kNumber},
        {"rows", kList},
        {"epoch", kNumber}}},
      {"objects_deleted",
       kByKeeper,
       "The ciphertext of calls whose retention is over is deleted; of `kept` the store does not "
       "let go of it (write-once), and no key opens it. Their rows are dropped.",
       {{"calls", kList}, {"kept", kList}}},
      {"retention_stopped",
       kByKeeper,
       "Retention erases nothing until the owner confirms. `cause`: clock_ahead, clock_back (`by` "
       "ms), volume (`by` calls are due), state (what was known of earlier runs is unreadable).",
       {{"cause", kText}, {"by", kNumber}}},
      {"retention_confirmed",
       kByKeeper,
       "The owner let retention go on: the clock is right, and `calls` calls may go at once.",
       {{"cause", kText}, {"calls", kNumber}, {"reason_hash", kText}}},
      {"key_statement",
       kByKeeper,
       "Somebody asked for a proof: `hash` is SHA-256 of what the keeper said about the call's "
       "keys "
       "(docs/formats/proof.md).",
       {{"hash", kHash}}},
      {"opened",
       kByKeeper,
       "Record keys were given to a reader. With a role chart: by what `right` (`review`; "
       "`call_back`, of `request`), sealed to whose key (`reader`, as in `reader_bound`). `sound`: "
       "the sound of which keys were given.",
       {{"purpose", kText},
        {"ranges", kRanges},
        {"kinds", kList},
        {"reason_hash", kText},
        {"given", kNumber},
        {"right", kText, true},
        {"reader", kText, true},
        {"request", kText, true},
        {"sound", kRanges, true}}},
      {"exported",
       kByKeeper,
       "As `opened`, to write a copy outside.",
       {{"purpose", kText},
        {"ranges", kRanges},
        {"kinds", kList},
        {"reason_hash", kText},
        {"given", kNumber},
        {"right", kText, true},
        {"reader", kText, true},
        {"request", kText, true},
        {"sound", kRanges, true}}},
      {"chart_changed",
       kByKeeper,
       "A change of the role chart (docs/formats/chart.md), signed by those who may; `prev_step` "
       "is "
       "the change before.",
       {{"number", kNumber},
        {"before", kText},
        {"at", kNumber},
        {"kind", kText},
        {"person", kText},
        {"roles", kText},
        {"answers_to", kText},
        {"extension", kText},
        {"invite", kText},
        {"token", kText},
        {"custodians", kText},
        {"key_id", kText},
        {"key_algorithm", kSigned},
        {"key", kText}}},
      {"disclosure_step",
       kByKeeper,
       "A step of a request for a customer's data (docs/formats/steps.md); `prev_step` is the "
       "entry "
       "of the same request before it. Without a signature: the keeper's own.",
       {{"request", kText},        {"number", kNumber},
        {"before", kText},         {"at", kNumber},
        {"kind", kText},           {"by", kText},
        {"customer", kText},       {"case", kNumber},
        {"fields", kList},         {"expert", kText},
        {"call", kText},           {"answered", kFlag},
        {"recorded", kFlag},       {"number_on_file", kFlag},
        {"seconds", kNumber},      {"number_age_days", kNumber},
        {"checks", kNumber},       {"window_ms", kNumber},
        {"words", kText},          {"reader_key", kText},
        {"category", kText, true}, {"needed", kFlag, true},
        {"used", kFlag, true}}},
      {"check_made",
       kByKeeper,
       "An expert had something compared: a field (`leaf`), or the one-time code that was sent to "
       "it (`kind` code). Only whether it fits is ever known.",
       {{"kind", kText}, {"leaf", kNumber}, {"passed", kFlag}}},
      {"code_sent",
       kByKeeper,
       "A one-time code was given to be sent to an address on file (`leaf`), by `channel`.",
       {{"leaf", kNumber}, {"channel", kText}}},
      {"call_back_made",
       kByKeeper,
       "What the keeper knows of a call-back, once it is over.",
       {{"dial", kText},
        {"call", kText},
        {"leaf", kNumber},
        {"answered", kFlag},
        {"recorded", kFlag},
        {"seconds", kNumber},
        {"number_age_days", kNumber},
        {"cause", kText}}},
      {"call_back_heard",
       kByKeeper,
       "Somebody who judges the request has had keys of so much of the customer's side of its "
       "call-back (`sound` of `opened`) as a call-back needs at all. `prev_step` is the request's "
       "entry before.",
       {{"call", kText}}},
      {"words_read",
       kByKeeper,
       "Somebody who has a part in the request read what was said with step `number` of it. Of the "
       "concern, the first time, `prev_step` is the request's entry before.",
       {{"number", kNumber}}},
      {"receipt_given",
       kByServer,
       "Who asked for a customer what is kept of them had the receipt, once it was confirmed.",
       {}},
      {"duty_changed",
       kByKeeper,
       "An expert takes requests from here on, or no more.",
       {{"on", kFlag}}},
      {"reader_bound",
       kByKeeper,
       "Somebody's browser has a key, which their passkey has signed: what they may read is sealed "
       "to it. Of a command line that reads in their name: the one call, and what for.",
       {{"key", kHash}, {"at", kNumber}, {"call", kText, true}, {"purpose", kText, true}}},
      {"policy_in_force",
       kByKeeper,
       "The policy from here on, by the hash of its file; `limits` are those of disclosures, in "
       "the "
       "order of docs/policy.md; passkeys are of `party` and `origin`. `keep`: days of reference, "
       "days of contact, hours of secrets. `in_force`: days of reference and of contact that hold "
       "for what is stored, until an owner confirms fewer. `prev_step` is the one before, where "
       "the "
       "keeper knows of it.",
       {{"hash", kHash},
        {"party", kText},
        {"origin", kText},
        {"limits", kList},
        {"keep", kList, true},
        {"in_force", kList, true}}},
      {"field_retention_stopped",
       kByKeeper,
       "Of customers' data nothing goes by its days until an owner confirms; secrets go as ever. "
       "`cause`: clock_ahead, clock_back (`by` ms), volume (of `by` customers something is due).",
       {{"cause", kText}, {"by", kNumber}}},
      {"field_retention_confirmed",
       kByKeeper,
       "An owner's word, signed by their passkey (docs/formats/chart.md): from here on the days of "
       "`keep` hold for what is stored, what had stopped (`cause`, or nothing) goes on, and of "
       "`customers` something may go at once.",
       {{"cause", kText},
        {"customers", kNumber},
        {"keep", kList},
        {"nonce", kText},
        {"reason_hash", kText}}},
      {"fields_stored",
       kByKeeper,
       "What was typed was sealed: `fields` has [leaf, field, kind, class, gone at (of a secret, "
       "UTC ms; "
       "else 0)]. `call`: the live one in "
       "which "
       "it was typed, or nothing. `new_customer`, `new_case`: they begin with it. `days`: of "
       "reference and of contact that such a case's data is kept at most, after its end.",
       {{"call", kText},
        {"case", kNumber},
        {"new_customer", kFlag},
        {"new_case", kFlag},
        {"fields", kList},
        {"days", kList, true}}},
      {"fields_void",
       kByKeeper,
       "The keeper died before somebody was given what an entry `fields_stored` says: these leaves "
       "are empty.",
       {{"leaves", kList}}},
      {"fields_erase_intended",
       kByKeeper,
       "From here on these open to nobody; `fields` has [leaf, reason]. `erased` with the same "
       "order follows. `whole`: the customer, too.",
       {{"order", kText}, {"fields", kList}, {"whole", kFlag}}},
      {"erasure_ordered",
       kByKeeper,
       "By the customer's wish a field (`leaf`), or with `all` everything, is to be erased. `all` "
       "takes "
       "two people: the second one's entry has `confirmed`.",
       {{"all", kFlag}, {"leaf", kNumber}, {"confirmed", kFlag}, {"reason_hash", kText}}},
      {"case_closed", kByKeeper, "A case is over.", {{"case", kNumber}}},
      {"case_assigned",
       kByKeeper,
       "Who may read an open case's query; `person` is nothing for nobody.",
       {{"case", kNumber}, {"person", kText}}},
      {"query_read",
       kByKeeper,
       "A technician read the query of an open case.",
       {{"case", kNumber}, {"leaf", kNumber}}},
      {"looked_up",
       kByKeeper,
       "Somebody asked which customers have a value, or the number of a call that runs (the "
       "subject), and "
       "learned how many.",
       {{"field", kText}, {"found", kNumber}}},
      {"customer_hold_set",
       kByKeeper,
       "A legal hold on a customer's data, secrets apart.",
       {{"reason_hash", kText}}},
      {"customer_hold_lifted", kByKeeper, "It is over.", {{"reason_hash", kText}}},
      {"signed_in", kByServer, "A person signed in.", {{"session", kText}, {"method", kText}}},
      {"sign_in_failed",
       kByServer,
       "Somebody tried to sign in as this person, or as nobody known; or, being signed in as this "
       "person, to change how they come in, and showed another passphrase or another passkey; or "
       "somebody showed all that it takes, and has no role yet (`no_role`).",
       {{"cause", kText}}},
      {"session_ended", kByServer, "A session ended.", {{"session", kText}, {"cause", kText}}},
      {"backup_made",
       kByServer,
       "A backup was taken: `manifest` is the SHA-256 of its manifest, which names every file of "
       "it; `log_size` is how much of the log is in it. The receipt of this entry is the backup's "
       "signature. Of one that was taken while Callward was stopped the command line is the "
       "writer.",
       {{"manifest", kHash}, {"files", kNumber}, {"log_size", kNumber}}},
      {"person_added",
       kByServer,
       "A person was added or enrolled.",
       {{"roles", kList}, {"by", kText}}},
      {"link_made",
       kByServer,
       "A one-time link was made for a person: `kind` is enrolment or recovery.",
       {{"kind", kText}}},
      {"link_used",
       kByServer,
       "By a link that recovers a person offered a new passkey; who may signs it, or not.",
       {{"kind", kText}}},
      {"passphrase_changed",
       kByServer,
       "Somebody who is signed in changed their passphrase, in this session; their others end.",
       {{"session", kText}}},
      {"codes_changed",
       kByServer,
       "One-time codes of an application are set up for a person, or were taken away. With one "
       "somebody comes in and looks, and signs nothing.",
       {{"on", kFlag}}},
      {"mail_changed",
       kByServer,
       "Where a person is reminded by e-mail was set, or taken away. The address is in no log.",
       {{"on", kFlag}}},
      {"config_changed",
       static_cast<std::uint8_t>(kByKeeper | kBySupervisor),
       "The configuration in force changed.",
       {{"hash", kHash}}},
  };
  return types;
}

std::string entry_types_markdown() {
  const auto kind_name = [](FieldKind kind) -> std::string {
    switch (kind) {
      case FieldKind::kNumber:
        return "whole number";
      case FieldKind::kSigned:
        return "whole number, negative too";
      case FieldKind::kText:
        return "text";
      case FieldKind::kFlag:
        return "true or false";
      case FieldKind::kRanges:
        return "list of [stream, first, end]";
      case FieldKind::kHash:
        return "64 hexadecimal digits";
      case FieldKind::kList:
        return "list";
    }
    return "";
  };
  std::string out =
      "# Entry types of the audit log\n\nGenerated from `src/audit/entry_types.cpp`; a test holds "
      "this page to it. Numbers, those in lists of ranges too, are never negative.\n";
  for (const auto& type : entry_types()) {
    out += "\n## " + std::string(type.name) + "\n" + std::string(type.meaning) +
           "\n\n| field of `data` | kind |\n|---|---|\n";
    for (const auto& field : type.fields)
      out += "| " + std::string(field.name) + " | " + kind_name(field.kind) +
             (field.added ? "; old entries lack it |\n" : " |\n");
  }
  return out;
}

}  // namespace callward::audit
