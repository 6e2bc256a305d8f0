// An office whose pages are looked at as a thief of the disk would: all that were ever written.
#pragma once

#include <gtest/gtest.h>

#include "sim/page_hunter.hpp"
#include "tests/attack/office_rig.hpp"
#include "vault/customer.hpp"

namespace callward::attack {

struct PageRig : OfficeRig {
  // `look` is shown this customer's row on each page that a living key opens.
  template <class Look>
  void hunt(const CustomerId& customer, const Look& look) {
    for (const auto& mirror : paths) {
      const auto anchor = keys::open_file_anchor(vfs, entropy, mirror.anchor_dir, wrap,
                                                 keys::AnchorMode::kExisting);
      EXPECT_TRUE(anchor);
      std::vector<Key32> living;
      const auto epochs = *(*anchor)->epochs();
      for (const auto epoch : epochs) living.push_back(*(*anchor)->get(epoch));
      std::vector<ByteView> pages;
      for (const auto& write : vfs.ever_written())
        if (write.path == mirror.store_dir + "/pages") pages.emplace_back(write.content);
      sim::hunt_rows(pages, living, [&](ByteView raw) {
        const auto read = vault::Customer::decode(*vault::row_of(customer), raw);
        if (read && read->id() == customer) look(*read);
      });
    }
  }
  void expect_rules_hold() {
    for (const auto& found : judge(entries()).findings)
      EXPECT_NE(found.rule->weight, audit::RuleWeight::kBreach)
          << found.rule->name << " at " << found.index << ": " << found.what;
  }
};

}  // namespace callward::attack
