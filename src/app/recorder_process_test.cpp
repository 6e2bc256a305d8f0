// The recorder with real sockets, real files and a manual clock (recorder_test_rig.hpp).
#include "app/recorder_test_rig.hpp"

namespace callward::app {
namespace {

using namespace test;

TEST(Recorder, RecordsACallBothWays) {
  Rig rig("both");
  Peer listener(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kListener);
  Peer server(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kServer);
  rig.pump(50);
  const auto session = rig.open_call();
  ASSERT_EQ(session.ports.size(), 2u);
  EXPECT_EQ(rig.stored.size(), 2u);
  Sender customer(rig.clock, session.ports[0], 1, 0), agent(rig.clock, session.ports[1], 2, 8);
  for (int i = 0; i < 150; ++i) {
    customer.send(i == 70);
    agent.send();
    rig.pump(20);
  }
  // Live ranges, as the server and the keeper ask for them.
  const auto live = rig.ask<store::Records>(server, store::LiveRecords{session.call, 1, 0, 3, 8});
  ASSERT_TRUE(live);
  EXPECT_EQ(live->records.size(), 5u);
  rig.keeper->channels.back()->send(keys::FetchCipher{session.call, 1, 2, 12}, 77);
  ASSERT_TRUE(rig.until([&] { return rig.keeper->fetched.has_value(); }));
  EXPECT_EQ(rig.keeper->fetched->records.size(), 10u);
  const auto status = rig.ask<store::RecorderStatus>(server, store::RecorderStatusRequest{});
  ASSERT_TRUE(status);
  EXPECT_NE(status->json.find("\"live\":1"), std::string::npos);

  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{session.call, "bye"}));
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->sealed.empty(); }));
  EXPECT_TRUE(rig.stored.empty());
  auto object = rig.object_of(session.call);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(object->verify());
  EXPECT_EQ(object->summary().root, rig.keeper->sealed[0].root);
  EXPECT_EQ(object->head().cause, "bye");
  EXPECT_EQ(object->head().flags, (std::vector<std::string>{"metadata_unreadable"}));
  const auto heard = rig.listen_to(*object, 0);
  EXPECT_EQ(expect_equal(heard, customer.sent), customer.came_ms);
  EXPECT_EQ(expect_equal(rig.listen_to(*object, 1), agent.sent), agent.came_ms);
  const auto accounts = store::from_recorder_intervals(object->head().account, 2);
  ASSERT_TRUE(accounts);
  EXPECT_EQ((*accounts)[0].total_ms(store::AccountState::kLost), 20u);
  EXPECT_EQ((*accounts)[1].total_ms(store::AccountState::kLost), 0u);
  // Every segment went to the listener, as it was sealed.
  rig.pump(20);
  const auto audio = listener.all<store::Audio>();
  EXPECT_EQ(audio.size(),
            rig.keeper->ended[0].streams[0].end_index + rig.keeper->ended[0].streams[1].end_index);
  EXPECT_EQ(listener.all<store::AudioOpen>().size(), 1u);
  EXPECT_EQ(listener.all<store::AudioClose>().size(), 1u);
  EXPECT_GE(server.all<store::CallEvent>().size(), 2u);
  // A derived record, then the listener is done: it stands beside the recording, and the spool is
  // free.
  keys::RecordCipher cipher;
  keys::RecordHeader words;
  words.kind = keys::RecordKind::kWords;
  words.first = 0;
  words.last = 9;
  words.streams = 1;
  const auto record = cipher.seal_derived(
      rig.entropy, words, session.call, Bytes(1024), [&](std::uint8_t stream, std::uint32_t index) {
        return rig.keeper->tree(session.call).leaf(keys::leaf_of(stream, index));
      });
  rig.keeper->channels.back()->send(keys::DerivedSealed{session.call, *record});
  rig.keeper->channels.back()->send(keys::ListeningDone{session.call});
  store::FileObjectStore objects(rig.vfs, rig.config.objects_dir);
  const auto derived =
      store::object_name(session.call, rig.clock.utc_ms(), store::ObjectKind::kDerived);
  ASSERT_TRUE(rig.until([&] { return objects.exists(derived); }));
  EXPECT_EQ(store::open_object(objects, derived)->entries().size(), 1u);
  ASSERT_TRUE(
      rig.until([&] { return rig.ask<store::Calls>(server, store::CallList{})->calls.empty(); }));
}

TEST(Recorder, HoldsOnThroughItsKeepersDeath) {
  Rig rig("keeper");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0), agent(rig.clock, session.ports[1], 2, 8);
  const auto talk = [&](int packets) {
    for (int i = 0; i < packets; ++i) {
      customer.send();
      agent.send();
      rig.pump(20);
    }
  };
  talk(100);
  rig.keeper->die();
  talk(50);
  // A call that begins now lives on a spare root.
  const auto second = rig.open_call();
  Sender other(rig.clock, second.ports[0], 3, 0);
  for (int i = 0; i < 50; ++i) {
    other.send();
    customer.send();
    agent.send();
    rig.pump(20);
  }
  rig.keeper->lost_from = 15;
  ASSERT_EQ(rig.keeper->running.size(), 1u);
  EXPECT_TRUE(rig.keeper->running[0].empty());
  rig.keeper->running_refused = true;
  rig.keeper->live();
  // A new keeper is told of every call that there is, until it has taken it.
  ASSERT_TRUE(rig.until([&] { return rig.keeper->running.size() == 3; }));
  for (const auto& call : {session.call, second.call})
    EXPECT_EQ(std::count(rig.keeper->running[2].begin(), rig.keeper->running[2].end(), call), 1);
  ASSERT_TRUE(rig.until([&] { return rig.keeper->adopted.size() == 2; }));
  for (auto& adopt : rig.keeper->adopted) {
    const auto cover = keys::Cover::from_nodes(std::move(adopt.nodes));
    ASSERT_TRUE(cover) << cover.error().message;
    const bool spare = adopt.call == second.call;
    EXPECT_EQ(adopt.spare, spare);
    EXPECT_EQ(adopt.first_index == 0, spare);
    if (spare) {
      EXPECT_EQ(as_text(adopt.call_data), "{}");
    }
    // What was recorded while the keeper lived cannot be opened with it; everything after can.
    for (std::uint8_t stream = 0; stream < 2; ++stream) {
      if (!spare) {
        EXPECT_FALSE(cover->opens(keys::leaf_of(stream, adopt.first_index - 1)));
      }
      EXPECT_TRUE(cover->opens(keys::leaf_of(stream, adopt.first_index)));
    }
    EXPECT_TRUE(cover->opens(keys::leaf_of(5, adopt.first_index)));
  }
  talk(20);
  for (const auto& call : {session.call, second.call})
    ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{call, "bye"}));
  ASSERT_TRUE(rig.until([&] { return rig.keeper->sealed.size() == 2; }));
  auto object = rig.object_of(session.call);
  ASSERT_TRUE(object);
  EXPECT_EQ(expect_equal(rig.listen_to(*object, 0), customer.sent), customer.came_ms);
  const auto accounts = store::from_recorder_intervals(object->head().account, 2);
  bool found = false;
  for (const auto& interval : (*accounts)[0].intervals())
    found |= interval.reason == "keeper" && interval.start_ms == 1'500;
  EXPECT_TRUE(found);
  auto spare = rig.object_of(second.call);
  ASSERT_TRUE(spare);
  EXPECT_EQ(expect_equal(rig.listen_to(*spare, 0), other.sent), other.came_ms);
}

TEST(Recorder, ANewOneGoesOnWhereTheOldOneDied) {
  Rig rig("restart");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0), agent(rig.clock, session.ports[1], 2, 8);
  const auto talk = [&](int packets) {
    for (int i = 0; i < packets; ++i) {
      customer.send();
      agent.send();
      rig.pump(20);
    }
  };
  talk(200);
  // Until the writer's thread has committed what there is.
  ASSERT_TRUE(rig.until([&] {
    return rig.recorder->status_json().find("\"name\":\"spool\",\"depth\":0,") != std::string::npos;
  }));
  // As if killed here: what is on disk, and the sockets that the supervisor has.
  const auto copy = rig.dir + "/spool-as-it-was";
  std::filesystem::copy(rig.config.spool_dir, copy, std::filesystem::copy_options::recursive);
  std::vector<std::pair<std::string, io::Fd>> sockets;
  for (auto& [name, fd] : rig.stored)
    sockets.emplace_back(name, io::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
  ASSERT_EQ(sockets.size(), 2u);
  rig.signal.reset();
  rig.recorder.reset();
  for (int i = 0; i < 10; ++i) {  // what comes while nobody is there waits in the sockets
    customer.send();
    agent.send();
    rig.clock.advance_ms(20);
  }
  const auto away_ms = rig.clock.utc_ms();
  rig.keeper->reissue_from =
      static_cast<std::uint32_t>(rig.clock.utc_ms() - 1'700'000'000'000 - 200) / 100 - 5;
  auto config = rig.config;
  config.spool_dir = copy;
  rig.recorder = rig.start_recorder(config, std::move(sockets));
  rig.signal =
      std::make_unique<Peer>(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kSignal);
  ASSERT_TRUE(rig.until([&] {
    const auto list = rig.ask<store::Sessions>(*rig.signal, store::SessionList{});
    return list && !list->sessions.empty();
  }));
  talk(100);
  auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(object->verify());
  const auto heard = rig.listen_to(*object, 0);
  EXPECT_EQ(heard.closed, 0u);
  const auto accounts = store::from_recorder_intervals(object->head().account, 2);
  ASSERT_TRUE(accounts);
  std::uint32_t at = 0;
  std::string told;
  for (const auto& i : (*accounts)[0].intervals())
    told += std::to_string(i.start_ms) + "-" + std::to_string(i.end_ms) + " " +
            std::string(to_string(i.state)) + " " + i.reason + "\n";
  SCOPED_TRACE(told);
  for (const auto& interval : (*accounts)[0].intervals()) {  // not a millisecond without a word
    EXPECT_EQ(interval.start_ms, at);
    at = interval.end_ms;
  }
  // Lost: what was not sealed when it died (the jitter buffer), up to where the keeper issues
  // again.
  const auto lost = (*accounts)[0].total_ms(store::AccountState::kLost);
  EXPECT_GT(lost, 0u);
  EXPECT_LE(lost, 600u) << away_ms;
  // (With a manual clock the packets that waited in the sockets seem to have come just now: the
  // time line has a seam.)
  EXPECT_GE(expect_equal(heard, customer.sent), customer.came_ms - 800);
}

TEST(Recorder, WhatCannotBeReissuedIsContinuedByANewCall) {
  Rig rig("continue");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0);
  const auto talk = [&](int packets) {
    for (int i = 0; i < packets; ++i) {
      customer.send();
      rig.pump(20);
    }
  };
  talk(100);
  std::vector<std::pair<std::string, io::Fd>> sockets;
  for (auto& [name, fd] : rig.stored)
    sockets.emplace_back(name, io::Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
  rig.signal.reset();
  rig.recorder.reset();
  rig.keeper->reissue_refused = true;
  rig.recorder = rig.start_recorder(rig.config, std::move(sockets));
  rig.signal =
      std::make_unique<Peer>(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kSignal);
  ASSERT_TRUE(rig.until([&] { return rig.keeper->sealed.size() == 1; }));
  talk(100);
  // Signal goes on calling it by its old name.
  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{session.call, "bye"}));
  ASSERT_TRUE(rig.until([&] { return rig.keeper->sealed.size() == 2; }));
  EXPECT_EQ(rig.keeper->ended[0].call, session.call);
  EXPECT_EQ(rig.keeper->ended[0].cause, "recovered");
  EXPECT_EQ(rig.keeper->ended[1].cause, "bye");
  auto object = rig.object_of(rig.keeper->ended[1].call);
  ASSERT_TRUE(object);
  EXPECT_EQ(object->head().flags, (std::vector<std::string>{"continuation"}));
  EXPECT_GT(expect_equal(rig.listen_to(*object, 0), customer.sent), 1'800u);
}

TEST(Recorder, ACallWithoutSocketsIsSealedAsItIs) {
  Rig rig("orphan");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0);
  for (int i = 0; i < 100; ++i) {
    customer.send();
    rig.pump(20);
  }
  rig.signal.reset();
  rig.recorder.reset();
  rig.recorder = rig.start_recorder(rig.config, {});
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->sealed.empty(); }));
  EXPECT_EQ(rig.keeper->ended.at(0).cause, "recovered");
  auto object = rig.object_of(session.call);
  ASSERT_TRUE(object);
  EXPECT_GT(expect_equal(rig.listen_to(*object, 0), customer.sent), 1'500u);
  // Once more: nothing is sealed twice, once it knows that the log has the root.
  ASSERT_TRUE(rig.until(
      [&] { return rig.recorder->status_json().find("\"listening\":1") != std::string::npos; }));
  rig.recorder.reset();
  rig.recorder = rig.start_recorder(rig.config, {});
  rig.pump(300);
  EXPECT_EQ(rig.keeper->sealed.size(), 1u);
}

// Its start never came to a disk, and the keeper that gave it its keys is gone: what was recorded
// opens for nobody, and the account says so.
TEST(Recorder, ACallThatNoKeeperKnowsAtItsEndIsAccountedAsLost) {
  Rig rig("unknown");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0);
  for (int i = 0; i < 100; ++i) {
    customer.send();
    rig.pump(20);
  }
  rig.keeper->knows_nothing = true;
  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{session.call, "bye"}));
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->sealed.empty(); }));
  auto object = rig.object_of(session.call);
  ASSERT_TRUE(object);
  int lost = 0;
  for (const auto& interval : object->head().account) {
    EXPECT_NE(interval.state, store::RecorderState::kSealed);
    lost += interval.state == store::RecorderState::kLost && interval.cause == store::kLostKeeper;
  }
  EXPECT_GT(lost, 0);
}

TEST(Recorder, HoldResumeANewStreamAndSilenceAreAccounted) {
  Rig rig("hold");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0), agent(rig.clock, session.ports[1], 2, 8);
  store::SessionUpdate update;
  update.call = session.call;
  update.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive, 0, 0, 101},
                    {1, store::Party::kAgent, store::StreamMode::kActive, 8, 8, 101}};
  const auto talk = [&](int packets, bool both) {
    for (int i = 0; i < packets; ++i) {
      customer.send();
      if (both) agent.send();
      rig.pump(20);
    }
  };
  talk(100, true);
  update.streams[1].mode = store::StreamMode::kOnHold;
  ASSERT_TRUE(rig.ask<store::SessionUpdated>(*rig.signal, update));
  talk(100, false);
  update.streams[1].mode = store::StreamMode::kActive;
  update.streams.push_back({2, store::Party::kOther, store::StreamMode::kActive, 0, 0, 101});
  const auto updated = rig.ask<store::SessionUpdated>(*rig.signal, update);
  ASSERT_TRUE(updated);
  ASSERT_EQ(updated->ports.size(), 3u);
  EXPECT_EQ(updated->ports[0], session.ports[0]);
  Sender third(rig.clock, updated->ports[2], 3, 0);
  for (int i = 0; i < 50; ++i) {
    third.send();
    talk(1, true);
  }
  auto object = rig.sealed_object(session.call);
  ASSERT_TRUE(object) << object.error().message;
  ASSERT_EQ(object->head().streams.size(), 3u);
  const auto accounts = store::from_recorder_intervals(object->head().account, 3);
  ASSERT_TRUE(accounts);
  EXPECT_NEAR(static_cast<double>((*accounts)[1].total_ms(store::AccountState::kOnHold)), 2'000,
              60);
  EXPECT_EQ((*accounts)[0].total_ms(store::AccountState::kOnHold), 0u);
  for (std::size_t stream = 0; stream < 3; ++stream)
    EXPECT_EQ((*accounts)[stream].total_ms(store::AccountState::kLost), 0u) << stream;
  EXPECT_EQ((*accounts)[2].intervals()[0].state, store::AccountState::kSilent);
  EXPECT_EQ(expect_equal(rig.listen_to(*object, 2), third.sent), 1'000u);
}

TEST(Recorder, ACallWithoutMediaEndsByItself) {
  Rig rig("timeout");
  rig.config.rtp_timeout_s = 60;
  const auto session = rig.open_call();
  rig.pump(62'000);
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->sealed.empty(); }));
  EXPECT_EQ(rig.keeper->ended.at(0).cause, "rtp_timeout");
  const auto dead = rig.signal->all<store::SessionDead>();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].call, session.call);
  auto object = rig.object_of(session.call);
  ASSERT_TRUE(object);
  EXPECT_GT(store::from_recorder_intervals(object->head().account, 2)
                ->at(0)
                .total_ms(store::AccountState::kLost),
            59'000u);
}

TEST(Recorder, AnImportIsPacedByTheListener) {
  Rig rig("import");
  Peer listener(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kListener);
  Peer importer(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kImporter);
  rig.pump(50);
  store::ImportOpen open;
  open.started_at = rig.clock.utc_ms();
  open.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive},
                  {1, store::Party::kAgent, store::StreamMode::kActive}};
  open.call_data = SecretBytes(as_bytes("{}"));
  const auto opened = rig.ask<store::ImportOpened>(importer, open);
  ASSERT_TRUE(opened) << opened.error().message;
  Bytes sent;
  std::uint32_t credit = opened->credit_segments, granted = 0, credited = 0;
  for (std::uint32_t index = 0; index < 1000; ++index)
    for (std::uint8_t stream = 0; stream < 2; ++stream) {
      ASSERT_TRUE(rig.until([&] {
        if (credit > 0) return true;
        // Nothing more comes until the listener has heard some.
        const auto got = listener.all<store::Audio>().size();
        if (got > credited) {
          (void)listener.client.send(
              store::AudioCredit{opened->call, static_cast<std::uint32_t>(got) - credited});
          credited = static_cast<std::uint32_t>(got);
        }
        std::uint32_t total = 0;
        for (const auto& grant : importer.all<store::ImportCredit>()) total += grant.segments;
        credit += total - granted;
        granted = total;
        return credit > 0;
      }));
      --credit;
      Bytes samples(index == 999 ? 404 : 800);
      rig.entropy.fill(samples);
      if (stream == 0) sent.insert(sent.end(), samples.begin(), samples.end());
      ASSERT_TRUE(importer.client.send(
          store::ImportAudio{opened->call, stream, index, SecretBytes(samples)}));
    }
  EXPECT_GE(granted, 2'000u - kImportCreditSegments - 400);
  ASSERT_TRUE(rig.ask<store::Ack>(importer, store::ImportEnd{opened->call}));
  auto object = rig.object_of(opened->call);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(object->verify());
  EXPECT_EQ(expect_equal(rig.listen_to(*object, 0), sent), 999u * 100 + 50);
  EXPECT_EQ(object->head().source, keys::CallSource::kImport);
  EXPECT_EQ(object->head().ended_at - object->head().started_at, 100'000);
}

TEST(Recorder, RefusesWhatItCannotTakeAndGoesOn) {
  Rig rig("refuse");
  Peer rude(*rig.loop, rig.dir + "/recorder.sock", store::ClientRole::kSignal);
  rig.pump(50);
  SeededEntropy noise(5);
  for (std::uint16_t type = 300; type < 350; ++type)
    for (const std::size_t size : {0u, 1u, 16u, 60u, 300u}) {
      io::Frame frame;
      frame.type = type;
      frame.id = 1;
      frame.body.resize(size);
      noise.fill(frame.body);
      ASSERT_TRUE(rude.client.channel()->send(std::move(frame)));
    }
  rig.pump(100);
  store::SessionOpen open;
  open.streams = {{0}, {0}};
  EXPECT_FALSE(rig.ask<store::SessionOpened>(*rig.signal, open));
  open.streams = {{0, store::Party::kCustomer, store::StreamMode::kActive, 9}};
  EXPECT_EQ(rig.ask<store::SessionOpened>(*rig.signal, open).error().code, Errc::kUnsupported);
  store::CallMissed missed{"+49 171 55", 503, 1};
  EXPECT_FALSE(rig.ask<store::Ack>(*rig.signal, missed));  // no free text gets into the log
  missed.cause = "no_ports";
  missed.count = 0;
  EXPECT_FALSE(rig.ask<store::Ack>(*rig.signal, missed));
  missed.count = 940;
  EXPECT_TRUE(rig.ask<store::Ack>(*rig.signal, missed));
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->log.empty(); }));
  EXPECT_EQ(rig.keeper->log[0].data, R"({"cause":"no_ports","count":940,"sip_status":503})");
  const auto session = rig.open_call();
  Sender customer(rig.clock, session.ports[0], 1, 0);
  for (int i = 0; i < 60; ++i) {
    Bytes junk(static_cast<std::size_t>(i) * 40);
    noise.fill(junk);
    (void)!::write(customer.fd.get(), junk.data(), junk.size());
    customer.send();
    rig.pump(20);
  }
  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{session.call, "bye"}));
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->sealed.empty(); }));
  EXPECT_EQ(expect_equal(rig.listen_to(*rig.object_of(session.call), 0), customer.sent), 1'200u);
}

// Retention is over: keys first, which is the keeper's; then, when it asks, the ciphertext.
TEST(Recorder, DeletesTheObjectsOfCallsWhoseRetentionIsOver) {
  Rig rig("retention");
  const auto old = rig.open_call();
  ASSERT_TRUE(rig.ask<store::Ack>(*rig.signal, store::SessionEnd{old.call, "bye"}));
  ASSERT_TRUE(rig.until([&] { return !rig.keeper->sealed.empty(); }));
  rig.keeper->channels.back()->send(keys::ListeningDone{old.call});
  ASSERT_TRUE(rig.until([&] { return rig.object_of(old.call).has_value(); }));
  const auto started_at = rig.object_of(old.call)->head().started_at;
  const auto running = rig.open_call();
  rig.pump(200);
  keys::RemoveObjects message;
  message.calls = {{old.call, started_at}, {running.call, started_at}, {CallId{}, started_at}};
  const auto ask = [&] {
    rig.keeper->removed.reset();
    rig.keeper->channels.back()->send(message, 78);
    return rig.until([&] { return rig.keeper->removed.has_value(); });
  };
  ASSERT_TRUE(ask());
  EXPECT_EQ(
      rig.keeper->removed->fates,
      (std::vector{keys::ObjectFate::kGone, keys::ObjectFate::kLater, keys::ObjectFate::kGone}))
      << "one that runs waits; one that is not there is gone";
  EXPECT_FALSE(rig.object_of(old.call));
  ASSERT_TRUE(ask());
  EXPECT_EQ(rig.keeper->removed->fates[0], keys::ObjectFate::kGone) << "asked again";
}

}  // namespace
}  // namespace callward::app
