// A company in which somebody asks for a customer's data: real people, real signatures.
#pragma once

#include "disclose/request.hpp"
#include "people/chart_rig_test.hpp"

namespace callward::disclose::test {

using people::Role;
using people::test::ChartRig;
using people::test::Someone;

// Olga owns; Tom the technician answers to Max, Max and the others to Olga.
struct Company : ChartRig {
  Someone max, tom, eve, emil, anna, abe, rita;
  Limits limits;
  World world{chart, limits, 1'000'000};
  Company() {
    found();
    max = join(2, people::bit(Role::kSupervisor));
    tom = join(3, people::bit(Role::kTechnician), max.id);
    eve = promote(4, people::bit(Role::kExpert));
    emil = promote(5, people::bit(Role::kExpert));
    anna = promote(6, people::bit(Role::kAuthorised));
    abe = promote(7, people::bit(Role::kAuthorised));
    rita = join(8, people::bit(Role::kAdministrator));
  }
  // With the role that takes two, once its key is there.
  Someone promote(std::uint8_t n, people::Roles roles) {
    const auto one = join(n, people::bit(Role::kAgent));
    EXPECT_TRUE(apply(person(one.id, roles, olga.id), {olga, max}));
    return one;
  }
  [[nodiscard]] Request asked(const PersonId& by,
                              std::vector<FieldNumber> fields = {4, 2, 9, 4}) const {
    Request wanted;
    wanted.id.bytes[0] = wanted.customer.bytes[0] = 1;
    wanted.of_case = 1;
    wanted.requester = by;
    wanted.fields = std::move(fields);
    return wanted;
  }
  // The customer has rung, and asks what is kept of them.
  [[nodiscard]] Request asked_own(const PersonId& by) const {
    auto wanted = asked(by, {});
    wanted.category = kOwnData;
    return wanted;
  }
};

}  // namespace callward::disclose::test
