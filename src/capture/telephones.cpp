#include "capture/telephones.hpp"

#include <algorithm>

#include "base/telephone.hpp"

namespace callward::capture {
namespace {

// The telephone of an address of ours; empty: not ours, or none that anybody can have.
std::string own_telephone(const Address& address, const OwnParties& own) {
  if (!own.owns(address) || address.user.size() > kTelephoneBytesMax) return {};
  return telephone_key(address.user).empty() ? std::string() : address.user;
}

// Once each. False: it is none.
bool add(std::vector<std::string>& telephones, std::string telephone) {
  if (telephone.empty()) return false;
  if (telephones.size() < wire::kMetadataItemsMax &&
      std::ranges::none_of(telephones, [key = telephone_key(telephone)](const auto& other) {
        return telephone_key(other) == key;
      }))
    telephones.push_back(std::move(telephone));
  return true;
}

}  // namespace

void Telephones::take(const Offer& offer, const Plan& plan, const OwnParties& own) {
  speakers_.resize(std::max(speakers_.size(), plan.lanes.size()));
  if (!offer.metadata) return;
  for (std::size_t i = 0; i < plan.speakers.size() && i < speakers_.size(); ++i)
    if (const auto& who = plan.speakers[i].uri; !who.empty())
      speakers_[i] = own_telephone(parse_address(who), own);
  const auto& metadata = *offer.metadata;
  if (metadata.participants.empty() && metadata.calling_number.empty() &&
      metadata.called_number.empty())
    return;
  if (!metadata.partial) named_.clear();
  bool ours = false;
  for (const auto& who : metadata.participants)
    ours = add(named_, own_telephone(parse_address(who.aor), own)) || ours;
  if (ours) return;
  for (const auto* number : {&metadata.calling_number, &metadata.called_number})
    add(named_, own_telephone(parse_address(*number), own));
}

void Telephones::take_addresses(std::string_view from, std::string_view to, const OwnParties& own) {
  for (const auto text : {from, to})
    add(named_, own_telephone({parse_address(text).user, {}}, own));
}

std::string Telephones::at(const std::vector<Lane>& lanes) const {
  std::vector<std::string> speaking;
  for (std::size_t i = 0; i < lanes.size() && i < speakers_.size(); ++i)
    if (lanes[i].recorded && lanes[i].mode != Mode::kRemoved) add(speaking, speakers_[i]);
  const auto& ours = speaking.empty() ? named_ : speaking;
  return ours.size() == 1 ? ours.front() : std::string();
}

}  // namespace callward::capture
