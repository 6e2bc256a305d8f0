// The one table of rules. docs/log-rules.md is generated from it (`callward log rules`).
#include "audit/rules.hpp"

namespace callward::audit {

const std::vector<Rule>& rules() {
  using enum RuleWeight;
  static const std::vector<Rule> table = {
      {"entry-readable", kBreach, "Every entry is a JSON object with type, time, actor, subject."},
      {"time-goes-on", kWarning,
       "An entry's time is at most a second before that of an earlier entry."},
      {"call-begins", kBreach, "What is logged of a call comes after its `call_started`."},
      {"call-begins-once", kBreach, "A call begins once, and ends once."},
      {"call-ends", kBreach,
       "A call that ran when the keeper was started anew is adopted or ended within 10 minutes."},
      {"handed-over-whole", kBreach,
       "A keeper that was handed over has the keys of at least as many calls as run by the log; "
       "else it counts as started anew."},
      {"call-runs-long", kWarning, "A call runs at most 24 hours."},
      {"call-is-sealed", kBreach, "An hour after its end a call of which anything came is sealed."},
      {"call-was-recorded", kWarning, "A call that began was recorded, if only in part."},
      {"sealed-as-one", kBreach, "A call that is sealed again has the same root."},
      {"erase-is-done", kBreach,
       "An erasure that was intended is done: `erased` or `erase_unconfirmed` within 10 minutes."},
      {"erase-is-confirmed", kWarning,
       "`erased` follows an `erase_unconfirmed`: until then a mirror that is away may hold keys."},
      {"erased-was-intended", kBreach,
       "`erased` and `erase_unconfirmed` name orders that were intended before."},
      {"order-of-one-call", kBreach, "An order's id is of one call."},
      {"retired-by-a-person", kBreach,
       "`erased` leaves out only mirrors that a person retired, and that did not return since."},
      {"two-erase-a-call", kBreach,
       "What one person orders beyond a person's share, another one confirms; so, too, that all of "
       "a call goes which the listener closed."},
      {"hold-is-kept", kBreach,
       "Under a legal hold no person's order beyond a person's share is confirmed, and no call "
       "goes by retention."},
      {"private-is-short", kBreach,
       "A stretch that an agent was private for has at most 3 minutes of each stream, begins a "
       "minute after the last one, and is with those before it at most half of the call so far, or "
       "3 minutes; what is erased for that reason lies within one."},
      {"private-keeps-the-agent", kBreach,
       "Where an agent chose that the customer alone is private, the streams that stay recorded "
       "are "
       "none of the customer's, nothing of them is erased for it, and they never become more."},
      {"private-not-in-call-backs", kBreach,
       "Nobody is private in a call-back: a request is judged by it."},
      {"call-back-is-kept", kBreach,
       "What a person has erased of a call-back, or confirms to be, is of a request that is over "
       "and reviewed, and the person neither asked nor rang."},
      {"typed-not-in-call-backs", kBreach,
       "Nothing is typed in a call-back, and nothing of one is erased because it was typed: a "
       "request is judged by it. From the first keeper on that states `rules` 4."},
      {"private-ends", kBreach,
       "A stretch that an agent was private for ends within 10 minutes, or is erased to its bound "
       "after a restart; what was recorded until its end is ordered erased within 10 minutes."},
      {"retention-in-time", kBreach,
       "What goes by retention are calls that began, ended, and are as old as the entry says."},
      {"retention-within-bounds", kBreach,
       "A run takes no more calls than it says that it may: twice what is usual in a day (or 10), "
       "and what the owner confirmed."},
      {"retention-stays-stopped", kBreach,
       "After `retention_stopped` nothing is taken until `retention_confirmed`."},
      {"deleted-was-erased", kBreach,
       "Only ciphertext of calls that had gone by retention is deleted."},
      {"retention-deletes", kWarning,
       "The ciphertext of a call that went by retention is deleted within 24 hours."},
      {"held-is-decided", kWarning,
       "A person decides an order that was held, or all of it goes with others, within 24 hours."},
      {"opened-with-reason", kBreach,
       "What is opened, exported or decided has a reason: the entry holds its salted hash."},
      {"opened-by-somebody", kBreach,
       "Who opens, exports, decides, marks or asks for a proof is the operator of the command "
       "line, "
       "or a person with a session."},
      {"missed-is-erased", kWarning,
       "What a reviewer marks as a secret that was missed is ordered erased, or held, under the "
       "same number within 10 minutes."},
      {"marked-by-a-reviewer", kWarning,
       "With a role chart, who marks what the listener missed or erased needlessly, or a call as "
       "listened to, is a reviewer or an owner."},
      {"erased-stays-closed", kBreach,
       "Where all that was asked for had been ordered erased, or held, no key is given; of audio "
       "alone, no more keys than segments that were not."},
      {"heard-until-done", kBreach, "Nothing is heard again after `listened`."},
      {"lost-with-the-keeper", kNote, "Segments whose keys died with a keeper."},
      {"policy-within-bounds", kBreach,
       "The limits that are in force are those that a policy may have."},
      {"chart-holds", kBreach,
       "Each change of the role chart is the next one, makes sense, and is signed by those who "
       "may."},
      {"second-by-two", kBreach,
       "A role whose holder may be the second of two is given by two, as soon as somebody is there "
       "who may be the second one."},
      {"second-begun-anew", kWarning,
       "Nobody who may be the second of two is made by one, but the first of all: else all others "
       "were taken away before."},
      {"key-before-role", kBreach,
       "A role whose holder may be the second of two is given to who has a passkey; who has such a "
       "role, or is somebody's custodian, is not invited: their first passkey is given anew by "
       "two."},
      {"opened-by-right", kBreach,
       "With a role chart a recording opens to reviewers; a call-back, until its request is "
       "reviewed, also to who may release or review it (authorised persons, those whom the "
       "requester answers to, owners), never, at any time, to who asked or rang, nor its numbers "
       "by that right; with a browser's key that their passkey signed."},
      {"reader-is-signed", kBreach, "A browser's key is signed by a passkey of whose it is."},
      {"step-holds", kBreach,
       "Each step of a request is its next one, signed by who may, allowed by the roles, order and "
       "limits of then; nothing follows what is over."},
      {"expert-on-duty", kBreach,
       "A request is assigned to an expert who is on duty; from another one it is taken when they "
       "go "
       "off duty, or may not verify it any more."},
      {"checks-hold", kBreach,
       "Checks are made by the request's expert while the customer is called back, against what "
       "was stored before; a verdict counts those that were passed since it rang, each once. Own "
       "data is not proven by what was stored as lately as a young number."},
      {"call-back-holds", kBreach,
       "A verdict names the call-back that was made since it rang: to a stored number, as old as "
       "is said, with a recording of its own that began after it rang."},
      {"seen-by-whose-key-it-is", kBreach,
       "A view goes to a key that the requester's passkey has signed within 12 hours, to this "
       "keeper."},
      {"seen-while-it-lives", kBreach, "A view is of a field that is there."},
      {"words-read-by-a-part", kBreach,
       "What was said with a step is read by who has a part in the request, or answers for it."},
      {"release-heard", kBreach,
       "Who releases had the concern opened, and keys of as much of the customer's side of the "
       "call-back as one needs at all, since the verdict: sealed to their browser, by the server's "
       "asking."},
      {"review-answers", kBreach, "A review says whether it was needed, and whether it was used."},
      {"receipt-to-who-asked", kBreach,
       "The receipt of a request for own data goes to who asked, once it is confirmed that it was "
       "the customer."},
      {"request-ends", kBreach,
       "A request whose time is over ends within 10 minutes of a running keeper."},
      {"review-in-time", kWarning, "What was open is reviewed within its time."},
      {"broken-is-reviewed", kBreach, "What was broken open is reviewed within its time."},
      {"call-at-by-chart", kBreach,
       "A call is at the telephone of somebody who is in the role chart then, and has one there."},
      {"in-call-by-whose-it-is", kBreach,
       "Who looks up a call's number, types in what is said in it, or begins to be private in it, "
       "is "
       "somebody at whose telephone it has been. From the first `call_at` on."},
      {"looked-up-within-bounds", kBreach,
       "Typed values are looked up, on one day (UTC) by one keeper, at most twice as often as a "
       "keeper lets in 24 hours: 500 times by one person, by all of them 100 times for each agent "
       "and technician of the role chart, or 2,000. From the first keeper on that states `rules` "
       "3. And 1,000 times by one person by the number of a call that is theirs (`rules` 4)."},
      {"stored-by-somebody", kBreach,
       "Customers' data is typed in by agents, technicians, or a known customer; no field's number "
       "is used twice."},
      {"secret-goes-in-time", kBreach,
       "A secret's erasure begins within an hour of its use, of its case's end, of the wish to "
       "have it gone, or of 24 hours, whichever is first, or of the keeper's next start."},
      {"field-retention-in-time", kBreach,
       "A customer's field goes by retention no sooner than the days in force, or what was "
       "promised "
       "when its case began, if that is less, after the end of the customer's last case."},
      {"field-retention-by-owner", kBreach,
       "The days in force for what is stored grow shorter, and retention that has stopped goes on, "
       "by an owner's signed word alone."},
      {"customer-hold-is-kept", kBreach,
       "Under a legal hold on a customer nothing but secrets goes."},
      {"query-read-by-whose-case", kBreach, "A query is read by the technician of its open case."},
      {"customer-acts-by-role", kBreach,
       "Who closes a case, gives it to a technician, has something of a customer erased, or sets "
       "or "
       "lifts a legal hold has a role for it in the role chart of then; a case goes to a "
       "technician. "
       "From the first keeper on that states `rules` 3, as the next two."},
      {"two-erase-a-customer", kBreach,
       "What goes by a customer's wish was ordered; all that there is of them by one person, and "
       "confirmed by another: within 7 days, while the first one still has a role for it (`rules` "
       "4)."},
      {"erased-when-settled", kBreach,
       "All of a customer is ordered erased when every request for it is over, and reviewed where "
       "it has to be, or a month too late for that; so is a single field that is no secret "
       "(`rules` 4)."},
      {"erased-within-bounds", kBreach,
       "Of what is no secret one person orders erasures, on one day (UTC) by one keeper, at most "
       "twice as often as a keeper lets in 24 hours, which is 200 times. From the first keeper on "
       "that states `rules` 4."},
  };
  return table;
}

}  // namespace callward::audit
