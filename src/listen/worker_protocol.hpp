// Messages between the listener and a recogniser worker, over an inherited Unix stream socket
// (frames of io/frame.hpp). docs/listening-worker.md describes them byte by byte, so that another
// engine can stand in.
//
// The worker's first frame is WorkerHello (id 0). Then each request gets one reply with its id, in
// order; one thread, no queue of its own: the listener keeps few requests open. Types 700-799 go to
// the worker, 800-899 come from it.
#pragma once

#include "base/pack.hpp"

namespace callward::listen {

inline constexpr std::uint32_t kWorkerProtocolVersion = 1;
inline constexpr std::size_t kWorkerFrameBytesMax = 1u << 20;
inline constexpr std::uint32_t kWorkerWordsMax = 1'024;  // of one reply; more is a broken worker

struct WorkerHello {
  static constexpr std::uint16_t kType = 800;
  std::uint32_t version = 0;
  std::string engine, engine_version, model;
  std::uint32_t rate_hz = 0;        // of the samples that it takes: 8000
  std::uint32_t window_ms_max = 0;  // longest turn that it takes at once
  bool vad = false;                 // answers VadRequest
  bool confined = false;            // gave up files and network
  template <class V>
  void visit(V& v) {
    v(version, engine, engine_version, model, rate_hz, window_ms_max, vad, confined);
  }
};

inline constexpr std::uint8_t kVadBegin = 1;  // forget what was heard of this stream
inline constexpr std::uint8_t kVadEnd = 2;    // forget it after this
struct VadRequest {                           // -> VadReply
  static constexpr std::uint16_t kType = 700;
  std::uint64_t stream = 0;  // the listener's own number of a stream of a call
  std::uint8_t flags = 0;
  SecretBytes pcm;  // 16-bit samples, whole windows of 256, at most 30 s
  template <class V>
  void visit(V& v) {
    v(stream, flags, pcm);
  }
};
struct VadReply {
  static constexpr std::uint16_t kType = 801;
  Bytes probabilities;  // 0..255 of speech, one a window of 32 ms
  template <class V>
  void visit(V& v) {
    v(probabilities);
  }
};

struct RecogniseRequest {  // -> RecogniseReply
  static constexpr std::uint16_t kType = 701;
  SecretBytes pcm;  // 16-bit samples, at most window_ms_max
  template <class V>
  void visit(V& v) {
    v(pcm);
  }
};
struct Word {
  std::uint32_t start_ms = 0, end_ms = 0;  // within what was sent
  std::uint8_t confidence = 0;             // 0..255
  std::string text;                        // as recognised, UTF-8
  template <class V>
  void visit(V& v) {
    v(start_ms, end_ms, confidence, text);
  }
};
inline constexpr std::uint8_t kLooped = 1;  // repeated itself without an end: words are worthless
inline constexpr std::uint8_t kTruncated = 2;  // ran into the token cap: words are missing
struct RecogniseReply {
  static constexpr std::uint16_t kType = 802;
  std::uint8_t no_speech = 0;  // 0..255
  std::uint8_t flags = 0;
  std::vector<Word> words;
  template <class V>
  void visit(V& v) {
    v(no_speech, flags, words);
  }
};

struct WorkerError {
  static constexpr std::uint16_t kType = 899;
  Errc code{};
  std::string message;
  template <class V>
  void visit(V& v) {
    v(code, message);
  }
};

}  // namespace callward::listen
